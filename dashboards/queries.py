"""PromQL from the registry's names.

Every selector goes through `select`, which translates a metric and its attributes by
`telemetry.promnames` and refuses what the registry does not give the metric. So a query cannot name
a series that the service does not emit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from telemetry import semconv
from telemetry.promnames import BUCKET, COUNT, LE, SUM, label_name, metric_name
from telemetry.specs import MetricSpec

RATE = "$__rate_interval"
"""Grafana's window for `rate`: never shorter than four scrapes."""

RANGE = "$__range"
"""The time range that the dashboard shows."""

OWN_LABELS = ("job", "instance", LE)
"""Labels that Prometheus adds itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What all selectors of one place are narrowed to.

    Attributes:
        job, workload: regular expressions; None for no narrowing.
    """

    job: str | None = None
    workload: str | None = None


DASHBOARD = Scope(job="$job", workload="$workload")
"""The variables at the top of every dashboard."""

EVERYTHING = Scope()
"""No narrowing, as for rules."""


def select(
    metric: str,
    *,
    part: str = "",
    where: Mapping[str, str] | None = None,
    any_of: Mapping[str, Iterable[str]] | None = None,
    none_of: Mapping[str, Iterable[str]] | None = None,
    unlike: Mapping[str, str] | None = None,
    like: Mapping[str, str] | None = None,
    scope: Scope = DASHBOARD,
) -> str:
    """The selector of a metric's series.

    Args:
        metric: one of ``semconv.METRIC_*``.
        part: `BUCKET`, `SUM` or `COUNT` of a histogram.
        where: attribute -> the value it must have.
        any_of: attribute -> values of which it must have one.
        none_of: attribute -> values of which it must have none.
        unlike: attribute -> the value it must not have; an empty one stands for its absence.
        like: attribute -> a regular expression for the whole of its value.
        scope: what else it is narrowed to.

    Raises:
        ValueError: for an attribute that the metric does not have, or a part that it does not have.
    """
    spec = semconv.METRICS[metric]
    if (spec.instrument == "histogram") != (part in (BUCKET, SUM, COUNT)):
        raise ValueError(f"{metric} is a {spec.instrument} and was asked for its part {part!r}.")
    matchers: list[str] = []
    if scope.job is not None:
        matchers.append(f'job=~"{scope.job}"')
    if scope.workload is not None and semconv.ATTR_WORKLOAD in spec.required | spec.optional:
        matchers.append(f'{label_name(semconv.ATTR_WORKLOAD)}=~"{scope.workload}"')
    for key, value in (where or {}).items():
        matchers.append(f'{_label(spec, key)}="{value}"')
    for key, value in (unlike or {}).items():
        matchers.append(f'{_label(spec, key)}!="{value}"')
    for key, pattern in (like or {}).items():
        matchers.append(f'{_label(spec, key)}=~"{pattern}"')
    for choices, sign in ((any_of, "=~"), (none_of, "!~")):
        for key, values in (choices or {}).items():
            matchers.append(f'{_label(spec, key)}{sign}"{"|".join(value.replace(".", "[.]") for value in values)}"')
    name = metric_name(metric, unit=spec.unit, instrument=spec.instrument) + part
    return f"{name}{{{', '.join(matchers)}}}" if matchers else name


def rate(selector: str, window: str = RATE) -> str:
    """Rise a second, over a window."""
    return f"rate({selector}[{window}])"


def increase(selector: str, window: str = RATE) -> str:
    """Rise over a window."""
    return f"increase({selector}[{window}])"


def total(expression: str, *by: str) -> str:
    """The sum over everything but these attributes or labels."""
    return _aggregated("sum", expression, by)


def largest(expression: str, *by: str) -> str:
    """The largest over everything but these attributes or labels."""
    return _aggregated("max", expression, by)


def smallest(expression: str, *by: str) -> str:
    """The smallest over everything but these attributes or labels."""
    return _aggregated("min", expression, by)


def average(expression: str, *by: str) -> str:
    """The mean over everything but these attributes or labels."""
    return _aggregated("avg", expression, by)


def quantile(
    q: float,
    metric: str,
    *by: str,
    where: Mapping[str, str] | None = None,
    window: str = RATE,
    scope: Scope = DASHBOARD,
) -> str:
    """A quantile of a histogram, estimated from its buckets."""
    buckets = select(metric, part=BUCKET, where=where, scope=scope)
    return f"histogram_quantile({q}, {total(rate(buckets, window), LE, *by)})"


def mean(metric: str, *by: str, where: Mapping[str, str] | None = None, window: str = RATE) -> str:
    """The mean of what a histogram observed in a window."""
    sums, counts = (total(rate(select(metric, part=part, where=where), window), *by) for part in (SUM, COUNT))
    return f"{sums} / {counts}"


def share(part: str, whole: str) -> str:
    """One sum of another, and nothing rather than NaN while the other is zero."""
    return f"{part} / ({whole} > 0)"


def legend(*keys: str) -> str:
    """A legend that shows the values of attributes."""
    return " ".join(f"{{{{{label_name(key)}}}}}" for key in keys)


def _aggregated(operator: str, expression: str, by: Iterable[str]) -> str:
    labels = ", ".join(label_name(key) for key in by)
    return f"{operator} by ({labels}) ({expression})" if labels else f"{operator}({expression})"


def _label(spec: MetricSpec, key: str) -> str:
    if key not in spec.required | spec.optional:
        raise ValueError(f"{spec.name} has no attribute {key}; it has {sorted(spec.required | spec.optional)}.")
    return label_name(key)
