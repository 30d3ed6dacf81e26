"""`swarmlore client`: what it prints, and what it ends with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.exits import Exit
from tests.gateway.client.conftest import experiences
from tests.gateway.client.strangers import SigningKey, Stranger, answers, hangs_up, refuses, release, weight

Run = Callable[..., Result]


@pytest.fixture
def run(place: Path, server: Stranger, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("sync")``: the command for the server and a folder."""
    for name in ("SWARMLORE_TRACEBACK", "SWARMLORE_CLIENT_DIR", "SWARMLORE_FEDERATION_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SWARMLORE_KEYCHAIN", "0")

    def invoke(*arguments: object, url: str | None = server.url) -> Result:
        options = ["--state-dir", str(place / "state"), *(["--url", url] if url else [])]
        return CliRunner().invoke(app, ["client", *options, *map(str, arguments)])

    return invoke


@pytest.fixture
def lines(place: Path) -> Path:
    path = place / "sessions.jsonl"
    logged = {"type": "tool", "category": "Grep", "data": {"calls": 4, "successes": 3, "totalMs": 80, "path": "/x"}}
    rows = [*experiences(), *[{**logged, "agent": "a"}] * 3, {"type": "tool"}]
    path.write_text("\n".join(map(json.dumps, rows)) + "\nnot json\n")
    return path


def document(found: Result) -> dict[str, Any]:
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_the_whole_way(run: Run, server: Stranger, lines: Path) -> None:
    assert run("status").exit_code == 0
    assert run("sync").exit_code == Exit.NO_CONSENT
    assert server.seen == []
    assert document(run("consent", "--json"))["federation"] is False
    assert document(run("consent", "--on", "--analytics", "--json"))["analytics"] is True
    assert run("pull").exit_code == Exit.NO_CONSENT  # not registered
    found = document(run("register", "--json"))
    assert found["server_key"] == server.public_key
    assert found["token"] == "file"
    # The server is remembered.
    found = document(run("learn", lines, "--json", url=None))
    assert (found["experiences"], found["lines"], found["skipped_lines"]) == (15, 17, 2)
    assert f"{lines}:17: not JSON" in run("learn", lines, "--agent", "nobody").stderr
    found = document(run("push", "--dry-run", "--json", url=None))
    assert found["baseVersion"] is None
    assert set(found["weights"]) == {"tool::Read"}
    assert server.accepted == []
    found = document(run("pull", "--json", url=None))
    assert (found["pulled"]["status"], found["swapped"]["own_share"]) == ("new", 0.1)
    found = document(run("push", "--json", url=None))
    assert found["pushed"]["status"] == "accepted"
    found = document(run("sync", "--experiences", lines, "--json", url=None))
    assert found["ok"]
    assert found["pushed"]["status"] == "nothing"
    found = document(run("report", "--json", url=None))
    assert found["versions"][-1] == {"version": "1.0.0", "calls": 132, "errors": 15}
    found = document(run("status", "--json", url=None))
    assert (found["version"], found["experiences"], found["pending"]) == ("1.0.0", 30, [])
    assert document(run("appeal", "hello", "--json", url=None)) == {"status": "recorded"}
    assert document(run("deregister", "--json", url=None)) == {"status": "deregistered"}
    assert server.keys == {}
    assert run("sync", url=None).exit_code == Exit.NO_CONSENT


def test_for_people(run: Run, server: Stranger, lines: Path) -> None:
    run("consent", "--on")
    found = run("sync", "--experiences", lines)
    assert found.exit_code == 0
    words = re.sub(r"\s+", " ", found.stdout)
    assert "release 1.0.0 fetched and verified" in words
    assert "sent 1 patterns for round 7" in words
    assert "own share 0.1" in words
    server.fault("POST /weights/submit", refuses(500))
    run("learn", lines)
    assert run("push").exit_code == Exit.NO_FEDERATION
    words = re.sub(r"\s+", " ", run("status").stdout)
    assert "consent to http:" in words
    assert "next attempt" in words
    assert "fed_" not in words
    assert "error rate" in run("report", "--show").stdout
    assert "tool::Read" in run("push", "--dry-run").stdout
    assert "takes it back" not in run("consent", "--off").stdout


@pytest.mark.parametrize(
    ("request_", "fault", "arguments", "code"),
    [
        ("GET /weights/latest", hangs_up, ("pull",), Exit.NO_FEDERATION),
        ("GET /weights/latest", refuses(503), ("sync",), Exit.NO_FEDERATION),
        ("POST /weights/submit", refuses(403, "CLIENT_QUARANTINED"), ("sync",), Exit.REFUSED),
        ("POST /weights/submit", refuses(429, "RATE_LIMITED"), ("push",), Exit.REFUSED),
        ("POST /register", refuses(403, "ENROLMENT_REFUSED"), ("register",), Exit.REFUSED),
        (
            "GET /weights/latest",
            answers(release("1.0.1", SigningKey(b"x" * 32), weight("Read", 0.1))),
            ("pull",),
            Exit.UNTRUSTED,
        ),
        ("GET /weights/latest", answers(b"", 302, {"Location": "https://evil.example/"}), ("pull",), Exit.UNTRUSTED),
    ],
)
def test_what_goes_wrong_has_a_code(
    run: Run, server: Stranger, lines: Path, request_: str, fault: Any, arguments: tuple[str, ...], code: Exit
) -> None:
    run("consent", "--on")
    run("register")
    run("learn", lines)
    server.fault(request_, fault)
    found = run(*arguments, "--json")
    assert found.exit_code == code, found.output
    error = json.loads(found.stderr)["error"]
    assert error["code"].startswith("client.")
    assert "fed_" not in found.stderr


def test_taking_consent_back_says_when_the_server_could_not_be_told(run: Run, server: Stranger) -> None:
    run("consent", "--on")
    run("register")
    server.fault("DELETE /register", hangs_up)
    assert document(run("consent", "--off", "--json"))["server_told"] is False
    assert document(run("deregister", "--json")) == {"status": "deregistered"}


def test_bad_experiences_are_fatal_when_asked_for(run: Run, lines: Path) -> None:
    found = run("learn", lines, "--strict")
    assert found.exit_code == Exit.BAD_DATA
    assert "line 16" in found.stderr
    assert run("learn", "nowhere.jsonl").exit_code == Exit.USAGE
    assert run("status", url="http://elsewhere.example").exit_code == Exit.USAGE


def test_spans_of_agents_are_learned_from(run: Run, place: Path) -> None:
    path = place / "spans.jsonl"
    path.write_text("\n".join(json.dumps(_request(place)) for place in range(4)) + "\n")
    found = document(run("learn", path, "--task-type", "bugfix", "--json"))
    assert found["trajectories"] == 4
    assert found["experiences"] == 4
    assert document(run("learn", path, "--agent", "somebody", "--json"))["experiences"] == 0


def _request(number: int) -> dict[str, Any]:
    """One run: an agent that calls a tool once."""
    trace = f"{number + 1:032x}"

    def span(place: int, name: str, **attributes: str) -> dict[str, Any]:
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        return {
            "traceId": trace,
            "spanId": f"{place:016x}",
            "parentSpanId": "" if place == 1 else f"{1:016x}",
            "name": name,
            "kind": 1,
            "startTimeUnixNano": str(10**9 * place),
            "endTimeUnixNano": str(10**9 * (6 - place)),
            "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in named.items()],
            "status": {},
        }

    spans = [
        span(1, "invoke_agent coder", gen_ai__operation__name="invoke_agent", gen_ai__agent__id="coder"),
        span(2, "execute_tool Read", gen_ai__operation__name="execute_tool", gen_ai__tool__name="Read"),
    ]
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}


def test_a_federation_may_have_keys_of_its_own(run: Run, place: Path) -> None:
    (place / "keys").write_text("tool::Brew\n")
    path = place / "e.jsonl"
    path.write_text("\n".join(json.dumps({"type": "tool", "category": "Brew", "success": s}) for s in (1, 0.4, 0.3)))
    assert set(document(run("--keys", place / "keys", "learn", path, "--json"))) >= {"patterns"}
    assert set(document(run("--keys", place / "keys", "push", "--dry-run", "--json"))["weights"]) == {"tool::Brew"}
    assert document(run("push", "--dry-run", "--json"))["weights"] == {}  # elsewhere nobody knows the word


def test_a_bar_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from gateway.client.sync import Progress, Step
    from gateway.client.views import meter
    from gateway.output import Output

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with meter(Output()) as shown:
        shown.step(Progress(step=Step.LEARN))
        shown.arrived(50_000, 200_000)
    assert "fetching the release (49 of 195 KiB)" in capsys.readouterr().err
    with meter(Output(as_json=True)) as shown:
        shown.step(Progress(step=Step.DONE))
    assert capsys.readouterr().err == ""
