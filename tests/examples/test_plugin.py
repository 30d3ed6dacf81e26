"""The plugin of the example: it learns alone, shares when it may, and goes by what the fleet knows."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.plugin.__main__ import main
from examples.plugin.agent import Agent, Session
from examples.plugin.workshop import ToolError
from gateway.client import ClientSettings, FederationClient
from tests.gateway.client.strangers import Stranger, stranger, weight
from workloads.patterns import experience_of


@pytest.fixture
def server() -> Iterator[Stranger]:
    with stranger() as found:
        found.publish("1.0.0", weight("Read", 0.2), weight("Grep", 0.9))
        yield found


def run(server: Stranger, folder: Path, *more: str) -> int:
    return main(["--url", server.url, "--state-dir", str(folder), "--sessions", "4", "--cycles", "1", *more])


def test_without_consent_it_learns_and_sends_nothing(
    server: Stranger, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    assert run(server, tmp_path / "state") == 0
    assert server.seen == []
    assert "client.consent" in capsys.readouterr().out
    # With consent, and what was learned before.
    assert run(server, tmp_path / "state", "--consent", "--seed", "3") == 0
    out = capsys.readouterr().out
    assert "release 1.0.0" in out
    assert "pushed: accepted" in out
    (delta,) = server.accepted
    assert delta.total_experiences > 8
    assert delta.base_version == "1.0.0"
    wire = json.dumps([body.decode() for _, _, _, body in server.seen])
    for word in (str(tmp_path), "module_", "lambda", "longest", "total(", "assert"):
        assert word not in wire


def test_the_agent_goes_by_the_fleets_experience(server: Stranger, tmp_path: Path) -> None:
    client = FederationClient(ClientSettings(server=server.url, state_dir=tmp_path / "state", keychain=False))
    agent = Agent(client, tmp_path, random.Random(1))
    assert agent.ways() == ["Read", "Grep"]
    client.give_consent()
    assert client.sync().ok
    assert agent.ways() == ["Grep", "Read"]


def test_a_session_says_what_came_of_its_calls() -> None:
    times = iter(range(100))
    session = Session(clock=lambda: next(times))

    def fail() -> None:
        raise ToolError("ValueError")

    assert session.call("Grep", fail) is None
    assert session.call("Grep", lambda: "found") == "found"
    found = [experience_of(one) for one in session.experiences(passed=True)]
    assert [(one.key, one.success, one.count) for one in found] == [
        ("tool::Grep", 0.5, 2),
        ("error::ValueError", 1.0, 1),
        ("success::bugfix", 1.0, 1),
    ]
    assert found[0].duration_s == 1.0
