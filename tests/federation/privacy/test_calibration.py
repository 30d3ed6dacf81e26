"""Gaussian noise: against Google's dp-accounting, the paper's formulas, and what no calibration may do."""

from __future__ import annotations

import math

import dp_accounting
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from federation.errors import SettingError
from federation.privacy import analytic_sigma, gaussian_delta, gaussian_epsilon
from federation.privacy.calibration import log_erfc

GRID = [(e, d) for e in (0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 50.0, 300.0) for d in (1e-12, 1e-9, 1e-6, 1e-5, 1e-2, 0.3)]


@pytest.mark.parametrize(("epsilon", "delta"), GRID)
def test_sigma_is_googles(epsilon: float, delta: float) -> None:
    assert analytic_sigma(epsilon, delta) == pytest.approx(dp_accounting.get_sigma_gaussian(epsilon, delta), rel=1e-6)


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0, 3.7, 20.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-2])
def test_epsilon_is_googles(sigma: float, delta: float) -> None:
    expected = dp_accounting.get_epsilon_gaussian(sigma, delta)
    assert gaussian_epsilon(sigma, delta) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("sigma", "epsilon"), [(1.0, 1.0), (0.5, 3.0), (4.0, 0.3)])
def test_delta_is_the_integral_it_stands_for(sigma: float, epsilon: float) -> None:
    # delta = the integral of (p - e^eps q)+, p and q the densities around 0 and 1; 2e4 midpoints.
    low, step = -12 * sigma, 24 * sigma / 20_000
    total = math.fsum(
        max(math.exp(-((x + 0) ** 2) / (2 * sigma**2)) - math.exp(epsilon - (x - 1) ** 2 / (2 * sigma**2)), 0.0)
        for x in (low + (i + 0.5) * step for i in range(20_000))
    )
    assert gaussian_delta(sigma, epsilon) == pytest.approx(total * step / (sigma * math.sqrt(2 * math.pi)), rel=1e-6)


@given(epsilon=st.floats(0.01, 100), delta=st.floats(1e-12, 0.4), sensitivity=st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=60)
def test_sigma_is_enough_and_hardly_more(epsilon: float, delta: float, sensitivity: float) -> None:
    sigma = analytic_sigma(epsilon, delta, sensitivity)
    assert gaussian_delta(sigma, epsilon, sensitivity) <= delta * (1 + 1e-9) + 1e-15
    assert gaussian_delta(sigma * 0.999, epsilon, sensitivity) > delta - 1e-15
    assert sigma == pytest.approx(sensitivity * analytic_sigma(epsilon, delta), rel=1e-9)


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 0.99])
def test_less_noise_than_the_classical_formula(epsilon: float) -> None:
    assert analytic_sigma(epsilon, 1e-5) < math.sqrt(2 * math.log(1.25e5)) / epsilon


def test_the_classical_formula_fails_for_a_large_epsilon() -> None:
    classical = math.sqrt(2 * math.log(1.25 / 1e-5)) / 50
    assert gaussian_delta(classical, 50.0) > 1e-5
    assert gaussian_delta(analytic_sigma(50.0, 1e-5), 50.0) <= 1e-5 * (1 + 1e-9)


@pytest.mark.parametrize("x", [-5.0, 0.0, 3.0, 24.9, 25.0, 26.0, 100.0, 1e4])
def test_log_erfc_is_scipys(x: float) -> None:
    expected = math.log(2) + special.log_ndtr(-x * math.sqrt(2))
    assert log_erfc(x) == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(
    ("epsilon", "delta", "sensitivity"),
    [(0.0, 1e-5, 1.0), (math.inf, 1e-5, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 1.0), (1.0, 1e-5, 0.0), (math.nan, 0.1, 1.0)],
)
def test_what_cannot_be_promised(epsilon: float, delta: float, sensitivity: float) -> None:
    with pytest.raises(SettingError):
        analytic_sigma(epsilon, delta, sensitivity)
