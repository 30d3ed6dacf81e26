"""Divergences against slow oracles, their direction, their stability, and the fault of the fixed variance."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.convergence import categorical_kl, gaussian_kl, honest_variance
from federation.errors import SettingError, UpdatesError


def slow_kl(old: np.ndarray, new: np.ndarray) -> float:
    total = 0.0
    for before, after in zip(old.astype(float), new.astype(float), strict=True):
        p = [math.exp(x - max(before)) for x in before]
        q = [math.exp(x - max(after)) for x in after]
        p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
        total += sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))
    return total / len(old)


def logits(states: int, actions: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((states, actions)) * 2


class TestCategorical:
    @given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 1000))
    @settings(deadline=None, max_examples=50)
    def test_equals_the_definition(self, states: int, actions: int, seed: int) -> None:
        old, new = logits(states, actions, seed), logits(states, actions, seed + 1)
        assert categorical_kl(old, new) == pytest.approx(slow_kl(old, new), abs=1e-12)

    def test_the_direction_is_old_against_new(self) -> None:
        old, new = np.log([[0.9, 0.1]]), np.log([[0.5, 0.5]])
        forward = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
        backward = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
        assert categorical_kl(old, new) == pytest.approx(forward)
        assert categorical_kl(new, old) == pytest.approx(backward)

    @given(st.integers(0, 1000), st.floats(-1e4, 1e4))
    @settings(deadline=None, max_examples=30)
    def test_zero_for_equal_policies_and_never_negative(self, seed: int, shift: float) -> None:
        old = logits(5, 4, seed)
        assert categorical_kl(old, old) == 0
        assert 0 <= categorical_kl(old, old + shift) < 1e-9
        assert categorical_kl(old, logits(5, 4, seed + 1)) >= 0

    def test_large_logits_do_not_overflow(self) -> None:
        old = np.array([[1e4, 0.0, -1e4]], np.float32)
        assert categorical_kl(old, old[:, ::-1]) == pytest.approx(2e4, rel=1e-6)

    def test_actions_never_taken(self) -> None:
        never = np.array([[0.0, 0.0, -np.inf]])
        sometimes = np.zeros((1, 3))
        assert categorical_kl(never, sometimes) == pytest.approx(math.log(1.5))
        assert categorical_kl(sometimes, never) == math.inf

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_what_is_no_logit_gives_nan(self, bad: float) -> None:
        broken = np.zeros((2, 3))
        broken[1, 1] = bad
        assert math.isnan(categorical_kl(np.zeros((2, 3)), broken))
        assert math.isnan(categorical_kl(broken, np.zeros((2, 3))))

    def test_shapes_are_checked(self) -> None:
        for old, new in (((2, 3), (3, 2)), ((3,), (3,)), ((0, 3), (0, 3))):
            with pytest.raises(UpdatesError):
                categorical_kl(np.zeros(old), np.zeros(new))

    def test_inputs_stay_as_they_are(self) -> None:
        old, new = logits(3, 3, 0), logits(3, 3, 1)
        kept = old.copy()
        old.flags.writeable = new.flags.writeable = False
        categorical_kl(old, new)
        assert np.array_equal(old, kept)


class TestGaussian:
    def test_equals_the_formula(self) -> None:
        rng = np.random.default_rng(0)
        m0, m1 = rng.standard_normal((2, 50))
        v0, v1 = rng.uniform(0.1, 3, (2, 50))
        expected = 0.5 * sum(
            math.log(b / a) + (a + (x - y) ** 2) / b - 1 for x, y, a, b in zip(m0, m1, v0, v1, strict=True)
        )
        assert gaussian_kl(m0, m1, v0, v1) == pytest.approx(expected)

    def test_fault_of_the_seed_a_variance_of_one(self) -> None:
        """The unit of the values cancels, which a fixed variance cannot do."""
        rng = np.random.default_rng(1)
        updates = rng.standard_normal((40, 30))
        old, new = rng.standard_normal((2, 30))

        def measured(unit: float) -> float:
            variance = honest_variance(updates * unit)
            return gaussian_kl(old * unit, new * unit, variance, variance)

        assert measured(1e-3) == pytest.approx(measured(1.0))
        assert measured(1e-3) != pytest.approx(gaussian_kl(old * 1e-3, new * 1e-3, 1.0, 1.0))

    def test_zero_for_equal_and_never_negative(self) -> None:
        x = np.linspace(-1, 1, 9)
        assert gaussian_kl(x, x, 0.3, 0.3) == 0
        assert gaussian_kl(x, x, 0.3, 0.30000001) >= 0

    def test_variances_below_the_floor_are_raised(self) -> None:
        x = np.zeros(3)
        assert gaussian_kl(x, x + 1e-3, 0.0, 0.0, variance_floor=1e-6) == pytest.approx(1.5)
        assert math.isfinite(gaussian_kl(x, x + 1, 0.0, 0.0))

    def test_what_is_no_variance_is_refused(self) -> None:
        x = np.zeros(3)
        for variance in (-1.0, np.nan, np.inf, np.ones(2)):
            with pytest.raises(UpdatesError):
                gaussian_kl(x, x, variance, 1.0)
        with pytest.raises(UpdatesError):
            gaussian_kl(x, np.zeros(4), 1.0, 1.0)
        with pytest.raises(SettingError):
            gaussian_kl(x, x, 1.0, 1.0, variance_floor=0)

    def test_the_variance_is_that_of_a_sample(self) -> None:
        updates = np.random.default_rng(2).standard_normal((30, 5)).astype(np.float32)
        centred = updates.astype(np.float64) - updates.astype(np.float64).mean(axis=0)
        assert np.allclose(honest_variance(updates), (centred**2).sum(axis=0) / 29)
        for too_few in (updates[:1], updates[0]):
            with pytest.raises(UpdatesError):
                honest_variance(too_few)


def test_a_thousand_parameters_take_at_most_a_millisecond() -> None:
    rng = np.random.default_rng(3)
    old, new = rng.standard_normal((2, 1000)).astype(np.float32)
    before, after = logits(256, 10, 0), logits(256, 10, 1)
    for measure in (lambda: gaussian_kl(old, new, 0.5, 0.5), lambda: categorical_kl(before, after)):
        best = math.inf
        for _ in range(20):
            start = time.perf_counter()
            measure()
            best = min(best, time.perf_counter() - start)
        assert best < 1e-3
