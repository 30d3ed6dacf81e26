"""What the tests of alert rules are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from telemetry import semconv

WORKLOAD = {semconv.ATTR_WORKLOAD: "gradients"}

Key = tuple[str, tuple[tuple[str, str], ...]]
Series = dict[Key, str]


def key(metric: str, **attributes: str) -> Key:
    """One series; attributes by the names of their constants, e.g. ``OUTCOME="success"``."""
    named = {getattr(semconv, f"ATTR_{name}"): value for name, value in attributes.items()}
    spec = semconv.METRICS[metric]
    if semconv.ATTR_WORKLOAD in spec.required:
        named = WORKLOAD | named
    assert named.keys() >= spec.required
    assert named.keys() <= spec.required | spec.optional
    return metric, tuple(sorted(named.items()))


@dataclass(frozen=True, kw_only=True)
class Case:
    """What happens, when an alert has to fire, and when it has to be silent.

    Attributes:
        alert: without the prefix.
        happens: series in place of the healthy ones; None for one that is not there.
        fires, silent: minutes.
        severity: of what fires.
        labels: attribute -> value of what fires, beside job and severity.
        description: as rendered.
        values: minute -> what stands for ``{value}`` in it then.
    """

    alert: str
    happens: Mapping[Key, str | None]
    fires: tuple[int, ...]
    silent: tuple[int, ...]
    severity: str
    description: str
    labels: Mapping[str, str] = field(default_factory=lambda: dict(WORKLOAD))
    job: bool = True
    values: Mapping[int, str] = field(default_factory=dict[int, str])
