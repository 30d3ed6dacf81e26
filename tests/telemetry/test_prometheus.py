"""The page for Prometheus: parsed by Prometheus's own client, named as on the OTLP path, exemplars included."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as classic_families

from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.prometheus import rendered
from telemetry.promnames import label_name, metric_name, series_names
from telemetry.semconv import ActorKind
from telemetry.testing import captured

OPEN = "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"
WORKLOAD = {semconv.ATTR_WORKLOAD: "gradients"}
ROUND = {**WORKLOAD, semconv.ATTR_ROUND: 1}


def samples(page: bytes) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for family in open_families(page.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def name_of(metric: str) -> str:
    spec = semconv.METRICS[metric]
    return metric_name(metric, unit=spec.unit, instrument=spec.instrument)


def scraped(instance: str, kind: ActorKind, namespace: str = "north") -> Telemetry:
    config = TelemetryConfig(prometheus=True, service_namespace=namespace, resource=(("team", "a"),))
    return Telemetry.start(config, actor_kind=kind, instance=instance)


def test_actors_are_told_apart_and_each_family_is_there_once() -> None:
    hosts = [scraped(f"host-{number}", ActorKind.HOST) for number in range(3)]
    for number, host in enumerate(hosts):
        host.gauge(semconv.METRIC_LOCAL_LOSS, number + 0.5, WORKLOAD)
        host.count(semconv.METRIC_UPDATES, number, {**WORKLOAD, semconv.ATTR_VERDICT: "accepted"})
    page, content_type = rendered([host.metrics() for host in hosts], OPEN)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    text, found = page.decode(), samples(page)
    assert text.count(f"# TYPE {name_of(semconv.METRIC_LOCAL_LOSS)} gauge\n") == 1
    losses = {sample.labels["instance"]: sample.value for sample in found[name_of(semconv.METRIC_LOCAL_LOSS)]}
    assert losses == {"host-0": 0.5, "host-1": 1.5, "host-2": 2.5}
    assert [sample.value for sample in found[name_of(semconv.METRIC_UPDATES)]] == [0, 1, 2]
    target = found["target_info"][1].labels
    assert (target["job"], target["instance"]) == ("north/swarmlore", "host-1")
    assert (target[label_name(semconv.ATTR_ACTOR_KIND)], target["team"]) == ("host", "a")
    assert not {label_name(semconv.ATTR_SERVICE_NAME), label_name(semconv.ATTR_SERVICE_INSTANCE_ID)} & set(target)
    assert text.endswith("# EOF\n")


def test_a_histogram_adds_up_and_its_buckets_lead_to_traces() -> None:
    with captured() as capture:
        telemetry, metric = capture.telemetry, semconv.METRIC_ROUND_DURATION
        labels = {**WORKLOAD, semconv.ATTR_OUTCOME: "success"}
        traces: list[str] = []
        for seconds in (0.001, 0.02, 0.02, 100.0):
            with telemetry.span(semconv.SPAN_ROUND, ROUND) as span:
                telemetry.observe(metric, seconds, labels)
            traces.append(span.traceparent.split("-")[1])
        snapshots = [telemetry.metrics() for _ in range(2)]
    first, again = (samples(rendered([snapshot], OPEN)[0]) for snapshot in snapshots)
    bucket, total, count = series_names(metric, unit="s", instrument="histogram")
    found = {sample.labels["le"]: sample for sample in first[bucket]}
    assert [found[le].value for le in ("0.005", "0.015", "0.02", "60.0", "+Inf")] == [1, 1, 3, 3, 4]
    exemplars = {le: sample.exemplar for le, sample in found.items() if sample.exemplar}
    assert {le: exemplar.labels["trace_id"] for le, exemplar in exemplars.items()} == {
        "0.005": traces[0],
        "0.02": traces[2],
        "+Inf": traces[3],
    }
    assert exemplars["+Inf"].value == 100.0
    assert len(exemplars["+Inf"].labels["span_id"]) == 16
    assert first[count][0].value == 4
    assert first[total][0].value == pytest.approx(100.041)
    # What was read once is there again: gauges, sums and exemplars.
    assert [sample.exemplar for sample in again[bucket]] == [sample.exemplar for sample in first[bucket]]


def test_the_classic_format_has_no_exemplars_and_the_same_names() -> None:
    with captured() as capture:
        with capture.telemetry.phase(semconv.Phase.VALIDATE, ROUND):
            capture.telemetry.count(semconv.METRIC_ROUNDS, 1, {**WORKLOAD, semconv.ATTR_OUTCOME: "success"})
        snapshot = capture.telemetry.metrics()
    for accept in ("", "text/plain;version=0.0.4", "*/*"):
        page, content_type = rendered([snapshot], accept)
        assert content_type.startswith("text/plain")
        assert b" # {" not in page
        classic = {sample.name for family in classic_families(page.decode()) for sample in family.samples}
        assert classic == set(samples(rendered([snapshot], OPEN)[0]))


def test_every_metric_of_the_registry_has_the_name_that_dashboards_are_built_with() -> None:
    with captured(strict=False) as capture:
        for spec in semconv.METRICS.values():
            record = {"counter": capture.telemetry.count, "gauge": capture.telemetry.gauge}
            record.get(spec.instrument, capture.telemetry.observe)(spec.name, 1)
        found = set(samples(rendered([capture.telemetry.metrics()], OPEN)[0]))
    expected = {
        name
        for spec in semconv.METRICS.values()
        for name in series_names(spec.name, unit=spec.unit, instrument=spec.instrument)
    }
    assert expected | {"target_info"} == found
    assert not [name for name in found if name.endswith("_ratio")]


def test_what_cannot_be_read_is_left_out() -> None:
    telemetry = scraped("host-0", ActorKind.HOST)
    telemetry.gauge(semconv.METRIC_LOCAL_LOSS, 1.0, WORKLOAD)
    assert samples(rendered([b"\xff\xff", b"", telemetry.metrics()], OPEN)[0])["target_info"]
    assert rendered([], OPEN)[0] == b"# EOF\n"


def test_values_are_escaped() -> None:
    with captured(strict=False) as capture:
        capture.telemetry.gauge(semconv.METRIC_LOCAL_LOSS, 1.0, {"a.b": 'x"\\\n', "c": True, "d": 3, "e": ("f", "g")})
        found = samples(rendered([capture.telemetry.metrics()], OPEN)[0])
    labels = found[name_of(semconv.METRIC_LOCAL_LOSS)][0].labels
    assert (labels["a_b"], labels["c"], labels["d"], labels["e"]) == ('x"\\\n', "true", "3", '["f","g"]')


def test_silence_has_nothing_to_show() -> None:
    silent = Telemetry.start(TelemetryConfig(), actor_kind=ActorKind.HOST, instance="host-0")
    assert silent.metrics() == b""


def test_metrics_alone_record_no_spans_and_no_events() -> None:
    telemetry = scraped("host-0", ActorKind.HOST)
    with telemetry.phase(semconv.Phase.AGGREGATE, ROUND) as span:
        telemetry.event(semconv.EVENT_ROUND_OPENED, ROUND)
        assert span.traceparent == ""
    parent = f"00-{1:032x}-{1:016x}-01"
    with telemetry.span(semconv.SPAN_GATE, ROUND, parent=parent) as below:
        assert below.traceparent == parent  # somebody else's trace is not cut
    assert telemetry.enabled
    assert not telemetry.detailed(1)
    assert telemetry.dropped == {}
    found = samples(rendered([telemetry.metrics()], OPEN)[0])
    phases = f"{name_of(semconv.METRIC_PHASE_DURATION)}_count"
    assert [sample.value for sample in found[phases]] == [1]
    assert telemetry.drain()
    assert telemetry.stop()
    assert telemetry.metrics() == b""
