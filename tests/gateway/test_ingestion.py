"""``swarmlore ingest`` on files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from gateway import learning
from gateway.exits import Exit
from gateway.ingestion import lines
from workloads.gradients import GradientsWorkload

Command = Callable[..., Result]
SECRET = "tell nobody that my code is 7447"


def traces(number: int, tools: str, *, task: str = "t", agent: str = "me") -> dict[str, Any]:
    trace = f"{number:032x}"

    def span(place: int, facts: dict[str, str]) -> dict[str, Any]:
        return {
            "traceId": trace,
            "spanId": f"{place:016x}",
            "parentSpanId": "" if place == 1 else f"{1:016x}",
            "startTimeUnixNano": str(number * 10**10 + place),
            "endTimeUnixNano": str(number * 10**10 + 99),
            "attributes": [{"key": f"gen_ai.{key}", "value": {"stringValue": fact}} for key, fact in facts.items()],
        }

    spans = [
        span(place, {"operation.name": "execute_tool", "tool.name": tool, "tool.call.arguments": SECRET})
        for place, tool in enumerate(tools.split(), start=2)
    ]
    spans.append(span(1, {"operation.name": "invoke_agent", "agent.id": agent, "task.id": task}))
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def logs(number: int, score: float) -> dict[str, Any]:
    record = {
        "eventName": "gen_ai.evaluation.result",
        "traceId": f"{number:032x}",
        "spanId": f"{1:016x}",
        "body": {"stringValue": SECRET},
        "attributes": [{"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": score}}],
    }
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Traces in one file; their evaluations, with two bad lines among them, in another, which is compressed."""
    spans, events = tmp_path / "traces.jsonl", tmp_path / "logs.jsonl.gz"
    runs = [traces(n, tools, agent=f"agent-{n % 2}") for n, tools in enumerate(["a b", "a c", "b", "c c c"], start=1)]
    spans.write_text("\n".join(json.dumps(run) for run in runs) + "\n\n")
    scores = [logs(n, float(n > 2)) for n in range(1, 5)]
    good = [json.dumps(score) for score in scores]
    events.write_bytes(gzip.compress("\n".join([good[0], "{", *good[1:], '{"resourceMetrics": []}']).encode()))
    return [spans, events]


def test_files_become_experiences_and_a_layout(command: Command, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "found" / "experiences.jsonl"
    done = command("ingest", *files, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["lines"], facts["bad_lines"], facts["spans"], facts["evaluations"]) == (10, 2, 12, 4)
    assert (facts["trajectories"], facts["contents_left_out"], facts["agents"]) == ({"complete": 4}, 8, 2)
    assert "logs.jsonl.gz, line 2: no JSON" in done.stderr
    assert "logs.jsonl.gz, line 6: neither" in done.stderr
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(records) == facts["experiences"] == 8
    assert {record["agent"] for record in records} == {"agent-0", "agent-1"}
    everything = out.read_text() + Path(facts["layout"]).read_text() + done.output
    assert SECRET not in everything
    # What was written starts a swarm: its actions are those of the layout, and it learns with pessimism.
    workload, source = learning.experiences([out], strict=True)
    assert isinstance(workload, GradientsWorkload)
    assert (source.features, source.actions, workload.learning.pessimism) == (facts["features"], 4, 1.0)


def test_text_for_people(command: Command, files: list[Path], tmp_path: Path) -> None:
    done = command("ingest", *files, "--out", tmp_path / "x.jsonl")
    assert done.exit_code == 0
    assert "12 spans and 4 evaluations; left out: none" in done.stdout
    assert "2 of 10 lines are bad" in done.stderr
    assert "next: swarmlore up --experiences" in done.stdout


def test_strict_ends_at_the_first_bad_line(command: Command, files: list[Path], tmp_path: Path) -> None:
    done = command("ingest", *files, "--out", tmp_path / "x.jsonl", "--strict")
    assert done.exit_code == Exit.BAD_DATA
    assert "logs.jsonl.gz, line 2" in done.stderr
    assert not (tmp_path / "x.jsonl").exists()


def test_a_layout_is_kept_to(command: Command, files: list[Path], tmp_path: Path) -> None:
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    command("ingest", *files, "--out", first, "--tools", "b, a")
    done = command("ingest", *files, "--out", second, "--layout", tmp_path / "1.jsonl.layout.json", "--json")
    facts = json.loads(done.stdout)
    assert (facts["tools"], facts["other_tools"]) == (["b", "a"], 4)
    assert first.read_text() == second.read_text()


def test_layouts_are_not_mixed(command: Command, files: list[Path], tmp_path: Path) -> None:
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    command("ingest", *files, "--out", one, "--tools", "a")
    command("ingest", *files, "--out", two, "--tools", "b")
    done = command("up", "--experiences", one, "--experiences", two)
    assert done.exit_code == Exit.USAGE
    assert "2 layouts" in done.stderr


def test_files_without_tool_calls(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps(traces(1, "")))
    done = command("ingest", file, "--out", tmp_path / "y.jsonl")
    assert done.exit_code == Exit.BAD_DATA
    assert "execute_tool" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--by", "moon"),
        ("--credit", "all"),
        ("--tools", "a,a"),
        ("--tools", "a", "--layout", "x"),
        ("--layout", "none.json"),
        ("--task-attribute", "gen_ai.prompt"),
    ],
)
def test_options_are_checked(command: Command, files: list[Path], tmp_path: Path, options: tuple[str, ...]) -> None:
    assert command("ingest", *files, "--out", tmp_path / "x.jsonl", *options).exit_code == Exit.USAGE


def test_a_file_that_is_not_there(command: Command, tmp_path: Path) -> None:
    done = command("ingest", tmp_path / "none.jsonl", "--out", tmp_path / "x.jsonl")
    assert done.exit_code == Exit.USAGE
    assert "none.jsonl" in done.stderr


def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.ingestion.LONGEST_LINE", 10)
    file = tmp_path / "x"
    file.write_bytes(b"short\n" + b"x" * 35 + b"\n\nlast")
    assert list(lines(file)) == [(1, b"short\n"), (2, None), (4, b"last")]
