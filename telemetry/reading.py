"""Reading a process's metrics: for an export every few seconds, for a scrape at any time, from one aggregation.

Every reader of the SDK aggregates for itself, so two of them would double the cost of each measurement.
Sums and gauges are cumulative for both, and reading them changes nothing. Only the SDK's exemplars are gone
once read, and a scrape would take them from the export; `LatestExemplars` keeps them, one a bucket.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import Exemplar, ExemplarReservoir
from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.util.types import Attributes


class SharedReader(PeriodicExportingMetricReader):
    """Exports every few seconds, and gives what it reads to whoever asks in between."""

    def __init__(self, exporter: MetricExporter, *, interval_s: float) -> None:
        self._asked = threading.local()
        super().__init__(exporter, export_interval_millis=1_000 * interval_s)

    def get_metrics_data(self) -> MetricsData | None:
        """The metrics as they are now; None when there are none."""
        self._asked.answer = box = []
        try:
            self.collect()
        finally:
            del self._asked.answer
        return box[0] if box else None

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        # The SDK calls this in the thread that collects.
        box: list[MetricsData] | None = getattr(self._asked, "answer", None)
        if box is not None:
            box.append(metrics_data)
        else:
            super()._receive_metrics(metrics_data, timeout_millis=timeout_millis, **kwargs)


class LatestExemplars(ExemplarReservoir):
    """Keeps the latest exemplar of each bucket of a histogram, or of a sum, however often it is read.

    Args:
        boundaries: of the histogram; empty for a sum.
    """

    def __init__(self, boundaries: Sequence[float] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._boundaries = boundaries
        self._kept: dict[int, tuple[float, int, trace.SpanContext]] = {}

    def offer(self, value: float, time_unix_nano: int, attributes: Attributes, context: Context) -> None:
        """Take a measurement; it is kept when it was made within a span."""
        del attributes  # all of ours are on the point itself
        span = trace.get_current_span(context).get_span_context()
        if span.is_valid:
            self._kept[bisect_left(self._boundaries, value)] = (value, time_unix_nano, span)

    def collect(self, point_attributes: Attributes) -> list[Exemplar]:
        """The exemplars, by bucket."""
        del point_attributes
        return [
            Exemplar({}, value, at, span.span_id, span.trace_id)
            for _, (value, at, span) in sorted(self._kept.copy().items())
        ]


class NoExemplars(LatestExemplars):
    """Keeps none: no format that is scraped has any for a gauge."""

    def offer(self, value: float, time_unix_nano: int, attributes: Attributes, context: Context) -> None:
        """Take no measurement."""


def keeping_exemplars() -> View:
    """A view of all instruments whose exemplars are still there after they were read."""
    return View(instrument_name="*", exemplar_reservoir_factory=_reservoir_of)


def _reservoir_of(aggregation: type[Any]) -> Any:
    # The SDK's aggregations have no public names.
    return partial(_made, NoExemplars if "LastValue" in aggregation.__name__ else LatestExemplars)


def _made(kind: type[LatestExemplars], **settings: Any) -> LatestExemplars:
    return kind(settings.get("boundaries", ()))
