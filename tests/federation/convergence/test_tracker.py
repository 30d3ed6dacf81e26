"""The tracker: convergence, stall, divergence, oscillation, and an honest number of rounds to go."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.convergence import ConvergenceCriterion, ConvergenceTracker, trend
from federation.errors import SettingError


def after(values: Iterable[float], **criterion: float) -> ConvergenceTracker:
    tracker = ConvergenceTracker(criterion=ConvergenceCriterion(**criterion))  # type: ignore[arg-type]
    for value in values:
        tracker = tracker.observe(value)
    return tracker


def decay(rounds: int, rate: float = 0.1, start: float = 1.0, noise: float = 0.0, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    return list(start * np.exp(-rate * np.arange(rounds) + noise * rng.standard_normal(rounds)))


class TestStatus:
    def test_nothing_is_known_before_the_first_round(self) -> None:
        tracker = ConvergenceTracker()
        assert tracker.status == "training"
        assert tracker.remaining_rounds is None
        assert not tracker.oscillating

    def test_converged_needs_the_minimum_of_rounds_and_patience(self) -> None:
        assert after([0.001] * 9).status == "training"
        assert after([0.001] * 10).status == "converged"
        assert after([1.0] * 10 + [0.001] * 2).status == "training"
        assert after([1.0] * 10 + [0.001] * 3).status == "converged"
        assert after([0.001] * 12 + [0.01]).status != "converged"

    def test_one_over_the_round_converges_within_a_thousand(self) -> None:
        tracker = ConvergenceTracker()
        for number in range(1, 1001):
            tracker = tracker.observe(1 / number)
            if tracker.status == "converged":
                break
        assert tracker.rounds == 103

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
    def test_what_is_no_divergence_is_divergence(self, bad: float) -> None:
        tracker = after([*decay(30), bad])
        assert tracker.status == "diverging"
        assert tracker.remaining_rounds is None
        assert after([*decay(30), bad, 0.5]).status != "diverging"

    @pytest.mark.parametrize("seed", range(5))
    def test_a_noisy_rise_diverges(self, seed: int) -> None:
        assert after(decay(20, rate=-0.15, start=0.1, noise=0.3, seed=seed)).status == "diverging"

    @pytest.mark.parametrize("seed", range(5))
    def test_a_plateau_above_the_threshold_is_a_stall(self, seed: int) -> None:
        tracker = after(decay(30, rate=0, start=0.3, noise=0.3, seed=seed))
        assert tracker.status == "stalled"
        assert tracker.remaining_rounds is None

    def test_a_short_plateau_is_not_yet_a_stall(self) -> None:
        assert after([0.3] * 19).status == "training"
        assert after([0.3] * 20).status == "stalled"

    @pytest.mark.parametrize("seed", range(5))
    def test_a_noisy_fall_is_training(self, seed: int) -> None:
        tracker = after(decay(20, rate=0.1, noise=0.3, seed=seed))
        assert tracker.status == "training"
        assert tracker.trend.direction == "falling"

    def test_learning_that_is_disturbed_leaves_convergence(self) -> None:
        tracker = after([0.001] * 30)
        assert tracker.status == "converged"
        assert tracker.observe(0.5).status != "converged"

    def test_chance_seldom_makes_a_trend(self) -> None:
        rng = np.random.default_rng(1)
        found = [trend(list(rng.exponential(size=20)), significance=0.01) for _ in range(2000)]
        assert sum(each.direction == "falling" for each in found) < 40
        assert sum(each.direction == "rising" for each in found) < 40
        assert sum(each.oscillating for each in found) < 40


class TestRemaining:
    @pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
    def test_an_exponential_fall_is_told_exactly(self, rate: float) -> None:
        tracker = after(decay(12, rate=rate))
        assert tracker.status == "training"
        left = tracker.remaining_rounds
        assert left is not None
        future = after(decay(12 + left, rate=rate))
        assert future.status == "converged"
        assert after(decay(11 + left, rate=rate)).status == "training"

    @pytest.mark.parametrize("seed", range(8))
    def test_and_a_noisy_one_within_a_third(self, seed: int) -> None:
        left = after(decay(20, rate=0.1, noise=0.3, seed=seed)).remaining_rounds
        expected = math.log(100) / 0.1 - 19 + 3
        assert left is not None
        assert abs(left - expected) < expected / 3

    def test_fault_of_the_seed_larger_divergence_takes_longer(self) -> None:
        rounds = [after(decay(15, rate=0.05, start=start)).remaining_rounds for start in (0.1, 1.0, 10.0)]
        assert None not in rounds
        assert rounds == sorted(rounds)  # type: ignore[type-var]
        assert rounds[0] != rounds[2]

    def test_fault_of_the_seed_no_trend_is_unknown(self) -> None:
        assert after([0.5] * 15).remaining_rounds is None
        assert after(decay(15, rate=-0.1)).remaining_rounds is None

    def test_too_far_ahead_is_unknown(self) -> None:
        assert after(decay(20, rate=1e-4)).remaining_rounds is None

    def test_one_wild_round_does_not_change_much(self) -> None:
        values = decay(20, rate=0.1)
        plain = after(values).remaining_rounds
        values[12] *= 1000
        wild = after(values).remaining_rounds
        assert plain is not None
        assert wild is not None
        assert abs(plain - wild) <= 3

    def test_quiet_rounds_count_down_to_zero(self) -> None:
        tracker = after([1.0] * 20)
        left = []
        for _ in range(4):
            tracker = tracker.observe(0.001)
            left.append(tracker.remaining_rounds)
        assert left == [2, 1, 0, 0]
        assert after([0.001] * 4).remaining_rounds == 6

    @given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
    @settings(deadline=None, max_examples=100)
    def test_any_series_has_a_status_and_converged_means_none_left(self, values: list[float]) -> None:
        tracker = after(values)
        assert tracker.status in {"training", "converged", "stalled", "diverging"}
        left = tracker.remaining_rounds
        assert left is None or left >= 0
        if tracker.status == "converged":
            assert left == 0
        if left == 0:
            assert tracker.status == "converged"


class TestOscillation:
    def test_alternation_is_found(self) -> None:
        assert after([0.5, 0.2] * 10).oscillating

    def test_falling_noisy_and_constant_series_do_not_oscillate(self) -> None:
        assert not after(decay(20)).oscillating
        assert not after([0.5] * 20).oscillating
        assert not after(decay(20, rate=0, noise=0.5, seed=3)).oscillating

    def test_alternation_below_the_threshold_does_not_matter(self) -> None:
        assert not after([0.005, 0.002] * 10).oscillating


class TestState:
    def test_observing_leaves_the_state_before_as_it_was(self) -> None:
        before = after([0.5] * 3)
        before.observe(0.1)
        assert before == after([0.5] * 3)

    def test_memory_is_bounded_by_the_window(self) -> None:
        assert len(after([0.5] * 100).recent) == 20

    @given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
    @settings(deadline=None, max_examples=50)
    def test_it_survives_a_journal(self, values: list[float]) -> None:
        tracker = after(values)
        text = json.dumps(tracker.to_dict(), allow_nan=False)
        assert ConvergenceTracker.from_dict(json.loads(text), criterion=tracker.criterion) == tracker

    def test_a_damaged_journal_is_refused(self) -> None:
        with pytest.raises(SettingError):
            ConvergenceTracker.from_dict({"rounds": 1, "quiet": 2, "recent": []}, criterion=ConvergenceCriterion())

    @pytest.mark.parametrize(
        "setting",
        [
            {"threshold": 0},
            {"threshold": math.nan},
            {"min_rounds": 0},
            {"patience": 0},
            {"window": 5},
            {"significance": 0.5},
        ],
    )
    def test_settings_are_checked(self, setting: dict[str, float]) -> None:
        with pytest.raises(SettingError):
            ConvergenceCriterion(**setting)  # type: ignore[arg-type]
