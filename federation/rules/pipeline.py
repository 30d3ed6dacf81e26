"""Pre-aggregators and a rule, one after the other, as one rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.rules.base import Aggregate, Matrix, PreAggregator, Rule, Weights
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Runs ``steps`` in their order, then ``rule`` on what they made of the updates.

    Verdicts are on the original updates: one on a mixed row falls on all that went into it, and of
    several the most severe wins (of equally severe ones the first).

    Attributes:
        steps: pre-aggregators; none are fine.
        rule: what aggregates the rows of the last step.
    """

    name: ClassVar[str] = "pipeline"
    steps: tuple[PreAggregator, ...] = ()
    rule: Rule

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))

    @property
    def label(self) -> str:
        """The names of all parts, joined by ``+``."""
        return "+".join([*(step.name for step in self.steps), self.rule.name])

    def requires(self, n: int, f: int) -> None:
        """Raise `RuleBoundError` unless every part is content with the rows that reach it."""
        for step in self.steps:
            step.requires(n, f)
            n = step.size(n)
        self.rule.requires(n, f)

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        if isinstance(updates, np.ndarray) and updates.ndim == 2:  # pyright: ignore[reportUnnecessaryIsInstance]
            # Refused before any work; what is no matrix is refused by the first part.
            self.requires(len(updates), f)
        groups: np.ndarray[tuple[int], np.dtype[np.intp]] | None = None
        judged: list[Verdicts] = []
        for step in self.steps:
            mixed = step.mix(updates, f=f, weights=weights, rng=rng)
            judged.append(mixed.verdicts if groups is None else mixed.verdicts.spread(groups))
            groups = mixed.groups if groups is None else mixed.groups[groups]
            updates, f, weights = mixed.updates, mixed.f, mixed.weights
        made = self.rule(updates, f=f, weights=weights, rng=rng)
        judged.append(made.verdicts if groups is None else made.verdicts.spread(groups))
        return Aggregate(value=made.value, verdicts=most_severe(judged, rule=self.label))


def most_severe(judged: Sequence[Verdicts], *, rule: str) -> Verdicts:
    """Of several verdicts on each update the most severe; of equally severe ones the first.

    There is one threshold, so scores and threshold are those of one stage: the last of those whose
    worst decision is the most severe.
    """
    decisions = np.stack([verdicts.decisions for verdicts in judged])
    deciding = decisions.argmax(axis=0)
    reasons: tuple[str, ...] = tuple(
        dict.fromkeys(["", *(reason for verdicts in judged for reason in verdicts.reasons)])
    )
    # (stages, n): where each stage's reason is in the common table
    index = np.stack(
        [
            np.array([reasons.index(reason) for reason in verdicts.reasons], np.int8)[verdicts.reason_index]
            for verdicts in judged
        ]
    )
    rows = np.arange(len(judged[0]))
    worst = decisions.max(axis=1)
    leading = judged[int(np.flatnonzero(worst == worst.max())[-1])]
    return Verdicts(
        rule=rule,
        decisions=decisions[deciding, rows],
        scores=leading.scores,
        threshold=leading.threshold,
        reasons=reasons,
        reason_index=index[deciding, rows],
    )
