"""From evaluation results to a reward."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from federation.errors import SettingError
from workloads.trajectories.conventions import (
    ERROR_TYPE,
    EVALUATION_EVENT,
    EVALUATION_LABEL,
    EVALUATION_NAME,
    EVALUATION_SCORE,
)
from workloads.trajectories.span import Attributes, SpanRecord
from workloads.trajectories.trajectory import Evaluation

LABELS: Mapping[str, float] = MappingProxyType(
    {
        "pass": 1.0,
        "passed": 1.0,
        "correct": 1.0,
        "success": 1.0,
        "relevant": 1.0,
        "true": 1.0,
        "fail": 0.0,
        "failed": 0.0,
        "incorrect": 0.0,
        "failure": 0.0,
        "not_relevant": 0.0,
        "false": 0.0,
    }
)
"""What labels are worth that come without a number."""


def evaluation_of(attributes: Attributes, *, trace_id: str, span_id: str, time_ns: int) -> Evaluation | None:
    """The evaluation that attributes tell; None without a score and a label, or when the evaluation itself failed."""
    score, label = attributes.get(EVALUATION_SCORE), attributes.get(EVALUATION_LABEL)
    number = None if isinstance(score, bool) or not isinstance(score, int | float) else float(score)
    if number is not None and not math.isfinite(number):
        number = None
    word = label.strip().lower() if isinstance(label, str) else ""
    if (number is None and not word) or ERROR_TYPE in attributes:
        return None
    name = attributes.get(EVALUATION_NAME)
    return Evaluation(
        trace_id=trace_id,
        span_id=span_id,
        name=name if isinstance(name, str) else "",
        score=number,
        label=word,
        time_ns=time_ns,
    )


def evaluations_on(span: SpanRecord) -> list[Evaluation]:
    """What a span tells itself: by events on it, or by its own attributes.

    A span named like the event is taken as one: it judges its parent.
    """
    found = [
        evaluation_of(event.attributes, trace_id=span.trace_id, span_id=span.span_id, time_ns=event.time_ns)
        for event in span.events
        if event.name == EVALUATION_EVENT
    ]
    if EVALUATION_SCORE in span.attributes or EVALUATION_LABEL in span.attributes:
        stands_for_event = span.name == EVALUATION_EVENT
        attributes = span.attributes
        if not stands_for_event:
            # Here error.type speaks of the operation, not of its evaluation.
            attributes = {key: value for key, value in attributes.items() if key != ERROR_TYPE}
        found.append(
            evaluation_of(
                attributes,
                trace_id=span.trace_id,
                span_id=span.parent_id if stands_for_event else span.span_id,
                time_ns=span.end_ns or span.start_ns,
            )
        )
    return [evaluation for evaluation in found if evaluation is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How evaluations become a reward.

    Of several results of one measure the newest counts; the reward is the mean over the measures. A result
    without a number counts by its label; one whose label is unknown does not count.

    Attributes:
        name: the measure that counts; None for all of them.
        labels: label, lower-case -> score.
    """

    name: str | None = None
    labels: Mapping[str, float] = field(default_factory=lambda: dict(LABELS))

    def __post_init__(self) -> None:
        for label, score in self.labels.items():
            if label != label.lower() or not math.isfinite(score):
                raise SettingError(name="labels", found=f"{label}: {score}", needed="lower-case words, finite scores")

    def score(self, evaluation: Evaluation) -> float | None:
        """What one result is worth; None when it does not count."""
        if self.name is not None and evaluation.name != self.name:
            return None
        return self.labels.get(evaluation.label) if evaluation.score is None else evaluation.score

    def reward(self, evaluations: Iterable[Evaluation]) -> float | None:
        """The reward, in whatever order the results are given; None when none of them counts."""
        newest: dict[str, tuple[int, float]] = {}
        for evaluation in evaluations:
            score = self.score(evaluation)
            if score is not None:
                found = (evaluation.time_ns, score)
                newest[evaluation.name] = max(newest.get(evaluation.name, found), found)
        # A sum that does not depend on the order of its terms.
        return math.fsum(score for _, score in newest.values()) / len(newest) if newest else None
