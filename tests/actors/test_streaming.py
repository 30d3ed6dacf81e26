"""Doors that fold what comes in: whole rounds of groups, two regions with liars, kills, and who is kept out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from actors.bases import GENESIS_VERSION
from actors.clientele import ParticipantsError
from actors.config import AGGREGATOR, COORDINATOR, FederationConfig, SwarmConfig, host_name
from actors.group_arrivals import GroupRows
from actors.storage import Client, ClientState
from federation.compression import Int8Codec
from federation.errors import SettingError
from federation.privacy import UnboundedRuleError
from federation.rules import Median
from gateway.federation.rounds import code_of
from tests.actors.conftest import Stage
from tests.actors.installations import SPACE, TOOLS, WORKLOAD, Installations, client
from tests.actors.test_door import Outside
from workloads.patterns import GroupedPatternsWorkload, MassAnomalyError, PatternsWorkload, Window, weights_of

GROUPED = GroupedPatternsWorkload.of(WORKLOAD)
ROBUST = GroupedPatternsWorkload.of(replace(WORKLOAD, inner=Median()))
DOOR, OTHER = host_name(0), host_name(1)


class Streams(Outside):
    """A federation that streams, on the stage."""

    def __init__(self, folder: Path, regions: tuple[str, ...] = ("global",), *, groups: int = 8, **given: Any) -> None:
        Installations.__init__(self, folder)
        self.state = folder / "state"
        federation = FederationConfig(
            storage=self.url, regions=regions, streaming=True, groups=groups, fold_every_s=3600
        )
        settings = {"workload": GROUPED, "deadline_s": 5.0, "linger_s": 2.0, **given}
        self.play = Stage(SwarmConfig(federation=federation, state_dir=self.state, **settings))
        self.play.now = self.now

    async def round_of(self, numbers: Iterable[int], **given: Any) -> dict[str, Any]:
        """A round of what these clients submit."""
        self.submit(numbers, **given)
        return await self.round()

    def arrivals(self, door: str = DOOR) -> GroupRows:
        return self.play.actor(door)._arrivals

    def registered(self, numbers: Any, region: str = "global") -> None:
        for number in numbers:
            self.storage.clients.put(
                Client(
                    id=client(number),
                    public_key=bytes(32),
                    region=region,
                    platform="linux",
                    plugin_version="1",
                    schema_version="1.0",
                    consent_at=0.0,
                    registered_at=0.0,
                    seen_at=0.0,
                )
            )

    def standing(self, number: int) -> ClientState:
        found = self.storage.clients.get(client(number))
        assert found is not None
        return found.state


@pytest.fixture
def streams(tmp_path: Path) -> Callable[..., Streams]:
    def make(name: str = "one", **settings: Any) -> Streams:
        (tmp_path / name).mkdir()
        return Streams(tmp_path / name, **settings)

    return make


async def test_a_round_of_groups_comes_to_what_all_clients_come_to(streams: Callable[..., Streams]) -> None:
    swarm = streams()
    record = await swarm.round_of(range(40))
    assert record["agents_count"] == record["verdicts"]["accepted"] == 8
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
    assert swarm.pending() == 0
    swarm.submit(range(40))
    swarm.play.kill(DOOR)  # it keeps nothing
    assert (await swarm.round())["agents_count"] == 8
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
    found = await swarm.play.coordinator.release.remote()
    weights = weights_of(WORKLOAD.unpack(found["artefact"]), SPACE)
    assert {(one.contributor_count, one.total_samples) for one in weights.values()} == {(40, 1200)}
    told = (await swarm.play.coordinator.status.remote())["actors"][DOOR]
    assert (told["region"], told["groups"], told["clients"]) == ("global", 8, 0)  # counted, and gone


async def test_two_regions_with_liars_in_each(streams: Callable[..., Streams]) -> None:
    swarm = streams(regions=("eu", "us"), workload=ROBUST)
    for number in range(4):
        swarm.submit(range(30), lies=(3, 9, 20), region="eu")
        swarm.submit(range(30, 60), lies=(40, 50), region="us")
        record = await swarm.round()
        assert 14 <= record["agents_count"] <= 16, number  # a group may be empty
        assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
        if number == 0:
            swarm.registered(range(30), "eu")
            swarm.registered(range(30, 60), "us")
    assert swarm.storage.windows.participants(1) == 55
    assert swarm.storage.windows.participants(4) == 55
    told = swarm.storage.facts.get("region.eu")
    assert (told["clients"], told["patterns"], told["flagged"]) == (27, 3.0, 0)  # the liars are kept out by now
    assert told["mean_confidence"] == pytest.approx(sum(TOOLS.values()) / 3, abs=0.011)
    out = {number for number in range(60) if swarm.standing(number) is ClientState.QUARANTINED}
    assert out == {3, 9, 20, 40, 50}
    entries = swarm.storage.audit.list(action="quarantine")
    assert {entry.name for entry in entries} == {client(number) for number in out}
    assert swarm.storage.windows.kept_out() == {client(number) for number in out}
    standings = await swarm.standings()
    assert set(standings.values()) == {"active"}  # groups are new in each window: none has to answer for another one


async def test_liars_that_pass_the_screen_spoil_their_groups_only(streams: Callable[..., Streams]) -> None:
    lenient = replace(ROBUST, rounds=replace(ROBUST.rounds, review_above=1.0))
    swarm = streams(workload=lenient, groups=16)
    door = swarm.arrivals()
    door._streaming = replace(door._streaming, screen=replace(door._streaming.screen, outlier=1e9, agreement=1.0))
    record = await swarm.round_of(range(160), lies=(1, 2, 3))
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
    assert record["agents_count"] == 16


async def test_what_a_client_sends_after_it_was_folded_waits_for_the_next_window(
    streams: Callable[..., Streams],
) -> None:
    swarm = streams()
    await swarm.round_of(range(40))
    swarm.submit(range(40))
    door = swarm.arrivals()
    assert door.fold() == 40
    assert (swarm.pending(), door.fold()) == (0, 0)
    swarm.submit(range(5), lies=range(5))
    assert (swarm.pending(), door.fold()) == (5, 0)
    swarm.submit([77])
    assert door.fold() == 1
    record = await swarm.round()
    assert record["agents_count"] == 8
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
    assert swarm.pending() == 5
    stored = swarm.storage.windows.get("global")
    assert stored is None
    assert door.fold() == 0  # five alone are not enough to screen by
    assert door.outdated() == ()


async def test_groups_of_long_ago_are_named_once_to_be_forgotten(streams: Callable[..., Streams]) -> None:
    swarm = streams(groups=2)
    door = swarm.arrivals()
    for _ in range(30):
        door._stored(None)
        swarm.storage.windows.close("global", counted=True, now=0.0)
    assert door.outdated() == ("global.1.0000", "global.1.0001", "global.2.0000", "global.2.0001")
    assert door.outdated() == ()
    door._stored(None)
    swarm.storage.windows.close("global", counted=True, now=0.0)
    assert door.outdated() == ("global.3.0000", "global.3.0001")


async def test_a_window_that_does_not_count_is_folded_further(streams: Callable[..., Streams]) -> None:
    swarm = streams()
    swarm.submit(range(9))
    with pytest.raises(ParticipantsError) as caught:
        await swarm.round()
    assert (caught.value.found, caught.value.needed) == (9, 10)
    stored = swarm.storage.windows.get("global")
    assert stored is not None
    assert Window.from_bytes(stored.state).clients == 9
    record = await swarm.round_of(range(9, 30))
    assert record["release"]["version"] == 1
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
    found = await swarm.play.coordinator.release.remote()
    weights = weights_of(WORKLOAD.unpack(found["artefact"]), SPACE)
    assert {one.contributor_count for one in weights.values()} == {30}


async def test_a_window_moves_with_the_release_and_is_dropped_with_a_withdrawn_one(
    streams: Callable[..., Streams],
) -> None:
    swarm = streams()
    await swarm.round_of(range(40))
    before = await swarm.known()
    swarm.submit(range(40))
    assert swarm.arrivals().fold() == 40  # against 1.0.1
    await swarm.play.coordinator.rollback.remote(0)
    await swarm.released()
    assert swarm.latest == "1.0.2"
    assert await swarm.known() == {}
    await swarm.round()
    assert await swarm.known() == pytest.approx(before, abs=1e-3)
    swarm.submit(range(40))
    assert swarm.arrivals().fold() == 40
    swarm.storage.releases.set_state(swarm.latest, "withdrawn")
    with pytest.raises(ParticipantsError):
        await swarm.round()
    await swarm.round_of(range(40), base=GENESIS_VERSION)
    assert await swarm.known() == pytest.approx(before, abs=1e-3)


async def test_where_too_many_are_flagged_the_region_does_not_count(streams: Callable[..., Streams]) -> None:
    swarm = streams(regions=("eu", "us"), deadline_s=0.2)
    swarm.submit(range(30), lies=range(12), region="eu")
    swarm.submit(range(30, 60), region="us")
    record = await swarm.round()
    assert record["agents_count"] <= 8
    assert await swarm.known() == pytest.approx(TOOLS, abs=0.011)
    assert swarm.pending() == 0
    alone = streams("alone", deadline_s=0.2)
    alone.submit(range(30), lies=range(12))
    with pytest.raises(MassAnomalyError) as caught:
        await alone.round()
    assert (caught.value.flagged, caught.value.judged) == (12, 30)
    assert code_of(caught.value) == "round.mass_anomaly"  # for which the clerk pauses the federation
    with pytest.raises(ParticipantsError):
        await alone.round()  # the next window starts afresh


async def test_what_cannot_be_read_is_left_out_and_told(streams: Callable[..., Streams]) -> None:
    swarm = streams()
    swarm.submit(range(20))
    swarm.submit(range(20, 22), base="9.9.9")
    swarm.submit(range(22, 24), document=b"{}")
    swarm.submit(range(24, 26), received_at=swarm.play.now - 72 * 3600 - 1)
    door = swarm.arrivals()
    taken = door.take(1)
    assert (taken.clients, taken.left_out) == (20, 2)
    assert door.summary()["left_out"] == {"door.unknown_base": 2, "patterns.invalid": 2}
    assert swarm.pending() == 2  # stale ones are dropped by the clerk


async def run(swarm: Streams) -> list[tuple[str, int]]:
    """Two rounds of clients that come and go; while each runs, some submit again."""
    found: list[tuple[str, int]] = []
    kill = swarm.play.kill_before
    for number in (0, 1):
        swarm.submit(range(number, number + 24))
        again: list[int] = []

        def meanwhile(name: str, method: str, nth: int, again: list[int] = again) -> bool:
            if method == "submit" and not again:
                again.append(nth)
                swarm.submit((2, 3), lies=(2, 3))
            return kill(name, method, nth)

        swarm.play.kill_before = meanwhile
        record = await swarm.round()
        found.append((record["release"]["digest"], record["agents_count"]))
    swarm.play.kill_before = kill
    return found


@pytest.fixture(scope="module")
async def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[str, int]], int, int]:
    """What the rounds come to when nobody is killed; the transactions of the door; who waits at the end."""
    swarm = Streams(tmp_path_factory.mktemp("calm"), workload=ROBUST)
    return await run(swarm), swarm.play.positions[DOOR], swarm.pending()


async def same(swarm: Streams, calm: tuple[list[tuple[str, int]], int, int], deaths: list[str]) -> None:
    wanted, _, waiting = calm
    assert [groups for _, groups in wanted] == [8, 8]
    assert await run(swarm) == wanted
    assert swarm.play.deaths == deaths
    assert await swarm.play.coordinator.proofs.remote() == []
    await swarm.play.actor(COORDINATOR)._members.followed_up()
    assert swarm.pending() == waiting == 2


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_any_transaction_the_release_has_the_same_bytes(
    streams: Callable[..., Streams], calm: Any, when: str
) -> None:
    _, positions, _ = calm
    assert positions >= 10  # begins, folds, fixes, writes figures and ends, in two rounds
    for position in range(1, positions + 1, 1 if when == "before" else 3):
        swarm = streams(str(position), workload=ROBUST)
        swarm.play.kill_in = lambda *at, wanted=(DOOR, position): when if at == wanted else ""
        await same(swarm, calm, [DOOR])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("name", "method"),
    [(DOOR, "present"), (DOOR, "learn"), (DOOR, "apply"), (AGGREGATOR, "submit"), (COORDINATOR, "run_round")],
)
async def test_killed_at_any_step_the_release_has_the_same_bytes(
    streams: Callable[..., Streams], calm: Any, name: str, method: str, when: str
) -> None:
    swarm = streams(workload=ROBUST)
    setattr(swarm.play, f"kill_{when}", lambda *call: call == (name, method, 2))
    await same(swarm, calm, [name])


def test_rows_of_groups_are_for_a_federation_that_streams(tmp_path: Path) -> None:
    for streaming, workload in ((True, WORKLOAD), (False, GROUPED)):
        federation = FederationConfig(storage=f"sqlite:///{tmp_path}/x.sqlite", streaming=streaming)
        with pytest.raises(ValidationError, match="GroupedPatternsWorkload"):
            SwarmConfig(workload=workload, federation=federation)
    with pytest.raises(SettingError, match="counts"):
        GroupedPatternsWorkload.of(PatternsWorkload(codec=Int8Codec()))
    with pytest.raises(UnboundedRuleError):
        GROUPED.protection(radius=1.0)
