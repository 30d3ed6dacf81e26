"""A live span is what OpenTelemetry's interface promises, and nothing changes it once it has ended."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from telemetry.live import MOST_EVENTS, SpanMaker
from telemetry.wire import trace_request

RESOURCE, SCOPE = Resource({"service.name": "a"}), InstrumentationScope("s")


def maker(sampler: Sampler = ALWAYS_ON) -> tuple[SpanMaker, list[ReadableSpan]]:
    ended: list[ReadableSpan] = []
    return SpanMaker(ended.append, sampler, RESOURCE, SCOPE), ended


def test_a_span_ends_with_all_that_was_said_about_it() -> None:
    make, ended = maker()
    origin = SpanContext(3, 4, is_remote=True)
    root = make.start("root", INVALID_SPAN_CONTEXT, kind=SpanKind.PRODUCER, attributes={"a": 1}, start_ns=10)
    below = make.start("below", root.get_span_context(), links=[Link(origin)])
    below.set_attribute("b", "x")
    below.set_attributes({"c": 2.0})
    below.add_event("happened", {"d": True}, 15)
    below.record_exception(ValueError("no"))
    below.set_status(StatusCode.ERROR, "it broke")
    below.update_name("renamed")
    below.end(20)
    root.end(30)
    first: Any = ended[0]
    last: Any = ended[1]
    assert (first.name, first.attributes, first.end_time) == ("renamed", {"b": "x", "c": 2.0}, 20)
    assert first.parent == last.context
    assert first.context.trace_id == last.context.trace_id
    assert [event.name for event in first.events] == ["happened", "exception"]
    assert first.events[1].attributes["exception.message"] == "no"
    assert first.status.status_code is StatusCode.ERROR
    assert first.links[0].context == origin
    assert (last.parent, last.kind, last.start_time, last.end_time) == (None, SpanKind.PRODUCER, 10, 30)
    assert (last.resource, last.instrumentation_scope) == (RESOURCE, SCOPE)


def test_nothing_changes_a_span_that_has_ended() -> None:
    make, ended = maker()
    span = make.start("root", INVALID_SPAN_CONTEXT)
    assert span.is_recording()
    span.end(5)
    assert not span.is_recording()
    span.set_attribute("a", 1)
    span.set_attributes({"b": 1})
    span.add_event("late")
    span.update_name("late")
    span.set_status(Status(StatusCode.ERROR))
    span.end(9)
    assert [(one.name, one.attributes, one.end_time, len(one.events)) for one in ended] == [("root", {}, 5, 0)]
    assert ended[0].status.status_code is StatusCode.UNSET


def test_it_is_bounded_and_does_not_keep_what_it_was_given() -> None:
    make, ended = maker()
    attributes = {"a": 1}
    span = make.start("root", INVALID_SPAN_CONTEXT, attributes=attributes)
    attributes["a"] = 2
    for number in range(MOST_EVENTS + 10):
        span.add_event(str(number))
    span.end()
    assert ended[0].attributes == {"a": 1}
    assert len(ended[0].events) == MOST_EVENTS


@pytest.mark.parametrize(
    ("sampler", "parent", "sampled"),
    [
        (ALWAYS_ON, None, True),
        (ALWAYS_OFF, None, False),
        (ParentBased(ALWAYS_ON), None, True),
        (ParentBased(ALWAYS_OFF), None, False),
        (ParentBased(ALWAYS_OFF), True, True),
        (ParentBased(ALWAYS_ON), False, False),
        (ALWAYS_OFF, True, False),
        (ALWAYS_ON, False, True),
    ],
)
def test_who_decides(sampler: Sampler, parent: bool | None, sampled: bool) -> None:
    make, ended = maker(sampler)
    above = INVALID_SPAN_CONTEXT if parent is None else SpanContext(7, 8, True, TraceFlags(int(parent)))
    # A span that happens to be current is nobody's parent unless it is named.
    with trace.use_span(trace.NonRecordingSpan(SpanContext(1, 2, False, TraceFlags(1)))):
        span = make.start("s", above)
    span.end()
    assert len(ended) == int(sampled)
    assert span.get_span_context().trace_flags.sampled is sampled
    assert (span.get_span_context().trace_id == 7) is (parent is not None)


def test_a_value_that_nobody_checked_does_not_lose_the_batch() -> None:
    make, ended = maker()
    make.start("root", INVALID_SPAN_CONTEXT, attributes={"odd": object(), "set": {1}}).end()  # type: ignore[dict-item]
    assert b"object object" in trace_request(ended)
