"""Names in Prometheus: by hand for each rule, and beside OpenTelemetry's own exporter for the whole registry."""

from __future__ import annotations

import re

import pytest

from telemetry import semconv
from telemetry.promnames import label_name, metric_name, series_names


@pytest.mark.parametrize(
    ("name", "unit", "instrument", "expected"),
    [
        ("svc.rounds", "{round}", "counter", "svc_rounds_total"),
        ("svc.io", "By", "counter", "svc_io_bytes_total"),
        ("svc.io.bytes", "By", "counter", "svc_io_bytes_total"),
        ("svc.total", "{item}", "counter", "svc_total"),
        ("svc.round.duration", "s", "histogram", "svc_round_duration_seconds"),
        ("svc.agents.active", "{agent}", "updowncounter", "svc_agents_active"),
        ("svc.rate", "By/s", "gauge", "svc_rate_bytes_per_second"),
        ("svc.speed", "{span}/s", "gauge", "svc_speed_per_second"),
        ("svc.share", "1", "gauge", "svc_share_ratio"),
        ("svc.share", "{fraction}", "gauge", "svc_share"),
        ("svc.a-b", "ms", "gauge", "svc_a_b_milliseconds"),
        ("2svc", "{x}", "gauge", "_2svc"),
    ],
)
def test_each_rule(name: str, unit: str, instrument: str, expected: str) -> None:
    assert metric_name(name, unit=unit, instrument=instrument) == expected


def test_labels() -> None:
    assert label_name(semconv.ATTR_ACTOR_KIND) == "federated_learning_actor_kind"
    assert label_name("2nd") == "key_2nd"


def test_series_of_a_histogram() -> None:
    assert series_names("a.b", unit="s", instrument="histogram") == (
        "a_b_seconds_bucket",
        "a_b_seconds_sum",
        "a_b_seconds_count",
    )


def test_the_registry_is_named_as_the_exporter_of_opentelemetry_names_it() -> None:
    exporter = pytest.importorskip("opentelemetry.exporter.prometheus")
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import REGISTRY, generate_latest

    reader = exporter.PrometheusMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    try:
        meter = meters.get_meter("test")
        for spec in semconv.METRICS.values():
            if spec.instrument == "counter":
                meter.create_counter(spec.name, spec.unit).add(1)
            elif spec.instrument == "gauge":
                meter.create_gauge(spec.name, spec.unit).set(1)
            elif spec.instrument == "histogram":
                meter.create_histogram(spec.name, spec.unit).record(1)
            else:
                meter.create_up_down_counter(spec.name, spec.unit).add(1)
        text = generate_latest(REGISTRY).decode()
    finally:
        meters.shutdown()
    exported = set(re.findall(r"^(federated_learning_\w+)", text, re.MULTILINE))
    expected = {
        name
        for spec in semconv.METRICS.values()
        for name in series_names(spec.name, unit=spec.unit, instrument=spec.instrument)
    }
    assert exported == expected


def test_no_gauge_becomes_a_ratio() -> None:
    assert not [spec.name for spec in semconv.METRICS.values() if spec.unit == "1"]
