"""Panels: what Grafana's builders are told for every panel alike, and the few kinds of panel that are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models import prometheus as prometheus_model

Panel: TypeAlias = Any
"""One of the builders' panels. They have no common base that names what they share."""

DATASOURCE = common_model.DataSourceRef(type_val="prometheus", uid="${datasource}")

SECONDS, FRACTION, COUNT, NUMBER, BYTES = "s", "percentunit", "short", "none", "bytes"
PER_SECOND, BYTES_PER_SECOND = "ops", "Bps"
"""Grafana's ids of the units that occur."""

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: PromQL.
        legend: name of its series.
        exemplar: whether traces are shown beside it; for histograms.
        instant: whether only the newest value is asked for.
        format: ``time_series``, ``heatmap`` or ``table``.
    """

    expr: str
    legend: str = ""
    exemplar: bool = False
    instant: bool = False
    format: str = "time_series"

    def build(self, place: int) -> prometheus.Dataquery:
        """The query as Grafana's builder has it; the place gives it its letter."""
        found = (
            prometheus.Dataquery()
            .datasource(DATASOURCE)
            .ref_id("ABCDEFGHIJ"[place])
            .expr(self.expr)
            .legend_format(self.legend or "__auto")
            .exemplar(self.exemplar)
            .editor_mode(prometheus_model.QueryEditorMode.CODE)
            .format(prometheus_model.PromQueryFormat(self.format))
        )
        return found.instant() if self.instant else found.range()


def number(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str = COUNT,
    steps: Sequence[tuple[float | None, str]] = ((None, GREY),),
    decimals: float | None = None,
    words: Mapping[str, tuple[str, str]] | None = None,
    none: str = "no data",
) -> Panel:
    """One number, coloured by its thresholds; ``words`` maps values to (text, colour)."""
    panel = (
        stat.Panel()
        .color_mode(common_model.BigValueColorMode("value"))
        .graph_mode(common_model.BigValueGraphMode("none" if query.instant else "area"))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .text_mode(common_model.BigValueTextMode("auto"))
        .no_value(none)
    )
    return _described(panel, title, description, [query], unit, steps, decimals, words)


def chart(
    title: str,
    description: str,
    *queries: Query,
    unit: str = COUNT,
    stacked: bool = False,
    bars: bool = False,
    steps: Sequence[tuple[float | None, str]] = (),
    lines: bool = False,
    log: bool = False,
    smallest: float | None = 0.0,
    greatest: float | None = None,
    colours: Mapping[str, str] | None = None,
    dashed: Sequence[str] = (),
    table_legend: bool = False,
) -> Panel:
    """Series over time.

    Args:
        title: of the panel, as its question or its answer.
        description: what is seen, and what it means when it is not as usual.
        queries: what is shown.
        unit: of the values.
        stacked, bars: how series are drawn.
        steps: thresholds, drawn as lines when ``lines`` is set.
        lines: whether the thresholds are drawn.
        log: logarithmic values.
        smallest, greatest: bounds of the axis.
        colours: series -> fixed colour.
        dashed: series that are bounds, not measurements.
        table_legend: the last value beside each name.
    """
    panel = (
        timeseries.Panel()
        .draw_style(common_model.GraphDrawStyle("bars" if bars else "line"))
        .line_width(1)
        .fill_opacity(70 if bars else 25 if stacked else 8)
        .show_points(common_model.VisibilityMode("auto" if not bars else "never"))
        .span_nulls(True)
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode("multi"))
            .sort(common_model.SortOrder("desc"))
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(common_model.LegendDisplayMode("table" if table_legend else "list"))
            .placement(common_model.LegendPlacement("right" if table_legend else "bottom"))
            .show_legend(True)
            .calcs(["lastNotNull", "max"] if table_legend else [])
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_model.StackingMode("normal")).group("A"))
    if log:
        panel.scale_distribution(common.ScaleDistributionConfig().type(common_model.ScaleDistribution("log")).log(10))
    elif smallest is not None:
        panel.min(smallest)
    if greatest is not None:
        panel.max(greatest)
    if lines:
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode("dashed"))
        )
    for series, colour in (colours or {}).items():
        panel.override_by_name(
            series, [model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})]
        )
    for series in dashed:
        panel.override_by_name(
            series,
            [
                model.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]}),
                model.DynamicConfigValue(id_val="custom.fillOpacity", value=0),
                model.DynamicConfigValue(id_val="custom.stacking", value={"mode": "none", "group": "A"}),
            ],
        )
    return _described(panel, title, description, queries, unit, steps or ((None, GREEN),), None, None)


def distribution(title: str, description: str, query: Query, *, unit: str = SECONDS) -> Panel:
    """A heat map of a histogram's buckets over time, with exemplars."""
    panel = (
        heatmap.Panel()
        .calculate(False)
        .cell_gap(1)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_model.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .exponent(0.5)
            .fill("dark-orange")
            .reverse(False)
            .steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(common_model.AxisPlacement("left")))
        .exemplars_color("rgba(87,148,242,0.9)")
        .show_legend()
    )
    return _described(panel, title, description, [query], unit, (), None, None)


def states(title: str, description: str, query: Query, *, words: Mapping[str, tuple[str, str]]) -> Panel:
    """A band for each series, coloured by its value."""
    panel = (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(common_model.VisibilityMode("never"))
        .row_height(0.8)
        .line_width(0)
        .legend(common.VizLegendOptions().show_legend(False).display_mode(common_model.LegendDisplayMode("list")))
    )
    return _described(panel, title, description, [query], NUMBER, ((None, GREY),), None, words)


def listing(
    title: str, description: str, query: Query, *, columns: Mapping[str, str], unit: str = COUNT, sort: str = "Value"
) -> Panel:
    """A table of the newest values; ``columns`` maps labels to headings, in their order, the value's as ``Value``."""
    panel = (
        table.Panel()
        .cell_height(common_model.TableCellHeight("sm"))
        .sort_by([common.TableSortByFieldState().display_name(columns.get(sort, sort)).desc(True)])
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": {label: place for place, label in enumerate(columns)},
                    "renameByName": dict(columns),
                },
            )
        )
    )
    return _described(panel, title, description, [query], unit, ((None, GREY),), 0, None)


def _described(
    panel: Panel,
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    steps: Sequence[tuple[float | None, str]],
    decimals: float | None,
    words: Mapping[str, tuple[str, str]] | None,
) -> Panel:
    panel.title(title).description(description).datasource(DATASOURCE).unit(unit)
    for place, query in enumerate(queries):
        panel.with_target(query.build(place))
    if steps:
        panel.thresholds(
            build.ThresholdsConfig()
            .mode(model.ThresholdsMode.ABSOLUTE)
            .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
        )
    if decimals is not None:
        panel.decimals(decimals)
    if words is not None:
        options = {
            value: model.ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, (text, colour)) in enumerate(words.items())
        }
        panel.mappings([model.ValueMap(options=options)])
    return panel
