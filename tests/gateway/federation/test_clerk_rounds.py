"""The clerk over the real coordinator, aggregator, validator and door: what clients submit becomes what clients get."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from actors import Swarm
from actors.config import AGGREGATOR, COORDINATOR, FederationConfig, PrivacyConfig, SwarmConfig, host_name
from actors.storage import Client, ClientState, ReleaseStore
from federation.identity import Secret
from federation.rollout import Stage as Share
from gateway.federation.clerk import Clerk
from gateway.federation.clerk_state import ClerkSettings
from gateway.federation.publishing import federation_key, read
from gateway.federation.schedule import Wait
from tests.actors.conftest import Stage
from tests.actors.installations import SPACE, TOOLS, WORKLOAD, Installations, client
from workloads.patterns import GlobalWeightVector

KEY = federation_key(Secret(bytes(range(32))))
FULL = (Share(name="full", share=1.0, lasts_s=0.0),)


class Federation(Installations):
    """Installations whose clerk is the real one."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder)
        given = {"workload": WORKLOAD, "deadline_s": 5.0, "linger_s": 0.05, **settings}
        config = SwarmConfig(federation=FederationConfig(storage=self.url), state_dir=folder / "state", **given)
        self.play = Stage(config)
        self.play.now = self.now
        self.files = ReleaseStore("memory:///")
        self.swarm = Swarm({}, owns_cluster=False, find=self.play.find)
        self.clerk = self.hired()

    def hired(self, aggregation_s: float = 300.0) -> Clerk:
        settings = ClerkSettings(interval_s=100.0, stages=FULL, aggregation_s=aggregation_s)
        return Clerk(self.swarm, self.storage, self.files, KEY, space=SPACE, settings=settings, clock=lambda: self.now)

    def enrol(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.storage.clients.put(Client(id=client(number), public_key=bytes(32), registered_at=self.now))

    async def begin(self) -> None:
        await self.clerk.start()
        await self.settled()

    async def settled(self) -> None:
        """Do what is due, as installations do that get what is handed out before they submit again."""
        while not isinstance(await self.clerk.turn(), Wait):
            pass
        newest = self.storage.releases.latest()
        assert newest is not None
        self.window, self.latest = self.clerk.state.window.number, newest.version
        self._values[newest.version] = WORKLOAD.unpack(newest.row)

    async def window_over(self) -> None:
        self.now = self.play.now = self.clerk.state.window.closes_at
        await self.settled()

    def document(self, name: str = "latest.json") -> GlobalWeightVector:
        return read(self.files.get(name) or b"", public=KEY.public)

    def last(self) -> dict[str, Any]:
        return self.storage.facts.get("last_round")


@pytest.fixture
def federation(tmp_path: Path) -> Callable[..., Federation]:
    return lambda **settings: Federation(tmp_path, **settings)


async def test_what_clients_submit_is_what_clients_get(federation: Callable[..., Federation]) -> None:
    fleet = federation()
    await fleet.begin()
    assert fleet.document().version == "1.0.0"
    fleet.enrol(range(12))
    fleet.submit(range(12))
    await fleet.window_over()
    found = fleet.document()
    assert (found.version, found.metadata.participants, found.metadata.round) == ("1.0.1", 12, 1)
    assert {key: weight.confidence for key, weight in found.weights.items()} == pytest.approx(TOOLS, abs=0.011)
    assert fleet.pending() == 0
    fleet.submit(range(9))
    await fleet.window_over()
    assert fleet.document().version == "1.0.1"
    assert fleet.storage.facts.get("short")["found"] == 9
    fleet.submit(range(9, 11))
    await fleet.window_over()
    assert (fleet.document().version, fleet.document().metadata.participants) == ("1.0.2", 11)


async def test_a_poisoned_client_is_kept_out_until_an_operator_takes_it_back(
    federation: Callable[..., Federation],
) -> None:
    fleet = federation()
    await fleet.begin()
    fleet.enrol(range(14))
    for _ in range(3):
        fleet.submit(range(14), lies=(5,))
        await fleet.window_over()
    found = fleet.storage.clients.get(client(5))
    assert found is not None
    assert found.state is ClientState.QUARANTINED
    assert fleet.last()["quarantined"] == 1
    weights = fleet.document().weights
    assert {key: weight.confidence for key, weight in weights.items()} == pytest.approx(TOOLS, abs=0.02)
    asked = {"id": "a", "what": "reinstate", "client": client(5), "by": "ops", "at": fleet.now}
    fleet.storage.facts.put("request.a", asked)
    await fleet.settled()
    assert fleet.storage.facts.get("answer.a")["ok"]
    fleet.submit(range(14))
    await fleet.window_over()
    assert fleet.last()["participants"] == 14
    assert fleet.storage.clients.count(ClientState.QUARANTINED) == 0


async def test_many_poisoned_clients_pause_the_rounds(federation: Callable[..., Federation]) -> None:
    fleet = federation()
    await fleet.begin()
    fleet.enrol(range(15))
    fleet.submit(range(15))
    await fleet.window_over()
    fleet.submit(range(15), lies=range(6))
    await fleet.window_over()
    assert fleet.document().version == "1.0.1"
    assert fleet.storage.facts.get("paused")["code"] == "round.mass_anomaly"
    assert fleet.pending() == 15


async def test_a_round_that_takes_too_long_is_tried_once_more_with_half(
    federation: Callable[..., Federation],
) -> None:
    fleet = federation(deadline_s=60.0)
    fleet.clerk = fleet.hired(aggregation_s=0.3)
    await fleet.begin()
    fleet.enrol(range(24))
    fleet.submit(range(24))
    door, over = fleet.play.actor(host_name(0)), asyncio.Event()
    learn = door.learn

    async def hanging(terms: Any, *further: Any) -> Any:
        if terms.round == 1:
            await over.wait()
        return await learn(terms, *further)

    door.learn = hanging
    await fleet.window_over()
    over.set()
    assert (fleet.last()["attempts"], fleet.last()["participants"]) == (2, 12)
    assert fleet.document().version == "1.0.1"
    assert fleet.pending() == 12
    await fleet.window_over()
    assert (fleet.last()["attempts"], fleet.last()["participants"]) == (1, 12)


async def test_a_rollback_gives_back_what_was(federation: Callable[..., Federation]) -> None:
    fleet = federation()
    await fleet.begin()
    fleet.enrol(range(12))
    for _ in range(2):
        fleet.submit(range(12))
        await fleet.window_over()
    bad = fleet.latest
    fleet.submit(range(12))  # based on what is taken back
    fleet.storage.facts.put("request.b", {"id": "b", "what": "rollback", "version": "1.0.1", "by": "ops", "at": 1.0})
    await fleet.settled()
    assert (bad, fleet.document().version) == ("1.0.2", "1.0.3")
    assert fleet.document().weights == fleet.document("v1.0.1.json").weights
    await fleet.window_over()
    assert fleet.document().version == "1.0.3"
    assert fleet.last()["code"] == "federation.participants"
    fleet.submit(range(12))
    await fleet.window_over()
    assert (fleet.document().version, fleet.document().metadata.parent_version) == ("1.0.4", "1.0.3")


async def test_private_releases_say_what_they_cost_and_a_spent_budget_pauses(
    federation: Callable[..., Federation],
) -> None:
    fleet = federation(privacy=PrivacyConfig(epsilon_round=1.0, epsilon_period=1.2))
    await fleet.begin()
    fleet.enrol(range(12))
    fleet.submit(range(12))
    await fleet.window_over()
    assert 0 < fleet.document().metadata.epsilon_spent <= 1.0
    for _ in range(3):
        fleet.submit(range(12))
        await fleet.window_over()
    paused = fleet.storage.facts.get("paused")
    assert paused["code"] == "privacy.budget"
    assert paused["until"] > fleet.now


@pytest.mark.parametrize("name", [COORDINATOR, AGGREGATOR, host_name(0)])
async def test_an_actor_that_is_killed_in_a_round_costs_nothing(
    federation: Callable[..., Federation], name: str
) -> None:
    fleet = federation()
    await fleet.begin()
    fleet.enrol(range(12))
    fleet.submit(range(12))
    calls = {COORDINATOR: "run_round", AGGREGATOR: "submit", host_name(0): "learn"}
    fleet.play.kill_after = lambda *call: call == (name, calls[name], 1)
    await fleet.window_over()
    assert fleet.play.deaths == [name]
    assert (fleet.document().version, fleet.last()["participants"]) == ("1.0.1", 12)
    assert len(fleet.storage.releases.list()) == 2
