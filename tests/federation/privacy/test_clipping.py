"""Clipping: no row is longer, no input is touched; the adaptive radius finds its quantile and costs what it says."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import dp_accounting
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from federation.errors import SettingError, UpdatesError
from federation.privacy import AdaptiveClipping, RdpAccountant, clip


@given(updates=arrays(np.float64, (4, 7), elements=st.floats(-1e300, 1e300)), radius=st.floats(1e-3, 1e6))
@settings(deadline=None, max_examples=100)
def test_no_row_is_longer_than_the_radius(updates: np.ndarray, radius: float) -> None:
    before = updates.copy()
    clipped = clip(updates, radius)
    for row in clipped.updates:
        assert sum(Fraction(float(value)) ** 2 for value in row) <= Fraction(radius) ** 2
    assert (updates == before).all()
    assert not np.shares_memory(clipped.updates, updates)


def test_direction_is_kept_and_short_rows_are_as_they_were() -> None:
    updates = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], np.float32)
    clipped = clip(updates, 1.0)
    np.testing.assert_allclose(clipped.updates, [[0.6, 0.8], [0.3, 0.4], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(clipped.norms, [5, 0.5, 0], rtol=1e-6)
    assert clipped.below.tolist() == [False, True, True]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(UpdatesError):
        clip(np.array([[1.0, bad]]), 1.0)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.inf, math.nan])
def test_radius_must_be_one(radius: float) -> None:
    with pytest.raises(SettingError):
        clip(np.ones((1, 2)), radius)


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("start", [0.01, 100.0])
def test_the_radius_finds_its_quantile_from_either_side(quantile: float, start: float) -> None:
    rng = np.random.default_rng(3)
    clipping = AdaptiveClipping(radius=start, expected=1000, bit_noise=50.0, quantile=quantile)
    shares = []
    for step in range(300):
        norms = rng.lognormal(0.0, 1.0, 1000)
        below = norms <= clipping.radius
        clipping = clipping.observe(below, rng)
        if step >= 200:
            shares.append(below.mean())
    assert np.mean(shares) == pytest.approx(quantile, abs=0.03)


def test_bits_and_sum_together_cost_what_google_says() -> None:
    clipping = AdaptiveClipping(radius=1.0, expected=100, bit_noise=5.0)
    for noise in (0.5, 1.0, 4.0):
        total = clipping.total_multiplier(noise)
        assert total < noise
        assert clipping.sum_multiplier(total) == pytest.approx(noise)
        # The bits' sum, of sensitivity 1/2, and the updates' sum: two Gaussian releases.
        events: list[dp_accounting.DpEvent] = [
            dp_accounting.GaussianDpEvent(noise),
            dp_accounting.GaussianDpEvent(2 * clipping.bit_noise),
        ]
        accountant = dp_accounting.rdp.RdpAccountant()
        accountant.compose(dp_accounting.ComposedDpEvent(events))
        one = dp_accounting.rdp.RdpAccountant()
        one.compose(dp_accounting.GaussianDpEvent(total))
        assert accountant.get_epsilon(1e-5) == pytest.approx(one.get_epsilon(1e-5))
        assert RdpAccountant().compose(noise_multiplier=total).epsilon(1e-5) <= one.get_epsilon(1e-5)


def test_bits_that_cost_more_than_there_is() -> None:
    with pytest.raises(SettingError, match="above half of 4"):
        AdaptiveClipping(radius=1.0, expected=10, bit_noise=2.0).sum_multiplier(4.0)


def test_radius_stays_in_its_bounds_and_the_state_survives() -> None:
    clipping = AdaptiveClipping(radius=1.0, expected=10, bit_noise=0.5, smallest=0.5, largest=2.0)
    rng = np.random.default_rng(0)
    for _ in range(30):
        clipping = clipping.observe(np.ones(10, bool), rng)
    assert clipping.radius == 0.5
    for _ in range(60):
        clipping = clipping.observe(np.zeros(10, bool), rng)
    assert clipping.radius == 2.0
    assert AdaptiveClipping.from_dict(json.loads(json.dumps(clipping.to_dict()))) == clipping


def test_the_same_seed_gives_the_same_radius() -> None:
    clipping = AdaptiveClipping(radius=1.0, expected=10, bit_noise=1.0)
    below = np.arange(10) < 4
    one, two = (clipping.observe(below, np.random.default_rng(7)) for _ in range(2))
    assert one == two
    assert one != clipping.observe(below, np.random.default_rng(8))
