"""How many spans a second one core takes: from OTLP bytes to experiences.

    python -m benchmarks.ingest [--json] [--runs 2000] [--repeat 5]

Runs of an agent are made up, in the shape of the recorded ones of examples/airline: an `invoke_agent` span above
`chat` and `execute_tool` spans in turn, with message contents of the size that capture brings, and an evaluation
result each. A request holds 20 runs. Timed is all that the gateway does with them: decompression, decoding, the door,
assembly, comparison of tries and conversion; in one process, one thread, without HTTP and without the swarm. Spans a
second are the median over the repeats, after one to warm up; seconds are those of the processor, so that they mean one
core whatever else runs (``wall`` are those of the clock). ``lean`` is without contents, as exporters send by default.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import statistics
import time
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.intake import Intake, IntakeSettings
from gateway.machine import command, described, machine
from gateway.otlp import Encoding, Signal, decoded, inflated
from workloads.trajectories import Conversion, Layout

TOOLS = ("search", "read", "think", "book", "cancel", "hand_over")
STEPS = 8
BATCH = 20
CONTENT = {"chat": 5800, "execute_tool": 740}
"""Characters of contents on a span; means of the recorded runs."""
LIMIT = 2**30
Body = tuple[Signal, bytes]


def requests(runs: int, *, contents: bool) -> list[tuple[ExportTraceServiceRequest, ExportLogsServiceRequest]]:
    """The requests of so many runs, four tries of a task after each other."""
    made: list[tuple[ExportTraceServiceRequest, ExportLogsServiceRequest]] = []
    for start in range(0, runs, BATCH):
        traces, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
        group, judged = traces.resource_spans.add(), logs.resource_logs.add().scope_logs.add()
        group.resource.attributes.add(key="service.name").value.string_value = "agents"
        scope = group.scope_spans.add()
        for number in range(start, min(start + BATCH, runs)):
            _run(number, scope, contents=contents)
            record = judged.log_records.add(
                event_name="gen_ai.evaluation.result",
                trace_id=_trace(number),
                span_id=b"\1" * 8,
            )
            record.attributes.add(key="gen_ai.evaluation.name").value.string_value = "solved"
            record.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = float(number % 3 == 0)
        made.append((traces, logs))
    return made


def _trace(number: int) -> bytes:
    return (number + 1).to_bytes(16, "big")


def _run(number: int, scope: Any, *, contents: bool) -> None:
    trace_id = _trace(number)
    facts = {
        "operation.name": "invoke_agent",
        "agent.id": f"agent-{number // 4 % 100:03d}",
        "conversation.id": f"conversation-{number}",
        "task.id": f"task-{number // 4}",
        "provider.name": "openai",
        "request.model": "gpt-4o",
    }
    start = 1_720_000_000_000_000_000 + number * 10**12
    _span(scope, trace_id, 1, "invoke_agent desk", start, 2 * STEPS + 1, facts)
    for step in range(STEPS):
        tool = TOOLS[(number + step * step) % len(TOOLS)]
        for offset, operation, named in (
            (0, "chat", {"response.id": f"chatcmpl-{number}-{step}", "request.model": "gpt-4o"}),
            (1, "execute_tool", {"tool.name": tool, "tool.type": "function", "tool.call.id": f"call-{step}"}),
        ):
            text = {"input.messages" if operation == "chat" else "tool.call.result": "x" * CONTENT[operation]}
            facts = {"operation.name": operation, "provider.name": "openai", **named, **(text if contents else {})}
            place = 2 * step + offset
            _span(scope, trace_id, place + 2, f"{operation} {tool}", start + place * 10**9, 1, facts)


def _span(scope: Any, trace_id: bytes, number: int, name: str, start: int, seconds: int, facts: dict[str, str]) -> None:
    span = scope.spans.add(
        trace_id=trace_id,
        span_id=bytes([number] * 8),
        parent_span_id=b"" if number == 1 else b"\1" * 8,
        name=name,
        start_time_unix_nano=start,
        end_time_unix_nano=start + seconds * 10**9,
    )
    for key, fact in facts.items():
        span.attributes.add(key=f"gen_ai.{key}").value.string_value = fact


def bodies(runs: int, encoding: Encoding, *, contents: bool) -> list[Body]:
    """The compressed bodies of the requests."""
    found: list[Body] = []
    for pair in requests(runs, contents=contents):
        for signal, request in zip((Signal.TRACES, Signal.LOGS), pair, strict=True):
            plain = request.SerializeToString() if encoding is Encoding.PROTOBUF else _json(request)
            found.append((signal, gzip.compress(plain, 1)))
    return found


def _json(request: Any) -> bytes:
    import base64

    found = MessageToDict(request, use_integers_for_enums=True)

    def hexed(part: Any) -> Any:
        if isinstance(part, list):
            return [hexed(each) for each in part]
        if isinstance(part, dict):
            return {
                key: base64.b64decode(each).hex() if key in ("traceId", "spanId", "parentSpanId") else hexed(each)
                for key, each in part.items()
            }
        return part

    return json.dumps(hexed(found)).encode()


def taken(found: list[Body], encoding: Encoding) -> tuple[float, float, int, int]:
    """Seconds of the processor and of the clock, spans and experiences of one pass over the bodies."""
    intake = Intake(IntakeSettings(conversion=Conversion(layout=Layout(tools=TOOLS))))
    experiences = 0
    start, clock = time.process_time(), time.perf_counter()
    for number, (signal, body) in enumerate(found):
        request = decoded(inflated(body, "gzip", limit=LIMIT), signal, encoding, intake.settings.admission)
        converted = intake.take([request], now_ns=number * 10**9)
        experiences += sum(map(len, converted.experiences.values()))
    experiences += sum(map(len, intake.finish().experiences.values()))
    used, passed = time.process_time() - start, time.perf_counter() - clock
    return used, passed, intake.assembler.tally.received, experiences


def measured(runs: int, repeat: int) -> list[dict[str, Any]]:
    """A row for each encoding, with contents and without."""
    rows: list[dict[str, Any]] = []
    for encoding in Encoding:
        for contents in (True, False):
            found = bodies(runs, encoding, contents=contents)
            rates: list[float] = []
            walls: list[float] = []
            spans = experiences = 0
            for turn in range(repeat + 1):
                gc.collect()
                used, passed, spans, experiences = taken(found, encoding)
                if turn:
                    rates.append(spans / used)
                    walls.append(spans / passed)
            rows.append(
                {
                    "what": f"{encoding.name.lower()}, {'with contents' if contents else 'lean'}",
                    "spans": spans,
                    "experiences": experiences,
                    "mib": round(sum(len(body) for _, body in found) / 2**20, 2),
                    "spans_per_s": round(statistics.median(rates)),
                    "slowest": round(min(rates)),
                    "fastest": round(max(rates)),
                    "wall_spans_per_s": round(statistics.median(walls)),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="How many spans a second one core takes, from bytes to experiences.")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    result = {"machine": machine(), "command": command(), "rows": measured(given.runs, given.repeat)}
    if given.json:
        print(json.dumps(result, indent=2))
        return
    print(described(result["machine"]))
    for row in result["rows"]:
        spread = f"{row['slowest']:,} to {row['fastest']:,}; wall {row['wall_spans_per_s']:,}"
        print(
            f"{row['what']:24} {row['spans_per_s']:>8,} spans/s ({spread}); "
            f"{row['spans']:,} spans, {row['mib']} MiB compressed, {row['experiences']:,} experiences"
        )


if __name__ == "__main__":
    main()
