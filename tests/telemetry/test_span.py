"""Trace context crosses actors as text, and what is current follows tasks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from telemetry import semconv
from telemetry.span import RecordingSpan, error_type, format_traceparent, parse_traceparent
from telemetry.testing import captured

ATTRIBUTES = {semconv.ATTR_ROUND: 1, semconv.ATTR_WORKLOAD: "gradients"}
KNOWN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@given(
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    flags=st.integers(0, 255),
)
def test_traceparent_there_and_back(trace_id: int, span_id: int, flags: int) -> None:
    context = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    assert parse_traceparent(format_traceparent(context)) == context


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_invalid(text: str) -> None:
    context = parse_traceparent(text)
    assert not context.is_valid or format_traceparent(context) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        KNOWN.upper(),
        KNOWN + "-extra",
        "ff" + KNOWN[2:],
        KNOWN.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        KNOWN.replace("00f067aa0ba902b7", "0" * 16),
        KNOWN.replace("00f067aa0ba902b7", "00f067aa0ba902bz"),
        KNOWN.replace("00f067aa0ba902b7", "+0f067aa0ba902b7"),
        KNOWN.replace("00f067aa0ba902b7", "0_f067aa0ba902b7"),
    ],
)
def test_what_w3c_forbids_is_invalid(text: str) -> None:
    assert not parse_traceparent(text).is_valid


def test_a_later_version_may_append_fields() -> None:
    assert parse_traceparent("01" + KNOWN[2:] + "-later").span_id == 0x00F067AA0BA902B7


def test_a_span_in_another_actor_continues_the_trace() -> None:
    with captured() as here, captured(actor_kind=semconv.ActorKind.HOST, instance="host-0") as there:
        with here.telemetry.span(semconv.SPAN_ROUND, ATTRIBUTES) as outer:
            message = outer.traceparent
        with there.telemetry.phase(semconv.Phase.GATE, ATTRIBUTES, parent=message):
            pass
        (remote,), (local,) = there.spans, here.spans
        assert remote.context is not None
        assert local.context is not None
        assert remote.parent is not None
        assert remote.context.trace_id == local.context.trace_id
        assert remote.parent.span_id == local.context.span_id
        assert remote.parent.is_remote


def test_a_foreign_parent_that_is_no_traceparent_starts_a_trace() -> None:
    with captured() as capture:
        with (
            capture.telemetry.span(semconv.SPAN_ROUND, ATTRIBUTES),
            capture.telemetry.span(semconv.SPAN_GATE, ATTRIBUTES, parent="garbage"),
        ):
            pass
        assert [span.parent for span in capture.spans] == [None, None]


async def test_what_is_current_follows_tasks() -> None:
    """Three concurrent methods on one loop: each sees its own span, in coroutines, new tasks and threads."""
    with captured() as capture:
        telemetry = capture.telemetry
        gate = asyncio.Barrier(3)

        async def method(number: int) -> None:
            attributes = {**ATTRIBUTES, semconv.ATTR_ROUND: number}
            with telemetry.span(semconv.SPAN_ROUND, attributes):
                await gate.wait()
                with telemetry.span(semconv.SPAN_GATE, attributes):
                    await gate.wait()
                await asyncio.create_task(inner(attributes))
                await asyncio.to_thread(lambda: telemetry.span(semconv.SPAN_CLOSE, attributes).end())
            assert not trace.get_current_span().get_span_context().is_valid

        async def inner(attributes: dict[str, Any]) -> None:
            await gate.wait()
            telemetry.event(
                semconv.EVENT_ROUND_ABORTED,
                {**ATTRIBUTES, semconv.ATTR_ROUND: attributes[semconv.ATTR_ROUND], semconv.ATTR_ABORT_REASON: "x"},
            )
            with telemetry.span(semconv.SPAN_SCREEN, attributes):
                pass

        await asyncio.gather(*(method(number) for number in (1, 2, 3)))
        spans: list[Any] = list(capture.spans)
        roots = {s.context.span_id: s.attributes[semconv.ATTR_ROUND] for s in spans if s.name == semconv.SPAN_ROUND}
        assert sorted(roots.values()) == [1, 2, 3]
        children = [span for span in spans if span.name != semconv.SPAN_ROUND]
        assert len(children) == 9
        assert all(roots[span.parent.span_id] == span.attributes[semconv.ATTR_ROUND] for span in children)
        assert all(roots[event.span_id] == event.attributes[semconv.ATTR_ROUND] for event in capture.events)


class CodedError(Exception):
    code = "rule.bound"


def test_an_error_is_a_stable_code() -> None:
    assert error_type(CodedError()) == "rule.bound"
    assert error_type(TimeoutError()) == "TimeoutError"


def test_an_exception_marks_the_span_and_goes_on() -> None:
    with captured() as capture:
        with pytest.raises(CodedError), capture.telemetry.span(semconv.SPAN_ROUND, ATTRIBUTES):
            raise CodedError("too few updates")
        (span,) = capture.spans
        assert span.status.status_code is trace.StatusCode.ERROR
        assert span.status.description == "too few updates"
        assert span.attributes is not None
        assert span.attributes[semconv.ATTR_ERROR_TYPE] == "rule.bound"
        assert not span.events


def test_a_span_ends_once_and_can_end_without_a_block() -> None:
    with captured() as capture:
        span = capture.telemetry.span(semconv.SPAN_ROUND, ATTRIBUTES, start_ns=5)
        assert isinstance(span, RecordingSpan)
        assert not trace.get_current_span().get_span_context().is_valid
        span.set(semconv.ATTR_QUORUM, 67)
        span.update({semconv.ATTR_FAULT_BOUND: 33})
        span.fail("round.quorum", "60 of 67")
        span.end(9)
        span.end(12)
        (ended,) = capture.spans
        assert (ended.start_time, ended.end_time) == (5, 9)
        assert ended.attributes is not None
        assert ended.attributes[semconv.ATTR_ERROR_TYPE] == "round.quorum"


def test_links_name_the_spans_that_led_here() -> None:
    with captured() as capture:
        capture.telemetry.span(semconv.SPAN_AGGREGATE, {**ATTRIBUTES, semconv.ATTR_RULE: "median"}, links=[KNOWN]).end()
        assert [link.context.span_id for link in capture.spans[0].links] == [0x00F067AA0BA902B7]
