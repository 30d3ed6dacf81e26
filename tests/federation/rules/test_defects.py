"""Defects found in other libraries, each as a test that ours must pass."""

from __future__ import annotations

import numpy as np
import pytest

from federation.errors import UpdatesError, WeightsError
from federation.kernels import squared_distances
from federation.rules import (
    ALL_RULES,
    Bulyan,
    CenteredClipping,
    GeometricMedian,
    Krum,
    Mean,
    MultiKrum,
    NormClipping,
)
from tests.federation.rules.contract import gaussian
from tests.oracles import rules as oracle


@pytest.fixture(scope="module")
def offset_swarm() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """20 float32 updates of 2 10^5 around one large vector: spread 1e-4, and 4 liars at five times that."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal(200_000)
    spread = rng.standard_normal((20, 200_000)) * 1e-4
    spread[16:] *= 5
    return (common + spread).astype(np.float32)


def test_distances_survive_a_large_common_offset(offset_swarm: np.ndarray) -> None:
    """Defect 1: the product form in float32 gives negative distances there."""
    norms = (offset_swarm**2).sum(axis=1)
    naive = norms[:, None] + norms[None, :] - 2 * offset_swarm @ offset_swarm.T
    assert (naive[~np.eye(20, dtype=bool)] <= 0).any(), "the case no longer shows the defect"
    found = squared_distances(offset_swarm)
    wide = offset_swarm.astype(np.float64)
    expected = np.array([((wide - row) ** 2).sum(axis=1) for row in wide])
    off = ~np.eye(20, dtype=bool)
    assert (found[off] > 0).all()
    assert (np.diagonal(found) == 0).all()
    np.testing.assert_allclose(found[off], expected[off], rtol=1e-5)


@pytest.mark.parametrize("rule", [Krum(), MultiKrum(), Bulyan()], ids=lambda rule: rule.name)
def test_selection_lets_no_liar_through_under_an_offset(offset_swarm: np.ndarray, rule: MultiKrum) -> None:
    """Defect 1: two of four liars were kept."""
    assert rule(offset_swarm, f=4).verdicts.rejected[16:].all()


@pytest.mark.parametrize("rule", [rule() for rule in ALL_RULES], ids=lambda rule: rule.name)
def test_one_nan_is_refused_not_spread(rule: MultiKrum) -> None:
    """Defect 2: one NaN made NaN of the coordinate, or of everything."""
    updates = gaussian(15, 10)
    updates[7, 3] = np.nan
    with pytest.raises(UpdatesError, match=r"\[7\]"):
        rule(updates, f=3)


def test_a_declared_weight_does_not_own_the_result() -> None:
    """Defect 3: a weight of 1e9 returned that update; a negative one left the range of the inputs."""
    updates = np.linspace(1, 2, 10)[:, None] * np.ones((1, 4))
    greedy = np.ones(10)
    greedy[9] = 1e9
    assert np.abs(Mean()(updates, f=0, weights=greedy).value - 2).min() > 0.35
    negative = np.ones(10)
    negative[0] = -9.5
    with pytest.raises(WeightsError):
        Mean()(updates, f=0, weights=negative)
    np.testing.assert_array_equal(MultiKrum()(updates, f=2, weights=greedy).value, MultiKrum()(updates, f=2).value)


def test_bulyan_scores_anew_after_each_pick() -> None:
    """Defect 4: selecting once by score gives other updates, and another value."""
    differed = 0
    for seed in range(10):
        updates = gaussian(15, 4, seed=seed)
        updates[11:] += 1.5
        once = oracle.krum_scores(updates, 3)
        by_one_score = sorted(once, key=once.__getitem__)[:9]
        _, anew = oracle.bulyan(updates, 3)
        kept = np.flatnonzero(~Bulyan()(updates, f=3).verdicts.rejected).tolist()
        assert kept == sorted(anew)
        differed += sorted(by_one_score) != kept
    assert differed > 0, "no case tells the two algorithms apart"


def test_centered_clipping_takes_a_start() -> None:
    """Defect 5: passing the start always raised."""
    updates = gaussian(9, 6)
    assert CenteredClipping(start=np.zeros(6), radius=1.0)(updates, f=2).value.shape == (6,)


def test_clipping_leaves_the_callers_arrays_alone() -> None:
    """Defect 5: the updates were overwritten."""
    updates = gaussian(9, 6) * 100
    before = updates.copy()
    NormClipping(radius=1.0).mix(updates, f=2)
    np.testing.assert_array_equal(updates, before)


def test_the_geometric_median_moves_with_the_updates() -> None:
    """Defect 5: a start at zero and three steps gave 101.56 for 100.01."""
    updates = gaussian(12, 5)
    for steps in (1, 3, 100):
        rule = GeometricMedian(steps=steps)
        np.testing.assert_allclose(rule(updates + 100, f=3).value, rule(updates, f=3).value + 100, atol=1e-9)


@pytest.mark.parametrize("rule", [rule() for rule in ALL_RULES], ids=lambda rule: rule.name)
def test_canonical_order_makes_arrival_order_irrelevant(rule: MultiKrum) -> None:
    """Defect 6: sums in arrival order changed the bits from run to run."""
    updates = gaussian(30, 5000, dtype=np.float32)
    expected = rule(updates, f=5).value.tobytes()
    for seed in range(3):
        arrival = np.random.default_rng(seed).permutation(30)
        arrived = updates[arrival]
        assert rule(arrived[np.argsort(arrival)], f=5).value.tobytes() == expected
