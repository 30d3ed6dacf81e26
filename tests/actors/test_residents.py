"""The agents' own loops, in their hosts: tasks watched, systems managed, learning asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from actors.agent import Adaptation, Complaint, Reading
from actors.config import COORDINATOR, host_name
from federation.errors import ExperienceError
from workloads.gradients import DigitsBandit, Experience, GradientsWorkload

AGENTS = tuple(f"agent-{number:03d}" for number in range(4))


class Systems:
    """Remembers what it was asked to do."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, str]] = []

    def adapt(self, agent: str, adaptation: str, symptom: str) -> str:
        self.done.append((agent, adaptation, symptom))
        return "carried out"


@pytest.fixture
def play(stage: Callable[..., Any]) -> Any:
    return stage(4, workload=GradientsWorkload(data=DigitsBandit(agents=AGENTS, contexts=16, experiences=32)))


def failures(count: int) -> list[Any]:
    states = np.random.default_rng(3).random((count, 64))
    return [{"state": state, "action": 3, "reward": 0.0} for state in states]


async def test_failing_tasks_are_seen_and_two_of_four_agents_start_learning(play: Any) -> None:
    await play.coordinator.start.remote()
    host = play.find(host_name(0))
    held = await host.observe.remote(AGENTS[0], failures(40))
    assert held == 32 + 40
    coordinator = play.actor(COORDINATOR)
    assert not (await play.coordinator.status.remote())["learning"]  # one agent may lie
    await host.observe.remote(AGENTS[1], failures(40))
    status = await play.coordinator.status.remote()
    assert status["learning"]
    assert (await play.find(host_name(0)).status.remote())["mape"]["retrain"] == 2
    records = await play.coordinator.records.remote(0, wait_s=5.0)
    assert records[0]["release"]["version"] == 1
    await coordinator.stop_learning()


async def test_a_managed_system_is_adapted_by_the_released_policy(stage: Callable[..., Any]) -> None:
    systems = Systems()
    data = DigitsBandit(agents=AGENTS, contexts=16, experiences=32)
    play = stage(4, workload=GradientsWorkload(data=data), systems=systems)
    await play.coordinator.start.remote()
    await play.coordinator.run_round.remote()
    host = play.find(host_name(1))
    value = play.actor(host_name(1))._force.value
    complaint = Complaint(name="failing", severity=0.9, impact=0.5)
    reading, chosen = reading_that_is_adapted(play.config.workload, value, complaint)
    done = await host.manage.remote(AGENTS[3], reading)
    assert done["symptoms"] == ["failing"]
    assert [result for _, result, _ in done["outcomes"]] == ["success"]
    assert systems.done == [(AGENTS[3], Adaptation(chosen).word, "failing")]
    before = len(play.actor(host_name(1))._learner.experiences(AGENTS[3]))
    await host.manage.remote(AGENTS[3], reading)  # the reading after the adaptation completes an experience
    assert len(play.actor(host_name(1))._learner.experiences(AGENTS[3])) == before + 1


def reading_that_is_adapted(workload: Any, value: Any, complaint: Complaint) -> tuple[Reading, int]:
    """A reading for which the policy, which knows ten actions, chooses one of the four adaptations."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        features = tuple(rng.random(61).tolist())
        state = np.array([[complaint.severity, 1 / 8, complaint.impact, *features]], np.float32)
        chosen = int(workload.predict(value, state)[0])
        if chosen < len(Adaptation):
            return Reading(features=features, complaints=(complaint,), reward=-1.0), chosen
    raise AssertionError("the policy never chooses an adaptation")


async def test_experiences_arrive_as_records_and_as_mappings(play: Any) -> None:
    await play.coordinator.start.remote()
    host = play.find(host_name(0))
    state = [0.5] * 64
    await host.observe.remote(AGENTS[0], [Experience(state=state, action=1, reward=1.0)])
    assert await host.observe.remote(AGENTS[0], [{"state": state, "action": 1, "reward": 1.0}]) == 34
    with pytest.raises(ExperienceError, match="without"):
        await host.observe.remote(AGENTS[0], [{"state": state, "action": 1}])
    assert (await play.actor(host_name(0)).observe(AGENTS[0], [])) == 34  # nothing of a refused batch is kept
