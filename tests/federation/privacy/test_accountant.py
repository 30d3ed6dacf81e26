"""The accountant: against Google's dp-accounting over a grid, published figures, and algebra."""

from __future__ import annotations

import math

import dp_accounting
import pytest
from dp_accounting import rdp
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from federation.privacy import ORDERS, RdpAccountant, gaussian_epsilon, noise_multiplier_for, rounds_within
from federation.privacy.accountant import sampled_gaussian_rdp


def google(*releases: tuple[float, float, int]) -> rdp.RdpAccountant:
    accountant = rdp.RdpAccountant(list(ORDERS))
    for noise, rate, count in releases:
        event: dp_accounting.DpEvent = dp_accounting.GaussianDpEvent(noise)
        accountant.compose(event if rate == 1 else dp_accounting.PoissonSampledDpEvent(rate, event), count)
    return accountant


@pytest.mark.parametrize("noise", [0.8, 1.1, 6.0])
@pytest.mark.parametrize("rate", [0.001, 0.05, 0.5])
@pytest.mark.parametrize("count", [1, 1460])
def test_sampled_epsilon_is_googles(noise: float, rate: float, count: int) -> None:
    ours, theirs = RdpAccountant().compose(noise_multiplier=noise, rate=rate, count=count), google((noise, rate, count))
    for delta in (1e-9, 1e-5, 1e-2):
        assert ours.epsilon(delta) == pytest.approx(theirs.get_epsilon(delta), rel=1e-6, abs=1e-9)
    for epsilon in (0.1, 1.0, 8.0):
        assert ours.delta(epsilon) == pytest.approx(theirs.get_delta(epsilon), rel=1e-5, abs=1e-12)


def test_different_releases_compose_as_googles() -> None:
    ours = RdpAccountant()
    releases = [(1.0, 0.01, 300), (3.0, 1.0, 5), (0.9, 0.05, 20)]
    for noise, rate, count in releases:
        ours = ours.compose(noise_multiplier=noise, rate=rate, count=count)
    assert ours.epsilon(1e-6) == pytest.approx(google(*releases).get_epsilon(1e-6), rel=1e-6)


@pytest.mark.parametrize(("noise", "count"), [(1.0, 1), (3.73, 1), (4.0, 30), (20.0, 1460)])
def test_without_sampling_it_is_exact_and_below_renyi(noise: float, count: int) -> None:
    ours = RdpAccountant().compose(noise_multiplier=noise, count=count).epsilon(1e-5)
    assert ours == pytest.approx(gaussian_epsilon(noise / math.sqrt(count), 1e-5), rel=1e-9)
    assert ours < google((noise, 1.0, count)).get_epsilon(1e-5)


def test_the_tensorflow_tutorials_figure() -> None:
    # MNIST, 60,000 examples, batch 250, noise 1.3, 15 epochs, delta 1e-5: epsilon 1.18 by the conversion of
    # Mironov 2017, and less by that of Canonne et al. 2020.
    accountant = RdpAccountant().compose(noise_multiplier=1.3, rate=250 / 60_000, count=15 * 240)
    old = min(loss - math.log(1e-5) / (order - 1) for order, loss in zip(ORDERS, accountant.rdp, strict=True))
    assert old == pytest.approx(1.18, abs=0.01)
    assert accountant.epsilon(1e-5) < old


@pytest.mark.parametrize("order", [1.5, 2.0, 5.5, 8.0, 32.0])
@pytest.mark.parametrize(("rate", "noise"), [(0.01, 1.0), (0.2, 2.0), (0.5, 0.9)])
def test_divergence_is_the_integral_it_stands_for(order: float, rate: float, noise: float) -> None:
    # E over N(0, noise^2) of the likelihood ratio to the order, by 2e4 midpoints.
    low, high, steps = -15 * noise, order + 15 * noise, 20_000
    step = (high - low) / steps
    logs: list[float] = []
    for i in range(steps):
        x = low + (i + 0.5) * step
        ratio = math.log1p(rate * math.expm1((2 * x - 1) / (2 * noise**2)))
        logs.append(order * ratio - x * x / (2 * noise**2))
    top = max(logs)
    moment = top + math.log(math.fsum(math.exp(one - top) for one in logs) * step / (noise * math.sqrt(2 * math.pi)))
    found = sampled_gaussian_rdp(rate, noise, order)
    if order.is_integer():
        assert found == pytest.approx(moment / (order - 1), rel=1e-5)
    else:
        # The series is added by magnitude: a bound, which at the next whole order would be looser.
        assert moment / (order - 1) * (1 - 1e-5) <= found
        assert found <= sampled_gaussian_rdp(rate, noise, math.ceil(order) * 1.0) or order < 2


@given(rate=st.floats(0.001, 1), noise=st.floats(0.5, 20), count=st.integers(1, 50))
@settings(deadline=None, max_examples=8)
def test_composition_adds_and_sampling_helps(rate: float, noise: float, count: int) -> None:
    once = RdpAccountant().compose(noise_multiplier=noise, rate=rate)
    twice = once.compose(noise_multiplier=noise, rate=rate, count=count)
    together = RdpAccountant().compose(noise_multiplier=noise, rate=rate, count=count + 1)
    assert twice.rdp == pytest.approx(together.rdp)
    assert twice.epsilon(1e-5) >= once.epsilon(1e-5)
    assert max(a - b for a, b in zip(once.rdp, RdpAccountant().compose(noise_multiplier=noise).rdp, strict=True)) < 1e-9


def test_nothing_released_costs_nothing() -> None:
    assert RdpAccountant().epsilon(1e-5) == 0.0
    assert RdpAccountant().delta(0.0) == 0.0
    assert RdpAccountant().compose(noise_multiplier=1.0, count=0) == RdpAccountant()
    assert sampled_gaussian_rdp(0.0, 1.0, 2.0) == 0.0


@pytest.mark.parametrize(("rate", "rounds"), [(1.0, 1460), (0.1, 100)])
def test_calibration_is_googles_and_pays_for_its_rounds(rate: float, rounds: int) -> None:
    noise = noise_multiplier_for(4.0, 1e-5, rounds=rounds, rate=rate)
    assert rounds_within(4.0, 1e-5, noise_multiplier=noise, rate=rate) >= rounds
    assert rounds_within(4.0, 1e-5, noise_multiplier=noise * 0.99, rate=rate) < rounds
    if rate < 1:
        event = dp_accounting.PoissonSampledDpEvent
        expected = dp_accounting.calibrate_dp_mechanism(
            lambda: rdp.RdpAccountant(list(ORDERS)),
            lambda z: dp_accounting.SelfComposedDpEvent(event(rate, dp_accounting.GaussianDpEvent(z)), rounds),
            4.0,
            1e-5,
        )
        assert noise == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("rate", "noise", "order"),
    [(-0.1, 1.0, 2.0), (1.1, 1.0, 2.0), (0.5, 0.0, 2.0), (0.5, math.nan, 2.0), (0.5, 1.0, 1.0)],
)
def test_what_has_no_divergence(rate: float, noise: float, order: float) -> None:
    with pytest.raises(SettingError):
        sampled_gaussian_rdp(rate, noise, order)
