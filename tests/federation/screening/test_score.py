"""The robust score itself: threshold, breakdown, and a MAD of zero."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from federation.screening.score import LARGEST_SCORE, threshold, upper_scores


@pytest.mark.parametrize("rate", [1e-2, 1e-3])
@pytest.mark.parametrize("n", [20, 100, 101])
def test_normal_values_exceed_the_threshold_at_the_stated_rate(n: int, rate: float) -> None:
    rng = np.random.default_rng(n)
    trials = int(60 / rate / n)
    exceeded = sum(
        int((found.values > found.threshold).sum())
        for found in (upper_scores(rng.standard_normal(n), rate=rate) for _ in range(trials))
    )
    assert 0.4 * rate < exceeded / (n * trials) < 2.5 * rate


def test_the_threshold_falls_to_the_normal_quantile() -> None:
    limits = [threshold(n, 1e-3) for n in (5, 10, 100, 10_000, 10**9)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == pytest.approx(NormalDist().inv_cdf(0.999))


def test_a_third_of_liars_at_six_deviations_does_not_hide_itself() -> None:
    rng = np.random.default_rng(4)
    values = rng.standard_normal(100)
    values[:33] += 7
    found = upper_scores(values, rate=1e-3)
    assert (found.values[:33] > found.threshold).mean() > 0.9
    assert (found.values[33:] > found.threshold).sum() <= 1


def test_a_mad_of_zero() -> None:
    values = np.array([0.0] * 8 + [1e-9, 5.0])
    found = upper_scores(values, rate=1e-3)
    assert found.values.tolist() == [0.0] * 8 + [LARGEST_SCORE] * 2
    coarse = upper_scores(values, rate=1e-3, resolution=1e-8)
    assert coarse.values.tolist() == [0.0] * 9 + [LARGEST_SCORE]


def test_what_is_below_does_not_stand_out() -> None:
    found = upper_scores(np.array([1.0] * 9 + [0.0]), rate=1e-3)
    assert found.values[-1] == -LARGEST_SCORE
