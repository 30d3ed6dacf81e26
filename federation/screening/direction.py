"""The screen that finds updates that point elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from federation.rules.base import Matrix, Vector
from federation.screening.base import checked_screening
from federation.screening.geometry import cosines
from federation.screening.score import LARGEST_SCORE, checked_rate, upper_scores, worst
from federation.verdict import Decision, Verdicts

# Angles in fewer dimensions are too coarse to have a spread: in one dimension there are two directions.
SMALLEST_DIMENSION = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionScreen:
    """Rejects updates whose angle to the centre stands out from the other agents', away from it.

    The score is the Fisher transform (artanh, Biometrika 1915) of the cosine, which makes the spread of
    a correlation nearly normal and independent of its size, standardised by median and MAD; only rows
    that point away more than the others count. It finds a sign flip of ordinary length, which no distance
    can tell when the honest rows are noisy, and says nothing about lengths.

    Rows of zeros have no direction: their score is NaN and they are accepted here. In fewer than 4
    dimensions, or around a centre of zeros, nothing is judged.

    Attributes:
        false_positive_rate: the probability that an honest agent is rejected in a round.
    """

    false_positive_rate: float = 1e-3

    def __post_init__(self) -> None:
        checked_rate(self.false_positive_rate)

    @property
    def name(self) -> str:
        return "direction"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` updates; O(n d), one pass over the matrix."""
        checked_screening(updates, centre, f)
        n, dimension = updates.shape
        cosine = cosines(updates, centre)
        directed = ~np.isnan(cosine)
        if dimension < SMALLEST_DIMENSION or not directed.any():
            return Verdicts.accepting(n, rule=self.name)
        # Within the rounding of the dtype, parallel is parallel: artanh would tell 1 - 1e-16 from 1.
        edge = 1 - float(np.finfo(updates.dtype).eps)
        turned = -np.arctanh(np.clip(cosine[directed], -edge, edge))
        found = upper_scores(turned, rate=self.false_positive_rate)
        scores = np.full(n, np.nan)
        scores[directed] = found.values
        ranked = np.where(directed, scores, -LARGEST_SCORE)
        marked = worst(ranked > found.threshold, ranked, f)
        return Verdicts.marking(
            marked,
            rule=self.name,
            decision=Decision.REJECTED,
            reason="screen.direction",
            scores=scores,
            threshold=found.threshold,
        )
