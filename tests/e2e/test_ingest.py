"""Agents' telemetry becomes what a swarm learns: from a file, and from OpenTelemetry's own exporters."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.e2e.conftest import Command

AGENTS = [f"desk-{number}" for number in range(10)]
STEPS = 6


def recorded(folder: Path) -> Path:
    """A file of runs, two tasks an agent, four tries each: as varied as habits are; who books in the end succeeds."""
    luck = random.Random(7)
    path = folder / "traces.jsonl"
    with path.open("w") as file:
        for number in range(80):
            trace = f"{number + 1:032x}"
            tools = [luck.choice(["search", "read", "think", "ask"]) for _ in range(STEPS - 1)]
            tools.append("book" if number % 4 < 2 else "cancel")
            facts = [
                {
                    "operation.name": "invoke_agent",
                    "agent.id": AGENTS[number // 8],
                    "task.id": f"task-{number // 4}",
                    "evaluation.score.label": "pass" if tools[-1] == "book" else "fail",
                },
                *({"operation.name": "execute_tool", "tool.name": tool} for tool in tools),
            ]
            spans = [
                {
                    "traceId": trace,
                    "spanId": f"{place + 1:016x}",
                    "parentSpanId": f"{1:016x}" if place else "",
                    "startTimeUnixNano": str(1000 * number + place),
                    "endTimeUnixNano": str(1000 * number + 99),
                    "attributes": [{"key": f"gen_ai.{k}", "value": {"stringValue": v}} for k, v in each.items()],
                }
                for place, each in enumerate(facts)
            ]
            file.write(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}) + "\n")
    return path


def test_from_a_file_to_a_swarm_that_takes_spans(swarmlore: Command, tmp_path: Path) -> None:
    found = swarmlore.document(tmp_path, "ingest", recorded(tmp_path), "--out", "experiences.jsonl")
    assert (found["learned_from"], found["experiences"], found["agents"]) == (80, 80 * STEPS, 10)
    experiences = ["--experiences", "experiences.jsonl"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "serve", "--start", "--port", "0", "--json", *experiences],
        cwd=tmp_path,
        env=swarmlore.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.communicate()[1])
        facts = json.loads(line)
        assert facts["otlp"] is True
        _four_runs(facts["url"])
        _wait_for(facts["url"], 'ingest_experiences_total{federated_learning_outcome="success"', 8)
        layout = tmp_path / "experiences.jsonl.layout.json"
        again = swarmlore.document(tmp_path, "ingest", "traces.jsonl", "--layout", layout)
        assert (again["given"], again["unknown_agents"]) == (80 * STEPS, [])
        (record,) = [each for each in swarmlore.lines(tmp_path, "round") if each["event"] == "round"]
        assert record["release"]["version"] >= 1
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def _four_runs(url: str) -> None:
    """Four runs of one agent, as its OpenTelemetry SDK exports them."""
    spans, logs = TracerProvider(), LoggerProvider()
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}v1/traces", compression=Compression.Gzip)))
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{url}v1/logs")))
    tracer, logger = spans.get_tracer("desk"), logs.get_logger("desk")
    for number in range(4):
        about = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": AGENTS[0], "gen_ai.task.id": "live"}
        with tracer.start_as_current_span("invoke_agent desk", attributes=about):
            for tool in ("search", "book" if number else "cancel"):
                call = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
                with tracer.start_as_current_span(f"execute_tool {tool}", attributes=call):
                    pass
            result = {"gen_ai.evaluation.name": "solved", "gen_ai.evaluation.score.value": float(number > 0)}
            logger.emit(event_name="gen_ai.evaluation.result", timestamp=time.time_ns(), attributes=result)
    assert spans.force_flush()
    assert logs.force_flush()
    spans.shutdown()
    logs.shutdown()


def _wait_for(url: str, series: str, value: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"{url}metrics", timeout=30) as answer:
            page = answer.read().decode()
        found = [line for line in page.splitlines() if series in line]
        if found and float(found[0].split()[-1]) >= value:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
