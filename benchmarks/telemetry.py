"""What telemetry costs an actor: one figure an operation, silent, recording, and before a dead endpoint.

    python -m benchmarks.telemetry [--json] [--count 2000] [--repeat 20]

Prints microseconds of wall time and of the process's CPU per operation, median over the repeats. The dead
endpoint refuses connections; what its background threads do is in the CPU column and, as they
share the interpreter, in the wall column too. `recording` exports into nothing, so it shows the
queues and the SDK without encoding and HTTP.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import platform
import socket
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.exporters import Exporters

_SPAN = {
    semconv.ATTR_ROUND: 7,
    semconv.ATTR_WORKLOAD: "gradients",
    semconv.ATTR_AGENT_ID: "agent-0042",
    semconv.ATTR_LOSS: 0.7,
}
_METRIC = {semconv.ATTR_WORKLOAD: "gradients", semconv.ATTR_ACTOR_KIND: "host"}
_UPDATES = {semconv.ATTR_WORKLOAD: "gradients", semconv.ATTR_VERDICT: "accepted"}


class _NoSpans(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


class _NoEvents(LogRecordExporter):
    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:  # noqa: ARG002
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        return True

    def shutdown(self) -> None:
        return None


class _NoMetrics(MetricExporter):
    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:  # noqa: ARG002
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:  # noqa: ARG002
        return None


def operations(telemetry: Telemetry) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""

    def span() -> None:
        with telemetry.span(semconv.SPAN_AGENT_TRAINING, _SPAN):
            pass

    with telemetry.span(semconv.SPAN_ROUND, _SPAN) as root:
        parent = root.traceparent

    def after() -> None:
        telemetry.record_span(semconv.SPAN_AGENT_TRAINING, 1, 2, _SPAN, parent=parent)

    def phase() -> None:
        with telemetry.phase(semconv.Phase.AGGREGATE, _METRIC):
            pass

    def traceparent() -> None:
        with (
            telemetry.span(semconv.SPAN_ROUND, _SPAN) as outer,
            telemetry.span(semconv.SPAN_GATE, parent=outer.traceparent),
        ):
            pass

    return {
        "span, current, 4 attributes": span,
        "span after the fact, 4 attributes": after,
        "two spans, one continued by traceparent": traceparent,
        "phase: span and two histograms": phase,
        "counter, 2 attributes": lambda: telemetry.count(semconv.METRIC_UPDATES, 1, _UPDATES),
        "histogram, 2 attributes": lambda: telemetry.observe(semconv.METRIC_AGGREGATION_DURATION, 0.01, _METRIC),
        "gauge, 2 attributes": lambda: telemetry.gauge(semconv.METRIC_LOCAL_LOSS, 0.7, _METRIC),
        "event, 4 attributes": lambda: telemetry.event(semconv.EVENT_UPDATE_REFUSED, _SPAN),
    }


def measure(telemetry: Telemetry, *, count: int, repeat: int) -> dict[str, dict[str, float]]:
    """Microseconds of each operation, medians over the repeats: wall and CPU of the process."""
    figures: dict[str, dict[str, float]] = {}
    for name, operation in operations(telemetry).items():
        for _ in range(count):
            operation()
        telemetry.drain(5.0)
        gc.collect()
        walls: list[float] = []
        cpus: list[float] = []
        for _ in range(repeat):
            cpu, wall = time.process_time_ns(), time.perf_counter_ns()
            for _ in range(count):
                operation()
            walls.append((time.perf_counter_ns() - wall) / count / 1e3)
            cpus.append((time.process_time_ns() - cpu) / count / 1e3)
        figures[name] = {"wall_us": round(statistics.median(walls), 2), "cpu_us": round(statistics.median(cpus), 2)}
    return figures


def dead_endpoint() -> str:
    """The URL of a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def run(*, count: int, repeat: int) -> dict[str, object]:
    """All figures, with what they were measured on."""
    kind = semconv.ActorKind.HOST
    nowhere = Exporters(spans=_NoSpans(), events=_NoEvents(), metrics=_NoMetrics())
    cases = {
        "silent": Telemetry.start(TelemetryConfig(), actor_kind=kind, instance="benchmark"),
        "recording": Telemetry.start(TelemetryConfig(), actor_kind=kind, instance="benchmark", exporters=nowhere),
        "dead": Telemetry.start(TelemetryConfig(endpoint=dead_endpoint()), actor_kind=kind, instance="benchmark"),
    }
    figures: dict[str, object] = {}
    for name, telemetry in cases.items():
        figures[name] = measure(telemetry, count=count, repeat=repeat)
        started = time.perf_counter()
        stopped = telemetry.stop(2.0)
        figures[f"{name} stop"] = {"seconds": round(time.perf_counter() - started, 3), "in_time": stopped}
        figures[f"{name} dropped"] = telemetry.dropped
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "opentelemetry": version("opentelemetry-sdk"),
        "count": count,
        "repeat": repeat,
        "figures": figures,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--count", type=int, default=500, help="operations in a repeat")
    parser.add_argument("--repeat", type=int, default=20)
    options = parser.parse_args()
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # the dead endpoint is meant to be dead
    result = run(count=options.count, repeat=options.repeat)
    if options.json:
        json.dump(result, sys.stdout, indent=2)
        print()
        return
    figures = result.pop("figures")
    print(*(f"{key}: {value}" for key, value in result.items()), sep="\n")
    assert isinstance(figures, dict)
    print(f"\n{'us per operation, wall (CPU)':42}{'silent':>16}{'recording':>16}{'dead endpoint':>16}")
    for name in figures["silent"]:
        cells = (figures[case][name] for case in ("silent", "recording", "dead"))
        print(f"{name:42}" + "".join(f"{cell['wall_us']:>8.2f} ({cell['cpu_us']:.1f})".rjust(16) for cell in cells))
    for case in ("recording", "dead"):
        print(f"{case}: stop {figures[f'{case} stop']}, dropped {figures[f'{case} dropped']}")


if __name__ == "__main__":
    main()
