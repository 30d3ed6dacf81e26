"""The operators' commands against a door that listens, with a clerk at work behind it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer.testing import Result

from actors.storage import Appeal, ClientState
from federation.identity import Secret
from federation.rollout import Stage
from gateway.exits import Exit
from gateway.federation.app import Door
from gateway.federation.clerk_state import ClerkSettings
from gateway.federation.schedule import Wait
from gateway.federation.settings import DoorSettings
from telemetry import semconv
from telemetry.testing import captured
from tests.gateway.federation.office_hours import KEY, OfficeHours

TOKEN = "an-operators-token-of-some-length"
STAGES = (Stage(name="canary", share=0.98, lasts_s=1e6, approval=True), Stage(name="full", share=1.0, lasts_s=0.0))
Run = Callable[..., Result]


@contextmanager
def listening(door: Door) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(door, port=0, log_level="critical", lifespan="on", ws="none"))
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


@contextmanager
def at_work(office: OfficeHours) -> Iterator[None]:
    """The clerk does what is due, in a thread of his own."""
    over = threading.Event()

    async def work() -> None:
        await office.start()
        while not over.is_set():
            if isinstance(await office.clerk.turn(), Wait):
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=(work(),), daemon=True)
    thread.start()
    while office.storage.facts.get("window") is None:
        assert thread.is_alive()
        thread.join(0.005)
    try:
        yield
    finally:
        over.set()
        thread.join(10)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[OfficeHours]:
    found = OfficeHours(tmp_path, settings=ClerkSettings(interval_s=1e6, stages=STAGES))
    with found.storage, at_work(found):
        yield found


@pytest.fixture
def operate(office: OfficeHours, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """``operate("round")``: that command, with the operator's token."""
    hashed = hashlib.sha256(TOKEN.encode()).digest()
    settings = DoorSettings(
        storage="", releases="", secret=Secret(b"s" * 32), public_key=KEY.public, operator_token=hashed
    )
    monkeypatch.setattr("gateway.federation.office.POLL_S", 0.02)
    monkeypatch.setenv("SWARMLORE_OPERATOR_TOKEN", TOKEN)
    with captured(actor_kind=semconv.ActorKind.GATEWAY) as capture:
        door = Door(settings, office.storage, office.files, telemetry=capture.telemetry, clock=lambda: office.now)
        with listening(door) as url:
            monkeypatch.setenv("SWARMLORE_FEDERATION_URL", url)
            yield lambda *arguments: command("federation", *arguments)


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_round_its_rollout_and_its_rollback(operate: Run, office: OfficeHours) -> None:
    short = operate("round", "--json")
    assert short.exit_code == Exit.REFUSED
    assert json.loads(short.stderr)["error"]["reason"] == "federation.participants"
    office.submit(12)
    told = document(operate("round", "--json"))
    assert (told["version"], told["participants"], told["window"]) == ("1.0.1", 12, 1)
    while "1.0.1" not in {one.version for one in office.storage.rollouts.list()}:
        threading.Event().wait(0.005)
    found = document(operate("status", "--json"))
    assert (found["window"]["number"], found["rollout"]["stage"]) == (2, "canary")
    shown = operate("status").stdout
    assert "1.0.1 after 1.0.0: canary, 98% of the clients" in shown
    assert "window 1, 12 clients: 1.0.1" in shown
    assert document(operate("approve", "1.0.1", "--json"))["version"] == "1.0.1"
    assert "may go on" in operate("approve", "1.0.1").stdout
    assert "1.0.2 brings back 1.0.0" in operate("rollback", "1.0.0").stdout
    listed = {one["version"]: one["state"] for one in document(operate("releases", "--json"))["releases"]}
    assert listed["1.0.1"] == "withdrawn"
    assert "restores 1.0.0" in operate("releases").stdout
    assert operate("rollback", "7.7.7").exit_code == Exit.REFUSED


def test_status_names_the_clerk(operate: Run, office: OfficeHours) -> None:
    assert document(operate("status", "--json"))["clerk"] is None
    office.storage.leases.take("clerk", "here:4711", now=office.now, lasts_s=20.0)
    assert document(operate("status", "--json"))["clerk"]["holder"] == "here:4711"
    assert "here:4711 since" in operate("status").stdout


def test_pauses_and_resumption(operate: Run, office: OfficeHours) -> None:
    assert "no rounds until" in operate("pause", "--detail", "a look at it").stdout
    shown = operate("status").stdout
    assert "operator since" in shown
    assert "a look at it" in shown
    office.submit(12)
    refused = operate("round")
    assert refused.exit_code == Exit.REFUSED
    assert "rounds are paused until `resume`: a look at it" in refused.stderr
    assert operate("resume", "--discard").exit_code == 0
    assert office.storage.submissions.count_pending() == 0
    assert document(operate("status", "--json"))["paused"] is None


def test_what_is_left_of_the_privacy_budget_is_shown(operate: Run, office: OfficeHours) -> None:
    assert document(operate("status", "--json"))["privacy"] is None
    told = {"epsilon_spent": 2.0, "epsilon_budget": 8.0, "paused": False, "rounds_left": 31, "renews_at": 1e9}
    office.swarm.privacy = told
    office.submit(12)
    assert operate("round").exit_code == 0
    assert document(operate("status", "--json"))["privacy"] == told
    assert "epsilon 2.00 of 8 spent, 31 rounds left until 2001-09-09 01:46 UTC" in operate("status").stdout


def test_clients_are_listed_kept_out_and_taken_back(operate: Run, office: OfficeHours) -> None:
    names = office.submit(3)
    listed = document(operate("clients", "--json", "--limit", 2))
    assert [one["id"] for one in listed["clients"]] == names[:2]
    assert "publicKey" not in listed["clients"][0]
    assert "there are more" in operate("clients", "--limit", 2).stderr
    assert operate("quarantine", names[1]).exit_code == 0
    assert names[1] in operate("clients", "--state", "quarantined").stdout
    office.storage.appeals.add(Appeal(client=names[1], at=office.now, statement="it was \x1b[31mnot me"))
    shown = operate("appeals").stdout
    assert "not me" in shown
    assert "\x1b" not in shown
    assert operate("reinstate", names[1]).exit_code == 0
    assert office.storage.clients.count(ClientState.QUARANTINED) == 0
    assert document(operate("appeals", "--json"))["appeals"] == []
    done = [(one["actor"], one["action"]) for one in document(operate("audit", "--json"))["entries"]]
    assert ("operator", "reinstate") in done
    assert "quarantine" in operate("audit").stdout
    gone = operate("reinstate", "f" * 64, "--json")
    assert json.loads(gone.stderr)["error"]["reason"] == "federation.client"


def test_what_does_not_work_says_why(operate: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = operate("quarantine", "f" * 64, "--wait", 0, "--json")
    assert slow.exit_code == Exit.NO_FEDERATION
    assert json.loads(slow.stderr)["error"]["code"] == "federation.slow"
    monkeypatch.setenv("SWARMLORE_OPERATOR_TOKEN", "another-token-of-the-same-length")
    refused = operate("status", "--json")
    assert refused.exit_code == Exit.REFUSED
    assert json.loads(refused.stderr)["error"]["reason"] == "OPERATOR_TOKEN"
    assert "another-token" not in refused.output
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    assert operate("status", "--operator-token-file", secret).exit_code == 0
    assert operate("status", "--operator-token-file", tmp_path / "none").exit_code == Exit.USAGE
    monkeypatch.delenv("SWARMLORE_OPERATOR_TOKEN")
    assert operate("status").exit_code == Exit.USAGE
    monkeypatch.setenv("SWARMLORE_OPERATOR_TOKEN", TOKEN)
    assert operate("status", "--url", "http://127.0.0.1:9").exit_code == Exit.NO_FEDERATION
