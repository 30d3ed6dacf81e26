"""Types of values, and samples in Weaver's JSON and text forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.checker.live_check import LiveCheck
from telemetry.checker.registry import Registry
from telemetry.checker.sample_reader import SampleError, sample_of, sample_of_line
from telemetry.checker.samples import AttributeSample, HistogramPoint, NumberPoint, infer_type


@pytest.mark.parametrize(
    ("value", "type"),
    [
        ("a", "string"), (True, "boolean"), (1, "int"), (2**64 - 1, "int"), (2**64, "double"), (-(2**63) - 1, "double"),
        (1.0, "double"), (None, None), ({}, None), ([], None), ([None], None), (["a", None], "string[]"),
        ([None, True], "boolean[]"), ([1, 2], "int[]"), ([1.5, 2], "double[]"), ([1, 2.5], "double[]"),
        ([1, "a"], None), ([True, 1], None), ([[1]], None), ([{}], None),
    ],
)  # fmt: skip
def test_types_are_inferred(value: Any, type: str | None) -> None:
    assert infer_type(value) == type


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("shop.id", ("shop.id", None, None)),
        (" shop.id = a b ", ("shop.id", "a b", "string")),
        ("shop.count=3", ("shop.count", 3, "int")),
        ('shop.id="3"', ("shop.id", "3", "string")),
        ("shop.tags=[1, 2]", ("shop.tags", [1, 2], "int[]")),
        ("shop.id=a=b", ("shop.id", "a=b", "string")),
        ("shop.price=NaN", ("shop.price", "NaN", "string")),
    ],
)
def test_lines_of_text(line: str, sample: tuple[Any, ...]) -> None:
    assert sample_of_line(line) == sample


@given(st.text(max_size=40))
def test_any_line_is_an_attribute_or_empty(line: str) -> None:
    found = sample_of_line(line)
    assert (found is None) == (not line.strip())


def test_a_type_that_is_given_wins_over_the_inferred_one() -> None:
    assert sample_of({"attribute": {"name": "a", "value": 1, "type": "double"}}) == AttributeSample("a", 1, "double")
    assert sample_of({"attribute": {"name": "a", "value": 1, "live_check_result": {"x": 1}, "more": 2}})


EXEMPLAR = {"filtered_attributes": [], "value": 1, "timestamp": "t", "span_id": "s", "trace_id": "t"}
NEEDED: dict[str, dict[str, Any]] = {
    "attribute": {"name": "a"},
    "resource": {},
    "instrumentation_scope": {},
    "span": {"name": "s", "kind": "internal"},
    "span_event": {"name": "e"},
    "span_link": {},
    "metric": {"name": "m", "instrument": "counter", "unit": ""},
    "log": {"event_name": ""},
    "profile": {"original_payload_format": ""},
}


@pytest.mark.parametrize(("kind", "node"), NEEDED.items())
def test_what_a_sample_needs(kind: str, node: dict[str, Any]) -> None:
    sample_of({kind: node})
    for key in node:
        rest = {name: value for name, value in node.items() if name != key}
        with pytest.raises(SampleError, match=f"{kind}.{key} is missing"):
            sample_of({kind: rest})
        with pytest.raises(SampleError, match=f"{kind}.{key} is 5"):
            sample_of({kind: {**node, key: 5}})
    with pytest.raises(SampleError, match="must be an object"):
        sample_of({kind: 5})


def test_points_take_the_first_form_that_fits_all() -> None:
    def points(*found: dict[str, Any]) -> Any:
        return sample_of({"metric": {**NEEDED["metric"], "data_points": list(found)}}).data_points  # type: ignore[union-attr]

    number, histogram = {"attributes": [], "value": 1.5}, {"attributes": [], "count": 3}
    assert [type(point) for point in points(number)] == [NumberPoint]
    assert [type(point) for point in points(histogram)] == [HistogramPoint]
    assert [type(point) for point in points({**histogram, "scale": 2, "zero_count": 1})] == [HistogramPoint]
    assert points({**number, "exemplars": [EXEMPLAR]})[0].exemplars[0].span_id == "s"
    wrong: list[list[Any]] = [[number, histogram], [{}], [5], [{**number, "flags": "x"}]]
    for bad in wrong:
        with pytest.raises(SampleError):
            points(*bad)
    for key in EXEMPLAR:
        rest = {name: value for name, value in EXEMPLAR.items() if name != key}
        with pytest.raises(SampleError):
            points({**number, "exemplars": [rest]})


@pytest.mark.parametrize(
    "document",
    [
        5, [], {}, {"span": {}, "log": {}}, {"unknown": {}},
        {"span": {"name": "s", "kind": "sideways"}},
        {"span": {"name": "s", "kind": "server", "status": {"code": "ok"}}},
        {"span": {"name": "s", "kind": "server", "status": {"code": "fine", "message": ""}}},
        {"span": {"name": "s", "kind": "server", "attributes": {"a": 1}}},
        {"attribute": {"name": "a", "type": "float"}},
        {"attribute": {"name": "a", "type": ["string"]}},
        {"log": {"event_name": "", "severity_number": True}},
    ],
)  # fmt: skip
def test_what_is_no_sample(document: Any) -> None:
    with pytest.raises(SampleError):
        sample_of(document)


RESULT = {"all_advice": [], "highest_advice_level": None}


def test_the_report_has_every_field_in_weavers_order(shop: Registry) -> None:
    check = LiveCheck(shop)
    attribute = {"name": "shop.id", "value": "a", "type": "string", "live_check_result": RESULT}
    plain = {"name": "shop.id", "value": "a"}
    cases = [
        ({"attribute": plain}, {"attribute": attribute}),
        ({"resource": {"attributes": [plain]}}, {"resource": {"attributes": [attribute], "live_check_result": RESULT}}),
        (
            {"instrumentation_scope": {"name": "n", "schema_url": "u"}},
            {"instrumentation_scope": {"name": "n", "version": "", "schema_url": "u", "attributes": [],
             "dropped_attributes_count": 0, "live_check_result": RESULT}},
        ),
        (
            {"span": {"name": "s", "kind": "server", "status": {"message": "m", "code": "error"},
             "span_events": [{"name": "e"}], "span_links": [{"attributes": [plain]}]}},
            {"span": {"name": "s", "kind": "server", "status": {"code": "error", "message": "m"}, "attributes": [],
             "span_events": [{"name": "e", "attributes": [], "live_check_result": RESULT}],
             "span_links": [{"attributes": [attribute], "live_check_result": RESULT}], "live_check_result": RESULT}},
        ),
        (
            {"log": {"event_name": "", "body": "b"}},
            {"log": {"event_name": "", "severity_number": None, "severity_text": None, "body": "b", "attributes": [],
             "trace_id": None, "span_id": None, "live_check_result": RESULT}},
        ),
        (
            {"profile": {"original_payload_format": "p"}},
            {"profile": {"original_payload_format": "p", "attributes": [], "live_check_result": RESULT}},
        ),
        (
            {"metric": {"name": "shop.sales", "unit": "{sale}", "instrument": "counter"}},
            {"metric": {"name": "shop.sales", "instrument": "counter", "unit": "{sale}", "data_points": None,
             "live_check_result": RESULT}},
        ),
    ]  # fmt: skip
    for document, expected in cases:
        found = check.check(sample_of(document))
        assert json.dumps(found) == json.dumps(expected)
    points = [
        {"attributes": [], "value": 1, "exemplars": [EXEMPLAR]},
    ]
    found = check.check(sample_of({"metric": {**NEEDED["metric"], "data_points": points}}))
    [point] = found["metric"]["data_points"]
    assert list(point) == ["attributes", "value", "flags", "exemplars", "live_check_result"]
    assert list(point["exemplars"][0]) == [*EXEMPLAR, "live_check_result"]
    points = [{"attributes": [], "count": 1, "bucket_counts": [1], "explicit_bounds": [1.5]}]
    found = check.check(sample_of({"metric": {**NEEDED["metric"], "data_points": points}}))
    assert list(found["metric"]["data_points"][0]) == [
        "attributes", "count", "sum", "bucket_counts", "explicit_bounds", "min", "max", "flags", "exemplars",
        "live_check_result",
    ]  # fmt: skip
