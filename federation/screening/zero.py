"""The screen that finds updates that say nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from federation.rules.base import Matrix, Vector
from federation.screening.base import checked_screening
from federation.screening.score import worst
from federation.verdict import Decision, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroScreen:
    """Rejects updates that are zero in every coordinate, while more than half of the others are not.

    An agent sends an update because it has data, and learning from data changes something: in hundreds of
    float32 numbers, exactly nothing is a claim and no result. No distance tells it, because zero lies in the
    middle of small updates. Where half or more are zero, learning has come to its end, and nobody is named.
    The score is 1 for a row of zeros and 0 for any other. A liar who sends a little noise instead is not
    found; it holds learning up no less, and the rule has to bear it.
    """

    @property
    def name(self) -> str:
        return "zero"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` updates; O(n d), less where rows differ from zero early."""
        checked_screening(updates, centre, f)
        zero = np.asarray(~updates.any(axis=1), np.bool_)
        if 2 * int(zero.sum()) >= len(updates):
            zero[:] = False
        scores = zero.astype(np.float64)
        return Verdicts.marking(
            worst(zero, scores, f),
            rule=self.name,
            decision=Decision.REJECTED,
            reason="screen.zero",
            scores=scores,
            threshold=0.5,
        )
