"""Jensen-Shannon divergence of what agents do, and the local epochs that follow from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError, UpdatesError
from federation.heterogeneity import heterogeneity, local_epochs


def shares(k: int, bins: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(bins, 0.5), size=k)


class TestHeterogeneity:
    def test_two_agents_equal_the_textbook(self) -> None:
        p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.1, 0.8])
        middle = (p + q) / 2
        expected = 0.5 * np.sum(p * np.log2(p / middle)) + 0.5 * np.sum(q * np.log2(q / middle))
        assert heterogeneity(np.stack([p, q])) == pytest.approx(expected)

    def test_alike_is_zero_and_apart_is_one(self) -> None:
        assert heterogeneity(np.tile([0.2, 0.3, 0.5], (7, 1))) == pytest.approx(0, abs=1e-12)
        assert heterogeneity(np.eye(5)) == pytest.approx(1)
        assert heterogeneity(np.repeat(np.eye(5), 20, axis=0)) == pytest.approx(1)
        assert heterogeneity(np.eye(3, 50)) == pytest.approx(1)

    def test_fault_of_the_seed_variance_in_place_of_divergence(self) -> None:
        """Two agents without a common action: variance shrinks with their number of actions, this stays 1."""
        assert np.eye(2).var(axis=0).sum() == 0.5
        assert heterogeneity(np.eye(2)) == pytest.approx(1)
        spread = np.repeat(np.eye(2), 50, axis=1) / 50
        assert spread.var(axis=0).sum() < 0.011
        assert heterogeneity(spread) == pytest.approx(1)

    @given(st.integers(2, 8), st.integers(2, 6), st.integers(0, 1000))
    @settings(deadline=None, max_examples=50)
    def test_bounds_order_scale_and_idle_agents(self, k: int, bins: int, seed: int) -> None:
        rows = shares(k, bins, seed)
        found = heterogeneity(rows)
        assert 0 <= found <= 1
        rng = np.random.default_rng(seed)
        assert heterogeneity(rows[rng.permutation(k)][:, rng.permutation(bins)]) == pytest.approx(found)
        counts = rows * rng.integers(1, 1000, (k, 1)).astype(np.float64)
        assert heterogeneity(counts) == pytest.approx(found)
        assert heterogeneity(np.vstack([rows, np.zeros((3, bins))])) == pytest.approx(found)

    def test_more_skewed_agents_are_further_apart(self) -> None:
        rng = np.random.default_rng(0)
        found = [heterogeneity(rng.dirichlet(np.full(10, alpha), size=100)) for alpha in (100, 1, 0.1, 0.01)]
        assert found == sorted(found)

    def test_nobody_to_compare_is_zero(self) -> None:
        for alone in (np.zeros((0, 4)), np.zeros((5, 4)), np.eye(1, 4), np.ones((5, 1))):
            assert heterogeneity(alone) == 0

    def test_large_counts_do_not_overflow(self) -> None:
        assert heterogeneity(np.eye(3) * 1e308 + 1e300) == pytest.approx(1, abs=1e-6)

    def test_what_is_no_histogram_is_refused(self) -> None:
        for wrong in (np.ones(3), np.ones((2, 0)), -np.ones((2, 2)), np.full((2, 2), np.nan)):
            with pytest.raises(UpdatesError):
                heterogeneity(wrong)

    def test_inputs_stay_as_they_are(self) -> None:
        rows = shares(4, 3, 0)
        kept = rows.copy()
        rows.flags.writeable = False
        heterogeneity(rows)
        assert np.array_equal(rows, kept)


class TestLocalEpochs:
    @pytest.mark.parametrize(("found", "epochs"), [(0, 10), (0.1, 15), (0.5, 25), (1, 33)])
    def test_fault_of_the_seed_the_four_figures(self, found: float, epochs: int) -> None:
        assert local_epochs(found) == epochs
        assert abs(local_epochs(found, base=100) - 10 * epochs) <= 10

    @given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 100))
    @settings(deadline=None, max_examples=100)
    def test_it_never_falls(self, one: float, other: float, base: int) -> None:
        low, high = sorted((one, other))
        assert base <= local_epochs(low, base) <= local_epochs(high, base) <= math.ceil(3.3 * base)

    @pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan])
    def test_settings_are_checked(self, wrong: float) -> None:
        with pytest.raises(SettingError):
            local_epochs(wrong)
        with pytest.raises(SettingError):
            local_epochs(0.5, base=0)
