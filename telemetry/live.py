"""Spans while they last. The SDK's own check, copy and lock what ours need not: ours cost a fifth.

What is lost by that: the SDK's limits on attributes, and its check of their types, which the tests make
against the registry. Whoever asks OpenTelemetry for the current span gets one of these, whole.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes

UNSET = Status()
SAMPLED, NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
MOST_EVENTS = 128
"""Events on one span; further ones are left out."""

_IDS = RandomIdGenerator()
_NOWHERE = Context()


class LiveSpan(trace.Span):
    """A span that is recorded, from its start to its end."""

    __slots__ = ("_attributes", "_context", "_ended", "_events", "_kind", "_links", "_maker", "_name", "_parent")
    __slots__ += ("_start_ns", "_status")

    def __init__(
        self,
        maker: SpanMaker,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link],
        start_ns: int,
    ) -> None:
        self._maker, self._name, self._context, self._parent = maker, name, context, parent
        self._kind, self._links, self._start_ns = kind, links, start_ns
        self._attributes: dict[str, Any] = dict(attributes) if attributes else {}
        self._events: list[Event] = []
        self._status = UNSET
        self._ended = False

    def get_span_context(self) -> SpanContext:
        return self._context

    def is_recording(self) -> bool:
        return not self._ended

    def set_attribute(self, key: str, value: Any) -> None:
        if not self._ended:
            self._attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if not self._ended:
            self._attributes.update(attributes)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if not self._ended and len(self._events) < MOST_EVENTS:
            self._events.append(Event(name, attributes, timestamp))

    def update_name(self, name: str) -> None:
        if not self._ended:
            self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if not self._ended:
            self._status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        del escaped  # the conventions have given it up
        found = {
            "exception.type": type(exception).__qualname__,
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
        }
        self.add_event("exception", {**found, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        maker = self._maker
        maker.sink(
            ReadableSpan(
                name=self._name,
                context=self._context,
                parent=self._parent,
                resource=maker.resource,
                attributes=self._attributes,
                events=self._events,
                links=self._links,
                kind=self._kind,
                status=self._status,
                start_time=self._start_ns,
                end_time=end_time or time.time_ns(),
                instrumentation_scope=maker.scope,
            )
        )


class SpanMaker:
    """Starts spans, and decides which are recorded.

    Args:
        sink: takes a span that has ended.
        sampler: asked for roots; for all spans, unless it goes by their parents.
        resource: of this process.
        scope: of what speaks here.
    """

    def __init__(
        self, sink: Callable[[ReadableSpan], None], sampler: Sampler, resource: Resource, scope: InstrumentationScope
    ) -> None:
        self.sink, self.resource, self.scope = sink, resource, scope
        self._sampler = sampler
        self._by_parent = isinstance(sampler, ParentBased)

    def start(
        self,
        name: str,
        parent: SpanContext,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] = (),
        start_ns: int | None = None,
    ) -> trace.Span:
        """A span that has started below a parent, or is a root where the parent is invalid."""
        root = not parent.is_valid
        trace_id = _IDS.generate_trace_id() if root else parent.trace_id
        if self._by_parent and not root:
            sampled = parent.trace_flags.sampled
        else:
            found = self._sampler.should_sample(_NOWHERE, trace_id, name, kind, attributes, links)
            sampled = found.decision.is_sampled()
        context = SpanContext(
            trace_id,
            _IDS.generate_span_id(),
            False,
            SAMPLED if sampled else NOT_SAMPLED,
            None if root else parent.trace_state,
        )
        if not sampled:
            return trace.NonRecordingSpan(context)
        return LiveSpan(
            self, name, context, None if root else parent, kind, attributes, links, start_ns or time.time_ns()
        )
