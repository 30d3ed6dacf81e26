"""Clients outside of Ray in the same rounds, through doors, with a storage of their own."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.bases import GENESIS_VERSION
from actors.clientele import AbsentDoorsError, ParticipantsError
from actors.config import AGGREGATOR, COORDINATOR, host_name
from actors.door import Door, OutsideError
from actors.storage import StorageUnavailableError
from federation.errors import RoundAbortedError, SettingError
from telemetry import semconv
from telemetry.semconv import ActorKind
from telemetry.testing import captured
from tests.actors.conftest import SECRET
from tests.actors.installations import SPACE, TOOLS, client
from tests.actors.outside import DOOR, Outside
from workloads.patterns import DeltaWeightVector
from workloads.patterns.rows import VALUES, value_columns


async def test_twelve_clients_make_a_release(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    swarm.submit(range(12))
    record = await swarm.round()
    assert (record["agents_count"], record["fault_bound"], record["verdicts"]["accepted"]) == (12, 3, 12)
    assert record["release"]["version"] == 1
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
    assert swarm.pending() == 0
    status = await swarm.play.coordinator.status.remote()
    assert (status["agents"], status["fault_bound"]) == (12, 3)
    assert status["actors"][DOOR]["clients"] == 12
    assert await swarm.standings() == {client(number): "active" for number in range(12)}


async def test_whoever_is_behind_is_not_counted_as_if_it_wanted_the_steps_since_back(
    outside: Callable[..., Outside],
) -> None:
    swarm = outside()
    swarm.submit(range(12))
    await swarm.round()
    before = await swarm.known()
    swarm.submit(range(4), base=None)
    swarm.submit(range(4, 8), base=GENESIS_VERSION)
    swarm.submit(range(8, 12))
    record = await swarm.round()
    assert record["verdicts"]["accepted"] == 12
    assert await swarm.known() == pytest.approx(before, abs=2e-4)


async def test_a_poisoned_client_is_found_and_after_three_rounds_kept_out(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    for number in range(3):
        swarm.submit(range(14), lies=(5,))
        record = await swarm.round()
        assert list(record["verdicts"]["agents"]) == [client(5)], number
    assert (await swarm.standings())[client(5)] == "quarantined"
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.02)
    swarm.submit(range(14), lies=(5,))
    record = await swarm.round()
    assert (record["enrolled"], record["verdicts"]["accepted"]) == (13, 13)
    assert swarm.pending() == 1  # the clerk tells REST, which takes no more of it
    told = await swarm.play.coordinator.agents.remote("", None, "quarantined")
    assert [one["agent"] for one in told] == [client(5)]


async def test_clients_come_and_go(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    rosters = (range(12), range(4, 20), range(10), range(16, 26))
    for number, roster in enumerate(rosters, start=1):
        swarm.submit(roster)
        record = await swarm.round()
        assert (record["round"], record["agents_count"]) == (number, len(roster))
        assert record["fault_bound"] == (len(roster) - 1) // 3
        if number == 2:
            swarm.play.kill(COORDINATOR)  # who came since stands in the journal
    coordinator = swarm.play.coordinator
    listed = await coordinator.agents.remote()
    assert [one["agent"] for one in listed] == sorted(client(number) for number in range(26))
    assert {one["agent"] for one in listed if not one["idle"]} == {client(number) for number in range(16, 26)}
    pages = [await coordinator.agents.remote(after, 20) for after in ("", listed[19]["agent"])]
    assert pages[0] + pages[1] == listed
    assert len(await coordinator.verdicts.remote(None, client(5))) == 3
    found = await coordinator.columns.remote([1, 2])
    assert [(len(column), column.count("a")) for column in found.values()] == [(26, 12), (26, 16)]
    assert await coordinator.host_of.remote(client(0)) == DOOR
    with pytest.raises(SettingError):
        await coordinator.host_of.remote("nobody")


async def test_too_few_are_refused_with_the_numbers_and_nothing_is_lost(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    with pytest.raises(ParticipantsError):
        await swarm.round()
    swarm.submit(range(9))
    with pytest.raises(ParticipantsError) as caught:
        await swarm.round()
    assert (caught.value.found, caught.value.needed) == (9, 10)
    assert swarm.pending() == 9
    assert (await swarm.play.coordinator.status.remote())["rounds"] == 0
    swarm.submit([9])
    record = await swarm.round()
    assert (record["round"], record["agents_count"]) == (1, 10)
    assert swarm.pending() == 0


async def test_what_comes_into_the_same_window_while_a_round_runs_is_not_erased(
    outside: Callable[..., Outside],
) -> None:
    swarm = outside()
    swarm.submit(range(12))
    swarm.play.kill_after = lambda name, method, nth: method == "learn" and bool(swarm.submit([3], window=0)) and False
    record = await swarm.round()
    assert record["agents_count"] == 12
    assert swarm.pending() == 1


async def test_what_is_stale_withdrawn_or_unreadable_is_left_out_and_waited_for_by_nobody(
    outside: Callable[..., Outside],
) -> None:
    swarm = outside()
    swarm.submit(range(12))
    await swarm.round()
    swarm.storage.releases.set_state(swarm.latest, "withdrawn")
    swarm.submit(range(12, 14))
    swarm.submit(range(14, 16), base="9.9.9")
    swarm.submit(range(16, 18), received_at=swarm.now - 72 * 3600 - 1)
    swarm.submit(range(18, 20), base=None, document=b"{}")
    swarm.submit([20], base=None, document=b"[" * 5000)
    swarm.submit(range(11), base=GENESIS_VERSION)
    record = await swarm.round()
    assert (record["enrolled"], record["agents_count"]) == (11, 11)
    told = (await swarm.play.coordinator.status.remote())["actors"][DOOR]
    assert told["left_out"] == {"door.unknown_base": 2, "patterns.invalid": 3}
    assert (told["clients"], told["waiting"]) == (11, 9)


async def test_a_schema_that_is_newer_than_the_servers(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    other = DeltaWeightVector.model_validate_json(swarm.submit([0])[0])
    document = other.model_copy(update={"weights": {"tool::New": other.weights["tool::Read"]}}).canonical()
    swarm.submit([0], document=document.replace(b'"category":"Read"', b'"category":"New"'))
    swarm.submit(range(1, 12))
    assert (await swarm.round())["enrolled"] == 11
    told = (await swarm.play.coordinator.status.remote())["actors"][DOOR]
    assert told["left_out"] == {"door.nothing_known": 1}


def left(folder: Path, documents: Iterable[bytes], rows: Iterable[bytes]) -> list[str]:
    """The files below a folder in which the changes of a document, or the values of a row, are found."""
    fields = re.compile(rb'"confidence":[^,]*,"groupMean":[^,]*,"sampleSize":\d+,"toolSuccessRate":[^,]*,"type"')
    parts = {part for document in documents for part in fields.findall(document)}
    assert len(parts) > 20
    width, at = 4 * len(VALUES), 4 * value_columns(len(SPACE.keys)).start
    for row in rows:
        parts |= {row[at + width * SPACE.places[key] :][:width] for key in TOOLS}
    files = [(path.name, path.read_bytes()) for path in folder.rglob("*") if path.is_file()]
    return [name for name, held in files if any(part in held for part in parts)]


@pytest.mark.parametrize("ending", ["released", "aborted"])
async def test_nothing_of_what_clients_sent_is_left(outside: Callable[..., Outside], ending: str) -> None:
    swarm = outside()
    documents, rows = swarm.submit(range(20)), []
    judge = swarm.play.actor(AGGREGATOR)._intake.judge

    def seen(batch: Any) -> Any:
        rows.extend(row.tobytes() for row in batch.payload)
        found = judge(batch)
        assert left(swarm.state, documents, rows), "it was there"
        return found

    swarm.play.actor(AGGREGATOR)._intake.judge = seen
    if ending == "aborted":
        swarm.play.kill_after = lambda name, method, nth: (
            method == "submit" and bool(swarm.play.actor(COORDINATOR)._conductor.stop("somebody says so"))
        )
        with pytest.raises(RoundAbortedError):
            await swarm.round()
        assert swarm.pending() == 20
        assert left(swarm.state, documents, rows) == []
        return
    await swarm.round()
    assert left(swarm.state.parent, documents, rows) == []
    assert swarm.pending() == 0


async def test_a_region_that_comes_late_counts_whole_in_the_next_round(outside: Callable[..., Outside]) -> None:
    swarm = outside(regions=("eu", "global"), linger_s=0.0)
    swarm.submit(range(4), region="eu")
    swarm.submit(range(4, 24))
    door, held = swarm.play.actor(DOOR), asyncio.Event()
    brought = door._brought

    async def later(terms: Any, trace: str) -> Any:
        await held.wait()
        return await brought(terms, trace)

    door._brought = later
    assert (await swarm.round())["agents_count"] == 20
    assert swarm.pending() == 4
    held.set()
    await asyncio.gather(*swarm.play.actor(COORDINATOR)._conductor._tasks, return_exceptions=True)
    assert swarm.play.actor(AGGREGATOR)._intake._journal.batches(1) == []
    swarm.submit(range(4, 24))
    record = await swarm.round()
    assert (record["agents_count"], record["stale_counted"]) == (24, 0)
    assert swarm.pending() == 0


async def test_a_client_at_two_doors_is_at_neither(outside: Callable[..., Outside]) -> None:
    swarm = outside(regions=("eu", "global"), linger_s=2.0)
    swarm.submit(range(6), region="eu")
    swarm.submit(range(6, 14))
    left, right = (swarm.play.actor(host_name(number))._arrivals for number in (0, 1))
    taken, both = threading.Event(), (left.take, right.take)

    def first(number: int) -> Any:
        found = both[0](number)
        taken.set()
        return found

    def then(number: int) -> Any:
        taken.wait(5.0)
        swarm.submit([3], window=0, region="global")  # it moves between the two questions
        return both[1](number)

    left.take, right.take = first, then
    assert (await swarm.round())["agents_count"] == 13
    left.take, right.take = both
    assert await swarm.play.coordinator.proofs.remote() == []
    assert swarm.pending() == 1
    swarm.submit([*range(3), *range(4, 14)])
    assert (await swarm.round())["agents_count"] == 14
    assert swarm.pending() == 0


async def test_without_a_door_the_others_go_on_and_it_is_made_again(outside: Callable[..., Outside]) -> None:
    swarm = outside(regions=("eu", "global"), deadline_s=0.2)
    swarm.submit(range(5), region="eu")
    swarm.submit(range(5, 17))
    swarm.play.gone.add(DOOR)  # Ray has given it up; eu is its region
    record = await swarm.round()
    assert record["agents_count"] == 12
    assert swarm.pending() == 5
    assert DOOR not in swarm.play.gone
    swarm.submit(range(5, 17))
    assert (await swarm.round())["agents_count"] == 17


async def test_when_no_door_answers_nothing_is_opened(outside: Callable[..., Outside]) -> None:
    swarm = outside(deadline_s=0.1)
    swarm.submit(range(12))
    storage = swarm.play.actor(DOOR)._arrivals._storage
    storage.claims.take = _down
    with pytest.raises(AbsentDoorsError, match=r"storage\.unavailable"):
        await swarm.round()
    assert (await swarm.play.coordinator.status.remote())["rounds"] == 0
    swarm.play.kill(DOOR)
    assert (await swarm.round())["agents_count"] == 12


async def test_a_batch_may_be_smaller_than_what_waits(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    swarm.submit(range(13))
    swarm.storage.facts.put("round", {"window": 0, "limit": 11})
    assert (await swarm.play.coordinator.run_round.remote())["agents_count"] == 11
    assert swarm.pending() == 2


async def test_a_door_says_what_the_registry_allows(outside: Callable[..., Outside]) -> None:
    swarm = outside(deadline_s=0.1)
    config, play = swarm.play.config, swarm.play
    with captured(actor_kind=ActorKind.DOOR, instance=DOOR) as capture:
        play.makers[DOOR] = lambda: Door(
            DOOR, "global", config, SECRET.derive("host"), play.find, capture.telemetry, clock=lambda: play.now
        )
        swarm.submit(range(11))
        swarm.submit([11], base="9.9.9")
        await swarm.round()
        swarm.submit(range(12))
        storage, taken = play.actor(DOOR)._arrivals._storage, play.actor(DOOR)._arrivals._storage.claims.take
        storage.claims.take = _down
        with pytest.raises(AbsentDoorsError):
            await swarm.round()
        storage.claims.take = taken
        [gathered] = [span for span in capture.spans if span.name == semconv.SPAN_DOOR_GATHER]
        told = dict(gathered.attributes or {})
        assert (told[semconv.ATTR_REGION], told[semconv.ATTR_WINDOW], told[semconv.ATTR_AGENTS_COUNT]) == (
            "global",
            0,
            11,
        )
        assert semconv.SPAN_APPLY in {span.name for span in capture.spans}
        assert capture.total(semconv.METRIC_SUBMISSIONS_GATHERED) == 12
        assert {event.name for event in capture.events} >= {semconv.EVENT_STORAGE_FAILED}


def _down(*_: Any, **__: Any) -> Any:
    raise StorageUnavailableError(url="sqlite:///x", found="no route")


async def test_clients_commit_too(outside: Callable[..., Outside]) -> None:
    swarm = outside(commit_reveal=True)
    swarm.submit(range(12))
    assert (await swarm.round())["agents_count"] == 12


async def test_what_an_operator_decides(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    swarm.submit(range(12))
    await swarm.round()
    coordinator = swarm.play.coordinator
    assert (await coordinator.quarantine.remote(client(1)))["standing"] == "quarantined"
    swarm.play.kill(COORDINATOR)
    swarm.submit(range(12))
    assert (await swarm.round())["enrolled"] == 11
    assert await coordinator.forget.remote([client(1), client(2), "nobody"]) == 1
    swarm.play.kill(COORDINATOR)
    assert set(await swarm.standings()) == {client(number) for number in range(12) if number != 2}
    assert (await coordinator.reinstate.remote(client(1)))["standing"] == "active"
    swarm.submit(range(12))
    assert (await swarm.round())["enrolled"] == 12
    with pytest.raises(SettingError):
        await coordinator.quarantine.remote("nobody")


async def test_a_door_says_what_it_cannot_do(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    swarm.submit(range(12))
    await swarm.round()
    door = swarm.play.find(DOOR)
    with pytest.raises(OutsideError):
        await door.observe.remote(client(0), [])
    with pytest.raises(OutsideError):
        await door.manage.remote(client(0), None)
    states = np.ones((2, len(SPACE.keys)), np.float32)
    assert (await door.predict.remote(client(0), states)).tolist() == [SPACE.places["tool::Grep"]] * 2
    assert await door.enrol.remote() == {}
    assert await door.agents.remote() == tuple(sorted(client(number) for number in range(12)))


async def test_a_release_that_was_brought_back_is_learned_from(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    swarm.submit(range(12))
    await swarm.round()
    swarm.submit(range(12))
    await swarm.round()
    await swarm.play.coordinator.rollback.remote(1)
    swarm.storage.releases.set_state("1.0.2", "withdrawn")
    await swarm.released()
    assert swarm.latest == "1.0.3"
    swarm.submit(range(12), base="1.0.2")
    with pytest.raises(ParticipantsError):
        await swarm.round()
    swarm.submit(range(12))
    record = await swarm.round()
    assert record["agents_count"] == 12
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
