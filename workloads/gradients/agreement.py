"""The aggregate that updates agree with: each counts as much as it points where the others point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from federation.errors import SettingError
from federation.rules import CenteredClipping
from federation.rules.base import Aggregate, Bounded, Matrix, Weights, checked_updates
from federation.verdict import Decision, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementClipping(Bounded):
    """The mean of clipped updates, each weighted by its cosine to what the others amount to.

    FLTrust (Cao, Fang, Liu and Gong, NDSS 2021, section IV) weighs an update by the positive part of its
    cosine to an update that the server has learned itself. A swarm has no trusted data, so the reference
    starts as the centred clipping of the updates (n >= 2f + 1) and is replaced ``steps`` times by the weighted
    mean. An update is left out of the reference that it is compared with, or its length would vouch for it.
    All are first clipped to the median norm. Rows whose cosine is negative weigh nothing; those that
    point away by more than the typical row points along are rejected, others with weight 0 are clipped.

    Not proven: no bound on its error is known; ``benchmarks.arena`` measures it. It suffers least of all
    rules there where honest agents differ much and liars reverse their own updates, and more than others
    from identical or nearly identical liars, which the workload's screen takes out first. Declared weights are
    ignored. Scores are minus the cosine. Complexity O(n d) a step.

    Attributes:
        steps: how often the reference is replaced.
    """

    name: ClassVar[str] = "agreement_clipping"
    bound: ClassVar[str] = "n >= 2f + 1"
    steps: int = 3

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingError(name="agreement_clipping.steps", found=self.steps, needed="at least 1")

    def minimum(self, f: int) -> int:
        return 2 * f + 1

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        del weights, rng
        updates = checked_updates(updates)
        n = len(updates)
        self.requires(n, f)
        # One scale for all, so that squares neither overflow nor vanish; float64 for the sums.
        peak = float(np.abs(updates).max())
        start: Any = CenteredClipping()(updates, f=f).value
        if peak == 0:
            silence: Any = np.zeros(updates.shape[1], updates.dtype)
            return Aggregate(value=silence, verdicts=Verdicts.accepting(n, rule=self.name))
        rows = updates.astype(np.float64) / peak
        lengths = np.linalg.norm(rows, axis=1)
        radius = float(np.median(lengths))
        clipped = lengths > radius
        rows *= np.minimum(1, radius / np.maximum(lengths, np.finfo(np.float64).tiny))[:, None]
        squares = np.einsum("ij,ij->i", rows, rows)
        safe = np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))
        reference = start.astype(np.float64) / peak
        shares = np.full(n, 1 / n)
        cosines = np.zeros(n)
        for _ in range(self.steps):
            projected = rows @ reference
            along = projected - shares * squares
            # |reference - share x row|^2, the others' part of the reference.
            others = reference @ reference - 2 * shares * projected + shares**2 * squares
            cosines = along / (safe * np.sqrt(np.maximum(others, np.finfo(np.float64).tiny)))
            agreeing = np.maximum(along / safe, 0)
            if agreeing.sum() <= 0:
                break
            shares = agreeing / agreeing.sum()
            reference = shares @ rows
        # Of those that agree, so that rows of zeros, which agree with nothing, do not lower it.
        agreed = cosines[cosines > 0]
        typical = float(np.median(agreed)) if len(agreed) else 1.0
        against = cosines < -typical
        silent = shares == 0
        decisions = np.where(
            against, Decision.REJECTED, np.where(clipped | silent, Decision.CLIPPED, Decision.ACCEPTED)
        )
        return Aggregate(
            value=np.asarray(reference * peak, updates.dtype),  # pyright: ignore[reportArgumentType]
            verdicts=Verdicts(
                rule=self.name,
                decisions=decisions.astype(np.int8),
                scores=np.clip(-cosines, -1, 1),
                threshold=typical,
                reasons=("", "agreement.against", "agreement.norm", "agreement.none"),
                reason_index=np.where(against, 1, np.where(silent, 3, np.where(clipped, 2, 0))).astype(np.int8),
            ),
        )
