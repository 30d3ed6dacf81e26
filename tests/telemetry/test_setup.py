"""Telemetry says what happened, costs nothing when off, and never waits for anybody."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from telemetry import Severity, SpanKind, Telemetry, TelemetryConfig, semconv
from telemetry.semconv import ActorKind, Phase
from telemetry.span import SILENT
from telemetry.testing import captured

HOME = Path(__file__).resolve().parents[2]
ROUND = {semconv.ATTR_ROUND: 1, semconv.ATTR_WORKLOAD: "gradients"}
UPDATES = {semconv.ATTR_WORKLOAD: "gradients", semconv.ATTR_VERDICT: "accepted"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", "collector:4318"),
        ("sample_ratio", 1.5),
        ("sample_ratio", float("nan")),
        ("agent_span_limit", -1),
        ("timeout_s", 0.0),
        ("metric_interval_s", -1.0),
        ("queue_size", 0),
        ("service_name", ""),
    ],
)
def test_a_wrong_setting_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"telemetry.{field}"):
        TelemetryConfig(**{field: value})  # type: ignore[arg-type]


def test_settings_travel_and_hide_the_headers() -> None:
    config = TelemetryConfig(endpoint="http://collector:4318", headers=(("authorization", "secret"),))
    assert pickle.loads(pickle.dumps(config)) == config
    assert "secret" not in repr(config)


def test_silence_loads_and_starts_nothing() -> None:
    program = """
import sys, threading
from telemetry import Telemetry, TelemetryConfig, semconv
t = Telemetry.start(TelemetryConfig(), actor_kind=semconv.ActorKind.HOST, instance="host-0")
with t.phase(semconv.Phase.LEARN, {}) as span:
    t.event(semconv.EVENT_ROUND_OPENED, {}); t.count(semconv.METRIC_UPDATES)
assert not t.enabled and t.drain() and t.stop() and t.dropped == {}
assert threading.active_count() == 1, threading.enumerate()
assert not [name for name in sys.modules if name.startswith(("opentelemetry.exporter", "opentelemetry.sdk", "ray"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=HOME)


def test_silence_passes_a_callers_trace_on() -> None:
    telemetry = Telemetry.start(TelemetryConfig(), actor_kind=ActorKind.HOST, instance="host-0")
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert telemetry.span(semconv.SPAN_ROUND) is SILENT
    assert telemetry.span(semconv.SPAN_ROUND, parent=parent).traceparent == parent
    assert telemetry.phase(Phase.GATE, parent=parent).traceparent == parent
    assert telemetry.record_span(semconv.SPAN_AGENT_TRAINING, 1, 2, parent=parent) == parent
    assert not telemetry.detailed(1)


def test_global_providers_are_left_alone() -> None:
    with captured() as capture:
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        assert metrics.get_meter_provider() is not capture.pipeline.meters
        assert _logs.get_logger_provider() is not capture.pipeline.loggers


def test_a_phase_is_a_span_and_durations() -> None:
    with captured(actor_kind=ActorKind.AGGREGATOR) as capture:
        with capture.telemetry.phase(Phase.AGGREGATE, {**ROUND, semconv.ATTR_RULE: "median"}):
            pass
        with pytest.raises(TimeoutError), capture.telemetry.phase(Phase.ANALYZE):
            raise TimeoutError
        assert [span.name for span in capture.spans] == [semconv.SPAN_AGGREGATE, semconv.SPAN_ANALYZE]
        keys = {semconv.ATTR_ACTOR_KIND: "aggregator", semconv.ATTR_WORKLOAD: "gradients"}
        assert capture.total(semconv.METRIC_AGGREGATION_DURATION, keys) == 1
        assert capture.total(semconv.METRIC_PHASE_DURATION, {**keys, semconv.ATTR_PHASE: "aggregate"}) == 1
        assert capture.total(semconv.METRIC_PHASE_DURATION, {semconv.ATTR_PHASE: "analyze"}) == 1
        (point,) = capture.points(semconv.METRIC_AGGREGATION_DURATION)
        assert tuple(point.explicit_bounds) == semconv.METRICS[semconv.METRIC_AGGREGATION_DURATION].buckets
        assert 0 <= point.sum < 60


@pytest.mark.parametrize(
    ("kind", "name"),
    [(ActorKind.HOST, semconv.SPAN_HOST_LEARNING), (ActorKind.DOOR, semconv.SPAN_DOOR_GATHER)],
)
def test_learning_on_a_host_and_on_a_door_is_their_own_span(kind: ActorKind, name: str) -> None:
    told = {**ROUND, semconv.ATTR_HOST_ID: "host-0"}
    told |= {semconv.ATTR_REGION: "eu"} if kind is ActorKind.DOOR else {}
    with captured(actor_kind=kind) as host, captured() as coordinator:
        host.telemetry.phase(Phase.LEARN, told).end()
        coordinator.telemetry.phase(Phase.LEARN, ROUND).end()
        assert [(span.name, span.kind) for span in host.spans] == [(name, SpanKind.CONSUMER)]
        assert [span.name for span in coordinator.spans] == [semconv.SPAN_LOCAL_TRAINING]


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_can_be_opened(phase: Phase) -> None:
    with captured(strict=False) as capture:
        loop = phase in (Phase.MONITOR, Phase.ANALYZE, Phase.PLAN, Phase.EXECUTE)
        capture.telemetry.phase(phase, {} if loop else ROUND).end()
        assert capture.total(semconv.METRIC_PHASE_DURATION, {semconv.ATTR_PHASE: phase.value}) == 1
        assert not [problem for problem in capture.problems() if "lacks" not in problem]


def test_agents_spans_after_the_fact() -> None:
    with captured(actor_kind=ActorKind.HOST) as capture:
        telemetry = capture.telemetry
        attributes = {**ROUND, semconv.ATTR_AGENT_ID: "agent-1"}
        with telemetry.phase(Phase.LEARN, {**ROUND, semconv.ATTR_HOST_ID: "host-0"}) as host:
            below = telemetry.record_span(semconv.SPAN_AGENT_TRAINING, 10, 20, attributes)
            telemetry.record_span(semconv.SPAN_AGENT_TRAINING, 10, 30, attributes, parent=host.traceparent)
        alone = telemetry.record_span(semconv.SPAN_AGENT_TRAINING, 10, 40, attributes)
        agents: list[Any] = [span for span in capture.spans if span.name == semconv.SPAN_AGENT_TRAINING]
        learning: Any = capture.named(semconv.SPAN_HOST_LEARNING)[0]
        parent = learning.context
        assert [span.end_time for span in agents] == [20, 30, 40]
        assert [span.parent and span.parent.span_id for span in agents] == [parent.span_id, parent.span_id, None]
        assert below.split("-")[1] == host.traceparent.split("-")[1] != alone.split("-")[1]
        assert agents[0].resource == agents[2].resource
        assert agents[0].instrumentation_scope == agents[2].instrumentation_scope
        assert telemetry.detailed(200)
        assert not telemetry.detailed(201)
        assert len(telemetry.few(["agent"] * 500)) == 200


def test_the_root_decides_what_is_sampled() -> None:
    with captured(config=TelemetryConfig(sample_ratio=0.0)) as none, captured() as all_:
        with none.telemetry.span(semconv.SPAN_ROUND, ROUND) as root:
            none.telemetry.record_span(semconv.SPAN_AGENT_TRAINING, 1, 2, ROUND)
            none.telemetry.event(semconv.EVENT_ROUND_ABORTED, {**ROUND, semconv.ATTR_ABORT_REASON: "round.quorum"})
        with all_.telemetry.phase(Phase.GATE, ROUND, parent=root.traceparent):
            pass
        assert none.spans == all_.spans == ()
        assert all_.total(semconv.METRIC_PHASE_DURATION) == 1
        assert len(none.events) == 1


def test_an_event_belongs_to_the_current_span_or_the_given_one() -> None:
    with captured() as capture:
        telemetry = capture.telemetry
        attributes = {**ROUND, semconv.ATTR_ABORT_REASON: "round.quorum"}
        with telemetry.span(semconv.SPAN_ROUND, ROUND) as root:
            telemetry.event(semconv.EVENT_ROUND_ABORTED, attributes, severity=Severity.WARN)
        telemetry.event(semconv.EVENT_ROUND_ABORTED, attributes, parent=root.traceparent)
        telemetry.event(semconv.EVENT_ROUND_ABORTED, attributes)
        span_id = int(root.traceparent.split("-")[2], 16)
        assert [event.span_id for event in capture.events] == [span_id, span_id, 0]
        assert [event.severity for event in capture.events] == ["WARN", "INFO", "INFO"]


class Kind(StrEnum):
    GRADIENTS = "gradients"


def test_series_do_not_split_by_type() -> None:
    """The SDK keeps an enum's member and its text apart; callers must not have to care."""
    with captured() as capture:
        for workload in (Kind.GRADIENTS, "gradients"):
            capture.telemetry.count(semconv.METRIC_UPDATES, np.int64(2), {**UPDATES, semconv.ATTR_WORKLOAD: workload})  # type: ignore[arg-type]
            capture.telemetry.gauge(semconv.METRIC_LOCAL_LOSS, np.float32(0.5), {semconv.ATTR_WORKLOAD: workload})  # type: ignore[arg-type]
        assert len(capture.points(semconv.METRIC_UPDATES)) == len(capture.points(semconv.METRIC_LOCAL_LOSS)) == 1
        assert capture.total(semconv.METRIC_UPDATES) == 4
        assert isinstance(capture.points(semconv.METRIC_LOCAL_LOSS)[0].value, float)


def test_a_metric_is_used_as_what_it_is() -> None:
    with captured() as capture, pytest.raises(TypeError, match="is a counter and was used as a gauge"):
        capture.telemetry.gauge(semconv.METRIC_UPDATES, 1.0, UPDATES)


def test_a_watched_gauge_has_the_series_that_there_are() -> None:
    def served(role: semconv.ReleaseRole, version: str) -> tuple[float, dict[str, str]]:
        return 1.0, {semconv.ATTR_RELEASE_ROLE: role, semconv.ATTR_RELEASE_SEMANTIC_VERSION: version}

    versions = [
        served(semconv.ReleaseRole.CURRENT, "1.2.46"),
        served(semconv.ReleaseRole.CANDIDATE, "1.2.47"),
    ]
    with captured() as capture:
        capture.telemetry.watch(semconv.METRIC_VERSION_SERVED, lambda: versions)
        assert capture.total(semconv.METRIC_VERSION_SERVED) == 2
        versions[:] = [served(semconv.ReleaseRole.CURRENT, "1.2.47")]
        (point,) = capture.points(semconv.METRIC_VERSION_SERVED)
        assert dict(point.attributes) == {**versions[0][1], semconv.ATTR_RELEASE_ROLE: "current"}
        versions.clear()
        assert capture.points(semconv.METRIC_VERSION_SERVED) == ()
        with pytest.raises(TypeError, match="is a counter and was used as a gauge"):
            capture.telemetry.watch(semconv.METRIC_SUBMISSIONS, list)


def test_the_resource_is_the_registrys() -> None:
    config = TelemetryConfig(service_namespace="north", environment="production")
    with captured(actor_kind=ActorKind.HOST, instance="host-3", config=config) as capture:
        found = capture.resource.attributes
        assert found[semconv.ATTR_SERVICE_INSTANCE_ID] == "host-3"
        assert found[semconv.ATTR_SERVICE_NAMESPACE] == "north"
        assert found[semconv.ATTR_DEPLOYMENT_ENVIRONMENT_NAME] == "production"
        assert found[semconv.ATTR_ACTOR_KIND] == "host"
        assert set(found) <= set(semconv.ATTRIBUTES)


class Collector(HTTPServer):
    """An OTLP receiver on the loopback interface that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: dict[str, list[bytes]] = {}
        self.authorization: set[str | None] = set()


class Handler(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.setdefault(self.path, []).append(body)
        self.server.authorization.add(self.headers.get("authorization"))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_otlp_arrives_whole(collector: Collector) -> None:
    """Real exporters, real bytes: enums, lists and all three signals."""
    config = TelemetryConfig(
        endpoint=f"http://127.0.0.1:{collector.server_port}/", headers=(("authorization", "Bearer x"),)
    )
    telemetry = Telemetry.start(config, actor_kind=ActorKind.COORDINATOR, instance="coordinator")
    with telemetry.span(semconv.SPAN_ROUND, {**ROUND, semconv.ATTR_WORKLOAD: "gradients"}):
        telemetry.record_span(
            semconv.SPAN_AGENT_TRAINING,
            1,
            2,
            {semconv.ATTR_AGENT_ID: "a", semconv.ATTR_OUTCOME: semconv.Outcome.SUCCESS},
        )
        telemetry.event(semconv.EVENT_BYZANTINE_DETECTED, {semconv.ATTR_BYZANTINE_AGENT_IDS: ["a", "b"]})
        telemetry.observe(semconv.METRIC_ROUND_DURATION, 0.02, {semconv.ATTR_OUTCOME: semconv.Outcome.SUCCESS})
    assert telemetry.drain(10.0)
    assert telemetry.stop(10.0)
    assert telemetry.dropped == {"spans": 0, "events": 0}
    assert collector.authorization == {"Bearer x"}
    traces = ExportTraceServiceRequest.FromString(collector.received["/v1/traces"][0])
    spans = traces.resource_spans[0].scope_spans[0].spans
    assert [span.name for span in spans] == [semconv.SPAN_AGENT_TRAINING, semconv.SPAN_ROUND]
    assert {a.key: a.value.string_value for a in spans[0].attributes} == {
        semconv.ATTR_AGENT_ID: "a",
        semconv.ATTR_OUTCOME: "success",
    }
    assert spans[0].parent_span_id == spans[1].span_id
    logs = ExportLogsServiceRequest.FromString(collector.received["/v1/logs"][0])
    (record,) = logs.resource_logs[0].scope_logs[0].log_records
    assert record.event_name == semconv.EVENT_BYZANTINE_DETECTED
    assert record.trace_id == spans[1].trace_id
    assert [value.string_value for value in record.attributes[0].value.array_value.values] == ["a", "b"]
    sums = ExportMetricsServiceRequest.FromString(collector.received["/v1/metrics"][-1])
    names = {metric.name for metric in sums.resource_metrics[0].scope_metrics[0].metrics}
    assert names == {
        semconv.METRIC_ROUND_DURATION,
        semconv.METRIC_TELEMETRY_DELIVERED,
        semconv.METRIC_TELEMETRY_DROPPED,
        semconv.METRIC_TELEMETRY_PENDING,
    }


def test_measures_go_to_the_metrics_only() -> None:
    with captured(actor_kind=ActorKind.VALIDATOR) as capture:
        with capture.telemetry.phase(Phase.MONITOR, measures={semconv.ATTR_WORKLOAD: "gradients"}):
            pass
        assert semconv.ATTR_WORKLOAD not in (capture.spans[0].attributes or {})
        assert capture.total(semconv.METRIC_PHASE_DURATION, {semconv.ATTR_WORKLOAD: "gradients"}) == 1
