"""Many spans in one: the agents of a host, trained in one batched step, share all but a few attributes.

A block waits, is encoded and is counted as the spans that it stands for, at a tenth of their cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind

from telemetry.live import UNSET
from telemetry.span import Attributes, AttributeValue

_IDS = RandomIdGenerator()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanBlock:
    """Ended spans of one name, one parent, one start and one end.

    Attributes:
        shared: attributes that all of them have.
        columns: attribute -> its value for each of them; all of one length, each of one type, text or float.
    """

    name: str
    start_ns: int
    end_ns: int
    parent: SpanContext
    resource: Resource = field(repr=False)
    instrumentation_scope: InstrumentationScope = field(repr=False)
    shared: Attributes
    columns: Mapping[str, Sequence[str] | Sequence[float]]

    def __post_init__(self) -> None:
        if len({len(column) for column in self.columns.values()}) != 1:
            raise ValueError(f"The columns of a block of {self.name} differ in length, or there is none.")

    @property
    def context(self) -> SpanContext:
        """The parent's context, whose sampling the spans share."""
        return self.parent

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def spans(self) -> Iterator[ReadableSpan]:
        """The spans one by one, for exporters that know no blocks."""
        for values in zip(*self.columns.values(), strict=True):
            own: dict[str, AttributeValue] = dict(zip(self.columns, values, strict=True))
            yield ended(
                self.name,
                self.start_ns,
                self.end_ns,
                {**self.shared, **own},
                parent=self.parent,
                resource=self.resource,
                scope=self.instrumentation_scope,
            )


def ended(
    name: str,
    start_ns: int,
    end_ns: int,
    attributes: Attributes,
    *,
    parent: SpanContext,
    resource: Resource,
    scope: InstrumentationScope,
) -> ReadableSpan:
    """A span that is over, below a parent. There is nothing to sample, lock or check, so the SDK's own is left out."""
    return ReadableSpan(
        name=name,
        context=SpanContext(parent.trace_id, _IDS.generate_span_id(), False, parent.trace_flags, parent.trace_state),
        parent=parent,
        resource=resource,
        attributes=attributes,
        kind=SpanKind.INTERNAL,
        status=UNSET,
        start_time=start_ns,
        end_time=end_ns,
        instrumentation_scope=scope,
    )


def count(items: Sequence[ReadableSpan | SpanBlock]) -> int:
    """How many spans the items stand for."""
    return sum(len(item) if isinstance(item, SpanBlock) else 1 for item in items)


def single(items: Sequence[ReadableSpan | SpanBlock]) -> list[ReadableSpan]:
    """The items with every block taken apart."""
    spans: list[ReadableSpan] = []
    for item in items:
        spans.extend(item.spans() if isinstance(item, SpanBlock) else (item,))
    return spans
