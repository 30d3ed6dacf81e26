"""Nearest-neighbour mixing, bucketing and norm clipping: the contract and the papers' definitions."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from federation.errors import RuleBoundError, SettingError
from federation.rules import Bucketing, NearestNeighborMixing, NormClipping
from tests.federation.rules.contract import PreAggregatorContract, attacked, gaussian
from tests.oracles import rules as oracle


class TestNearestNeighborMixing(PreAggregatorContract):
    step = NearestNeighborMixing()

    @pytest.mark.parametrize(("n", "f"), [(1, 0), (5, 2), (12, 3)])
    def test_equals_the_paper(self, n: int, f: int) -> None:
        updates = attacked(n, 20, f, far=5.0)
        mixed = NearestNeighborMixing().mix(updates, f=f)
        np.testing.assert_allclose(mixed.updates, oracle.nearest_neighbor_mixing(updates, f), rtol=1e-10, atol=1e-12)

    def test_a_copy_does_not_take_a_row_out_of_its_own_mixture(self) -> None:
        updates = np.array([[0.0], [0.0], [0.0], [5.0], [6.0]])
        mixed = NearestNeighborMixing().mix(updates, f=2)
        np.testing.assert_allclose(mixed.updates[0], 0.0)

    def test_huge_liars_add_nothing_to_honest_rows(self) -> None:
        quiet = NearestNeighborMixing().mix(attacked(12, 20, 3, far=1e3).astype(np.float32), f=3)
        loud = NearestNeighborMixing().mix(attacked(12, 20, 3, far=1e12).astype(np.float32), f=3)
        np.testing.assert_array_equal(quiet.updates[:9], loud.updates[:9])

    def test_memory_is_a_few_matrices_not_n_of_them(self) -> None:
        n, d = 40, 20_000
        updates = gaussian(n, d, dtype=np.float32)
        tracemalloc.start()
        try:
            NearestNeighborMixing().mix(updates, f=10)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 6 * updates.nbytes

    def test_bound(self) -> None:
        with pytest.raises(RuleBoundError):
            NearestNeighborMixing().mix(gaussian(6, 3), f=3)


class TestBucketing(PreAggregatorContract):
    step = Bucketing(s=3)

    def test_rows_are_means_of_their_groups(self) -> None:
        updates = gaussian(11, 20)
        mixed = Bucketing(s=3).mix(updates, f=2)
        sizes = np.bincount(mixed.groups)
        assert sizes.tolist() == [3, 3, 3, 2]
        for bucket in range(4):
            np.testing.assert_allclose(mixed.updates[bucket], updates[mixed.groups == bucket].mean(axis=0), rtol=1e-12)

    def test_the_generator_decides_the_groups(self) -> None:
        updates = gaussian(30, 3)
        first = Bucketing().mix(updates, f=2, rng=np.random.default_rng(1)).groups
        again = Bucketing().mix(updates, f=2, rng=np.random.default_rng(1)).groups
        other = Bucketing(seed=5).mix(updates, f=2).groups
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()

    def test_settings_are_checked(self) -> None:
        for settings in ({"s": 0}, {"seed": -1}):
            with pytest.raises(SettingError):
                Bucketing(**settings)


class TestNormClipping(PreAggregatorContract):
    step = NormClipping()

    @pytest.mark.parametrize(("n", "f"), [(1, 0), (5, 2), (12, 3), (100, 33)])
    def test_adaptive_equals_the_paper(self, n: int, f: int) -> None:
        updates = gaussian(n, 20)
        mixed = NormClipping().mix(updates, f=f)
        np.testing.assert_allclose(mixed.updates, oracle.adaptive_clipping(updates, f), rtol=1e-12)
        assert (mixed.verdicts.decisions == 1).sum() == int(2 * f * (n - f) / n)

    def test_a_given_radius(self) -> None:
        updates = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
        mixed = NormClipping(radius=1.0).mix(updates, f=0)
        np.testing.assert_allclose(mixed.updates, [[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]])
        np.testing.assert_allclose(mixed.verdicts.scores, [5.0, 0.5, 0.0])
        assert mixed.verdicts.decisions.tolist() == [1, 0, 0]
        assert mixed.verdicts[0].reason == "norm_clipping.norm"

    def test_weights_are_passed_on(self) -> None:
        weights = np.arange(1.0, 6.0)
        assert NormClipping().mix(gaussian(5, 3), f=1, weights=weights).weights is weights

    def test_radius_is_checked(self) -> None:
        for radius in (0.0, -1.0, np.inf, np.nan):
            with pytest.raises(SettingError):
                NormClipping(radius=radius)
