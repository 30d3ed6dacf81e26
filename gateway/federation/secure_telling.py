"""What the sorter says: of each draw, and of each bucket that is done or left out. Never of a member, nor of a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gateway.federation.sorter import Moved
from telemetry import Severity, Span, Telemetry, TelemetryConfig, semconv
from telemetry.semconv import Outcome


class SecureTelling:
    """Tells.

    Args:
        telemetry: of the process; None for silence.
        regions: whose counters start at zero.
    """

    def __init__(self, telemetry: Telemetry | None, regions: tuple[str, ...]) -> None:
        silent = Telemetry.start(TelemetryConfig(), actor_kind=semconv.ActorKind.CLERK, instance="sorter")
        self._telemetry = telemetry or silent
        for region in regions:
            for outcome in (Outcome.SUCCESS, Outcome.FAILURE):
                told = {semconv.ATTR_REGION: region, semconv.ATTR_OUTCOME: outcome}
                self._telemetry.count(semconv.METRIC_BUCKETS, 0, told)

    @contextmanager
    def sums(self, window: int) -> Iterator[Span]:
        """The span of a window's sums."""
        with self._telemetry.span(semconv.SPAN_WINDOW_SUMS, {semconv.ATTR_WINDOW: window}) as span:
            yield span

    def summed(self, span: Span, *, buckets: int, members: int) -> None:
        """A window's buckets are done."""
        span.set(semconv.ATTR_BUCKETS_COUNT, buckets)
        span.set(semconv.ATTR_MEMBERS_COUNT, members)

    def drawn(self, window: int, facts: Mapping[str, Any]) -> None:
        """A window was drawn."""
        self._telemetry.event(
            semconv.EVENT_WINDOW_DRAWN,
            {
                semconv.ATTR_WINDOW: window,
                semconv.ATTR_PARTICIPANTS_COUNT: int(facts["joined"]),
                semconv.ATTR_BUCKETS_COUNT: int(facts["buckets"]),
            },
        )

    def moved(self, found: Moved) -> None:
        """A session has gone on; only its end is told."""
        bucket = found.session.bucket
        if bucket.state == "open":
            return
        good = bucket.state == "done"
        outcome = Outcome.SUCCESS if good else Outcome.FAILURE
        labels = {semconv.ATTR_REGION: bucket.region, semconv.ATTR_OUTCOME: outcome}
        self._telemetry.count(semconv.METRIC_BUCKETS, 1, labels)
        stage = "unmask" if good else found.session.stage
        self._telemetry.event(
            semconv.EVENT_BUCKET_CLOSED,
            {
                semconv.ATTR_WINDOW: bucket.window,
                **labels,
                semconv.ATTR_MEMBERS_COUNT: bucket.members,
                semconv.ATTR_BUCKET_STAGE: stage,
                **({} if good else {semconv.ATTR_ERROR_TYPE: bucket.code}),
            },
            severity=Severity.INFO if good else Severity.WARN,
        )
