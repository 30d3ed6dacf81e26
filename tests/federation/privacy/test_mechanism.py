"""The mechanism: noise of the size it says, only with a grant, the same by seed, and its cost measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from federation.errors import SettingError, UpdatesError
from federation.identity import Secret
from federation.privacy import (
    GaussianMechanism,
    Grant,
    PrivacyBudget,
    PrivacyGrantError,
    PrivacyLedger,
    clip,
    contents_of,
    noise_generator,
    sensitivity,
    utility,
)

MECHANISM = GaussianMechanism.calibrated(epsilon=1.0, delta=1e-5, sensitivity=sensitivity(1.0, 0.2))


def granted(mechanism: GaussianMechanism = MECHANISM, *, contents: str = "") -> Grant:
    ledger = PrivacyLedger(budget=PrivacyBudget(), started_at=0.0)
    return ledger.grant(mechanism.charge("patterns/1", contents=contents), now=0.0)[1]


def test_less_noise_than_the_specification_for_the_same_promise() -> None:
    # It adds 0.97 to each coordinate for epsilon = 1; sensitivity 0.2 takes 0.746.
    assert MECHANISM.sigma == pytest.approx(0.2 * 3.7306, rel=1e-4)
    assert MECHANISM.sigma < 0.2 * math.sqrt(2 * math.log(1.25e5))


@pytest.mark.parametrize(("neighbours", "factor"), [("zero_out", 1), ("replace", 2)])
def test_nobody_moves_the_mean_by_more_than_the_sensitivity(neighbours: str, factor: int) -> None:
    rng = np.random.default_rng(0)
    weights = np.array([0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    bound = sensitivity(1.5, 0.2, neighbours=neighbours)  # type: ignore[arg-type]
    assert bound == pytest.approx(0.3 * factor)
    for _ in range(50):
        updates = clip(rng.normal(0, 5, (6, 4)), 1.5).updates
        other = updates.copy()
        other[0] = 0 if neighbours == "zero_out" else clip(-updates[:1], 1.5).updates[0]
        assert np.linalg.norm(weights @ updates - weights @ other) <= bound * (1 + 1e-12)


def test_noise_is_normal_and_its_cost_is_what_was_added() -> None:
    exact = np.linspace(-1, 1, 20_000)
    noised = MECHANISM.release(exact, grant=granted(), rng=np.random.default_rng(1))
    noise = noised.value - exact
    assert noise.std() == pytest.approx(MECHANISM.sigma, rel=0.03)
    assert abs(noise.mean()) < 4 * MECHANISM.sigma / math.sqrt(20_000)
    assert np.mean(np.abs(noise) < MECHANISM.sigma) == pytest.approx(0.6827, abs=0.015)
    found = noised.utility
    assert found.noise_norm == pytest.approx(np.linalg.norm(noise))
    assert found.aggregate_norm == pytest.approx(np.linalg.norm(exact))
    assert found.ratio == pytest.approx(found.noise_norm / found.aggregate_norm)
    assert found.mean_error == pytest.approx(math.sqrt(np.mean(noise**2)))
    assert found.expected_norm == pytest.approx(found.noise_norm, rel=0.03)


def test_the_clippings_cost_is_told_apart_from_the_noises() -> None:
    updates = np.array([[3.0, 4.0], [0.0, 0.5]])
    exact = clip(updates, 1.0).updates.mean(axis=0)
    found = utility(exact, exact, sigma=1.0, unclipped=updates.mean(axis=0))
    assert found.noise_norm == 0.0
    assert found.clipping_error == pytest.approx(2.0)
    assert utility(np.zeros(2), np.ones(2), sigma=1.0).ratio == math.inf


def test_low_bits_do_not_reach_the_release() -> None:
    value = MECHANISM.release(np.full(100, math.pi), grant=granted(), rng=np.random.default_rng(0)).value
    grid = 2.0 ** (math.floor(math.log2(MECHANISM.sigma)) - 24)
    assert (value / grid == np.round(value / grid)).all()


def test_the_same_secret_gives_the_same_noise() -> None:
    exact = np.ones(8)
    one, two, other = (
        MECHANISM.release(exact, grant=granted(), rng=noise_generator(Secret(secret * 32), "patterns", "1")).value
        for secret in (b"a", b"a", b"b")
    )
    assert (one == two).all()
    assert (one != other).any()
    assert (one != noise_generator(Secret(b"a" * 32), "patterns", "2").normal(0, MECHANISM.sigma, 8) + 1).any()


def test_noise_needs_a_grant_for_as_much_of_it() -> None:
    rng = np.random.default_rng(0)
    weaker = GaussianMechanism(sensitivity=0.2, noise_multiplier=MECHANISM.noise_multiplier / 2)
    with pytest.raises(PrivacyGrantError):
        weaker.release(np.ones(2), grant=granted(), rng=rng)
    sampled = GaussianMechanism(sensitivity=0.2, noise_multiplier=MECHANISM.noise_multiplier, rate=0.5)
    with pytest.raises(PrivacyGrantError):
        MECHANISM.release(np.ones(2), grant=granted(sampled), rng=rng)
    bound = granted(contents=contents_of(np.ones(2), "patterns/1"))
    MECHANISM.release(np.ones(2), grant=bound, rng=rng)
    with pytest.raises(PrivacyGrantError):
        MECHANISM.release(np.zeros(2), grant=bound, rng=rng)
    assert rng.bit_generator.state != np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize("bad", [np.array([math.nan]), np.array([]), np.ones((2, 2))])
def test_what_gets_no_noise(bad: np.ndarray) -> None:
    with pytest.raises(UpdatesError):
        MECHANISM.release(bad, grant=granted(), rng=np.random.default_rng(0))


@pytest.mark.parametrize(("radius", "share"), [(0.0, 0.2), (1.0, 0.0), (1.0, 1.1), (math.inf, 0.5)])
def test_what_has_no_sensitivity(radius: float, share: float) -> None:
    with pytest.raises(SettingError):
        sensitivity(radius, share)
