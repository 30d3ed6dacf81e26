"""Every finding: a sample that causes it, with its level, message and context, and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from telemetry.checker.findings import Advice, Finding, FindingId, FindingLevel, worst

V, IMPROVEMENT, N = "violation", "improvement", "information"
Found = Callable[..., list[dict[str, Any]]]


def attribute(name: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"attribute": {"name": name, "value": value, **more}}


def attributes(**values: Any) -> list[dict[str, Any]]:
    return [{"name": f"shop.{name}", "value": value} for name, value in values.items()]


def metric(name: str, instrument: str, unit: str, *points: dict[str, Any]) -> dict[str, Any]:
    return {"metric": {"name": name, "instrument": instrument, "unit": unit, "data_points": list(points)}}


def log(name: str, **values: Any) -> dict[str, Any]:
    return {"log": {"event_name": name, "attributes": attributes(**values)}}


def span(name: str = "shop.visit", kind: str = "server", **values: Any) -> dict[str, Any]:
    return {"span": {"name": name, "kind": kind, "attributes": attributes(**values)}}


def resource(**values: Any) -> dict[str, Any]:
    return {"resource": {"attributes": [{"name": k.replace("_", "."), "value": value} for k, value in values.items()]}}


HOST = resource(host_name="h", host_zone="z")
SALE = {"attributes": attributes(kind="big", count=1, open=True, price=1.5), "value": 3}
EMPTY = {"attributes": [], "value": 3}
UNKNOWN = {"attribute_key": "other.thing"}

CAUSES: list[tuple[str, str, list[dict[str, Any]], str, dict[str, Any] | None]] = [
    ("missing_attribute", V, [attribute("other.thing", 1)],
     "Attribute 'other.thing' does not exist in the registry.", UNKNOWN),
    ("template_attribute", N, [attribute("shop.label.colour", "red")],
     "Attribute 'shop.label.colour' is a template",
     {"attribute_key": "shop.label.colour", "template_name": "shop.label"}),
    ("missing_metric", V, [metric("shop.nothing", "gauge", "1")], "Metric does not exist in the registry.", None),
    ("missing_event", V, [log("shop.nothing")], "Event 'shop.nothing' does not exist in the registry.", None),
    ("deprecated", V, [attribute("shop.old", "a")],
     "Attribute 'shop.old' is deprecated; reason = 'renamed', note = 'Replaced by `shop.id`.'.",
     {"attribute_key": "shop.old", "deprecation_note": "Replaced by `shop.id`.", "deprecation_reason": "renamed"}),
    ("deprecated", V, [HOST, metric("shop.gone", "gauge", "1")],
     "Metric 'shop.gone' is deprecated; reason = 'obsoleted', note = 'No more.'.",
     {"deprecation_note": "No more.", "deprecation_reason": "obsoleted", "metric_name": "shop.gone"}),
    ("deprecated", V, [log("shop.closed")],
     "Event 'shop.closed' is deprecated; reason = 'uncategorized', note = 'Uncategorized.'.",
     {"deprecation_note": "Uncategorized.", "deprecation_reason": "uncategorized", "event_name": "shop.closed"}),
    ("not_stable", IMPROVEMENT, [attribute("shop.young", "a")],
     "Attribute 'shop.young' is not stable; stability = development.",
     {"attribute_key": "shop.young", "stability": "development"}),
    ("not_stable", IMPROVEMENT, [HOST, metric("shop.plain", "histogram", "s")],
     "Metric 'shop.plain' is not stable; stability = development.",
     {"metric_name": "shop.plain", "stability": "development"}),
    ("not_stable", IMPROVEMENT, [log("shop.closed")], "Event 'shop.closed' is not stable; stability = alpha.",
     {"event_name": "shop.closed", "stability": "alpha"}),
    ("type_mismatch", V, [attribute("shop.count", "many")],
     "Attribute 'shop.count' has type 'string'. Type should be 'int'.",
     {"attribute_key": "shop.count", "attribute_type": "string", "expected": "int"}),
    ("type_mismatch", V, [attribute("shop.kind", 1.5)],
     "Enum attribute 'shop.kind' has type 'double'. Enum value type should be 'string' or 'int'.",
     {"attribute_key": "shop.kind", "attribute_type": "double"}),
    ("type_mismatch", V, [attribute("shop.label.colour", 1)],
     "Attribute 'shop.label.colour' has type 'int'. Type should be 'string'.",
     {"attribute_key": "shop.label.colour", "attribute_type": "int", "expected": "string"}),
    ("undefined_enum_variant", N, [attribute("shop.kind", "huge")],
     "Enum attribute 'shop.kind' has value 'huge' which is not documented.",
     {"attribute_key": "shop.kind", "attribute_value": "huge"}),
    ("undefined_enum_variant", N, [attribute("shop.kind", 7)],
     "Enum attribute 'shop.kind' has value '7' which is not documented.",
     {"attribute_key": "shop.kind", "attribute_value": 7}),
    ("unexpected_instrument", V, [metric("shop.sales", "gauge", "{sale}")],
     "Instrument should be 'counter', but found 'gauge'.", {"expected": "counter", "instrument": "gauge"}),
    ("unexpected_instrument", V, [metric("shop.sales", "Summary", "{sale}")],
     "Instrument 'Summary' is not supported", {"instrument": "Summary"}),
    ("unit_mismatch", V, [metric("shop.sales", "counter", "1")],
     "Unit should be '{sale}', but found '1'.", {"expected": "{sale}", "unit": "1"}),
    ("required_attribute_not_present", V, [metric("shop.sales", "counter", "{sale}", EMPTY)],
     "Required attribute 'shop.kind' is not present.", {"attribute_key": "shop.kind"}),
    ("required_attribute_not_present", V, [HOST, log("shop.opened")],
     "Required attribute 'shop.id' is not present.", {"attribute_key": "shop.id"}),
    ("recommended_attribute_not_present", IMPROVEMENT, [metric("shop.sales", "counter", "{sale}", EMPTY)],
     "Recommended attribute 'shop.count' is not present.", {"attribute_key": "shop.count"}),
    ("opt_in_attribute_not_present", N, [metric("shop.sales", "counter", "{sale}", EMPTY)],
     "Opt-in attribute 'shop.open' is not present.", {"attribute_key": "shop.open"}),
    ("conditionally_required_attribute_not_present", N, [metric("shop.sales", "counter", "{sale}", EMPTY)],
     "Conditionally required attribute 'shop.price' is not present.", {"attribute_key": "shop.price"}),
    ("entity_required_attribute_not_present", V, [metric("shop.plain", "histogram", "s")],
     "Required attribute 'host.name' for entity 'host' is not present in the resource.",
     {"attribute_key": "host.name", "entity_type": "host"}),
    ("entity_required_attribute_not_present", V, [log("shop.opened", id="a")],
     "Required attribute 'host.name' for entity 'host' is not present in the resource.",
     {"attribute_key": "host.name", "entity_type": "host"}),
    ("entity_recommended_attribute_not_present", IMPROVEMENT,
     [resource(host_name="h"), metric("shop.plain", "histogram", "s")],
     "Recommended attribute 'host.zone' for entity 'host' is not present in the resource.",
     {"attribute_key": "host.zone", "entity_type": "host"}),
    ("entity_opt_in_attribute_not_present", N, [metric("shop.both", "updowncounter", "1")],
     "Opt-in attribute 'shop.open' for entity 'pod' is not present in the resource.",
     {"attribute_key": "shop.open", "entity_type": "pod"}),
    ("entity_conditionally_required_attribute_not_present", N, [metric("shop.both", "updowncounter", "1")],
     "Conditionally required attribute 'shop.count' for entity 'pod' is not present in the resource.",
     {"attribute_key": "shop.count", "entity_type": "pod"}),
    ("entity_association_not_satisfied", V, [metric("shop.gone", "gauge", "1")],
     "None of the associated entities [host, pod] were satisfied by the resource.", {"entity_type": ["host", "pod"]}),
    ("missing_namespace", IMPROVEMENT, [attribute("alone", 1)],
     "Attribute key 'alone' must include a namespace (e.g. '{namespace}.{attribute_key}')", {"attribute_key": "alone"}),
    ("invalid_format", V, [attribute("Other.thing", 1)],
     "Attribute key 'Other.thing' does not match name formatting rules.", {"attribute_key": "Other.thing"}),
    ("invalid_format", V, [metric("shop-sales", "counter", "1")],
     "Metric name 'shop-sales' does not match name formatting rules.", {"metric_name": "shop-sales"}),
    ("illegal_namespace", V, [attribute("shop.id.part", "a")],
     "Namespace 'shop.id' collides with existing attribute 'shop.id.part'",
     {"attribute_key": "shop.id.part", "namespace": "shop.id"}),
    ("illegal_namespace", V, [attribute("taken.name", "a")],
     "Namespace 'taken' collides with existing attribute 'taken.name'",
     {"attribute_key": "taken.name", "namespace": "taken"}),
    ("extends_namespace", N, [attribute("shop.new", "a")],
     "Attribute key 'shop.new' collides with existing namespace 'shop'",
     {"attribute_key": "shop.new", "namespace": "shop"}),
]  # fmt: skip

FINE: dict[str, list[list[dict[str, Any]]]] = {
    "missing_attribute": [[attribute("shop.id", "a")], [attribute("shop.label.x", "a")], [attribute("shop.old", "a")]],
    "template_attribute": [[attribute("shop.id", "a")]],
    "missing_metric": [[metric("shop.sales", "counter", "{sale}")]],
    "missing_event": [[log("shop.opened")], [log("")]],
    "deprecated": [[attribute("shop.id", "a")], [log("shop.opened")]],
    "not_stable": [[attribute("shop.id", "a")], [log("shop.opened")], [metric("shop.sales", "counter", "{sale}")]],
    "type_mismatch": [
        [attribute("shop.count", 1)],
        [attribute("shop.price", 1)],  # a whole number is a double, not the other way round
        [attribute("shop.prices", [1, 2])],
        [attribute("shop.anything", {"a": 1})],
        [attribute("shop.anything", 1)],
        [attribute("shop.count", None)],  # nothing is known of it
        [attribute("shop.count", [])],
        [attribute("shop.kind", "huge")],
        [attribute("shop.kind", 3)],
    ],
    "undefined_enum_variant": [
        [attribute("shop.kind", "big")],
        [attribute("shop.size", 2)],
        [attribute("shop.kind", 1.5)],
    ],
    "unexpected_instrument": [[metric("shop.sales", "counter", "{sale}")], [metric("shop.no", "Summary", "1")]],
    "unit_mismatch": [[metric("shop.sales", "counter", "{sale}")], [metric("shop.no", "counter", "x")]],
    "required_attribute_not_present": [[metric("shop.sales", "counter", "{sale}", SALE)], [span()]],
    "recommended_attribute_not_present": [[metric("shop.sales", "counter", "{sale}", SALE)]],
    "opt_in_attribute_not_present": [[metric("shop.sales", "counter", "{sale}", SALE)]],
    "conditionally_required_attribute_not_present": [[metric("shop.sales", "counter", "{sale}", SALE)]],
    "entity_required_attribute_not_present": [[HOST, metric("shop.plain", "histogram", "s")]],
    "entity_recommended_attribute_not_present": [[HOST, metric("shop.plain", "histogram", "s")]],
    "entity_opt_in_attribute_not_present": [[HOST, metric("shop.plain", "histogram", "s")]],
    "entity_conditionally_required_attribute_not_present": [[HOST, metric("shop.plain", "histogram", "s")]],
    "entity_association_not_satisfied": [
        [HOST, metric("shop.gone", "gauge", "1")],
        [resource(pod_name="p"), metric("shop.gone", "gauge", "1")],
    ],
    "missing_namespace": [[attribute("shop.id", "a")]],
    "invalid_format": [
        [attribute("a.b_c.d9", 1)],
        [attribute("shop.label.UPPER", "a")],  # what a template covers may be spelled freely
        [metric("shop.sales", "counter", "{sale}")],
        [span("Any Name!")],
        [log("Any Name!")],
    ],
    "illegal_namespace": [[attribute("shop.old.part", "a")], [attribute("shop.label.x", "a")]],
    "extends_namespace": [[attribute("shop.id", "a")], [attribute("other.new", "a")], [attribute("shop.label.x", "a")]],
}


@pytest.mark.parametrize(("id", "level", "samples", "message", "context"), CAUSES)
def test_what_causes_a_finding(
    found: Found, id: str, level: str, samples: list[dict[str, Any]], message: str, context: dict[str, Any] | None
) -> None:
    mine = [finding for finding in found(*samples) if finding["id"] == id]
    same = [finding for finding in mine if finding["message"] == message]
    assert len(same) == 1, mine
    [finding] = same
    assert list(finding) == ["type", "id", "context", "message", "level", "signal_type", "signal_name"]
    assert finding["type"] == "PolicyFinding"
    assert finding["level"] == level
    assert finding["context"] == context
    assert context is None or list(finding["context"]) == sorted(context)


@pytest.mark.parametrize(("id", "samples"), [(name, samples) for name, cases in FINE.items() for samples in cases])
def test_what_does_not_cause_it(found: Found, id: str, samples: list[dict[str, Any]]) -> None:
    assert id not in [finding["id"] for finding in found(*samples)]


def test_every_finding_of_weaver_has_a_cause_and_a_counterpart() -> None:
    own = {known for known in FindingId if known.startswith(("span_", "metric_"))}
    assert {case[0] for case in CAUSES} == set(FINE) == set(FindingId) - own


SPAN_CAUSES: list[tuple[str, str, dict[str, Any], str, dict[str, Any]]] = [
    ("span_missing", V, span("shop.nothing"), "Span 'shop.nothing' does not exist in the registry.",
     {"span_name": "shop.nothing"}),
    ("span_deprecated", V, span("shop.past", "internal"),
     "Span 'shop.past' is deprecated; note = 'Closed for good.'.",
     {"deprecation_note": "Closed for good.", "span_name": "shop.past"}),
    ("span_kind_mismatch", V, span(kind="client", id="a", kind_="x"),
     "Kind of span 'shop.visit' should be 'server', but found 'client'.",
     {"expected": "server", "kind": "client", "span_name": "shop.visit"}),
    ("span_required_attribute_not_present", V, span(),
     "Required attribute 'shop.id' of span 'shop.visit' is not present.",
     {"attribute_key": "shop.id", "span_name": "shop.visit"}),
    ("span_recommended_attribute_not_present", IMPROVEMENT, span(id="a"),
     "Recommended attribute 'shop.kind' of span 'shop.visit' is not present.",
     {"attribute_key": "shop.kind", "span_name": "shop.visit"}),
    ("span_unexpected_attribute", IMPROVEMENT, span(id="a", price=1.5),
     "Attribute 'shop.price' is not one that span 'shop.visit' lists.",
     {"attribute_key": "shop.price", "span_name": "shop.visit"}),
]  # fmt: skip


@pytest.mark.parametrize(("id", "level", "sample", "message", "context"), SPAN_CAUSES)
def test_spans_are_held_against_definitions_only_when_asked(
    found: Found, id: str, level: str, sample: dict[str, Any], message: str, context: dict[str, Any]
) -> None:
    [finding] = [
        finding for finding in found(sample, spans=True) if finding["id"] == id and finding["message"] == message
    ]
    assert (finding["level"], finding["context"], finding["signal_name"]) == (level, context, sample["span"]["name"])
    assert not any(finding["id"].startswith("span_") for finding in found(sample))


def test_a_span_as_it_should_be_has_no_finding(found: Found) -> None:
    whole = span(id="a", open=True)
    whole["span"]["attributes"] += [
        {"name": "shop.kind", "value": "big"},
        {"name": "shop.label.colour", "value": "red"},
    ]
    assert [finding["id"] for finding in found(whole, spans=True)] == ["template_attribute"]


def points(*values: Any, name: str = "shop.kind") -> dict[str, Any]:
    made = [{"attributes": [{"name": name, "value": value}], "value": 1} for value in values]
    return metric("shop.sales", "counter", "{sale}", *made)


def test_too_many_values_of_a_metric_attribute(found: Found) -> None:
    sample = points(*range(5), name="shop.count")
    mine = [finding for finding in found(sample, cardinality=3) if finding["id"] == "metric_attribute_cardinality"]
    assert [finding["message"] for finding in mine] == [
        "Attribute 'shop.count' of metric 'shop.sales' takes more than 3 values."
    ] * 2
    assert mine[0]["level"] == V
    assert mine[0]["context"] == {"attribute_key": "shop.count", "limit": 3, "metric_name": "shop.sales"}
    for quiet in (found(sample, cardinality=5), found(sample), found(points(1, 1, 1), cardinality=1)):
        assert not any(finding["id"].startswith("metric_") for finding in quiet)


def test_unbounded_attributes_and_overflow_on_metrics(found: Found) -> None:
    mine = [finding["id"] for finding in found(points("a", name="shop.id"), cardinality=3)]
    assert mine.count("metric_attribute_unbounded") == 1
    overflow = points(True, name="otel.metric.overflow")
    mine = [finding["id"] for finding in found(overflow, cardinality=3)]
    assert mine.count("metric_overflow") == 1
    assert "metric_overflow" not in [finding["id"] for finding in found(overflow)]
    assert "metric_overflow" not in [
        finding["id"] for finding in found(points(False, name="otel.metric.overflow"), cardinality=3)
    ]
    assert "metric_attribute_unbounded" not in [finding["id"] for finding in found(points("big"), cardinality=3)]


def test_findings_name_the_signal_that_they_sit_in(found: Found) -> None:
    bad = {"name": "other.thing", "value": 1}
    cases = {
        ("span", "s"): {"span": {"name": "s", "kind": "internal", "span_events": [{"name": "e", "attributes": [bad]}]}},
        ("metric", "shop.sales"): metric("shop.sales", "counter", "{sale}", {"attributes": [bad], "value": 1}),
        ("log", ""): {"log": {"event_name": "", "attributes": [bad]}},
        ("resource", None): {"resource": {"attributes": [bad]}},
        ("profile", None): {"profile": {"original_payload_format": "p", "attributes": [bad]}},
        (None, None): {"span_event": {"name": "e", "attributes": [bad]}},
    }
    for (kind, name), sample in cases.items():
        [finding] = [finding for finding in found(sample) if finding["id"] == "missing_attribute"]
        assert (finding["signal_type"], finding["signal_name"]) == (kind, name)
    for sample in (
        {"span_link": {"attributes": [bad]}},
        {"instrumentation_scope": {"attributes": [bad]}},
        {"attribute": bad},
    ):
        [finding] = [finding for finding in found(sample) if finding["id"] == "missing_attribute"]
        assert (finding["signal_type"], finding["signal_name"]) == (None, None)


def test_order_of_findings(found: Found) -> None:
    order = [finding["id"] for finding in found(attribute("shop.label.colour", 1))]
    assert order == ["template_attribute", "type_mismatch"]
    order = [finding["id"] for finding in found(attribute("Shop.id.part.Z", 1))]
    assert order == ["missing_attribute", "invalid_format"]
    # The policy's findings are a set, ordered by context first: the shorter one comes before its extension.
    order = [(f["id"], f["context"].get("namespace")) for f in found(attribute("taken.name.X", 1))]
    assert order == [
        ("missing_attribute", None),
        ("invalid_format", None),
        ("extends_namespace", "taken"),
        ("illegal_namespace", "taken"),
        ("illegal_namespace", "taken.name"),
    ]
    order = [finding["id"] for finding in found(metric("shop.gone", "counter", "s"))]
    assert order == ["deprecated", "unexpected_instrument", "unit_mismatch", "entity_association_not_satisfied"]


def test_all_of_keeps_the_findings_of_its_parts(found: Found) -> None:
    order = [(f["level"], f["context"]["attribute_key"]) for f in found(metric("shop.both", "updowncounter", "1"))]
    assert order == [(V, "host.name"), (IMPROVEMENT, "host.zone"), (V, "pod.name"), (N, "shop.count"), (N, "shop.open")]


def test_exponential_points_are_held_against_no_requirements(live: Any) -> None:
    from telemetry.checker.samples import ExponentialPoint, MetricSample

    sample = MetricSample(
        name="shop.sales", instrument="counter", unit="{sale}", data_points=[ExponentialPoint(attributes=(), count=1)]
    )
    node = live().check(sample)["metric"]["data_points"][0]
    assert node["live_check_result"] == {"all_advice": [], "highest_advice_level": None}
    assert list(node) == [
        "attributes", "count", "sum", "scale", "zero_count", "positive", "negative", "flags", "min", "max",
        "zero_threshold", "exemplars", "live_check_result",
    ]  # fmt: skip


def test_levels_have_an_order() -> None:
    made = [Advice(id="x", level=level, message="") for level in FindingLevel]
    assert worst(made) is FindingLevel.VIOLATION
    assert worst(made[:2]) is FindingLevel.IMPROVEMENT
    assert worst([]) is None
    assert [level.rank for level in FindingLevel] == [0, 1, 2]
    finding = Finding(
        id="x", level=FindingLevel.INFORMATION, message="", context=None, signal_type=None, signal_name=None
    )
    assert finding.as_node()["context"] is None
