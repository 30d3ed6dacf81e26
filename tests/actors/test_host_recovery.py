"""Hosts that are killed, and hosts that come back without their disk: they go on, and never contradict themselves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.agent import Complaint, Reading
from actors.config import COORDINATOR, host_name
from actors.host import AgentHost
from actors.journal_file import JournalError
from federation.compression import TopKCodec
from federation.errors import AdaptationError, QuorumError
from federation.identity import Secret
from workloads.gradients import DigitsBandit, Experience, GradientsWorkload, LearningSettings
from workloads.null import NullWorkload
from workloads.simulation import Simulation

AGENTS = tuple(f"agent-{number:03d}" for number in range(8))
SECRET = Secret(bytes(range(32)))
LOSSY = TopKCodec(fraction=0.25)
HOST = host_name(0)


def digits(**settings: Any) -> GradientsWorkload:
    data = DigitsBandit(agents=AGENTS, contexts=16, experiences=32)
    return GradientsWorkload(data=data, learning=LearningSettings(capacity=40), **settings)


def lived(count: int, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [
        Experience(state=rng.random(64).tolist(), action=int(rng.integers(10)), reward=float(rng.integers(2)))
        for _ in range(count)
    ]


async def digests(play: Any, rounds: int) -> list[str]:
    return [(await play.coordinator.run_round.remote())["release"]["digest"] for _ in range(rounds)]


def moves(play: Any, folder: Path) -> None:
    """From now on the first host's state folder is another one, as on another node."""
    agents = play.actor(COORDINATOR)._members.hosts[HOST]
    config = play.config.model_copy(update={"state_dir": folder})
    play.kill(HOST)
    play.makers[HOST] = lambda: AgentHost(HOST, agents, config, SECRET.derive("host"), play.find)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_residuals_survive_a_host_killed_at_every_position(
    stage: Callable[..., Any], tmp_path: Path, when: str, sealed: bool
) -> None:
    def made(name: str) -> Any:
        settings = {"workload": NullWorkload(dimension=16, codec=LOSSY), "error_feedback": True}
        return stage(state_dir=tmp_path / name, linger_s=2.0, commit_reveal=sealed, **settings)

    calm = made("calm")
    wanted = await digests(calm, 3)
    assert calm.positions[HOST] == 3
    for position in range(1, 4):
        play = made(str(position))
        play.kill_in = lambda name, nth, at=position: when if (name, nth) == (HOST, at) else ""
        assert await digests(play, 3) == wanted, f"killed {when} commit {position}"
        assert play.deaths == [HOST]
        assert await play.coordinator.proofs.remote() == []


async def test_a_swarm_with_error_feedback_is_what_the_simulation_says(stage: Callable[..., Any]) -> None:
    workload = digits(codec=LOSSY)
    play = stage(workload=workload, error_feedback=True, linger_s=2.0)
    steps = Simulation(workload, AGENTS, error_feedback=True).steps(3)
    for number, step in enumerate(steps, start=1):
        await play.coordinator.run_round.remote()
        play.kill(host_name(number % 2))
        found = await play.coordinator.release.remote()
        assert np.array_equal(workload.unpack(found["artefact"]), step.value)


async def test_without_loss_error_feedback_keeps_nothing(stage: Callable[..., Any], tmp_path: Path) -> None:
    play = stage(error_feedback=True)
    await digests(play, 1)
    assert not (tmp_path / "hosts").exists()
    assert play.calls.count(f"{COORDINATOR}.first_round") == 2  # once a host and process
    await digests(play, 1)
    assert play.calls.count(f"{COORDINATOR}.first_round") == 2


@pytest.mark.parametrize(("asked", "sealed"), [("learn", False), ("commit", True), ("learn", True)])
async def test_a_host_without_its_disk_sits_out_what_it_may_have_signed(
    stage: Callable[..., Any], tmp_path: Path, asked: str, sealed: bool
) -> None:
    workload = NullWorkload(dimension=16, codec=LOSSY)
    settings = {"error_feedback": True, "commit_reveal": sealed, "deadline_s": 60.0}
    play = stage(workload=workload, hosts=4, linger_s=2.0, **settings)
    first = await play.coordinator.run_round.remote()
    assert first["agents_count"] == 8
    counts: list[int] = []
    for folder in (tmp_path / "elsewhere", tmp_path):  # to another disk, and back to one that is out of date
        moved: list[str] = []

        def lose(name: str, method: str, nth: int, folder: Path = folder, moved: list[str] = moved) -> bool:
            if (name, method) == (HOST, asked) and not moved:
                moved.append(name)
                moves(play, folder)
                return True
            return False

        play.kill_after = lose
        counts += [(await play.coordinator.run_round.remote())["agents_count"] for _ in range(2)]
        assert play.actor(HOST)._journal.first_round == len(counts) + 1
    assert counts == [6, 8, 6, 8]
    play.kill(HOST)  # with its disk it is back at once
    assert (await play.coordinator.run_round.remote())["agents_count"] == 8
    assert await play.coordinator.proofs.remote() == []


async def test_too_many_agents_without_their_disk_end_one_round_with_the_numbers(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    play = stage(workload=NullWorkload(dimension=16, codec=LOSSY), error_feedback=True, deadline_s=60.0)
    await digests(play, 1)
    moves(play, tmp_path / "elsewhere")
    with pytest.raises(QuorumError) as caught:  # at once, not at the deadline
        await play.coordinator.run_round.remote()
    assert (caught.value.refused, caught.value.valid + caught.value.missing) == (4, 4)
    assert (await play.coordinator.run_round.remote())["agents_count"] == 8


async def test_what_can_be_made_again_needs_no_disk(stage: Callable[..., Any], tmp_path: Path) -> None:
    wanted = await digests(stage(state_dir=tmp_path / "calm", linger_s=2.0), 2)
    play = stage(state_dir=tmp_path / "moving", linger_s=2.0)
    play.kill_after = lambda name, method, nth: (name, method, nth) == (HOST, "learn", 1)
    await play.coordinator.start.remote()
    moves(play, tmp_path / "elsewhere")
    assert await digests(play, 2) == wanted


@pytest.mark.parametrize("pushes", [(3,), (9, 60, 0, 45), (100, 1)])
async def test_pushed_experiences_survive_a_host(
    stage: Callable[..., Any], tmp_path: Path, pushes: tuple[int, ...]
) -> None:
    found: list[list[str]] = []
    for killed in (False, True):
        play = stage(workload=digits(), state_dir=tmp_path / str(killed), linger_s=2.0)
        await digests(play, 1)
        held = 0
        for number, count in enumerate(pushes):
            held = await play.find(HOST).observe.remote(AGENTS[1], lived(count, seed=number))
            if killed:
                play.kill(HOST)
        assert held == min(32 + sum(pushes), 40)
        assert await play.find(HOST).observe.remote(AGENTS[1], []) == held
        found.append(await digests(play, 2))
    assert found[0] == found[1]


async def test_what_a_managed_system_taught_survives_too(stage: Callable[..., Any]) -> None:
    class Systems:
        def adapt(self, agent: str, adaptation: str, symptom: str) -> str:
            return "done"

    play = stage(workload=digits(), systems=Systems())
    await play.coordinator.start.remote()
    rng, complaint = np.random.default_rng(0), Complaint(name="failing", severity=0.9, impact=0.5)
    for _ in range(40):  # the policy knows ten actions, of which four are adaptations
        reading = Reading(features=tuple(rng.random(61).tolist()), complaints=(complaint,), reward=-1.0)
        with suppress(AdaptationError):
            await play.find(HOST).manage.remote(AGENTS[1], reading)
    held = await play.find(HOST).observe.remote(AGENTS[1], [])
    assert held > 32
    before = play.actor(HOST)._learner.experiences(AGENTS[1])
    play.kill(HOST)
    after = play.actor(HOST)._learner.experiences(AGENTS[1])
    assert len(after) == held
    assert np.array_equal(before.states, after.states)
    assert np.array_equal(before.rewards, after.rewards)


async def test_an_experience_pushed_in_mid_round_does_not_change_what_was_signed(stage: Callable[..., Any]) -> None:
    play = stage(workload=digits())
    await digests(play, 1)
    host, terms = play.find(HOST), play.actor(COORDINATOR)._journal.terms(1)
    _, signed = await host.learn.remote(terms)
    await host.observe.remote(AGENTS[0], lived(5))  # the journal is begun here, with what was signed before
    play.kill(HOST)
    _, again = await host.learn.remote(terms)
    assert [batch.to_wire() for batch in again] == [batch.to_wire() for batch in signed]
    assert await host.observe.remote(AGENTS[0], []) == 37


async def test_a_journal_that_cannot_be_used_is_said_where_it_is_needed(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "hosts").write_text("in the way")
    play = stage(workload=digits(codec=LOSSY), error_feedback=True, deadline_s=0.3)
    await play.coordinator.start.remote()
    with pytest.raises(JournalError, match=HOST):
        await play.find(HOST).observe.remote(AGENTS[0], lived(1))
    assert play.actor(HOST)._learner.observe(AGENTS[0], []) == 32
    with pytest.raises(QuorumError):
        await play.coordinator.run_round.remote()
    assert (await play.find(HOST).predict.remote(AGENTS[0], np.zeros((1, 64), np.float32))).shape == (1,)


async def test_a_host_whose_journal_is_spoiled_answers_and_does_not_sign(
    stage: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / f"{HOST}.sqlite").write_bytes(b"no database" * 100)
    play = stage(hosts=4)
    record = await play.coordinator.run_round.remote()
    assert record["agents_count"] == 6
    with pytest.raises(JournalError, match="not a database"):
        await play.find(HOST).observe.remote(AGENTS[0], lived(1))
