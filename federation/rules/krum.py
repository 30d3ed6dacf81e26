"""Krum: the one update that is nearest to its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.kernels import squared_distances
from federation.rules.base import Aggregate, Bounded, Matrix, Weights, checked_updates
from federation.rules.selection import krum_scores, ranked
from federation.verdict import Decision, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Krum(Bounded):
    """The update with the least score, for n >= 2f + 3.

    Blanchard et al., NeurIPS 2017, section 4: a score is the sum of squared distances to the n - f - 2
    nearest other updates. Of equal scores the lexicographically smaller update wins. Weights are
    ignored. The selected update is accepted, the others are rejected with their scores against the
    selected one's: most of them are honest, Krum just has no use for them.
    """

    name: ClassVar[str] = "krum"
    bound: ClassVar[str] = "n >= 2f + 3"

    def minimum(self, f: int) -> int:
        return 2 * f + 3

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        self.requires(len(updates), f)
        scores = krum_scores(squared_distances(updates), f=f)
        chosen = ranked(scores, updates)[0]
        verdicts = Verdicts.marking(
            np.arange(len(updates)) != chosen,
            rule=self.name,
            decision=Decision.REJECTED,
            reason="krum.not_selected",
            scores=scores,
            threshold=float(scores[chosen]),
        )
        return Aggregate(value=updates[chosen].copy(), verdicts=verdicts)
