"""The actions not taken, and what each experience says of them."""

from __future__ import annotations

import numpy as np
import pytest

from federation.errors import SettingError
from workloads.gradients import Experiences, LearningSettings, Policy
from workloads.gradients.replay import ReplayBuffers, draws
from workloads.gradients.training import Descent, train

POLICY = Policy(features=3, hidden=4, actions=5)
SEEDS = np.array([11], np.uint64)


def memory() -> ReplayBuffers:
    rng = np.random.default_rng(0)
    held = ReplayBuffers(1, POLICY.features, capacity=64)
    held.extend(
        0,
        Experiences(
            states=rng.standard_normal((20, 3)).astype(np.float32),
            actions=rng.integers(0, 5, 20).astype(np.int32),
            rewards=rng.uniform(-1, 1, 20).astype(np.float32),
            next_states=None,
            done=np.ones(20, np.bool_),
        ),
    )
    return held


def descent(pessimism: float, *, epochs: int = 1) -> Descent:
    return Descent(
        learning_rate=0.5, momentum=0.0, epochs=epochs, batch=8, discount=0.9, low=-1.0, high=1.0, pessimism=pessimism
    )


def loss(row: np.ndarray, held: ReplayBuffers, picks: np.ndarray, pessimism: float) -> float:
    """Cross-entropy of the action taken with its share, and of each other one with 0; written from the docstring."""
    total = 0.0
    lived = held.held(0)
    first, second = (layer[0].astype(np.float64) for layer in POLICY.layers(row[None]))
    for pick in picks:
        hidden = np.append(np.tanh(np.append(lived.states[pick], 1) @ first), 1)
        target = (float(lived.rewards[pick]) + 1) / 2
        for action, logit in enumerate(hidden @ second):
            if action == lived.actions[pick]:
                total += np.logaddexp(0, logit) - target * logit
            else:
                total += pessimism * np.logaddexp(0, logit)
    return total / len(picks)


@pytest.mark.parametrize("pessimism", [0.0, 0.3, 1.0])
def test_a_step_follows_the_gradient_of_the_loss(pessimism: float) -> None:
    held, base = memory(), POLICY.genesis(3)
    rows, losses = train(POLICY, base, held, SEEDS, descent(pessimism))
    picks = draws(SEEDS, held.counts, steps=1, batch=8)[0, 0]
    assert losses[0] == pytest.approx(loss(base, held, picks, pessimism), rel=1e-5)
    for place in range(POLICY.dimension):
        step = np.zeros(POLICY.dimension)
        step[place] = 1e-5
        gradient = (loss(base + step, held, picks, pessimism) - loss(base - step, held, picks, pessimism)) / 2e-5
        assert rows[0, place] == pytest.approx(-0.5 * gradient, abs=2e-5)


def test_nothing_changes_where_nothing_is_said() -> None:
    held, base = memory(), POLICY.genesis(3)
    silent = Descent(learning_rate=0.5, momentum=0.9, epochs=5, batch=8, discount=0.9, low=-1.0, high=1.0)
    rows, _ = train(POLICY, base, held, SEEDS, silent)
    cautious, _ = train(POLICY, base, held, SEEDS, descent(1.0, epochs=5))
    assert silent.pessimism == 0.0
    assert not np.array_equal(rows, cautious)


def test_values_become_probability_times_share() -> None:
    """One state; action 0 is taken three times of four and always has share 1, action 1 once, with share 0.5."""
    held = ReplayBuffers(1, POLICY.features, capacity=8)
    held.extend(
        0,
        Experiences(
            states=np.ones((4, 3), np.float32),
            actions=np.array([0, 0, 0, 1], np.int32),
            rewards=np.array([1, 1, 1, 0], np.float32),
            next_states=None,
            done=np.ones(4, np.bool_),
        ),
    )
    row, _ = train(POLICY, POLICY.genesis(1), held, SEEDS, descent(1.0, epochs=3000))
    values = 1 / (1 + np.exp(-POLICY.logits(POLICY.genesis(1) + row[0], np.ones((1, 3), np.float32))[0]))
    np.testing.assert_allclose(values, [0.75, 0.125, 0, 0, 0], atol=0.01)


@pytest.mark.parametrize("pessimism", [-0.1, 1.1, float("nan")])
def test_settings_are_checked(pessimism: float) -> None:
    with pytest.raises(SettingError):
        LearningSettings(pessimism=pessimism)
