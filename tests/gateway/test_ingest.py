"""The OTLP receiver over HTTP, and its worker."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from ray.exceptions import ActorUnavailableError

from actors import Swarm, SwarmConfig
from federation.errors import ExperienceError
from gateway import learning
from gateway.ingest import Receiver, ReceiverSettings, router
from gateway.intake import Intake, IntakeSettings
from gateway.service import service
from tests.actors.conftest import Stage
from workloads.trajectories import Conversion, Layout, TrySettings

PROTOBUF, JSON = {"content-type": "application/x-protobuf"}, {"content-type": "application/json; charset=utf-8"}
SETTINGS = IntakeSettings(conversion=Conversion(layout=Layout(tools=("search", "book"))), tries=TrySettings(size=2))


class Takers:
    """Takes experiences, after as many failures as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.memory: dict[str, list[Any]] = {}
        self.failures = list(failures)

    async def observe(self, agent: str, experiences: Sequence[object]) -> int:
        if self.failures:
            raise self.failures.pop(0)
        self.memory.setdefault(agent, []).extend(experiences)
        return len(self.memory[agent])


async def at_once(seconds: float) -> None:
    del seconds
    await asyncio.sleep(0)


def receiver_of(swarm: Takers, clock: Callable[[], int] = lambda: 0, **settings: Any) -> Receiver:
    return Receiver(
        Intake(SETTINGS), swarm.observe, settings=ReceiverSettings(**settings), clock_ns=clock, pause=at_once
    )


@contextmanager
def served(receiver: Receiver) -> Iterator[TestClient]:
    """A client of an application that includes the router as the gateway does, with a lifespan of its own."""
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        seen.append("start")
        yield
        seen.append("end")

    app = FastAPI(lifespan=lifespan, max_body_size=1000)
    app.include_router(router(receiver))
    with TestClient(app) as client:
        yield client
    assert seen == ["start", "end"]


def traces(trace: int = 1, tool: str = "search") -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, facts in (
        (2, {"operation.name": "execute_tool", "tool.name": tool}),
        (1, {"operation.name": "invoke_agent", "agent.id": "me", "task.id": "t", "prompt": "tell nobody"}),
    ):
        span = scope.spans.add(
            trace_id=bytes([trace] * 16),
            span_id=bytes([number] * 8),
            parent_span_id=b"" if number == 1 else bytes([1] * 8),
            start_time_unix_nano=trace * 100 + number,
            end_time_unix_nano=trace * 100 + 50,
        )
        for name, fact in facts.items():
            span.attributes.add(key=f"gen_ai.{name}").value.string_value = fact
    return request


def logs(trace: int = 1, score: float = 1.0) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(event_name="gen_ai.evaluation.result", trace_id=bytes([trace] * 16), span_id=bytes([1] * 8))
    )
    record.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = score
    return request


def test_from_requests_to_the_memories_of_agents() -> None:
    swarm = Takers()
    receiver = receiver_of(swarm)
    with served(receiver) as client:
        for trace, tool, score in ((1, "search", 1.0), (2, "book", 0.0)):
            # Evaluation first: order does not matter.
            answer = client.post("/v1/logs", content=logs(trace, score).SerializeToString(), headers=PROTOBUF)
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-type"] == "application/x-protobuf"
            body = gzip.compress(traces(trace, tool).SerializeToString())
            answer = client.post("/v1/traces", content=body, headers=PROTOBUF | {"content-encoding": "gzip"})
            assert answer.status_code == 200
    # The end of the application finishes what has come.
    assert [(one.action, round(one.reward, 3)) for one in swarm.memory["me"]] == [(0, 1.0), (1, -1.0)]
    assert (receiver.given, receiver.refused) == (2, 0)
    assert (receiver.tally.received, receiver.tally.evaluations, receiver.tally.contents) == (4, 2, 2)


def test_partial_success_in_both_encodings() -> None:
    request = traces()
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"
    with served(receiver_of(Takers())) as client:
        answer = client.post("/v1/traces", content=request.SerializeToString(), headers=PROTOBUF)
        found = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, found.rejected_spans) == (200, 1)
        assert "16" in found.error_message
        line = {
            "resourceLogs": [
                {"scopeLogs": [{"logRecords": [{"eventName": "gen_ai.evaluation.result", "spanId": "00"}]}]}
            ]
        }
        answer = client.post("/v1/logs", content=json.dumps(line), headers=JSON)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"
        line["resourceLogs"] = []
        assert client.post("/v1/logs", content=json.dumps(line), headers=JSON).json() == {}
        record = logs()
        record.resource_logs[0].scope_logs[0].log_records[0].span_id = b"x"
        answer = client.post("/v1/logs", content=record.SerializeToString(), headers=PROTOBUF)
        assert ExportLogsServiceResponse.FromString(answer.content).partial_success.rejected_log_records == 1


def test_what_cannot_be_read_is_a_bad_request() -> None:
    with served(receiver_of(Takers())) as client:
        answer = client.post("/v1/traces", content=b"\xff\xff\xff", headers=PROTOBUF)
        assert answer.status_code == 400
        assert Status.FromString(answer.content).code == 3
        answer = client.post("/v1/traces", content=b"{", headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
        answer = client.post("/v1/traces", content=b"{}", headers=JSON | {"content-encoding": "gzip"})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "text/plain"}, PROTOBUF | {"content-encoding": "br"}, {"content-type": ""}]
)
def test_what_is_not_understood_is_an_unsupported_media_type(headers: dict[str, str]) -> None:
    with served(receiver_of(Takers())) as client:
        assert client.post("/v1/traces", content=b"x", headers=headers).status_code == 415


def test_what_is_too_large_is_refused_before_and_after_decompression() -> None:
    with served(receiver_of(Takers(), body_limit=5000)) as client:
        # More than the application takes elsewhere, less than the route does.
        fits = client.post("/v1/traces", content=b"{" + b" " * 4000 + b"}", headers=JSON)
        assert fits.status_code == 200
        for body, extra in ((bytes(6000), {}), (gzip.compress(bytes(10**6)), {"content-encoding": "gzip"})):
            answer = client.post("/v1/traces", content=body, headers=PROTOBUF | extra)
            assert answer.status_code == 413

        def chunks() -> Iterator[bytes]:
            for _ in range(10):
                yield bytes(1000)

        assert client.post("/v1/traces", content=chunks(), headers=PROTOBUF).status_code == 413


async def test_a_full_queue_says_when_to_come_back() -> None:
    receiver = receiver_of(Takers(), max_waiting=5, retry_after_s=7)
    app = FastAPI()
    app.include_router(router(receiver))
    client = TestClient(app)  # without its lifespan there is no worker
    body = traces().SerializeToString()
    statuses = [client.post("/v1/traces", content=body, headers=PROTOBUF).status_code for _ in range(2)]
    answer = client.post("/v1/traces", content=body, headers=PROTOBUF)
    assert (statuses, answer.status_code, answer.headers["retry-after"]) == ([200, 200], 429, "7")
    assert Status.FromString(answer.content).code == 8
    await receiver.work()
    assert client.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200


async def test_an_actor_that_is_away_is_waited_for() -> None:
    away = ActorUnavailableError("restarting", b"\0" * 16)
    swarm = Takers(away, ValueError("no such actor"), away)
    now = [0]
    receiver = receiver_of(swarm, lambda: now[0])
    await _fed(receiver, now)
    assert (receiver.given, receiver.refused, len(swarm.memory["me"])) == (2, 0, 2)


async def test_one_that_stays_away_is_given_up() -> None:
    now = [0]
    receiver = receiver_of(Takers(*[ValueError("gone")] * 9), lambda: now[0], attempts=3)
    await _fed(receiver, now)
    assert (receiver.given, receiver.refused) == (0, 2)


async def test_what_the_swarm_refuses_is_counted() -> None:
    now = [0]
    receiver = receiver_of(Takers(ExperienceError(found="x", needed="y")), lambda: now[0])
    await _fed(receiver, now)
    assert (receiver.given, receiver.refused) == (0, 2)


async def _fed(receiver: Receiver, now: list[int]) -> None:
    from gateway.otlp import Encoding, Signal, decoded

    for trace in (1, 2):
        for signal, request in ((Signal.TRACES, traces(trace)), (Signal.LOGS, logs(trace, float(trace)))):
            body = request.SerializeToString()
            assert receiver.offer(decoded(body, signal, Encoding.PROTOBUF, receiver.admission))
    await receiver.work()
    now[0] = 10**12
    await receiver.work()


async def test_a_worker_that_fails_says_so() -> None:
    receiver = receiver_of(Takers(RuntimeError("a bug")))
    app = FastAPI()
    app.include_router(router(receiver))
    client = TestClient(app)
    for trace in (1, 2):
        client.post("/v1/traces", content=traces(trace).SerializeToString(), headers=PROTOBUF)
        client.post("/v1/logs", content=logs(trace, float(trace)).SerializeToString(), headers=PROTOBUF)
    receiver._clock_ns = iter([0, 10**12, 10**12]).__next__
    await receiver.work()
    with pytest.raises(RuntimeError):
        await receiver.run()
    assert client.post("/v1/traces", content=b"", headers=PROTOBUF).status_code == 503


def test_the_document_of_the_interface_names_both() -> None:
    app = FastAPI()
    app.include_router(router(receiver_of(Takers())))
    paths = app.openapi()["paths"]
    assert {"/v1/traces", "/v1/logs"} <= paths.keys()
    assert set(paths["/v1/traces"]["post"]["requestBody"]["content"]) == {"application/x-protobuf", "application/json"}


class Watched(Swarm):
    """A swarm that remembers what it was given, and what its hosts answered."""

    def __init__(self, stage: Stage) -> None:
        super().__init__({}, owns_cluster=False, find=stage.find)
        self.given: list[tuple[str, int, int]] = []

    async def observe(self, agent: str, experiences: Sequence[object]) -> int:
        held = await super().observe(agent, experiences)
        self.given.append((agent, len(experiences), held))
        return held


def test_the_gateway_takes_it_by_the_layout(tmp_path: Path) -> None:
    """Through the whole application, to the hosts of a swarm that learned from a file of the same layout."""
    layout = SETTINGS.conversion.layout
    lived = {"state": [0.0] * layout.length, "action": 1, "reward": 0.5, "done": True}
    path = tmp_path / "experiences.jsonl"
    records = [{"agent": f"agent-{n % 3}" if n % 4 else "me", **lived, "reward": n / 40} for n in range(40)]
    path.write_text("\n".join(json.dumps(record) for record in records))
    (tmp_path / "experiences.jsonl.layout.json").write_text(layout.to_json())
    workload, source = learning.experiences([path], strict=True)
    config = SwarmConfig(workload=workload, agents=source.agents, state_dir=tmp_path / "state")
    swarm = Watched(Stage(config))
    before = len(source.shares(["me"])[0])
    token = "a-token-that-is-long-enough"
    with TestClient(service(swarm, layout=layout, token=token)) as client:
        body = traces().SerializeToString()
        assert client.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 401
        headers = PROTOBUF | {"authorization": f"Bearer {token}"}
        assert client.post("/v1/traces", content=body, headers=headers).status_code == 200
        assert client.post("/v1/logs", content=logs().SerializeToString(), headers=headers).status_code == 200
        # Larger than other routes take.
        assert client.post("/v1/traces", content=b"{" + b" " * 10**5 + b"}", headers=headers | JSON).status_code == 200
        assert client.post("/v1/traces", content=bytes(17 * 2**20), headers=headers).status_code == 413
        assert "/v1/traces" in client.get("/openapi.json", headers=headers).json()["paths"]
    assert swarm.given == [("me", 1, before + 1)]


def test_without_a_layout_there_is_no_receiver(tmp_path: Path) -> None:
    from workloads.null import NullWorkload

    config = SwarmConfig(workload=NullWorkload(dimension=4), agents=tuple("abcd"), state_dir=tmp_path)
    swarm = Swarm({}, owns_cluster=False, find=Stage(config).find)
    with TestClient(service(swarm)) as client:
        assert client.post("/v1/traces", content=b"", headers=PROTOBUF).status_code in {404, 405}
