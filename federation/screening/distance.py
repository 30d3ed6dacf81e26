"""The screen that finds updates too far from the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from federation.rules.base import Matrix, Vector
from federation.screening.base import checked_screening
from federation.screening.geometry import squared_distances
from federation.screening.score import checked_rate, upper_scores, worst
from federation.verdict import Decision, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceScreen:
    """Rejects updates whose distance to the centre stands out upwards from those of the other agents.

    Squared distances of Gaussian rows follow a chi-squared law, whose cube root is close to normal for any
    number of dimensions (Wilson and Hilferty, PNAS 1931). The score is that cube root, less its median
    over the agents, over its MAD; the threshold is the normal quantile of the stated rate, corrected for
    estimating from n agents (`federation.screening.score.threshold`). Nothing depends on the scale.

    The rate holds for honest rows of equal spread: measured within a factor of 2 from n = 15, of 3 from
    n = 7 (of 8 in one single dimension). Honest agents whose data differ spread unequally and are rejected
    more often. Liars who keep within the honest spread (ALIE, mimic) are not found by any distance; the
    rule has to bear those.

    Attributes:
        false_positive_rate: the probability that an honest agent is rejected in a round.
    """

    false_positive_rate: float = 1e-3

    def __post_init__(self) -> None:
        checked_rate(self.false_positive_rate)

    @property
    def name(self) -> str:
        return "distance"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` updates; O(n d), one pass over the matrix."""
        checked_screening(updates, centre, f)
        squares, unit = squared_distances(updates, centre)
        roots = np.cbrt(squares)
        # Rows that agree up to the rounding of their own dtype are one row: a distance below that is noise.
        middle = centre.astype(np.float64) / unit
        rounding = float(np.finfo(updates.dtype).eps) ** 2 * float(middle @ middle)
        scores = upper_scores(roots, rate=self.false_positive_rate, resolution=float(np.cbrt(4 * rounding)))
        marked = worst(scores.values > scores.threshold, scores.values, f)
        return Verdicts.marking(
            marked,
            rule=self.name,
            decision=Decision.REJECTED,
            reason="screen.distance",
            scores=scores.values,
            threshold=scores.threshold,
        )
