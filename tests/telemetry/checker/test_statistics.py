"""Counts, and that they stay bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from telemetry.checker import judgements as judging
from telemetry.checker import statistics as counting
from telemetry.checker.live_check import LiveCheck
from telemetry.checker.sample_reader import sample_of
from telemetry.checker.samples import AttributeSample, SpanSample
from telemetry.checker.statistics import OTHERS, single_precision

FIELDS = [
    "total_entities", "total_entities_by_type", "total_advisories", "advice_level_counts",
    "highest_advice_level_counts", "no_advice_count", "advice_type_counts", "advice_message_counts",
    "seen_registry_attributes", "seen_non_registry_attributes", "seen_registry_metrics",
    "seen_non_registry_metrics", "seen_registry_events", "seen_non_registry_events", "registry_coverage",
]  # fmt: skip

Live = Callable[..., LiveCheck]


def test_the_fifteen_fields_of_a_check_of_nothing(live: Live) -> None:
    node = live().statistics.as_node()
    assert list(node) == FIELDS
    assert node["total_entities"] == 0
    assert node["registry_coverage"] == 0.0
    assert "shop.old" not in node["seen_registry_attributes"]  # deprecated names stay out
    assert "shop.label" in node["seen_registry_attributes"]
    assert set(node["seen_registry_metrics"]) == {"shop.sales", "shop.plain", "shop.both"}
    assert set(node["seen_registry_events"]) == {"shop.opened"}


def test_everything_is_counted_where_it_belongs(live: Live) -> None:
    check = live()
    span = {
        "name": "s",
        "kind": "server",
        "attributes": [
            {"name": "shop.id", "value": "a"},
            {"name": "shop.old", "value": "a"},
            {"name": "x", "value": 1},
        ],
        "span_events": [{"name": "e", "attributes": [{"name": "shop.label.a", "value": "a"}]}],
        "span_links": [{}],
    }
    exemplar = {"filtered_attributes": [], "value": 1, "timestamp": "", "span_id": "", "trace_id": ""}
    metric = {
        "name": "shop.gone",
        "instrument": "gauge",
        "unit": "1",
        "data_points": [{"attributes": [], "value": 1, "exemplars": [exemplar]}],
    }
    for _ in range(2):
        for document in ({"span": span}, {"metric": metric}, {"log": {"event_name": ""}}, {"log": {"event_name": "n"}}):
            check.check(sample_of(document))
    node = check.statistics.as_node()
    assert node["total_entities_by_type"] == {
        "span": 2, "attribute": 8, "span_event": 2, "span_link": 2, "metric": 2, "data_point": 2, "exemplar": 2,
        "log": 4,
    }  # fmt: skip
    assert node["total_entities"] == 24
    assert node["seen_registry_attributes"]["shop.label"] == 2
    assert node["seen_registry_attributes"]["shop.id"] == 2
    assert node["seen_non_registry_attributes"] == {"shop.old": 2, "x": 2}
    assert node["seen_non_registry_metrics"] == {"shop.gone": 2}
    assert node["seen_non_registry_events"] == {"n": 2}  # the one without a name is none
    assert sum(node["advice_level_counts"].values()) == node["total_advisories"]
    assert sum(node["advice_type_counts"].values()) == node["total_advisories"]
    assert sum(node["highest_advice_level_counts"].values()) + node["no_advice_count"] == node["total_entities"]
    names = len(node["seen_registry_attributes"]) + 3 + 1
    assert node["registry_coverage"] == single_precision(2 / names)
    assert check.roots == 8


@pytest.mark.parametrize(("value", "text"), [(1 / 3, "0.33333334"), (1.0, "1.0"), (0.0, "0.0"), (0.1, "0.1")])
def test_coverage_is_written_as_a_32_bit_float(value: float, text: str) -> None:
    assert repr(single_precision(value)) == text


def test_maps_of_names_are_bounded(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_NAMES", 10)
    check = live()
    for number in range(50):
        check.check(AttributeSample(f"other.n{number}", 1, "int"))
    node = check.statistics.as_node()
    assert len(node["seen_non_registry_attributes"]) == 11
    assert node["seen_non_registry_attributes"][OTHERS] == 40
    assert node["advice_message_counts"][OTHERS] >= 40
    assert node["total_entities"] == 50


def test_judgements_are_bounded_and_nothing_is_lost(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MAX_JUDGEMENTS", 20)
    check = live()
    # One span with more attributes than are kept, and many spans of different names.
    wide = SpanSample(
        name="s", kind="server", attributes=[AttributeSample(f"other.n{n}", 1, "int") for n in range(100)]
    )
    for _ in range(3):
        node = check.check(wide)
        assert len(node["span"]["attributes"]) == 100
    for number in range(100):
        check.check(SpanSample(name=f"s{number}", kind="server", attributes=wide.attributes[:2]))
        assert len(check._judgements) <= 20 + 1
    assert check.statistics.as_node()["total_entities_by_type"] == {"span": 103, "attribute": 500}


def test_long_names_and_values_are_not_kept(live: Live) -> None:
    check = live()
    name = "a." + "b" * 100_000
    for number in range(30):
        check.check(AttributeSample(f"{name}{number}", 1, "int"))
        check.check(AttributeSample("shop.kind", "v" * 1_000_000 + str(number), "string"))
        check.check(SpanSample(name=f"{name}{number}", kind="server"))
    check.statistics  # noqa: B018 - counts what is kept
    held = sum(len(str(key)) for kept in check._judgements._kept.values() for key in kept)
    assert held < 20_000_000
    node = check.statistics.as_node()
    assert max(map(len, node["advice_message_counts"])) <= counting.LONGEST_NAME
    assert node["total_entities"] == 90


def test_a_name_of_dots_costs_no_square(live: Live) -> None:
    node = live().check(AttributeSample("a." * 200_000 + "b", 1, "int"))
    assert node["attribute"]["live_check_result"]["highest_advice_level"] == "violation"


def test_span_coverage_and_cardinality_are_extensions(live: Live) -> None:
    assert live().extension_node() is None
    check = live(spans=True, cardinality=2)
    for name in ("shop.visit", "shop.past", "s"):
        check.check(SpanSample(name=name, kind="server"))
    point: dict[str, Any] = {"attributes": [{"name": "shop.kind", "value": "big"}], "value": 1}
    check.check(
        sample_of({"metric": {"name": "shop.sales", "instrument": "counter", "unit": "", "data_points": [point] * 5}})
    )
    assert check.extension_node() == {
        "seen_registry_spans": {"shop.visit": 1},
        "seen_non_registry_spans": {"shop.past": 1, "s": 1},
        "span_coverage": 1.0,
        "metric_cardinality": {"shop.sales": {"shop.kind": 1}},
    }
