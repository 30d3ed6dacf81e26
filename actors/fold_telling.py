"""What a door says of folding submissions into the sums of its region's groups."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.span import AttributeValue


@dataclass(slots=True)
class Fold:
    """What came of a fold, filled in while it is done.

    Attributes:
        submissions: that were folded.
    """

    submissions: int = 0


class FoldTelling:
    """Tells.

    Args:
        region: of the door.
        groups: that its clients are in.
        telemetry: of the door; None for silence.
    """

    def __init__(self, region: str, groups: int, telemetry: Telemetry | None) -> None:
        silent = Telemetry.start(TelemetryConfig(), actor_kind=semconv.ActorKind.DOOR, instance=region)
        self._telemetry, self._groups = telemetry or silent, groups
        self._labels = {semconv.ATTR_REGION: region}
        self._telemetry.count(semconv.METRIC_SUBMISSIONS_FOLDED, 0, self._labels)

    @contextmanager
    def fold(self, waiting: int, window: int | None) -> Iterator[Fold]:
        """The span of one fold of submissions that wait, for a window; None where it is not known yet."""
        done, begun = Fold(), time.perf_counter()
        told: dict[str, AttributeValue] = {
            **self._told(window),
            semconv.ATTR_SUBMISSIONS_COUNT: waiting,
            semconv.ATTR_GROUPS_COUNT: self._groups,
        }
        with self._telemetry.span(semconv.SPAN_REGION_FOLD, told):
            yield done
            self._telemetry.observe(semconv.METRIC_FOLD_DURATION, time.perf_counter() - begun, self._labels)
        if done.submissions:
            self._telemetry.count(semconv.METRIC_SUBMISSIONS_FOLDED, done.submissions, self._labels)

    def aggregated(self, clients: int, window: int | None) -> None:
        """A region's sums, of so many clients' submissions, were put together."""
        counts = {semconv.ATTR_SUBMISSIONS_COUNT: clients, semconv.ATTR_GROUPS_COUNT: self._groups}
        self._telemetry.event(semconv.EVENT_REGION_FOLDED, {**self._told(window), **counts})

    def _told(self, window: int | None) -> dict[str, AttributeValue]:
        return {**self._labels} if window is None else {**self._labels, semconv.ATTR_WINDOW: window}
