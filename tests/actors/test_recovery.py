"""Killed at every position of the journal, before and after the commit: the releases stay the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from actors.config import AGGREGATOR, COORDINATOR, host_name
from federation.errors import RoundAbortedError

ROUNDS = 2


async def run(play: Any) -> list[dict[str, Any]]:
    """Rounds as the handle asks for them: again, by the same id, when the coordinator was lost."""
    records: list[dict[str, Any]] = []
    for number in range(ROUNDS):
        while True:
            try:
                records.append(await play.coordinator.run_round.remote(f"request-{number}"))
                break
            except ActorDiedError:
                await asyncio.sleep(0)
    return records


def digests(records: list[dict[str, Any]]) -> list[tuple[int, str, int, int]]:
    return [
        (
            record["release"]["version"],
            record["release"]["digest"],
            record["agents_count"],
            record["verdicts"]["accepted"],
        )
        for record in records
    ]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_every_position_of_the_journal(
    stage: Callable[..., Any], tmp_path: Path, when: str, sealed: bool
) -> None:
    calm = stage(state_dir=tmp_path / "calm", commit_reveal=sealed, linger_s=2.0)
    wanted = digests(await run(calm))
    assert [agents for _, _, agents, _ in wanted] == [8] * ROUNDS
    assert calm.positions[COORDINATOR] == 3 + 3 * ROUNDS  # two hosts and the genesis; open, release, amend
    assert calm.positions[AGGREGATOR] == (2 + 2 * sealed) * ROUNDS
    for name, positions in calm.positions.items():
        for position in range(1, positions + 1):
            play = stage(state_dir=tmp_path / f"{name}-{position}", commit_reveal=sealed, linger_s=2.0)
            play.kill_in = lambda who, nth, at=(name, position): when if (who, nth) == at else ""
            found = await run(play)
            assert play.deaths == [name]
            assert digests(found) == wanted, f"{name} killed {when} commit {position}"
            assert (await play.coordinator.status.remote())["rounds"] == ROUNDS


@pytest.mark.parametrize("name", [AGGREGATOR, COORDINATOR, host_name(0)])
async def test_killed_while_nobody_asked_it_anything(stage: Callable[..., Any], tmp_path: Path, name: str) -> None:
    wanted = digests(await run(stage(state_dir=tmp_path / "calm", linger_s=2.0)))
    for moment in (".submit", ".learn", ".measure", ".apply"):
        play = stage(state_dir=tmp_path / f"{name}{moment}", linger_s=2.0)
        await play.coordinator.start.remote()

        def silently(who: str, what: str, nth: int, play: Any = play, moment: str = moment) -> bool:
            if f".{what}" == moment and name not in play.deaths and nth == 2 and who != name:
                play.kill(name)
            return False

        play.kill_before = silently
        assert digests(await run(play)) == wanted


async def test_a_request_stays_answered_whoever_asked_in_between(stage: Callable[..., Any]) -> None:
    play = stage()
    first = await play.coordinator.run_round.remote("one")
    await play.coordinator.run_round.remote("two")
    assert await play.coordinator.run_round.remote("one") == first
    play.kill(COORDINATOR)
    assert await play.coordinator.run_round.remote("one") == first
    assert (await play.coordinator.status.remote())["rounds"] == 2


async def test_who_is_answered_with_a_round_taken_up_stays_answered_with_it(stage: Callable[..., Any]) -> None:
    play = stage()
    play.kill_in = lambda name, nth: "after" if (name, nth) == (COORDINATOR, 4) else ""
    with pytest.raises(ActorDiedError):
        await play.coordinator.run_round.remote("mine")
    other = await play.coordinator.run_round.remote("yours")
    assert other["round"] == 1
    assert await play.coordinator.run_round.remote("mine") == other
    assert await play.coordinator.run_round.remote("yours") == other


async def test_a_record_has_all_its_fields_also_when_its_times_were_lost(stage: Callable[..., Any]) -> None:
    play = stage()
    play.kill_in = lambda name, nth: "before" if (name, nth) == (COORDINATOR, 6) else ""
    with pytest.raises(ActorDiedError):
        await play.coordinator.run_round.remote("one")
    record = await play.coordinator.run_round.remote("one")
    assert record["release"]["version"] == 1
    assert record["total_duration_ms"] is None
    fresh = await play.coordinator.run_round.remote("two")
    assert record.keys() == fresh.keys()


async def test_a_rollback_is_not_undone_by_a_round_left_open(stage: Callable[..., Any]) -> None:
    play = stage()
    await play.coordinator.run_round.remote()
    play.kill_in = lambda name, nth: "after" if (name, nth) == (COORDINATOR, 7) else ""
    with pytest.raises(ActorDiedError):
        await play.coordinator.run_round.remote("left open")
    back = await play.coordinator.rollback.remote(0)
    assert (back["version"], back["restores"]) == (2, 0)
    with pytest.raises(RoundAbortedError, match="came into force"):
        await play.coordinator.run_round.remote("left open")
    record = await play.coordinator.run_round.remote()
    assert record["release"]["parent"] == back["digest"]


async def test_a_restarted_coordinator_does_without_a_host_that_is_down(stage: Callable[..., Any]) -> None:
    play = stage(hosts=4)
    await play.coordinator.run_round.remote()
    play.gone.add(host_name(3))
    play.kill(COORDINATOR)
    record = await play.coordinator.run_round.remote()
    assert record["agents_count"] == 6


async def test_an_old_question_does_not_replace_the_round_that_is_open(stage: Callable[..., Any]) -> None:
    play = stage()
    await play.coordinator.run_round.remote()
    terms = [play.actor(COORDINATOR)._journal.terms(1)]
    await play.coordinator.run_round.remote()
    aggregator = play.find(AGGREGATOR)
    await aggregator.open.remote(replace(terms[0], round=3), {})
    with pytest.raises(RoundAbortedError, match="round 3 is open"):
        await aggregator.open.remote(terms[0], {})
