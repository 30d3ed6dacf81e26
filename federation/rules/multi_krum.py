"""Multi-Krum: the mean of the updates with the least Krum scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.errors import SettingError
from federation.kernels import squared_distances, weighted_sum
from federation.rules.base import Aggregate, Bounded, Matrix, Weights, checked_updates
from federation.rules.selection import krum_scores, ranked
from federation.verdict import Decision, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiKrum(Bounded):
    """The plain mean of the ``keep`` updates with the least Krum scores, for n >= 2f + 3.

    Blanchard et al., NeurIPS 2017, section 4. Survivors count equally: weighting them by what they
    declare would let one liar that passes selection own the result. Updates that were not selected are
    rejected, with their scores against the largest selected one.

    Attributes:
        keep: how many updates to keep, at most n - f; None for n - f.
    """

    name: ClassVar[str] = "multi_krum"
    bound: ClassVar[str] = "n >= 2f + 3"
    keep: int | None = None

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise SettingError(name="multi_krum.keep", found=self.keep, needed="None or at least 1")

    def minimum(self, f: int) -> int:
        return 2 * f + 3

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        n = len(updates)
        self.requires(n, f)
        keep = n - f if self.keep is None else self.keep
        if keep > n - f:
            raise SettingError(name="multi_krum.keep", found=keep, needed=f"at most n - f = {n - f}")
        scores = krum_scores(squared_distances(updates), f=f)
        chosen = ranked(scores, updates)[:keep]
        shares = np.zeros(n)
        shares[chosen] = 1 / keep
        verdicts = Verdicts.marking(
            shares == 0,
            rule=self.name,
            decision=Decision.REJECTED,
            reason="multi_krum.not_selected",
            scores=scores,
            threshold=float(scores[chosen[-1]]),
        )
        return Aggregate(value=weighted_sum(shares, updates), verdicts=verdicts)
