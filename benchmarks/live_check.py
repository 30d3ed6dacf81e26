"""How many samples a live check takes in a second, on one core.

    python -m benchmarks.live_check [--json] [--count 2000] [--repeat 15]

A sample is a whole span, metric or log record, with all of its attributes; these are counted beside. Each line goes
the whole way: bytes of an OTLP request, decoded, checked against swarmlore's registry, counted, and written to a
report, as `swarmlore registry live-check --format json --output http` does it. `grpc` adds the network of this
machine, and the client in the same process. Samples a second are a second of the process's CPU time, which is what one
core does; prints the median over the repeats, and the range.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.machine import command, described, machine
from telemetry import semconv
from telemetry.checker import Registry, load
from telemetry.checker.extensions import Extensions
from telemetry.checker.live_check import LiveCheck
from telemetry.checker.otlp import OtlpSignal, parsed, samples
from telemetry.checker.report import Format, Spool
from telemetry.checker.samples import Sample
from telemetry.checker.session import Session, Streams
from telemetry.checker.settings import Settings
from telemetry.checker.sources import otlp_samples

REGISTRY = Path(__file__).parents[1] / "registry"
RESOURCE = {
    semconv.ATTR_SERVICE_NAME: "swarmlore",
    semconv.ATTR_SERVICE_NAMESPACE: "benchmark",
    semconv.ATTR_SERVICE_INSTANCE_ID: "host-0",
    semconv.ATTR_SERVICE_VERSION: "0.1.0",
}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BATCH = 512
"""Spans of one request over gRPC, or of one line of JSON, as the SDK's exporters send them."""


def set_attributes(pairs: Any, values: dict[str, object]) -> None:
    """Add attributes to a repeated field of pairs."""
    for key, value in values.items():
        held = pairs.add(key=key).value
        if isinstance(value, str):
            held.string_value = value
        elif isinstance(value, int):
            held.int_value = value
        elif isinstance(value, float):
            held.double_value = value


def spans(count: int) -> bytes:
    """A request with the training spans of so many agents, 7 attributes each."""
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    set_attributes(block.resource.attributes, dict(RESOURCE))
    scope = block.scope_spans.add(schema_url=semconv.SCHEMA_URL)
    scope.scope.name = "swarmlore"
    for number in range(count):
        span = scope.spans.add(name=semconv.SPAN_AGENT_TRAINING, kind=1, trace_id=bytes(16), span_id=bytes(8))  # type: ignore[arg-type]
        known: dict[str, object] = {
            semconv.ATTR_ROUND: number % 50,
            semconv.ATTR_WORKLOAD: "gradients",
            semconv.ATTR_AGENT_ID: f"agent-{number:05d}",
            semconv.ATTR_HOST_ID: "swarmlore-host-0",
            semconv.ATTR_BATCH_SIZE: 32,
            semconv.ATTR_NUM_EPOCHS: 10,
            semconv.ATTR_LOSS: 0.5 + number / 10_000,
        }
        set_attributes(span.attributes, known)
    return request.SerializeToString()


def metrics(count: int) -> bytes:
    """A request with so many metrics, each a histogram with one point of 3 attributes."""
    request = ExportMetricsServiceRequest()
    block = request.resource_metrics.add()
    set_attributes(block.resource.attributes, dict(RESOURCE))
    found = block.scope_metrics.add(schema_url=semconv.SCHEMA_URL).metrics
    for _ in range(count):
        metric = found.add(name=semconv.METRIC_PHASE_DURATION, unit="s")
        point = metric.histogram.data_points.add(count=10, sum=0.1, bucket_counts=[1] * 17)
        point.explicit_bounds.extend(0.001 * bound for bound in range(16))
        labels: dict[str, object] = {
            semconv.ATTR_PHASE: semconv.Phase.LEARN.value,
            semconv.ATTR_ACTOR_KIND: semconv.ActorKind.HOST.value,
            semconv.ATTR_WORKLOAD: "gradients",
        }
        set_attributes(point.attributes, labels)
    return request.SerializeToString()


def logs(count: int) -> bytes:
    """A request with so many events of 4 attributes."""
    request = ExportLogsServiceRequest()
    block = request.resource_logs.add()
    set_attributes(block.resource.attributes, dict(RESOURCE))
    found = block.scope_logs.add(schema_url=semconv.SCHEMA_URL).log_records
    for number in range(count):
        record = found.add(event_name=semconv.EVENT_UPDATE_REFUSED, trace_id=bytes(16), span_id=bytes(8))
        known: dict[str, object] = {
            semconv.ATTR_ROUND: number % 50,
            semconv.ATTR_WORKLOAD: "gradients",
            semconv.ATTR_AGENT_ID: f"agent-{number:05d}",
            semconv.ATTR_REFUSAL_CODE: "gate.norm",
        }
        set_attributes(record.attributes, known)
    return request.SerializeToString()


def rates(work: Callable[[], LiveCheck], count: int, repeat: int) -> dict[str, float]:
    """Samples a second of CPU time, and with them their attributes, points, resources and scopes."""
    work()
    times: list[float] = []
    entities = 0
    for _ in range(repeat):
        started = time.process_time()
        check = work()
        times.append(time.process_time() - started)
        entities = check.statistics.total
    middle = statistics.median(times)
    return {
        "samples_per_s": round(count / middle),
        "slowest_per_s": round(count / max(times)),
        "fastest_per_s": round(count / min(times)),
        "entities_per_s": round(entities / middle),
    }


def in_json(data: bytes) -> bytes:
    """A request of spans in OTLP/JSON, where ids are hexadecimal."""
    document = MessageToDict(parsed(OtlpSignal.TRACES, data))
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span |= {"traceId": bytes(16).hex(), "spanId": bytes(8).hex()}
    return json.dumps(document).encode()


def checked(registry: Registry, found: Iterable[Sample], **extensions: Any) -> LiveCheck:
    """Samples on their whole way, but for the network."""
    check = LiveCheck(registry, extensions=Extensions(**extensions))
    spool = Spool(Format.JSON)
    for sample in found:
        spool.sample(check.check(sample))
    spool.end(check.statistics.as_node())
    spool.close()
    return check


def over_grpc(registry: Registry, requests: list[bytes]) -> LiveCheck:
    """Requests to a live check that listens, one after the other, and its end."""
    settings = Settings(otlp_grpc_port=0, admin_port=0, inactivity_timeout=0, format="json", no_stream=True)
    streams = Streams(stdin=io.BytesIO(), stdout=io.StringIO(), note=lambda _: None)
    session = Session(settings, registry, streams)
    running = threading.Thread(target=session.run, daemon=True)
    running.start()
    session.listening.wait(10)
    with grpc.insecure_channel(f"127.0.0.1:{session.ports['grpc']}") as channel:
        export = channel.unary_unary(EXPORT)
        for request in requests:
            export(request, wait_for_ready=True)
    session.control.stop()
    running.join(10)
    return session.check


def measure(count: int, repeat: int) -> dict[str, Any]:
    """All figures, with what they were measured on."""
    registry = load(REGISTRY)
    found: dict[str, Any] = {}
    made = {OtlpSignal.TRACES: spans(count), OtlpSignal.METRICS: metrics(count), OtlpSignal.LOGS: logs(count)}
    for signal, data in made.items():
        found[signal.value] = rates(lambda s=signal, d=data: checked(registry, samples(parsed(s, d))), count, repeat)
    lines = b"\n".join([in_json(spans(BATCH))] * (count // BATCH))
    found["traces, JSON lines"] = rates(
        lambda: checked(registry, otlp_samples(io.BytesIO(lines))), count // BATCH * BATCH, repeat
    )
    extended = {"spans": True, "cardinality": 100}
    for signal in (OtlpSignal.TRACES, OtlpSignal.METRICS):
        data = made[signal]
        found[f"{signal.value}, extensions on"] = rates(
            lambda s=signal, d=data: checked(registry, samples(parsed(s, d)), **extended), count, repeat
        )
    batches = [spans(BATCH)] * (4 * count // BATCH)
    found["traces, grpc"] = rates(lambda: over_grpc(registry, batches), BATCH * len(batches), max(repeat // 5, 3))
    return {"command": command(), "machine": machine(), "count": count, "repeat": repeat, "figures": found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_check")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--count", type=int, default=2000, help="samples in a request")
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    result = measure(options.count, options.repeat)
    if options.json:
        json.dump(result, sys.stdout, indent=2)
        print()
        return
    print(f"{result['command']}\n{described(result['machine'])}\n")
    print(f"{'samples a second of CPU, median (range)':38}{'':>14}{'with their parts':>20}")
    for name, rate in result["figures"].items():
        spread = f"({rate['slowest_per_s']:,} to {rate['fastest_per_s']:,})"
        print(f"{name:28}{rate['samples_per_s']:>10,} {spread:26}{rate['entities_per_s']:>12,}")


if __name__ == "__main__":
    main()
