"""OpenTelemetry's variables: what each of them sets, and that a fault names the variable and no secret."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from telemetry import config as config_module
from telemetry.config import (
    GRPC,
    HTTP,
    LOGS,
    METRICS,
    SIGNALS,
    TRACES,
    MissingGrpcError,
    Target,
    TelemetryConfig,
    shown,
)
from telemetry.environment import VariableError, configured

E = "OTEL_EXPORTER_OTLP_"


def target(found: TelemetryConfig, signal: str) -> Target:
    goal = found.target(signal)
    assert goal is not None
    return goal


def test_nothing_set_is_nothing_sent() -> None:
    assert configured({}) == TelemetryConfig()
    assert not configured({}).speaks
    assert configured({}, prometheus=True).speaks
    disabled = {"OTEL_SDK_DISABLED": "true", f"{E}ENDPOINT": "http://a:4318"}
    assert not configured(disabled, prometheus=True).speaks


def test_one_endpoint_serves_all_signals() -> None:
    found = configured({f"{E}ENDPOINT": "http://a:4318/base/"})
    assert [target(found, signal).url for signal in SIGNALS] == [f"http://a:4318/base/v1/{s}" for s in SIGNALS]
    given = configured({f"{E}ENDPOINT": "http://a:4318", f"{E}LOGS_ENDPOINT": "http://c"}, endpoint="http://b:4318")
    assert [target(given, signal).url for signal in SIGNALS] == [f"http://b:4318/v1/{s}" for s in SIGNALS]


def test_a_signal_may_have_its_own_way() -> None:
    found = configured(
        {
            f"{E}ENDPOINT": "http://a:4318",
            f"{E}HEADERS": "x-team=swarm,authorization=Bearer%20s3cret",
            f"{E}TIMEOUT": "2500",
            f"{E}COMPRESSION": "gzip",
            f"{E}CERTIFICATE": "/ca.pem",
            f"{E}METRICS_ENDPOINT": "https://m:9090/api/v1/otlp/v1/metrics",
            f"{E}METRICS_HEADERS": "k=v",
            f"{E}METRICS_TIMEOUT": "3",
            f"{E}METRICS_COMPRESSION": "none",
            f"{E}LOGS_CLIENT_CERTIFICATE": "/client.pem",
            f"{E}LOGS_CLIENT_KEY": "/client.key",
        }
    )
    traces, metrics, logs = (target(found, signal) for signal in (TRACES, METRICS, LOGS))
    assert traces.headers == (("x-team", "swarm"), ("authorization", "Bearer s3cret"))
    assert (traces.timeout_s, traces.compression, traces.certificate) == (2.5, "gzip", "/ca.pem")
    assert (metrics.url, metrics.headers) == ("https://m:9090/api/v1/otlp/v1/metrics", (("k", "v"),))
    assert (metrics.timeout_s, metrics.compression) == (3.0, "none")
    assert (logs.client_certificate, logs.client_key) == ("/client.pem", "/client.key")
    assert "s3cret" not in repr(found)


def test_only_one_signal_may_be_sent() -> None:
    found = configured({f"{E}TRACES_ENDPOINT": "http://tempo:4318/v1/traces"})
    assert found.speaks
    assert [found.target(signal) is not None for signal in SIGNALS] == [True, False, False]
    found = configured(
        {f"{E}ENDPOINT": "http://a", "OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "prometheus"}
    )
    assert [found.target(signal) is not None for signal in SIGNALS] == [True, False, False]
    assert found.prometheus
    assert configured({"OTEL_METRICS_EXPORTER": "otlp,prometheus"}).prometheus


def test_grpc() -> None:
    found = configured({f"{E}ENDPOINT": "collector:4317", f"{E}PROTOCOL": "grpc"})
    assert {target(found, signal).protocol for signal in SIGNALS} == {GRPC}
    assert {target(found, signal).url for signal in SIGNALS} == {"http://collector:4317"}
    found = configured(
        {f"{E}ENDPOINT": "http://c:4318", f"{E}TRACES_PROTOCOL": "grpc", f"{E}TRACES_ENDPOINT": "http://c:4317"}
    )
    assert (target(found, TRACES).protocol, target(found, TRACES).url) == (GRPC, "http://c:4317")
    assert (target(found, LOGS).protocol, target(found, LOGS).url) == (HTTP, "http://c:4318/v1/logs")


def test_grpc_without_its_extra_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "find_spec", lambda _: None)
    with pytest.raises(MissingGrpcError, match=r"pip install 'swarmlore\[grpc\]'") as caught:
        configured({f"{E}ENDPOINT": "http://c:4317", f"{E}PROTOCOL": "grpc"})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_who_speaks_and_how_much() -> None:
    found = configured(
        {
            "OTEL_SERVICE_NAME": "mine",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=no,service.namespace=north,deployment.environment.name=prod,"
            "team=a%20b,service.instance.id=no",
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.25",
            "OTEL_METRIC_EXPORT_INTERVAL": "10000",
            "OTEL_BSP_MAX_QUEUE_SIZE": "4096",
            f"{E}METRICS_TEMPORALITY_PREFERENCE": "DELTA",
        },
        agent_span_limit=7,
    )
    assert (found.service_name, found.service_namespace, found.environment) == ("mine", "north", "prod")
    assert found.resource == (("team", "a b"),)
    assert (found.sampler, found.sample_ratio, found.metric_interval_s) == ("traceidratio", 0.25, 10.0)
    assert (found.queue_size, found.temporality, found.agent_span_limit) == (4096, "delta", 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{E}PROTOCOL", "http/json"),
        (f"{E}TRACES_COMPRESSION", "zstd"),
        (f"{E}TIMEOUT", "soon"),
        (f"{E}TIMEOUT", "0"),
        (f"{E}HEADERS", "a=b,s3cret"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nothing"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "x"),
        ("OTEL_METRICS_EXPORTER", "console"),
        (f"{E}METRICS_TEMPORALITY_PREFERENCE", "sideways"),
    ],
)
def test_a_fault_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(VariableError, match=name) as caught:
        configured({f"{E}ENDPOINT": "http://a", name: value})
    assert "s3cret" not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).needed == caught.value.needed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("protocol", "http"),
        ("compression", "br"),
        ("sampler", "dice"),
        ("temporality", "x"),
        ("withheld", ("spans",)),
        ("endpoint", "user:s3cret@collector"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"telemetry\.{field}") as caught:
        TelemetryConfig(**{field: value})
    assert "s3cret" not in str(caught.value)


def test_a_url_is_shown_without_its_password() -> None:
    found = TelemetryConfig(endpoint="https://user:s3cret@collector:4318/x?key=s3cret")
    goal = Target(url="https://user:s3cret@collector:4318/x?key=s3cret")
    assert goal.place == "https://collector:4318/x"
    assert shown("user:s3cret@collector:4318") == "collector:4318"
    assert "s3cret" not in repr(found) + repr(goal)
