"""A federation as its users have it: ``swarmlore federation serve`` with Ray behind it, installations with the SDK.

Installations learn, tell, get signed releases and blend them in; one of them is poisoned; a release makes errors rise
and is taken back. Then with differential privacy, on PostgreSQL where a server is installed; and a server is killed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.client import ClientSettings, FederationClient
from gateway.client.errors import QuarantinedError
from gateway.client.outbox import Sent
from gateway.client.protocol import Session
from gateway.federation.publishing import read
from gateway.federation.settings import Limits
from tests.e2e.conftest import Command
from workloads.patterns import GlobalWeightVector

T = TypeVar("T")
TOKEN = "an-operators-token-of-some-length"
PATIENCE_S = 90.0
RATES = {"Edit": 0.7, "Grep": 0.95, "Read": 0.9}


class Federation:
    """A served federation.

    Attributes:
        facts: what it says of itself when it is up.
    """

    def __init__(self, swarmlore: Command, folder: Path, process: subprocess.Popen[str]) -> None:
        self._command, self._folder = swarmlore, folder
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.communicate()[1][-3000:])
        self.facts: dict[str, Any] = json.loads(line)
        self.url = f"{self.facts['url']}/federation/v1"
        self.key = base64.b64decode(self.facts["server_public_key"].removeprefix("ed25519:"))

    def operate(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        """What a command for operators prints with ``--json``; or the error that it ends with."""
        settings = {"SWARMLORE_OPERATOR_TOKEN": TOKEN, "SWARMLORE_FEDERATION_URL": self.facts["url"]}
        if code:
            return self._command.error(self._folder, "federation", *arguments, code=code, **settings)
        return self._command.document(self._folder, "federation", *arguments, **settings)

    def ask(self, path: str, token: str = TOKEN, **headers: str) -> tuple[int, bytes]:
        """Status and body of a GET, by default with the operator's token."""
        told = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        request = urllib.request.Request(f"{self.url}/{path}", headers=told)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def status(self) -> dict[str, Any]:
        status, body = self.ask("operations/status")
        assert status == 200, body
        return json.loads(body)

    def health(self) -> dict[str, Any]:
        return json.loads(self.ask("health")[1])

    def until(self, what: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The status, once something is true of it."""
        deadline = time.monotonic() + PATIENCE_S
        while not what(found := self.status()):
            if time.monotonic() > deadline:
                pytest.fail(json.dumps(found, indent=1))
            time.sleep(0.1)
        return found

    def document(self, client: FederationClient, version: str) -> GlobalWeightVector:
        """A release as the server hands it out to a client, verified with the server's key."""

        def fetched(session: Session) -> bytes:
            status, body = self.ask(f"weights/v/{version}", session.token, X_Client_ID=session.client)
            assert status == 200, body
            return body

        return read(client.account.call("a look", fetched), public=self.key)


@contextlib.contextmanager
def serving(swarmlore: Command, folder: Path, *arguments: object, killed: bool = False) -> Iterator[Federation]:
    """A federation, as long as it is needed; ``killed`` as the kernel kills."""
    options = ["federation", "serve", "--port", "0", "--workers", "1", "--json", *map(str, arguments)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *options],
        cwd=folder,
        env=swarmlore.environment(SWARMLORE_OPERATOR_TOKEN=TOKEN),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Federation(swarmlore, folder, process)
    finally:
        process.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
        try:
            told = process.communicate(timeout=60)[1]
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
    assert process.returncode == (-signal.SIGKILL if killed else 143), told[-3000:]


class Fleet:
    """Installations with the SDK, each with a folder of its own.

    Attributes:
        clients: the installations; the first is the one that turns bad.
    """

    def __init__(self, federation: Federation, folder: Path, count: int) -> None:
        self._pool = ThreadPoolExecutor(4)
        self.clients = [
            FederationClient(
                ClientSettings.of(
                    federation.facts["url"],
                    state_dir=folder / f"installation-{number}",
                    server_key=federation.facts["server_public_key"],
                    keychain=False,
                )
            )
            for number in range(count)
        ]

    def each(self, act: Callable[[FederationClient], T], clients: Iterable[FederationClient] | None = None) -> list[T]:
        return list(self._pool.map(act, self.clients if clients is None else clients))

    def join(self) -> None:
        """Consent, register, and begin with the release that is there."""

        def joined(client: FederationClient) -> None:
            client.give_consent()
            client.register()
            client.pull()
            client.hot_swap()

        self.each(joined)

    def live(self, clients: Iterable[FederationClient] | None = None, *, worse: float = 0.0, seed: int = 0) -> None:
        """Each uses its tools under the release that it has, and tells how often they failed."""

        def lived(client: FederationClient) -> None:
            place = self.clients.index(client)
            client.learn(experiences(worse=worse, shift=0.002 * (place + seed)))
            client.report()

        self.each(lived, clients)

    def push(self, *, poisoned: bool = False) -> list[Sent]:
        """Each tells what it has learned; a poisoned one the opposite, as loudly as it can."""
        if poisoned:
            delta = self.clients[0].extract_delta()
            weights = {key: opposite(weight) for key, weight in delta.weights.items()}
            first = self.clients[0].push(replace(delta, weights=weights))
        else:
            first = self.clients[0].push()
        return [first.status, *(one.status for one in self.each(FederationClient.push, self.clients[1:]))]

    def pull(self, clients: Iterable[FederationClient] | None = None) -> list[str]:
        """Each gets what it is served, verifies and blends it in; the versions in force."""

        def pulled(client: FederationClient) -> str:
            client.pull()
            return client.hot_swap().version

        return self.each(pulled, clients)


def experiences(*, worse: float, shift: float) -> list[dict[str, Any]]:
    """Uses of three tools, 120 calls each, the first of which was the quickest."""
    return [
        {
            "type": "tool",
            "category": tool,
            "success": round(rate - worse - shift, 4),
            "errors": round(1 - rate + worse + shift, 4),
            "count": 10,
            "duration_s": 0.05 if place == 0 else 3.0,
            "resources": 10.0,
        }
        for tool, rate in RATES.items()
        for place in range(12)
    ]


def opposite(weight: Any) -> Any:
    scores = ("confidence", "best_composite", "group_mean", "tool_success_rate")
    return weight.model_copy(update={name: -1.0 if (getattr(weight, name) or 0.0) >= 0 else 1.0 for name in scores})


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The federation's folder."""
    (tmp_path / "server").mkdir()
    return tmp_path / "server"


def test_installations_learn_from_each_other_and_not_from_a_poisoned_one(
    swarmlore: Command, disk: Path, tmp_path: Path
) -> None:
    options = ["--interval", 2, "--min-participants", 11, "--epsilon", 0, "--rollout", "canary:0.999:1,full:1:0"]
    with serving(swarmlore, disk, *options) as federation:
        fleet = Fleet(federation, tmp_path, 12)
        fleet.join()
        assert federation.health()["latestVersion"] == "1.0.0"
        assert federation.status()["clients"]["active"] == 12
        for number in (1, 2, 3):
            fleet.live(seed=number)
            assert fleet.push(poisoned=True) == [Sent.ACCEPTED] * 12
            federation.until(lambda found, number=number: found["rollout"]["version"] == f"1.0.{number}")
            # After the third round the poisoned one may be out already.
            versions = fleet.pull(fleet.clients if number < 3 else fleet.clients[1:])
            assert versions.count(f"1.0.{number}") >= len(versions) - 1
            assert fleet.clients[1].weights is not None
            if number < 3:
                fleet.live(seed=number)
                federation.until(lambda found: found["rollout"]["stage"] == "full")
        # Three rounds in a row the poisoned one was filtered.
        found = federation.until(lambda found: found["clients"]["quarantined"] == 1)
        since = time.monotonic()
        assert found["clients"]["active"] == 11
        good = federation.document(fleet.clients[1], "1.0.2")
        rates = {key: weight.tool_success_rate for key, weight in good.weights.items()}
        assert rates == pytest.approx({f"tool::{tool}": rate for tool, rate in RATES.items()}, abs=0.05)
        # Under 1.0.3 tools fail more often: it is taken back, as a new version.
        fleet.live(fleet.clients[1:], worse=0.2)
        federation.until(lambda found: found["rollout"]["version"] == "1.0.4" and found["served"][0] == "1.0.4")
        assert fleet.pull(fleet.clients[1:]) == ["1.0.4"] * 11
        back = federation.document(fleet.clients[1], "1.0.4")
        assert back.weights == good.weights
        assert back.metadata.parent_version == "1.0.3"
        listed = {one["version"]: one for one in federation.operate("releases")["releases"]}
        assert (listed["1.0.3"]["state"], listed["1.0.4"]["restores"]) == ("withdrawn", "1.0.2")

        # The poisoned one is refused, and appeals.
        fleet.clients[0].learn(experiences(worse=0.1, shift=0.0))
        # As long as a door believes what it has read of a client.
        time.sleep(max(0.0, since + Limits().fresh_s + 0.5 - time.monotonic()))
        with pytest.raises(QuarantinedError):
            fleet.clients[0].push()
        fleet.clients[0].appeal("a broken sensor, since replaced")
        [appeal] = federation.operate("appeals")["appeals"]
        assert (appeal["client"], appeal["statement"]) == (
            fleet.clients[0].standing.client,
            "a broken sensor, since replaced",
        )
        client = fleet.clients[0].standing.client
        federation.operate("reinstate", client)
        assert federation.operate("clients", "--state", "quarantined")["clients"] == []
        assert federation.operate("appeals")["appeals"] == []
        done = {(one["actor"], one["action"]) for one in federation.operate("audit", "--limit", 500)["entries"]}
        assert {("client", "register"), ("client", "appeal"), ("client", "quarantine")} <= done
        assert {("clerk", "round"), ("clerk", "rollback"), ("operator", "reinstate")} <= done
        assert federation.operate("rollback", "9.9.9", code=15)["reason"] == "storage.version"
    files = sorted(path.name for path in (disk / ".swarmlore" / "releases").iterdir())
    assert files == ["latest.json", "manifest.json", *(f"v1.0.{number}.json" for number in range(5))]


def test_private_releases_cost_of_a_budget_and_a_spent_one_pauses_the_federation(
    swarmlore: Command, disk: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    options: list[object] = ["--interval", 3600, "--epsilon", 1, "--epsilon-year", 1.2]
    options += ["--rollout", "full:1:0", *on_postgres(request)]
    with serving(swarmlore, disk, *options) as federation:
        fleet = Fleet(federation, tmp_path, 10)
        fleet.join()
        fleet.live()
        assert federation.operate("round", code=15)["reason"] == "federation.participants"
        fleet.push()
        told = federation.operate("round")
        assert (told["version"], told["participants"]) == ("1.0.1", 10)
        assert 0 < told["epsilon"] <= 1
        federation.until(lambda found: found["served"][0] == "1.0.1")
        assert fleet.pull() == ["1.0.1"] * 10
        found = federation.document(fleet.clients[0], "1.0.1")
        assert found.metadata.epsilon_spent == pytest.approx(told["epsilon"])
        # The next one would cost more than is left of the year's budget.
        fleet.live(seed=3)
        fleet.push()
        assert federation.operate("round", code=15)["reason"] == "privacy.budget"
        paused = federation.status()["paused"]
        assert (paused["code"], paused["until"] > time.time()) == ("privacy.budget", True)
        health = federation.health()
        assert (health["status"], health["latestVersion"]) == ("paused", "1.0.1")
        assert federation.operate("status")["pending"] == 10


def test_a_server_that_is_killed_goes_on_where_it_was(
    swarmlore: Command, disk: Path, tmp_path: Path, unused_port: int
) -> None:
    options = ["--interval", 1, "--epsilon", 0, "--rollout", "full:1:0", "--port", unused_port]
    with serving(swarmlore, disk, *options, killed=True) as federation:
        fleet = Fleet(federation, tmp_path, 10)
        fleet.join()
        fleet.live()
        second = ["federation", "serve", "--port", "0", "--no-stand-by"]
        refused = swarmlore.error(disk, *second, code=11)
        assert (refused["code"], refused["name"]) == ("storage.lease", "clerk")
        fleet.push()
        deadline = time.monotonic() + PATIENCE_S
        while federation.status()["window"]["number"] == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
    with serving(swarmlore, disk, *options) as federation:
        found = federation.until(lambda found: found["served"][0] == "1.0.1" and found["lastRound"])
        assert (found["pending"], found["lastRound"]["window"]) == (0, 1)
        [first, genesis] = federation.operate("releases")["releases"]
        assert (first["participants"], genesis["version"]) == (10, "1.0.0")
        assert fleet.pull() == ["1.0.1"] * 10


def on_postgres(request: pytest.FixtureRequest) -> list[object]:
    """The options for a PostgreSQL database; none where no server is installed."""
    try:
        return ["--storage", request.getfixturevalue("postgres_url")]
    except pytest.skip.Exception:
        return []
