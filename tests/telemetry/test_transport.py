"""Requests over real sockets: what arrives, what counts as taken, and what is never written anywhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.config import GRPC, TRACES, Target
from telemetry.semconv import ActorKind
from telemetry.transport import Transport
from tests.telemetry.receiver import Receiver, nobody, receiving, silence

ROUND = {semconv.ATTR_ROUND: 1, semconv.ATTR_WORKLOAD: "gradients"}
SECRETS = (("authorization", "Bearer s3cret"),)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiving() as found:
        yield found


def sent_to(url: str, timeout_s: float = 20.0) -> int | None:
    transport = Transport(Target(url=f"{url}/v1/traces", headers=SECRETS, timeout_s=timeout_s), TRACES)
    try:
        return transport.send(b"")
    finally:
        transport.close()


def test_a_request_brings_its_headers(receiver: Receiver) -> None:
    assert sent_to(receiver.url) == 0
    assert receiver.headers[0]["authorization"] == "Bearer s3cret"
    assert receiver.headers[0]["content-type"] == "application/x-protobuf"


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
def test_what_is_not_taken_is_tried_once_and_secrets_stay_secret(
    receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answer = (status, {"location": f"{receiver.url}/elsewhere", "retry-after": "9"})
    user = receiver.url.replace("http://", "http://user:s3cret@")
    assert sent_to(user) is None
    assert receiver.attempts == 1
    assert f"HTTP {status}" in caplog.text
    assert "s3cret" not in caplog.text


def test_nobody_and_silence_are_failures_and_secrets_stay_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert sent_to(nobody().replace("http://", "http://user:s3cret@")) is None
    with silence() as url:
        assert sent_to(url.replace("http://", "http://user:s3cret@"), timeout_s=0.1) is None
    assert "ReadTimeout" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_failure_is_said_once_and_so_is_its_end(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    transport = Transport(Target(url=f"{receiver.url}/v1/traces"), TRACES)
    for status in (503, 503, 200, 200):
        receiver.answer = (status, {})
        transport.send(b"")
    transport.close()
    assert [record.levelname for record in caplog.records if record.name == "telemetry"] == ["WARNING", "INFO"]


def test_what_a_receiver_rejects_is_counted(receiver: Receiver) -> None:
    rejected = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=2))
    receiver.body = rejected.SerializeToString()
    assert sent_to(receiver.url) == 2
    config = TelemetryConfig(endpoint=receiver.url, timeout_s=10.0, withheld=("metrics", "logs"))
    telemetry = Telemetry.start(config, actor_kind=ActorKind.HOST, instance="host-0")
    for _ in range(5):
        telemetry.span(semconv.SPAN_GATE, ROUND).end()
    telemetry.drain(10.0)
    assert telemetry.dropped == {"spans": 2}
    receiver.body = b"<html>"
    assert sent_to(receiver.url) == 0
    telemetry.stop(10.0)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_blocks_events_and_metrics_arrive(receiver: Receiver, compression: str) -> None:
    config = TelemetryConfig(endpoint=receiver.url, compression=compression, timeout_s=10.0)
    telemetry = Telemetry.start(config, actor_kind=ActorKind.HOST, instance="host-0")
    agents = [f"agent-{number}" for number in range(40)]
    with telemetry.span(semconv.SPAN_HOST_LEARNING, {**ROUND, semconv.ATTR_HOST_ID: "host-0"}) as span:
        columns = {semconv.ATTR_AGENT_ID: agents, semconv.ATTR_LOSS: [0.5] * 40}
        telemetry.record_spans(semconv.SPAN_AGENT_TRAINING, 1, 2, ROUND, columns, parent=span.traceparent)
        telemetry.event(semconv.EVENT_ROUND_OPENED, ROUND)
    assert telemetry.stop(10.0)
    assert telemetry.dropped == {"spans": 0, "events": 0}
    below = [span for span in receiver.spans if span.item.name == semconv.SPAN_AGENT_TRAINING]
    assert [span.attributes[semconv.ATTR_AGENT_ID] for span in below] == agents
    assert {span.attributes[semconv.ATTR_LOSS] for span in below} == {0.5}
    assert [event.item.event_name for event in receiver.events] == [semconv.EVENT_ROUND_OPENED]
    assert {metric.instance for metric in receiver.metrics} == {"host-0"}


def test_a_signal_that_is_not_known_there_does_not_stop_the_others(receiver: Receiver) -> None:
    with receiving() as refusing:
        refusing.answer = (404, {})
        logs = Target(url=f"{refusing.url}/v1/logs", timeout_s=10.0)
        config = TelemetryConfig(endpoint=receiver.url, timeout_s=10.0, logs=logs)
        telemetry = Telemetry.start(config, actor_kind=ActorKind.HOST, instance="host-0")
        for _ in range(2):
            telemetry.event(semconv.EVENT_ROUND_OPENED, ROUND)
            telemetry.drain(10.0)
            telemetry.span(semconv.SPAN_GATE, ROUND).end()
        telemetry.stop(10.0)
    assert len(receiver.spans) == 2
    assert telemetry.dropped == {"spans": 0, "events": 2}


def test_grpc_takes_the_same() -> None:
    """A real gRPC server of all three signals; blocks are taken apart for OpenTelemetry's exporter."""
    grpc = pytest.importorskip("grpc")
    from concurrent.futures import ThreadPoolExecutor

    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces

    taken: dict[str, list[Any]] = {"traces": [], "metrics": [], "logs": []}
    headers: list[dict[str, str]] = []

    def service(base: type[Any], signal: str, answer: Any) -> Any:
        class Service(base):
            def Export(self, request: Any, context: Any) -> Any:
                taken[signal].append(request)
                headers.append(dict(context.invocation_metadata()))
                return answer()

        return Service()

    server = grpc.server(ThreadPoolExecutor(2))
    traces.add_TraceServiceServicer_to_server(
        service(traces.TraceServiceServicer, "traces", ExportTraceServiceResponse), server
    )
    metrics.add_MetricsServiceServicer_to_server(
        service(metrics.MetricsServiceServicer, "metrics", ExportMetricsServiceResponse), server
    )
    logs.add_LogsServiceServicer_to_server(service(logs.LogsServiceServicer, "logs", ExportLogsServiceResponse), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        config = TelemetryConfig(
            endpoint=f"http://127.0.0.1:{port}", protocol=GRPC, headers=SECRETS, compression="gzip", timeout_s=10.0
        )
        telemetry = Telemetry.start(config, actor_kind=ActorKind.HOST, instance="host-0")
        with telemetry.span(semconv.SPAN_HOST_LEARNING, {**ROUND, semconv.ATTR_HOST_ID: "host-0"}) as span:
            columns = {semconv.ATTR_AGENT_ID: ["a", "b", "c"]}
            telemetry.record_spans(semconv.SPAN_AGENT_TRAINING, 1, 2, ROUND, columns, parent=span.traceparent)
            telemetry.event(semconv.EVENT_ROUND_OPENED, ROUND)
            telemetry.gauge(semconv.METRIC_LOCAL_LOSS, 0.5, {semconv.ATTR_WORKLOAD: "gradients"})
        assert telemetry.stop(20.0)
        assert telemetry.dropped == {"spans": 0, "events": 0}
    finally:
        server.stop(0)
    spans = [span for request in taken["traces"] for span in request.resource_spans[0].scope_spans[0].spans]
    assert len(spans) == 4
    [record] = [record for request in taken["logs"] for record in request.resource_logs[0].scope_logs[0].log_records]
    assert record.event_name == semconv.EVENT_ROUND_OPENED
    assert record.span_id == spans[-1].span_id
    names = {metric.name for metric in taken["metrics"][-1].resource_metrics[0].scope_metrics[0].metrics}
    assert semconv.METRIC_LOCAL_LOSS in names
    assert {found["authorization"] for found in headers} == {"Bearer s3cret"}
