"""The geometric median's shares: optimal for the sum of distances, blind to scale, safe where distances are 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.kernels import geometric_weights, squared_distances
from tests.oracles import rules as oracle


def weights_of(updates: np.ndarray, *, steps: int = 1000) -> np.ndarray:
    return geometric_weights(squared_distances(updates), steps=steps, tolerance=1e-9, smoothing=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 10), st.integers(1, 6), st.integers(0, 10_000))
def test_the_sum_of_distances_is_least(n: int, d: int, seed: int) -> None:
    updates = np.random.default_rng(seed).standard_normal((n, d))
    weights = weights_of(updates)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()

    def total(point: np.ndarray) -> float:
        return float(np.linalg.norm(updates - point, axis=1).sum())

    best = total(oracle.geometric_median(updates, 2000))
    assert total(weights @ updates) <= best * (1 + 1e-4) + 1e-9


def test_steps_are_those_of_weiszfeld() -> None:
    updates = np.random.default_rng(0).standard_normal((12, 30)) + 5
    for steps in (1, 2, 8):
        found = geometric_weights(squared_distances(updates), steps=steps, tolerance=0.0, smoothing=1e-9) @ updates
        np.testing.assert_allclose(found, oracle.geometric_median(updates, steps), rtol=1e-9)


def test_scale_does_not_matter() -> None:
    distances = squared_distances(np.random.default_rng(0).standard_normal((9, 5)))
    plain = geometric_weights(distances, steps=50, tolerance=0.0, smoothing=1e-6)
    for scale in (1e-200, 1e290):
        scaled = geometric_weights(distances * scale, steps=50, tolerance=0.0, smoothing=1e-6)
        np.testing.assert_allclose(scaled, plain, rtol=1e-9)


def test_equal_rows_share_equally() -> None:
    np.testing.assert_array_equal(weights_of(np.ones((4, 3))), np.full(4, 0.25))


def test_a_majority_on_one_point_wins() -> None:
    updates = np.array([[0.0, 0.0]] * 5 + [[9.0, 1.0], [3.0, -4.0], [7.0, 7.0]])
    np.testing.assert_allclose(weights_of(updates) @ updates, 0, atol=1e-3)
