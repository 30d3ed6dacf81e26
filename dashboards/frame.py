"""What all dashboards have around their panels: variables, links, annotations, and the grid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.alert import PREFIX
from dashboards.panels import DATASOURCE, Panel
from dashboards.queries import EVERYTHING, RATE, Scope, increase, select, total
from telemetry import semconv
from telemetry.promnames import label_name

TAG = "swarmlore"
COLUMNS = 24

OVERVIEW, ROUND, TRUST, LEARNING, LOOPS, TELEMETRY, INGEST, FEDERATION, DELIVERY, DOORS = (
    "swarmlore-overview",
    "swarmlore-round",
    "swarmlore-trust",
    "swarmlore-learning",
    "swarmlore-loops",
    "swarmlore-telemetry",
    "swarmlore-ingest",
    "swarmlore-federation",
    "swarmlore-delivery",
    "swarmlore-doors",
)
"""Uids of the dashboards, which are part of their addresses."""

Row: TypeAlias = tuple[int, Sequence[tuple[int, Panel]]]
"""A row of panels: its height, and each panel with its width."""


def dashboard(uid: str, title: str, description: str, rows: Sequence[Row]) -> dict[str, Any]:
    """A dashboard as the JSON that Grafana takes (schema v1).

    Raises:
        ValueError: when a row is not as wide as the grid.
    """
    made = (
        build.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .variables(_variables())
        .annotations(_annotations())
        .link(
            build.DashboardLink("swarmlore")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(False)
            .include_vars(True)
            .keep_time(True)
            .tooltip("The other dashboards, for the same swarm and time")
        )
    )
    number, top = 0, 0
    for height, panels in rows:
        left = 0
        for width, panel in panels:
            number += 1
            panel.id(number).grid_pos(model.GridPos(h=height, w=width, x=left, y=top))
            made.with_panel(panel)
            left += width
        if left != COLUMNS:
            raise ValueError(f"Row {top} of {uid} is {left} columns wide; it must be {COLUMNS}.")
        top += height
    document = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    document["version"] = 1
    for shown in (*document["links"], *document["annotations"]["list"]):
        shown.pop("placement", None)  # the SDK's only value hides them in a menu
    return document


def link_to(uid: str, title: str) -> build.DashboardLink:
    """A panel's link to another dashboard, with the same variables and time."""
    return (
        build.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .url(f"/d/{uid}?${{datasource:queryparam}}&${{job:queryparam}}&${{workload:queryparam}}&${{__url_time_range}}")
    )


def _variables() -> list[Any]:
    enrolled = select(semconv.METRIC_AGENTS_ENROLLED, scope=EVERYTHING)
    of_job = select(semconv.METRIC_AGENTS_ENROLLED, scope=Scope(job="$job"))
    return [
        build.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
        .current(model.VariableOption(text="Prometheus", value="prometheus", selected=True)),
        _values("job", "Swarm", f"label_values({enrolled}, job)"),
        _values("workload", "Workload", f"label_values({of_job}, {label_name(semconv.ATTR_WORKLOAD)})"),
    ]


def _values(name: str, label: str, query: str) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .definition(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(text="All", value="$__all", selected=True))
    )


def _annotations() -> list[Any]:
    releases = select(semconv.METRIC_RELEASE_VERSION)
    rollbacks = total(increase(select(semconv.METRIC_ROLLBACKS), RATE), "job")
    return [
        _annotation("Rollbacks", f"{rollbacks} > 0", "red", "An earlier release was brought back", enable=True),
        # A healthy swarm makes a release each round: shown on demand only.
        _annotation("Releases", f"changes({releases}[{RATE}]) > 0", "blue", "A release was published", enable=False),
        _annotation(
            "Alerts", f'ALERTS{{alertname=~"{PREFIX}.+", alertstate="firing"}}', "orange", "{{alertname}}", enable=True
        ),
    ]


def _annotation(name: str, expr: str, colour: str, title: str, *, enable: bool) -> build.AnnotationQuery:
    return (
        build.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(enable)
        .hide(False)
        .icon_color(colour)
        .expr(expr)
        .step("10s")
        .title_format(title)
        .text_format(name)
    )
