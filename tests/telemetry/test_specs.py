"""Every metric of the registry makes the instrument that the registry says, with its unit and its buckets."""

from __future__ import annotations

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, Histogram, InMemoryMetricReader, Metric, Sum

from telemetry import semconv
from telemetry.specs import MetricSpec


def measured(reader: InMemoryMetricReader) -> dict[str, Metric]:
    data = reader.get_metrics_data()
    assert data is not None
    return {metric.name: metric for found in data.resource_metrics[0].scope_metrics for metric in found.metrics}


def holds(metric: Metric, spec: MetricSpec) -> bool:
    kind = {"counter": Sum, "updowncounter": Sum, "gauge": Gauge, "histogram": Histogram}[spec.instrument]
    monotonic = not isinstance(metric.data, Sum) or metric.data.is_monotonic is (spec.instrument == "counter")
    return isinstance(metric.data, kind) and monotonic and metric.unit == spec.unit


def test_instruments_are_as_the_registry_says() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
    for spec in semconv.METRICS.values():
        made = spec.create(meter)
        getattr(made, {"gauge": "set", "histogram": "record"}.get(spec.instrument, "add"))(1)
    found = measured(reader)
    assert found.keys() == semconv.METRICS.keys()
    for name, spec in semconv.METRICS.items():
        assert holds(found[name], spec)
        if spec.instrument == "histogram":
            [point] = found[name].data.data_points
            assert tuple(point.explicit_bounds) == spec.buckets  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("instrument", ["counter", "updowncounter", "gauge"])
def test_values_that_are_asked_for(instrument: str) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
    spec = MetricSpec(
        name="a.b", description="A.", required=frozenset(), optional=frozenset(), instrument=instrument, unit="{x}"
    )
    spec.observe(meter, lambda _: [Observation(7)])
    found = measured(reader)["a.b"]
    assert holds(found, spec)
    assert [point.value for point in found.data.data_points] == [7]  # pyright: ignore[reportAttributeAccessIssue]


def test_a_histogram_is_not_asked() -> None:
    meter = MeterProvider(shutdown_on_exit=False).get_meter("test")
    with pytest.raises(TypeError, match="recorded, not asked for"):
        semconv.METRICS[semconv.METRIC_ROUND_DURATION].observe(meter, lambda _: [])
