"""The arithmetic of a round: which updates stand out, and what the rest amounts to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from federation.convergence import honest_variance
from federation.rules import Median
from federation.rules.base import Rule, Vector
from federation.screening import Screen
from federation.verdict import Decision, Verdicts

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What the screen made of a round's updates.

    Attributes:
        centre: ``(d,)``, the coordinate-wise median they were held against.
        verdicts: one per row; at most ``budget`` rejected.
        standing_out: how many scored above the threshold, also beyond the budget.
    """

    centre: NDArray[np.float32]
    verdicts: Verdicts
    standing_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a round's updates amount to.

    Attributes:
        value: ``(d,) float32``, or float64 where it was asked for.
        decisions: ``(n,) int8``: the most severe of the screen's and the rule's.
        judges: ``(n,)``: the `Verdicts` index that decided, 0 the screen's, 1 the rule's.
        verdicts: the screen's, and the rule's spread over all rows.
        variance: ``(d,) float64``: per-coordinate variance over the updates the screen let through; empty for a
            single one, or for very long rows.
    """

    value: Vector
    decisions: NDArray[np.int8]
    judges: NDArray[np.int8]
    verdicts: tuple[Verdicts, Verdicts]
    variance: NDArray[np.float64]


def screened(rows: Rows, *, screen: Screen, budget: int) -> Screened:
    """Scores of ``(n, d)`` updates against their own median, and verdicts that reject at most ``budget`` of them.

    The budget is what is left of f after those who did not send anything that counts: liars who were refused
    or are in quarantine are some of the f already, and a quorum of n - f must not be thinned out further.
    """
    n = len(rows)
    centre = Median()(rows, f=0).value.astype(np.float32)
    unbounded = screen.screen(rows, centre=centre, f=n)
    standing_out = int(unbounded.rejected.sum())
    verdicts = unbounded if standing_out <= budget else _worst(unbounded, budget)
    return Screened(centre=centre, verdicts=verdicts, standing_out=standing_out)


def _worst(verdicts: Verdicts, budget: int) -> Verdicts:
    """The verdicts with only the ``budget`` highest scores rejected; ties go to the smaller row."""
    rows = np.flatnonzero(verdicts.rejected)
    spared = rows[np.argsort(-np.nan_to_num(verdicts.scores[rows]), kind="stable")[budget:]]
    decisions, index = verdicts.decisions.copy(), verdicts.reason_index.copy()
    decisions[spared], index[spared] = Decision.ACCEPTED, 0
    return replace(verdicts, decisions=decisions, reason_index=index)


def aggregated(
    rows: Rows,
    weights: NDArray[np.float64],
    *,
    rule: Rule,
    screening: Verdicts,
    f: int,
    rng: np.random.Generator,
    exact: bool = False,
) -> Outcome:
    """The aggregate of the rows that the screen let through.

    f stays what it was when rows have been rejected: that a row stood out does not prove that one liar
    fewer is left.

    Args:
        rows: ``(n, d)``.
        weights: ``(n,)``, declared.
        rule: that makes one of them.
        screening: the screen's verdicts on them.
        f: how many may be lies.
        rng: for rules that draw.
        exact: keep the rule's value as it is instead of rounding it to float32: for private rounds, where rounding
            would move it by more than one member is said to.

    Raises:
        RuleBoundError: when too few rows are left for the rule and f.
    """
    kept = ~screening.rejected
    whole = bool(kept.all())
    chosen = rows if whole else rows[kept]
    rule.requires(len(chosen), f)
    found = rule(chosen, f=f, weights=weights if whole else weights[kept], rng=rng)
    ruled = found.verdicts if whole else _widened(found.verdicts, kept)
    judges = (ruled.decisions > screening.decisions).astype(np.int8)
    return Outcome(
        value=cast("Vector", found.value.astype(np.float64 if exact else np.float32, copy=False)),
        decisions=np.maximum(ruled.decisions, screening.decisions),
        judges=judges,
        verdicts=(screening, ruled),
        variance=honest_variance(chosen) if len(chosen) > 1 and chosen.shape[1] <= VARIANCE_LIMIT else np.empty(0),
    )


VARIANCE_LIMIT = 100_000
"""Above so many coordinates the variance costs more than the median itself, and is left out."""


def _widened(verdicts: Verdicts, kept: NDArray[np.bool_]) -> Verdicts:
    """Verdicts on the kept rows, with the others accepted: the screen has spoken about them already."""
    n = len(kept)
    decisions = np.full(n, Decision.ACCEPTED, np.int8)
    scores = np.full(n, np.nan)
    index = np.zeros(n, np.int8)
    decisions[kept], scores[kept], index[kept] = verdicts.decisions, verdicts.scores, verdicts.reason_index
    return Verdicts(
        rule=verdicts.rule,
        decisions=decisions,
        scores=scores,
        threshold=verdicts.threshold,
        reasons=verdicts.reasons,
        reason_index=index,
    )
