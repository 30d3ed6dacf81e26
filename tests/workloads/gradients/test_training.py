from __future__ import annotations

import numpy as np
import pytest

from federation.terms import Tuning
from workloads.gradients import Experiences, GradientsLearner, LearningSettings, Policy
from workloads.gradients.replay import ReplayBuffers, draws
from workloads.gradients.training import Descent, train

POLICY = Policy(features=3, hidden=4, actions=2)


def lives(seed: int, count: int, *, episodic: bool = False) -> Experiences:
    rng = np.random.default_rng(seed)
    done = rng.random(count) < 0.5 if episodic else np.ones(count, np.bool_)
    return Experiences(
        states=rng.standard_normal((count, 3)).astype(np.float32),
        actions=rng.integers(0, 2, count).astype(np.int32),
        rewards=rng.random(count).astype(np.float32),
        next_states=rng.standard_normal((count, 3)).astype(np.float32) if episodic else None,
        done=done,
    )


def learner(agents: tuple[str, ...], *, episodic: bool = False, **settings: float) -> GradientsLearner:
    return GradientsLearner(
        agents,
        policy=POLICY,
        settings=LearningSettings(**settings),  # type: ignore[arg-type]
        values=(0.0, 10.0 if episodic else 1.0),
        scaling=(np.zeros(3, np.float32), np.ones(3, np.float32)),
        shares=[lives(int(agent), 20 + int(agent), episodic=episodic) for agent in agents],
    )


def loss_of(row: np.ndarray, batch: Experiences) -> float:
    """The documented loss, written down once more in float64."""
    first, second = row[:16].reshape(4, 4), row[16:].reshape(5, 2)
    logits = np.tanh(batch.states @ first[:3] + first[3]) @ second[:4] + second[4]
    value = 1 / (1 + np.exp(-logits[np.arange(len(batch)), batch.actions]))
    return float(-(batch.rewards * np.log(value) + (1 - batch.rewards) * np.log(1 - value)).mean())


def test_one_step_follows_the_numerical_gradient() -> None:
    memory = ReplayBuffers(1, 3, capacity=50)
    held = lives(1, 40)
    memory.extend(0, held)
    base = POLICY.genesis(0)
    seeds = np.array([7], np.uint64)
    descent = Descent(learning_rate=1.0, momentum=0.0, epochs=1, batch=8, discount=0.0, low=0.0, high=1.0)
    rows, losses = train(POLICY, base, memory, seeds, descent)
    picks = draws(seeds, memory.counts, steps=1, batch=8)[0, 0]
    batch = held.take(picks)
    wide = base.astype(np.float64)
    assert losses[0] == pytest.approx(loss_of(wide, batch), rel=1e-5)
    for place in range(POLICY.dimension):
        nudge = np.zeros_like(wide)
        nudge[place] = 1e-5
        slope = (loss_of(wide + nudge, batch) - loss_of(wide - nudge, batch)) / 2e-5
        assert rows[0, place] == pytest.approx(-slope, abs=2e-5)


def test_momentum_is_the_textbook_recursion() -> None:
    memory = ReplayBuffers(1, 3, capacity=50)
    memory.extend(0, lives(2, 1))
    base, seeds = POLICY.genesis(1), np.array([3], np.uint64)

    def after(epochs: int, momentum: float, start: np.ndarray) -> np.ndarray:
        descent = Descent(learning_rate=0.5, momentum=momentum, epochs=epochs, batch=4, discount=0.0, low=0.0, high=1.0)
        return train(POLICY, start, memory, seeds, descent)[0][0]

    one = after(1, 0.9, base)
    # One single experience: every batch is the same, so the second gradient is that at base + one.
    second = after(1, 0.0, base + one) + 0.9 * one
    assert after(2, 0.9, base) == pytest.approx(one + second, abs=1e-6)


@pytest.mark.parametrize("episodic", [False, True])
def test_an_update_is_the_same_to_the_bit_whoever_shares_the_host(episodic: bool) -> None:
    agents = tuple(str(number) for number in range(100))
    seeds = np.random.default_rng(0).integers(0, 2**63, 100).astype(np.uint64)
    base = POLICY.genesis(4)
    together = learner(agents, episodic=episodic).learn(base, round_number=3, seeds=seeds, tuning=Tuning())
    for row in (0, 1, 31, 32, 99):
        alone = learner(agents[row : row + 1], episodic=episodic).learn(
            base, round_number=3, seeds=seeds[row : row + 1], tuning=Tuning()
        )
        assert alone.rows[0].tobytes() == together.rows[row].tobytes()
        assert alone.losses[0] == together.losses[row]
    halves = [
        learner(part, episodic=episodic).learn(base, round_number=3, seeds=own, tuning=Tuning()).rows
        for part, own in ((agents[:37], seeds[:37]), (agents[37:], seeds[37:]))
    ]
    assert np.concatenate(halves).tobytes() == together.rows.tobytes()


def test_learning_is_a_function_of_base_round_seeds_and_data() -> None:
    own = learner(("5", "6"))
    base, seeds = POLICY.genesis(4), np.array([1, 2], np.uint64)
    before = base.copy()
    base.setflags(write=False)
    first = own.learn(base, round_number=1, seeds=seeds, tuning=Tuning())
    again = own.learn(base, round_number=1, seeds=seeds, tuning=Tuning())
    assert first.rows.tobytes() == again.rows.tobytes()
    assert np.array_equal(base, before)
    other = own.learn(base, round_number=1, seeds=seeds + np.uint64(1), tuning=Tuning())
    assert not np.array_equal(first.rows, other.rows)


def test_the_step_decays_with_the_root_of_the_round_and_tuning_scales() -> None:
    own = learner(("5",), epochs=1, momentum=0.0)
    base, seeds = POLICY.genesis(4), np.array([1], np.uint64)
    first = own.learn(base, round_number=1, seeds=seeds, tuning=Tuning())
    fourth = own.learn(base, round_number=4, seeds=seeds, tuning=Tuning())
    halved = own.learn(base, round_number=1, seeds=seeds, tuning=Tuning(learning_rate_scale=0.5))
    assert fourth.rows == pytest.approx(first.rows / 2, abs=1e-6)
    assert fourth.rows.tobytes() == halved.rows.tobytes()
    longer = own.learn(base, round_number=1, seeds=seeds, tuning=Tuning(epochs_scale=3.3))
    assert (first.epochs, longer.epochs) == (1, 3)


def test_an_agent_without_data_is_idle_and_moves_nothing() -> None:
    idle = GradientsLearner(
        ("a", "b"),
        policy=POLICY,
        settings=LearningSettings(),
        values=(0.0, 1.0),
        scaling=(np.zeros(3, np.float32), np.ones(3, np.float32)),
        shares=[lives(0, 0), lives(1, 9)],
    )
    found = idle.learn(POLICY.genesis(0), round_number=1, seeds=np.array([1, 2], np.uint64), tuning=Tuning())
    assert found.idle.tolist() == [True, False]
    assert np.isnan(found.losses[0])
    assert not found.rows[0].any()
    assert found.rows[1].any()
    assert found.weights.tolist() == [0, 9]


def test_values_reach_through_next_states() -> None:
    """A corridor: action 1 moves right, and only the far end pays. Discounting has to carry that back."""
    rng = np.random.default_rng(0)
    places, count = 5, 600
    at, action = rng.integers(0, places, count), rng.integers(0, 2, count)
    to = np.clip(at + np.where(action == 1, 1, -1), 0, places)
    eye = np.eye(places + 1, dtype=np.float32)
    policy = Policy(features=places + 1, hidden=12, actions=2)
    agent = GradientsLearner(
        ("a",),
        policy=policy,
        settings=LearningSettings(learning_rate=0.5),
        values=(0.0, 1.0),
        scaling=(np.zeros(places + 1, np.float32), np.ones(places + 1, np.float32)),
        shares=[
            Experiences(
                states=eye[at],
                actions=action.astype(np.int32),
                rewards=(to == places).astype(np.float32),
                next_states=eye[to],
                done=to == places,
            )
        ],
    )
    value = policy.genesis(0)
    for number in range(1, 150):
        value = (
            value
            + agent.learn(value, round_number=number, seeds=np.array([number], np.uint64), tuning=Tuning()).rows[0]
        )
    assert policy.act(value, eye[:places]).tolist() == [1] * places
    shares = 1 / (1 + np.exp(-policy.logits(value, eye[:places])[:, 1]))
    assert shares == pytest.approx(0.9 ** np.arange(places - 1, -1, -1), abs=0.08)
