"""Local learning: stochastic gradient descent with momentum for many agents at once.

The network values each action: the logistic function of its logit is the action's expected return as a
share of a known range. The loss of an experience is the cross-entropy between that share and the target
(reward + discount * best value of the next state under the round's base, as a share). Its gradient with
respect to the logit lies in [-1, 1] whatever the rewards are, like Huber's; it vanishes where a sample
is fitted, so that honest agents whose data differ agree more and more as learning goes on, which is what
robust rules live on. The base serves as target network, so a target never chases the update it causes.

Actions start in the middle of the range. Where agents explore at random that is right; where they log what they do
by habit, an action that nobody took would look better than one that went a little worse than average, and the policy
would flee into the unknown. ``pessimism`` therefore lets each experience also say of every action not taken that it
is worth the least. At 1, an action's value becomes its probability under the logging policy times its expected
share: reward-weighted regression (Peters and Schaal, ICML 2007) in one-vs-rest form, in the spirit of conservative
Q-learning (Kumar et al., NeurIPS 2020).

An "epoch" is one step on a drawn batch, as the specification's budget line (32 samples, 10 epochs) counts.

All matrix products are batched over the agents and every agent's is of one size, so an agent's update is
the same to the last bit whoever else lives on its host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.workload import Row, Rows
from workloads.gradients.policy import Floats, Policy
from workloads.gradients.replay import ReplayBuffers, draws

_AGENTS_A_BLOCK = 32
# Logits beyond this are certainty in float32.
_CERTAIN = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """What one round of local learning does.

    Attributes:
        learning_rate: of this round, decay and tuning included.
        momentum: of the velocity, which starts at 0 each round: an update depends on nothing before.
        epochs: steps.
        batch: samples a step.
        discount: of the next state's value.
        low, high: the range of values; targets outside are cut.
        pessimism: weight of "the actions not taken are worth the least", beside 1 for the one taken.
    """

    learning_rate: float
    momentum: float
    epochs: int
    batch: int
    discount: float
    low: float
    high: float
    pessimism: float = 0.0


def train(
    policy: Policy, base: Row, memory: ReplayBuffers, seeds: NDArray[np.uint64], descent: Descent
) -> tuple[Rows, NDArray[np.float64]]:
    """``(k, d)`` changes to the base and ``(k,)`` mean losses over the steps.

    Agents with an empty memory get a row of zeros and a loss of NaN. O(k epochs batch d) time.
    """
    k = len(memory.counts)
    rows = np.zeros((k, policy.dimension), np.float32)
    losses = np.full(k, np.nan)
    busy = np.flatnonzero(memory.counts)
    for start in range(0, len(busy), _AGENTS_A_BLOCK):
        block = busy[start : start + _AGENTS_A_BLOCK]
        rows[block], losses[block] = _train_block(policy, base, memory, block, seeds[block], descent)
    return rows, losses


def _train_block(
    policy: Policy,
    base: Row,
    memory: ReplayBuffers,
    block: NDArray[np.intp],
    seeds: NDArray[np.uint64],
    descent: Descent,
) -> tuple[Rows, NDArray[np.float64]]:
    k, batch = len(block), descent.batch
    picks = draws(seeds, memory.counts[block], steps=descent.epochs, batch=batch)
    parameters = np.repeat(base[None].astype(np.float32), k, axis=0)
    velocity = np.zeros_like(parameters)
    gradient = np.empty_like(parameters)
    first, second = policy.layers(parameters)
    first_gradient, second_gradient = policy.layers(gradient)
    hidden = np.ones((k, batch, policy.hidden + 1), np.float32)
    errors = np.zeros((k, batch, policy.actions), np.float32)
    rows, places = np.arange(k)[:, None], np.arange(batch)[None]
    losses = np.zeros(k)
    for step in range(descent.epochs):
        at = (block[:, None], picks[:, step])
        states = memory.states(at)
        actions = memory.actions[at]
        targets = _targets(policy, base, memory, at, descent)
        np.tanh(np.matmul(states, first), out=hidden[:, :, :-1])
        logits = np.matmul(hidden, second)
        chosen = np.clip(logits[rows, places, actions], -_CERTAIN, _CERTAIN)
        errors[:] = 0
        if descent.pessimism:
            others = np.clip(logits, -_CERTAIN, _CERTAIN)
            others[rows, places, actions] = -_CERTAIN
            errors[:] = np.float32(descent.pessimism / batch) / (1 + np.exp(-others))
            losses += descent.pessimism * np.logaddexp(0, others).sum(axis=2).mean(axis=1, dtype=np.float64)
        errors[rows, places, actions] = (1 / (1 + np.exp(-chosen)) - targets) / np.float32(batch)
        losses += (np.logaddexp(0, chosen) - targets * chosen).mean(axis=1, dtype=np.float64)
        np.matmul(hidden.transpose(0, 2, 1), errors, out=second_gradient)
        back = np.matmul(errors, second[:, :-1].transpose(0, 2, 1))
        back *= 1 - np.square(hidden[:, :, :-1])
        np.matmul(states.transpose(0, 2, 1), back, out=first_gradient)
        velocity *= np.float32(descent.momentum)
        velocity += gradient
        parameters -= np.float32(descent.learning_rate) * velocity
    return parameters - base, losses / descent.epochs


def _targets(
    policy: Policy, base: Row, memory: ReplayBuffers, at: tuple[NDArray[np.intp], NDArray[np.intp]], descent: Descent
) -> Floats:
    span = np.float32(max(descent.high - descent.low, np.finfo(np.float32).tiny))
    returns = memory.rewards[at]
    if memory.follows:
        first, second = policy.layers(base[None])
        following = memory.next_states(at)
        # Broadcast over agents, not flattened: the products keep one size whatever k is.
        hidden = np.tanh(np.matmul(following, np.broadcast_to(first, (len(following), *first.shape[1:]))))
        logits = np.matmul(hidden, np.broadcast_to(second[:, :-1], (len(following), *second[0, :-1].shape)))
        best = np.clip((logits + second[0, -1]).max(axis=2), -_CERTAIN, _CERTAIN)
        value = np.float32(descent.low) + span / (1 + np.exp(-best))
        returns = returns + np.float32(descent.discount) * value * ~memory.done[at]
    return np.clip((returns - np.float32(descent.low)) / span, 0, 1)
