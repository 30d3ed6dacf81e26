"""The client and the federation's own door, over a socket, with a real storage and real files behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from nacl.signing import SigningKey

from actors.storage import ClientState, ReleaseRecord, ReleaseStore, Storage
from federation.identity import Secret
from federation.rollout import Rollout
from gateway.client import FederationClient
from gateway.client.errors import QuarantinedError, RateLimitedError, RefusedError
from gateway.client.outbox import Sent
from gateway.client.releases import Found
from gateway.federation.app import Door
from gateway.federation.settings import DoorSettings
from telemetry import semconv
from telemetry.testing import captured
from tests.gateway.client.conftest import Clock, experiences
from tests.gateway.client.strangers import release, weight
from workloads.patterns import DeltaWeightVector

Make = Callable[..., FederationClient]


class Federation:
    """A door that listens, and what is behind it.

    Attributes:
        url: of the door.
        storage: that it writes to.
        key: that signs releases.
    """

    def __init__(self, folder: Path, clock: Clock, port: int = 0) -> None:
        self.clock, self.key = clock, SigningKey(b"k" * 32)
        self.storage = Storage.open(f"sqlite:///{folder}/federation.db")
        self.files = ReleaseStore(f"file://{folder}/releases")
        self.settings = DoorSettings(
            storage="", releases="", secret=Secret(b"s" * 32), public_key=bytes(self.key.verify_key)
        )
        self.served: list[str] = []
        self.open(7)

    def open(self, window: int) -> None:
        """Open a window for submissions."""
        now = self.clock()
        self.storage.facts.put("window", {"number": window, "opened_at": now, "closes_at": now + 21_600})

    def publish(self, number: int, *, stage: str = "full", confidence: float = 0.8) -> None:
        """Release 1.0.number."""
        version, parent = f"1.0.{number}", self.served[0] if self.served else None
        self.files.put_once(f"v{version}.json", release(version, self.key, weight("Read", confidence)))
        self.storage.releases.add(
            ReleaseRecord(
                version=version,
                number=number,
                window=number,
                parent=parent,
                created_at=self.clock(),
                checksum="sha256:" + "0" * 64,
                participants=12,
            )
        )
        self.served.insert(0, version)
        self.storage.facts.put("served", {"versions": self.served})
        rollout = Rollout(version=version, parent=parent, entered_at=self.clock(), stage=stage)
        self.storage.rollouts.put(rollout)

    @contextmanager
    def served_at(self) -> Iterator[str]:
        """Listen, and look at the federation at each request's beginning."""
        with captured(actor_kind=semconv.ActorKind.GATEWAY) as capture:
            door = Door(self.settings, self.storage, self.files, telemetry=capture.telemetry, clock=self.clock)

            async def looked(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "http":
                    await door.parts.viewer.refresh()  # and not a second later
                    door.parts.access.forget(dict(scope["headers"]).get(b"x-client-id", b"").decode())
                await door(scope, receive, send)

            config = uvicorn.Config(looked, port=0, log_level="critical", lifespan="on", ws="none")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            while not server.started:
                assert thread.is_alive()
                thread.join(0.005)
            try:
                yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            finally:
                server.should_exit = True
                thread.join(10)


@pytest.fixture
def federation(tmp_path: Path, clock: Clock) -> Iterator[Federation]:
    found = Federation(tmp_path, clock)
    found.publish(0)
    with found.served_at() as url, found.storage:
        found.url = url  # pyright: ignore[reportAttributeAccessIssue]
        yield found


@pytest.fixture
def plugin(make: Make, federation: Federation) -> FederationClient:
    found = make(server_url=federation.url)  # pyright: ignore[reportAttributeAccessIssue]
    found.give_consent()
    found.learn(experiences())
    return found


def client_of(federation: Federation) -> Any:
    (found,) = federation.storage.clients.list()
    return found


def test_a_whole_cycle(plugin: FederationClient, federation: Federation, clock: Clock) -> None:
    done = plugin.sync()
    assert done.ok, done
    client = client_of(federation)
    assert (client.id, client.analytics, client.state) == (plugin.standing.client, False, ClientState.ACTIVE)
    assert plugin.standing.expires_at == clock.now + 90 * 86400
    (kept,) = federation.storage.submissions.pending("global", 7)
    sent = DeltaWeightVector.model_validate_json(kept.document)
    own = plugin.load().own.patterns["tool::Read"]
    assert sent.base_version == "1.0.0"
    assert sent.weights["tool::Read"].confidence == pytest.approx(own.confidence - 0.8, abs=1e-4)
    assert plugin.version == "1.0.0"
    # Errors are counted under the release, and told.
    plugin.record(experiences(2))
    assert plugin.sync().ok
    assert federation.storage.reports.figures("1.0.0") == {client.id: (20, 2)}
    # The next round, and its release.
    federation.open(8)
    federation.publish(1, confidence=0.6)
    done = plugin.sync()
    assert done.ok
    assert done.pulled is not None
    assert (done.pulled.status, plugin.version) == (Found.NEW, "1.0.1")
    assert len(federation.storage.submissions.pending("global", 8)) == 1
    assert plugin.pull().status is Found.CURRENT
    plugin.deregister()
    assert client_of(federation).state is ClientState.DEREGISTERED
    assert federation.storage.submissions.count_pending() == 0


def test_the_same_document_twice_is_one_submission(plugin: FederationClient, federation: Federation) -> None:
    plugin.register()
    pushed = plugin.push()
    assert pushed.status is Sent.ACCEPTED
    (kept,) = federation.storage.submissions.pending("global", 7)
    assert kept.nonce == pushed.nonce


def test_an_expired_token_is_renewed(plugin: FederationClient, federation: Federation, clock: Clock) -> None:
    plugin.register()
    before = plugin.account.vault.get()
    clock.now += 91 * 86400
    assert plugin.pull().status is Found.NEW
    assert plugin.account.vault.get() != before
    assert len(federation.storage.clients.list()) == 1


def test_quarantine_appeal_and_return(plugin: FederationClient, federation: Federation, clock: Clock) -> None:
    plugin.sync()
    client = client_of(federation)
    federation.storage.clients.set_state(client.id, ClientState.QUARANTINED, clock())
    with pytest.raises(QuarantinedError):
        plugin.pull()
    plugin.learn(experiences(2))
    federation.open(8)
    assert plugin.sync().quarantined
    plugin.appeal("We ran a load test.")
    (appeal,) = federation.storage.appeals.list()
    assert (appeal.client, appeal.statement) == (client.id, "We ran a load test.")
    federation.storage.clients.set_state(client.id, ClientState.ACTIVE, clock())
    assert plugin.sync().ok
    assert not plugin.status()["quarantined"]


def test_the_days_limit(plugin: FederationClient, federation: Federation, clock: Clock) -> None:
    plugin.register()
    for _ in range(4):
        plugin.learn(experiences(1))
        assert plugin.push().status is Sent.ACCEPTED
    plugin.learn(experiences(1))
    found = plugin.push()
    assert isinstance(found.error, RateLimitedError)
    assert found.due_at is not None
    clock.now = found.due_at
    (found,) = plugin.flush()
    assert found.status is Sent.ACCEPTED


def test_a_stale_base_and_a_round_long_past(plugin: FederationClient, federation: Federation) -> None:
    plugin.sync()
    for number in range(1, 8):
        federation.publish(number)
    federation.open(9)
    with pytest.raises(RefusedError) as caught:
        plugin.push(plugin.extract_delta())
    assert caught.value.reason == "STALE_BASE_VERSION"
    assert plugin.version == "1.0.0"
    done = plugin.sync()
    assert done.ok
    assert done.pulled is not None
    assert done.pulled.fresh_start
    assert (plugin.version, plugin.load().installed is not None) == ("1.0.7", True)


def test_a_rollout_shows_its_release_to_some(plugin: FederationClient, federation: Federation, make: Make) -> None:
    plugin.sync()
    federation.publish(1, stage="general", confidence=0.5)
    versions: dict[str, str] = {}
    for number in range(8):
        one = make(f"other-{number}", server_url=federation.url)  # pyright: ignore[reportAttributeAccessIssue]
        one.give_consent()
        assert one.sync().ok
        versions[str(one.standing.client)] = one.version
    rollout = federation.storage.rollouts.get()
    assert rollout is not None
    assert versions == {client: rollout.served(client) for client in versions}


def test_no_release_yet_is_tried_again_later(tmp_path: Path, clock: Clock, make: Make) -> None:
    empty = Federation(tmp_path, clock)
    with empty.served_at() as url, empty.storage:
        client = make(server_url=url)
        client.give_consent()
        client.learn(experiences())
        done = client.sync()
        assert [one.code for one in done.problems] == ["client.server_failed"]
