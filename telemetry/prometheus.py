"""Metrics of many processes as one page for Prometheus, from the OTLP requests that `Telemetry.metrics` gives.

Series are named and labelled as those that Prometheus's own OTLP receiver makes of an export: names by
`telemetry.promnames`, ``job`` from ``service.namespace`` and ``service.name``, ``instance`` from
``service.instance.id``, and the rest of the resource on ``target_info``. So a panel or an alert need not know which
way a series came. Prometheus must be told ``honor_labels: true``, or it keeps its own ``job`` and ``instance``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from telemetry.promnames import BUCKET, COUNT, LE, SUM, label_name, metric_name
from telemetry.semconv import ATTR_SERVICE_INSTANCE_ID, ATTR_SERVICE_NAME, ATTR_SERVICE_NAMESPACE

JOB, INSTANCE = "job", "instance"
TRACE_ID, SPAN_ID = "trace_id", "span_id"
"""Labels of an exemplar, as Prometheus's OTLP receiver spells them."""

_TOTAL = "_total"
_IDENTITY = (ATTR_SERVICE_NAME, ATTR_SERVICE_NAMESPACE, ATTR_SERVICE_INSTANCE_ID)
_CUMULATIVE = 2  # AggregationTemporality in metrics.proto


def rendered(snapshots: Iterable[bytes], accept: str = "") -> tuple[bytes, str]:
    """The page and its content type.

    Args:
        snapshots: OTLP metrics requests; empty ones and such that cannot be read are left out.
        accept: the request's ``Accept`` header: OpenMetrics, with exemplars, for those who take it, else the classic
            text format, which has none.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Page(families(snapshots))), content_type


def families(snapshots: Iterable[bytes]) -> list[Metric]:
    """The metric families of all snapshots, each once, by name."""
    found: dict[str, Metric] = {}
    for request in _requests(snapshots):
        for whole in request.resource_metrics:
            resource = {pair.key: _value(pair.value) for pair in whole.resource.attributes}
            labels = _identity(resource)
            _add_target(found, resource, labels)
            for scope in whole.scope_metrics:
                for metric in scope.metrics:
                    _add(found, metric, labels)
    return [found[name] for name in sorted(found)]


class _Page(Collector):
    """What the client's renderers take: something that can be collected."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def _requests(snapshots: Iterable[bytes]) -> Iterator[ExportMetricsServiceRequest]:
    for snapshot in snapshots:
        try:
            yield ExportMetricsServiceRequest.FromString(snapshot)
        except DecodeError:
            continue


def _identity(resource: Mapping[str, str]) -> dict[str, str]:
    """``job`` and ``instance`` (OpenTelemetry specification, Prometheus compatibility, resource attributes)."""
    name, namespace = resource.get(ATTR_SERVICE_NAME, ""), resource.get(ATTR_SERVICE_NAMESPACE, "")
    labels = {JOB: f"{namespace}/{name}" if namespace else name, INSTANCE: resource.get(ATTR_SERVICE_INSTANCE_ID, "")}
    return {key: value for key, value in labels.items() if value}


def _add_target(found: dict[str, Metric], resource: Mapping[str, str], labels: Mapping[str, str]) -> None:
    family = found.setdefault("target", Metric("target", "Target metadata", "info"))
    further = {label_name(key): value for key, value in resource.items() if key not in _IDENTITY}
    family.add_sample("target_info", {**further, **labels}, 1)


def _add(found: dict[str, Metric], metric: Any, labels: Mapping[str, str]) -> None:
    """The samples of one metric. What Prometheus cannot hold, deltas and exponential histograms, is left out."""
    kind = metric.WhichOneof("data")
    data: Any = getattr(metric, kind) if kind else None
    if kind == "histogram" and data.aggregation_temporality == _CUMULATIVE:
        family = _family(found, metric, "histogram", "histogram")
        for point in data.data_points:
            _add_histogram(family, point, labels)
    elif kind == "sum" and data.aggregation_temporality == _CUMULATIVE:
        instrument, shape = ("counter", "counter") if data.is_monotonic else ("updowncounter", "gauge")
        family = _family(found, metric, instrument, shape)
        suffix = _TOTAL if data.is_monotonic else ""
        for point in data.data_points:
            exemplar = _exemplar(point.exemplars[-1]) if suffix and point.exemplars else None
            own = _labels(point, labels)
            family.add_sample(f"{family.name}{suffix}", own, _number(point), exemplar=exemplar)
    elif kind == "gauge":
        family = _family(found, metric, "gauge", "gauge")
        for point in data.data_points:
            family.add_sample(family.name, _labels(point, labels), _number(point))


def _family(found: dict[str, Metric], metric: Any, instrument: str, shape: str) -> Metric:
    name = metric_name(metric.name, unit=metric.unit, instrument=instrument)
    name = name.removesuffix(_TOTAL) if shape == "counter" else name
    return found.setdefault(name, Metric(name, metric.description, shape))


def _add_histogram(family: Metric, point: Any, labels: Mapping[str, str]) -> None:
    own, bounds = _labels(point, labels), list(point.explicit_bounds)
    exemplars = {bisect_left(bounds, exemplar.as_double): exemplar for exemplar in point.exemplars}
    edges = [*(floatToGoString(bound) for bound in bounds), "+Inf"]
    for number, (edge, below) in enumerate(zip(edges, accumulate(point.bucket_counts), strict=True)):
        exemplar = _exemplar(exemplars[number]) if number in exemplars else None
        family.add_sample(f"{family.name}{BUCKET}", {**own, LE: edge}, below, exemplar=exemplar)
    family.add_sample(f"{family.name}{COUNT}", own, point.count)
    family.add_sample(f"{family.name}{SUM}", own, point.sum)


def _exemplar(found: Any) -> Exemplar | None:
    ids = {TRACE_ID: found.trace_id.hex(), SPAN_ID: found.span_id.hex()}
    named = {key: value for key, value in ids.items() if value}
    return Exemplar(named, _number(found), found.time_unix_nano / 1e9) if named else None


def _labels(point: Any, labels: Mapping[str, str]) -> dict[str, str]:
    return {**{label_name(pair.key): _value(pair.value) for pair in point.attributes}, **labels}


def _number(point: Any) -> float:
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double


def _value(value: Any) -> str:
    """An attribute's value as text; truth values in lower case, as Go writes them."""
    match value.WhichOneof("value"):
        case "bool_value":
            return "true" if value.bool_value else "false"
        case None:
            return ""
        case "array_value":
            return "[" + ",".join(f'"{_value(item)}"' for item in value.array_value.values) + "]"
        case kind:
            return str(getattr(value, kind))
