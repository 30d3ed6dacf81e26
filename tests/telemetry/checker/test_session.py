"""Whole live checks: inputs, reports, exit codes, real OTLP clients, both ways to stop, and what must not break it."""

from __future__ import annotations

import gzip
import io
import json
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_logs
from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http import _log_exporter as http_logs
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from telemetry.checker import Registry
from telemetry.checker.admin import Contract
from telemetry.checker.extensions import Extensions
from telemetry.checker.receiver import GrpcReceiver, PortError
from telemetry.checker.report import Spool
from telemetry.checker.session import Session, Streams
from telemetry.checker.settings import Settings

GOOD = {"attribute": {"name": "shop.id", "value": "a"}}
BAD = {"attribute": {"name": "other.thing", "value": 1}}
WORSE = {"attribute": {"name": "alone", "value": 1}}
YOUNG = {"attribute": {"name": "shop.young", "value": "a"}}
TEMPLATE = {"attribute": {"name": "shop.label.a", "value": "a"}}

TRACE_SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass
class Ended:
    code: int
    out: str
    notes: list[str]

    @property
    def report(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(shop: Registry) -> Callable[..., Ended]:
    """Runs a check of samples on stdin, or of whatever the settings say."""

    def run(*documents: Any, text: bytes | None = None, **settings: Any) -> Ended:
        out, notes = io.StringIO(), []
        data = json.dumps(documents).encode() if text is None else text
        chosen = Settings(**({"input_source": "stdin", "format": "json", "no_stream": True} | settings))
        streams = Streams(stdin=io.BytesIO(data), stdout=out, note=notes.append)
        return Ended(Session(chosen, shop, streams).run(), out.getvalue(), notes)

    return run


Run = Callable[..., Ended]


@pytest.mark.parametrize(
    ("document", "level"),
    [(BAD, "violation"), (YOUNG, "improvement"), (TEMPLATE, "information"), (GOOD, None)],
)
def test_the_exit_code_follows_fail_on(run: Run, document: Any, level: str | None) -> None:
    ranks = ["information", "improvement", "violation"]
    for threshold in ranks:
        failed = level is not None and ranks.index(level) >= ranks.index(threshold)
        assert run(document, fail_on=threshold).code == int(failed)
    assert run(document, fail_on="none").code == 0


def test_no_sample_is_no_pass(run: Run) -> None:
    for ended in (run(), run(fail_on="none"), run(no_stats=True), run(text=b"", input_format="text")):
        assert ended.code == 1
        assert any("no sample" in note for note in ended.notes)
    assert run().report["samples"] == []


def test_no_stats_means_no_statistics_and_no_verdict(run: Run) -> None:
    ended = run(BAD, no_stats=True)
    assert (ended.code, ended.report["statistics"]) == (0, None)
    assert any("cannot be enforced" in note for note in ended.notes)
    assert run(BAD, no_stats=True, fail_on="none").notes == []
    assert run(BAD, no_stats=True, format="jsonl").out.count("\n") == 1
    assert run(BAD, no_stats=True, format="jsonl", no_stream=False).out.endswith("\nnull\n")


def test_one_document_or_one_a_sample(run: Run, tmp_path: Path) -> None:
    report = run(GOOD, BAD).report
    assert list(report) == ["samples", "statistics"]
    assert [next(iter(sample)) for sample in report["samples"]] == ["attribute", "attribute"]
    assert report["statistics"]["total_entities"] == 2
    decoder, text, documents = json.JSONDecoder(), run(GOOD, BAD, no_stream=False).out, []
    while text.strip():
        document, end = decoder.raw_decode(text)
        documents.append(document)
        text = text[end:].lstrip()
    assert documents == [*report["samples"], report["statistics"]]
    for stream in (True, False):
        lines = run(GOOD, BAD, format="jsonl", no_stream=stream).out.splitlines()
        assert [json.loads(line) for line in lines] == documents
    assert yaml.safe_load(run(GOOD, BAD, format="yaml").out) == report
    assert list(yaml.safe_load_all(run(GOOD, BAD, format="yaml", no_stream=False).out)) == documents
    assert yaml.safe_load(run(format="yaml").out)["samples"] == []
    for form, suffix in (("json", "json"), ("jsonl", "jsonl"), ("yaml", "yaml")):
        ended = run(GOOD, BAD, format=form, output=str(tmp_path / "out"))
        assert (ended.code, ended.out) == (1, "")
        written = (tmp_path / "out" / f"live_check.{suffix}").read_text()
        assert written == run(GOOD, BAD, format=form).out
    for settings in ({"output": "none"}, {"format": "mute"}, {"format": "mute", "no_stream": False}):
        assert run(BAD, **{"format": "json", "no_stream": False, **settings}).out == ""
        assert run(BAD, **settings).code == 1


def test_reports_for_people(run: Run) -> None:
    span = {"span": {"name": "a\x1b[31m", "kind": "server", "attributes": [GOOD["attribute"], BAD["attribute"]]}}
    for stream in (True, False):
        text = run(span, format="ansi", no_stream=stream).out
        assert "span a?[31m" in text
        assert "violation missing_attribute: Attribute 'other.thing' does not exist in the registry." in text
        assert "shop.id" not in text.split("registry coverage")[0]
        assert "samples: 3 (2 attribute, 1 span)" in text


def test_inputs(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "samples"
    path.write_text("shop.id=a\n\nother.thing=1\n")
    assert run(input_source=str(path), input_format="text").report["statistics"]["total_entities"] == 2
    # On stdin an empty line is the end.
    assert run(text=path.read_bytes(), input_format="anything").report["statistics"]["total_entities"] == 1
    path.write_text(json.dumps([GOOD, BAD]))
    assert run(input_source=str(path), input_format="js").report["statistics"]["total_entities"] == 2
    path.write_text("\n".join(map(json.dumps, [GOOD, BAD])))
    assert run(input_source=str(path)).report["statistics"]["total_entities"] == 2
    spans = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [{"name": "s"}]}]}]}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "shop.opened"}]}]}]}
    path.write_text("\n".join(map(json.dumps, [spans, logs])))
    found = run(input_source=str(path), input_format="otlp").report
    assert found["statistics"]["total_entities_by_type"] == {"resource": 1, "span": 1, "log": 1}


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        (b"[{", "json", "must be JSON"),
        (b'[{"attribute": {"name": "a"}}, {"attribute": {}}]', "json", "sample 2: attribute.name is missing"),
        (b'[{"attribute": {"name": "a", "value": NaN}}]', "json", "NaN is no JSON"),
        (b"[" * 100_000, "json", "nested"),
        (b"\xff\xfe", "json", "no UTF-8"),
        (b"\xff\xfe", "text", "line 1 is no UTF-8"),
        (b"x" * 2_000_000, "text", "longer than"),
        (b'{"resourceProfiles": []}', "otlp", "resourceProfiles"),
        (b'{"resourceSpans": [{"scopeSpans": 1}]}', "otlp", "document 1: scopeSpans is 1; it must be a list"),
    ],
)
def test_bad_input_fails_with_its_place(run: Run, text: bytes, form: str, said: str) -> None:
    ended = run(GOOD, text=text, input_format=form)
    assert ended.code == 1
    assert said in ended.notes[-1]
    assert ended.out == ""


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    ended = run(input_source=str(tmp_path / "no"))
    assert (ended.code, ended.notes) == (1, [f"{tmp_path / 'no'}: cannot be opened: No such file or directory"])


def test_a_report_that_is_full_says_so_and_counts_on(run: Run) -> None:
    ended = run(*[GOOD] * 10, report_limit=500)
    assert 0 < len(ended.report["samples"]) < 10
    assert ended.report["statistics"]["total_entities"] == 10
    assert "is full at 500 bytes" in ended.notes[-1]


class Listening:
    """A live check that listens on free ports, in a thread of its own."""

    def __init__(self, session: Session, out: io.StringIO, notes: list[str]) -> None:
        self.session, self.out, self.notes = session, out, notes
        self.code: int | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert session.listening.wait(20)

    def _run(self) -> None:
        try:
            self.code = self.session.run()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def join(self) -> int | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.code

    def url(self, what: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.session.ports[what]}{path}"

    def ask(self, method: str, what: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url(what, path), data=body or None, headers=named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def stop(self) -> int | None:
        assert self.ask("POST", "admin", "/stop")[0] == 200
        return self.join()


@pytest.fixture
def listen(shop: Registry) -> Iterator[Callable[..., Listening]]:
    """Starts live checks; those that are left are stopped."""
    started: list[Listening] = []

    def listen(**settings: Any) -> Listening:
        ports = {"otlp_grpc_port": 0, "admin_port": 0, "http_port": 0, "inactivity_timeout": 0}
        chosen = Settings(**{"format": "json", "no_stream": True, **ports, **settings})
        out, notes = io.StringIO(), []
        streams = Streams(stdin=io.BytesIO(), stdout=out, note=notes.append)
        started.append(Listening(Session(chosen, shop, streams), out, notes))
        return started[-1]

    yield listen
    for one in started:
        one.session.control.stop()
        one.session.control.over()
        one.join()


Listen = Callable[..., Listening]


@contextmanager
def exporting(span: Any, metric: Any, log: Any) -> Iterator[tuple[Any, Any, Any]]:
    """A tracer, a meter and a logger that export by these."""
    resource = Resource({"host.name": "h", "host.zone": "z"})
    tracers, loggers = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    tracers.add_span_processor(SimpleSpanProcessor(span))
    meters = MeterProvider([PeriodicExportingMetricReader(metric)], resource=resource)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(log))
    yield tracers.get_tracer("t"), meters.get_meter("m"), loggers.get_logger("l")
    for provider in (tracers, meters, loggers):
        provider.shutdown()


@pytest.mark.parametrize("way", ["grpc", "grpc gzip", "grpc deflate", "http", "http gzip", "http deflate"])
def test_the_sdks_own_exporters(listen: Listen, way: str) -> None:
    live = listen(extensions=Extensions(spans=True))
    protocol, _, compressed = way.partition(" ")
    if protocol == "grpc":
        how = {"": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
        settings: Any = {"endpoint": live.url("grpc"), "insecure": True, "compression": how[compressed]}
        exporters = (
            grpc_traces.OTLPSpanExporter(**settings),
            grpc_metrics.OTLPMetricExporter(**settings),
            grpc_logs.OTLPLogExporter(**settings),
        )
    else:
        how = {"": Compression.NoCompression, "gzip": Compression.Gzip, "deflate": Compression.Deflate}
        exporters = (
            http_traces.OTLPSpanExporter(live.url("http", "/v1/traces"), compression=how[compressed]),
            http_metrics.OTLPMetricExporter(live.url("http", "/v1/metrics"), compression=how[compressed]),
            http_logs.OTLPLogExporter(live.url("http", "/v1/logs"), compression=how[compressed]),
        )
    with exporting(*exporters) as (tracer, meter, logger):
        with tracer.start_as_current_span("shop.visit", attributes={"shop.id": "a"}):
            pass
        sales = {"shop.kind": "big", "shop.count": 1, "shop.open": True, "shop.price": 1.5}
        meter.create_counter("shop.sales", "{sale}").add(2, sales)
        logger.emit(event_name="shop.opened", attributes={"shop.id": "a", "shop.label.x": "y"})
    assert live.stop() == 1
    report = json.loads(live.out.getvalue())
    kinds = [next(iter(sample)) for sample in report["samples"]]
    assert sorted(set(kinds)) == ["instrumentation_scope", "log", "metric", "resource", "span"]
    assert report["statistics"]["advice_type_counts"] == {
        "span_kind_mismatch": 1, "span_recommended_attribute_not_present": 1, "template_attribute": 1,
    }  # fmt: skip
    seen = report["statistics"]
    assert seen["seen_registry_metrics"]["shop.sales"] == seen["seen_registry_events"]["shop.opened"] == 1


SPANS = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "s", "attributes": []}]}]}]}'
PROTOBUF = {"Content_Type": "application/x-protobuf"}
JSON = {"Content_Type": "application/json"}


def test_otlp_over_http_in_json(listen: Listen) -> None:
    live = listen()
    code, body, headers = live.ask("POST", "http", "/v1/traces", SPANS, **JSON)
    assert (code, json.loads(body), headers["Content-Type"]) == (200, {}, "application/json")
    assert live.ask("POST", "http", "/v1/traces", gzip.compress(SPANS), **JSON, Content_Encoding="gzip")[0] == 200
    assert live.stop() == 0
    assert json.loads(live.out.getvalue())["statistics"]["total_entities"] == 2


def test_what_is_no_otlp_over_http_gets_a_clear_error(listen: Listen) -> None:
    live = listen(request_limit=1000)
    bomb = gzip.compress(bytes(50_000_000))
    cases = [
        (404, "/v1/profiles", b"x", PROTOBUF, "no signal at /v1/profiles"),
        (404, "/", b"x", PROTOBUF, "no signal"),
        (415, "/v1/traces", b"x", {"Content_Type": "text/plain"}, "Content-Type is text/plain"),
        (415, "/v1/traces", b"x", {**PROTOBUF, "Content_Encoding": "br"}, "Content-Encoding is br"),
        (400, "/v1/traces", b"\xff\xff", PROTOBUF, "are no ExportTraceServiceRequest"),
        (400, "/v1/logs", b"{", JSON, "no JSON"),
        (400, "/v1/logs", b"{} {}", JSON, "one JSON object"),
        (400, "/v1/logs", b"[" * 900, JSON, "no JSON"),
        (400, "/v1/logs", SPANS, JSON, "does not belong to logs"),
        (400, "/v1/traces", b"no gzip", {**PROTOBUF, "Content_Encoding": "gzip"}, "not compressed as it says"),
        (400, "/v1/traces", gzip.compress(b"x" * 99)[:-9], {**PROTOBUF, "Content_Encoding": "gzip"}, "cut off"),
        (413, "/v1/traces", bytes(1001), PROTOBUF, "at most 1000"),
        (413, "/v1/traces", bomb[:900], {**PROTOBUF, "Content_Encoding": "gzip"}, "once it is decompressed"),
        (413, "/v1/traces", zlib.compress(bytes(90_000)), {**PROTOBUF, "Content_Encoding": "deflate"}, "decompressed"),
    ]  # fmt: skip
    for code, path, body, headers, said in cases:
        answered, text, _ = live.ask("POST", "http", path, body, **headers)
        assert (answered, said in text.decode("utf-8", "replace")) == (code, True), (path, text)
    code, text, _ = live.ask("POST", "http", "/v1/traces", bytes(100 << 20), **PROTOBUF)
    assert (code, b"at most 1000" in text) == (413, True)
    assert live.ask("GET", "http", "/v1/traces")[0] == 501
    assert live.ask("POST", "http", "/v1/traces", b"{}", **JSON)[0] == 200  # and it goes on
    assert live.stop() == 1  # nothing was checked
    assert any(f"{len(cases) + 1} requests were refused" in note for note in live.notes)


def test_bodies_without_a_length_and_bodies_that_end_early(listen: Listen) -> None:
    import socket

    live = listen()
    for head, body, code in (
        ("Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", b"411"),
        ("Content-Length: 999999999999999999999", b"", b"413"),
        ("Content-Length: -1", b"", b"411"),
        ("Content-Length: 10", b"{}", b"400"),
    ):
        with socket.create_connection(("127.0.0.1", live.session.ports["http"]), timeout=20) as client:
            client.sendall(
                f"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode() + body
            )
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100).split()[1] == code
    live.stop()


def test_what_is_no_otlp_over_grpc_gets_a_clear_error(listen: Listen) -> None:
    live = listen()
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{live.session.ports['grpc']}", options=options) as channel:
        export = channel.unary_unary(TRACE_SERVICE)
        assert export(b"") == b""
        cases: list[tuple[bytes, Any, Any, str]] = [
            (b"\xff\xff", None, grpc.StatusCode.INVALID_ARGUMENT, "are no ExportTraceServiceRequest"),
            (b"\x1f\x8bno gzip", None, grpc.StatusCode.INVALID_ARGUMENT, "not compressed as it says"),
            (b"\x0a" + bytes(100 << 20), None, grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max"),
            (bytes(40 << 20), grpc.Compression.Gzip, grpc.StatusCode.RESOURCE_EXHAUSTED, "once it is decompressed"),
        ]
        for data, compression, code, said in cases:
            with pytest.raises(grpc.RpcError) as caught:
                export(data, compression=compression)
            assert (caught.value.code(), said in str(caught.value.details())) == (code, True), caught.value.details()
        profiles = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(profiles)(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert live.stop() == 1


def test_many_clients_at_once_lose_nothing(listen: Listen) -> None:
    live = listen()
    codes: list[int] = []

    def send() -> None:
        codes.extend(live.ask("POST", "http", "/v1/traces", SPANS, **JSON)[0] for _ in range(20))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert live.stop() == 0
    assert codes == [200] * 80
    assert json.loads(live.out.getvalue())["statistics"]["total_entities"] == 80


def test_connections_of_many_exporters_stay_open(listen: Listen) -> None:
    import http.client

    live = listen()
    clients = [http.client.HTTPConnection("127.0.0.1", live.session.ports["http"], timeout=20) for _ in range(60)]
    for _ in range(2):
        for client in clients:
            client.request("POST", "/v1/traces", SPANS, {"Content-Type": "application/json"})
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, b"{}")
            assert not answer.will_close
    for client in clients:
        client.close()
    assert live.stop() == 0


def test_stop_up_to_0_26(listen: Listen) -> None:
    live = listen()
    code, body, headers = live.ask("GET", "admin", "/health")
    assert (code, json.loads(body), headers["Content-Type"]) == (200, {"status": "ready"}, "application/json")
    for method, path, expected in (
        ("GET", "/stop", 405), ("GET", "/shutdown", 405), ("POST", "/health", 405), ("GET", "/x", 404),
        ("POST", "/x", 404), ("GET", "/report", 409),
    ):  # fmt: skip
        assert live.ask(method, "admin", path)[0] == expected
    assert live.ask("POST", "admin", "/stop")[:2] == (200, b"")
    assert live.join() == 1


@pytest.mark.parametrize(
    ("form", "content_type"),
    [
        ("json", "application/json"),
        ("jsonl", "application/jsonl"),
        ("yaml", "application/yaml"),
        ("ansi", "text/plain"),
    ],
)
def test_stop_up_to_0_26_with_the_report(listen: Listen, form: str, content_type: str) -> None:
    live = listen(output="http", format=form)
    live.ask("POST", "http", "/v1/traces", SPANS, **JSON)
    code, body, headers = live.ask("POST", "admin", "/stop")
    assert (code, headers["Content-Type"]) == (200, content_type)
    assert b"registry" in body
    if form == "json":
        assert json.loads(body)["statistics"]["total_entities"] == 1
    assert (live.join(), live.out.getvalue()) == (0, "")


def test_stop_after_0_26(listen: Listen) -> None:
    live = listen(output="http", contract=Contract.STATE)
    live.ask("POST", "http", "/v1/traces", SPANS, **JSON)
    assert live.ask("GET", "admin", "/report")[0] == 409
    for _ in range(2):
        code, body, _ = live.ask("POST", "admin", "/stop")
        assert (code, json.loads(body)) == (200, {"state": "stopped", "report": True})
    for _ in range(2):
        code, body, headers = live.ask("GET", "admin", "/report")
        assert (code, headers["Content-Type"]) == (200, "application/json")
        assert json.loads(body)["statistics"]["total_entities"] == 1
    assert live.code is None
    code, body, _ = live.ask("POST", "admin", "/shutdown")
    assert (code, json.loads(body)) == (200, {"state": "shutting_down"})
    assert live.join() == 0
    other = listen(contract=Contract.STATE)
    code, body, _ = other.ask("POST", "admin", "/stop")
    assert (code, json.loads(body)) == (200, {"state": "stopped", "report": False})
    assert other.join() == 1


def test_a_stop_from_elsewhere_prints_the_report(listen: Listen) -> None:
    live = listen(output="http")
    live.ask("POST", "http", "/v1/traces", SPANS, **JSON)
    live.session.control.stop()
    assert live.join() == 0
    assert json.loads(live.out.getvalue())["statistics"]["total_entities"] == 1


def test_inactivity_ends_it(listen: Listen) -> None:
    live = listen(inactivity_timeout=1)
    assert live.join() == 1
    assert "no request for 1 s" in live.notes


def test_ports_that_are_taken_are_an_error(listen: Listen, shop: Registry) -> None:
    live = listen()
    for name, what in (("otlp_grpc_port", "grpc"), ("admin_port", "admin"), ("http_port", "http")):
        ports: dict[str, Any] = {"otlp_grpc_port": 0, "admin_port": 0, "http_port": 0}
        ports[name] = live.session.ports[what]
        streams = Streams(stdin=io.BytesIO(), stdout=io.StringIO(), note=lambda _: None)
        with pytest.raises(PortError, match=str(live.session.ports[what])):
            Session(Settings(**ports), shop, streams).run()
    assert GrpcReceiver  # the port's owner is still there
    assert live.ask("GET", "admin", "/health")[0] == 200


def test_a_disk_that_is_full_ends_the_check_with_the_error(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Spool, node: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "sample", full)
    live = listen(output="http")
    code, body, _ = live.ask("POST", "http", "/v1/traces", SPANS, **JSON)
    assert (code, b"No space left" in body) == (500, True)
    live.join()
    assert isinstance(live.error, OSError)
