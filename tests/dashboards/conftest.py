"""PromQL taken apart, and what is allowed to stand in it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from telemetry import semconv
from telemetry.promnames import label_name, series_names

OWN = {
    "up": set[str](),
    "scrape_duration_seconds": set[str](),
    "scrape_samples_scraped": set[str](),
    "ALERTS": {"alertname", "alertstate"},
}
"""Series that Prometheus makes itself, and their labels."""

COMMON = {"job", "instance"}


def labels_of_series() -> dict[str, set[str]]:
    """Every series that the registry knows, with its labels."""
    found: dict[str, set[str]] = {}
    for spec in semconv.METRICS.values():
        labels = {label_name(key) for key in spec.required | spec.optional}
        for name in series_names(spec.name, unit=spec.unit, instrument=spec.instrument):
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def plain(expr: str) -> str:
    """A query of a dashboard as PromQL: Grafana's own words replaced."""
    return re.sub(r"\$__(rate_interval|interval|range)", "5m", expr).replace("$job", ".*").replace("$workload", ".*")


@dataclass(frozen=True)
class Used:
    """A selector of a query: its metric, its labels, and the labels that are made of it around it."""

    name: str
    matched: frozenset[str]
    grouped: frozenset[str]


def selectors(expr: str) -> list[Used]:
    """The selectors of a query, each with the labels that it is grouped by."""
    promql: Any = pytest.importorskip("promql_parser")

    def visit(node: Any, grouped: frozenset[str]) -> Iterator[Used]:
        match type(node).__name__:
            case "VectorSelector":
                matched = {m.name: m.value for m in node.matchers.matchers}
                name = node.name or matched.pop("__name__")
                yield Used(name, frozenset(matched), grouped)
            case "MatrixSelector":
                yield from visit(node.vector_selector, grouped)
            case "SubqueryExpr" | "ParenExpr" | "UnaryExpr":
                yield from visit(node.expr, grouped)
            case "AggregateExpr":
                more = frozenset(node.modifier.labels) if node.modifier else frozenset[str]()
                yield from visit(node.expr, grouped | more)
            case "Call":
                for argument in node.args:
                    yield from visit(argument, grouped)
            case "BinaryExpr":
                matching = node.modifier.matching if node.modifier else None
                more = frozenset(matching.labels) if matching else frozenset[str]()
                yield from visit(node.lhs, grouped | more)
                yield from visit(node.rhs, grouped | more)
            case _:
                return

    return list(visit(promql.parse(expr), frozenset()))


def strangers(expr: str, recorded: dict[str, set[str]] | None = None) -> list[str]:
    """What a query names and neither the registry, nor Prometheus, nor a recording rule knows."""
    known = labels_of_series() | OWN | (recorded or {})
    found: list[str] = []
    for used in selectors(plain(expr)):
        if used.name.endswith("_.+"):  # all of our series, by the beginning of their names
            if not any(re.fullmatch(used.name, name) for name in known):
                found.append(used.name)
            continue
        if used.name not in known:
            found.append(used.name)
            continue
        labels = used.matched | used.grouped
        found += [f"{used.name}{{{label}}}" for label in sorted(labels - known[used.name] - COMMON)]
    return found


@pytest.fixture
def unknown() -> Any:
    """`strangers`, for tests."""
    return strangers


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus's own tool, of Debian's package ``prometheus``."""
    found = shutil.which("promtool")
    if found is None:
        reason = "promtool is not installed; apt-get install prometheus brings it"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return found
