"""Experiences, and what they are worth."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from workloads.gradients import Experiences
from workloads.trajectories import Conversion, Ending, Layout, Skip, Trajectory, advantages

Run = Callable[..., Trajectory]
LAYOUT = Layout(tools=("a", "b", "c"))
tries = st.lists(
    st.tuples(st.text("abcx ", max_size=8), st.sampled_from("tu"), st.sampled_from([0.0, 1.0])), max_size=6
)
rewards = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=8)


@settings(deadline=None)
@given(rewards, st.floats(0.5, 4))
def test_advantages_are_standard_scores_of_the_group(found: list[float], clip: float) -> None:
    worth = advantages(found, clip=clip)
    mean, deviation = statistics.fmean(found), statistics.pstdev(found)
    for reward, advantage in zip(found, worth, strict=True):
        expected = 0.0 if deviation == 0 else (reward - mean) / (deviation + 1e-6)
        assert advantage == pytest.approx(min(max(expected, -clip), clip), abs=1e-9)


@settings(deadline=None)
@given(rewards, st.integers(1, 50), st.integers(-50, 50))
def test_advantages_do_not_depend_on_the_scale_of_rewards(found: list[float], times: int, plus: int) -> None:
    scaled = [reward * times + plus for reward in found]
    np.testing.assert_allclose(advantages(scaled, clip=9), advantages(found, clip=9), atol=1e-4)


def test_tries_are_compared_within_the_task_and_the_agent(run: Run) -> None:
    runs = [
        run("a b", key="1", task="t", reward=1.0),
        run("a", key="2", task="t", reward=0.0, start=1),
        run("c", key="3", task="u", reward=0.5, start=2),
        run("b", key="4", task="t", reward=0.3, agent="you", start=3),
    ]
    found = Conversion(layout=LAYOUT).convert(runs)
    assert list(found.experiences) == ["me", "you"]
    assert [(one.action, round(one.reward, 4), one.done) for one in found.experiences["me"]] == [
        (0, 1.0, True),
        (1, 1.0, True),
        (0, -1.0, True),
        (2, 0.0, True),
    ]
    assert [one.reward for one in found.experiences["you"]] == [0.0]
    assert (found.trajectories, found.steps, found.level_tasks) == (4, 5, 2)
    states = LAYOUT.states(runs[0])
    np.testing.assert_allclose(found.experiences["me"][1].state, states[1], rtol=1e-6)


def test_credit_for_the_last_step_has_next_states(run: Run) -> None:
    conversion = Conversion(layout=LAYOUT, credit="last_step")
    found = conversion.convert([run("a b", key="1", task="t", reward=1.0), run("c", key="2", task="t", reward=0.0)])
    first, second, third = found.experiences["me"]
    assert [(one.reward, one.done) for one in (first, second, third)] == [
        (0.0, False),
        (pytest.approx(1.0, abs=1e-4), True),
        (pytest.approx(-1.0, abs=1e-4), True),
    ]
    assert first.next_state == second.state
    assert second.next_state is None
    columns = Experiences.of(found.experiences["me"], features=LAYOUT.length, actions=LAYOUT.actions)
    assert columns.next_states is not None
    assert (conversion.episodic, conversion.rewards) == (True, (-2.0, 2.0))


@settings(deadline=None, max_examples=50)
@given(tries, st.randoms(use_true_random=False))
def test_order_does_not_matter(drawn: list[tuple[str, str, float]], luck: object) -> None:
    from workloads.trajectories import Outcome, Step

    runs = [
        Trajectory(
            key=str(number),
            agent="me",
            task=task,
            reward=reward,
            steps=tuple(Step(tool=t, outcome=Outcome.SUCCESS, start_ns=0, latency_s=None) for t in tools.split()),
        )
        for number, (tools, task, reward) in enumerate(drawn)
    ]
    expected = Conversion(layout=LAYOUT).convert(runs)
    luck.shuffle(runs)  # type: ignore[attr-defined]
    assert Conversion(layout=LAYOUT).convert(runs) == expected


def test_what_is_not_learned_from_is_counted(run: Run) -> None:
    good = run("a x", key="1", task="t", reward=1.0)
    found = Conversion(layout=LAYOUT).convert(
        [
            good,
            replace(good, key="2", ending=Ending.INCOMPLETE),
            replace(good, key="3", ending=Ending.EVICTED),
            replace(good, key="4", agent=None),
            replace(good, key="5", reward=None),
            replace(good, key="6", steps=(), reward=0.0),
        ]
    )
    assert found.skipped == {Skip.NOT_COMPLETE: 2, Skip.NO_AGENT: 1, Skip.NO_REWARD: 1, Skip.NO_STEPS: 1}
    assert (found.trajectories, found.other_tools) == (1, 1)
    # The try without a step failed, and counts in the comparison.
    assert found.experiences["me"][0].reward == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("wrong", [{"clip": 0.0}, {"epsilon": 0.0}, {"credit": "all"}])
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        Conversion(layout=LAYOUT, **wrong)  # type: ignore[arg-type]
