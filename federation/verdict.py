"""What was decided about each update, by whom, and why: columns, one row an update."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Decision(IntEnum):
    """What became of an update. The order is by severity: a later stage can only make it worse."""

    ACCEPTED = 0
    CLIPPED = 1
    REJECTED = 2

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict on one update.

    Attributes:
        decision: accepted, clipped or rejected.
        rule: what judged it, e.g. ``"gate"``, ``"distance"``, ``"krum"``.
        reason: stable dotted code, e.g. ``"gate.not_finite"``; ``""`` when accepted.
        score: what was measured; NaN where nothing was.
        threshold: what the score was held against; NaN where nothing was.
    """

    decision: Decision
    rule: str
    reason: str
    score: float
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Verdicts on n updates, in the order of the rows that were judged.

    Attributes:
        rule: what judged them.
        decisions: ``(n,) int8``, values of `Decision`.
        scores: ``(n,) float64``; NaN where nothing was measured.
        threshold: what the scores were held against; NaN where nothing was.
        reasons: the reason for a row is ``reasons[reason_index[i]]``; ``reasons[0]`` is ``""``.
        reason_index: ``(n,) int8``.
    """

    rule: str
    decisions: NDArray[np.int8]
    scores: NDArray[np.float64]
    threshold: float
    reasons: tuple[str, ...]
    reason_index: NDArray[np.int8]

    @classmethod
    def accepting(cls, n: int, *, rule: str, scores: NDArray[np.float64] | None = None) -> Verdicts:
        """n updates, all accepted."""
        return cls(
            rule=rule,
            decisions=np.zeros(n, np.int8),
            scores=np.full(n, np.nan) if scores is None else scores,
            threshold=float("nan"),
            reasons=("",),
            reason_index=np.zeros(n, np.int8),
        )

    @classmethod
    def marking(
        cls,
        marked: NDArray[np.bool_],
        *,
        rule: str,
        decision: Decision,
        reason: str,
        scores: NDArray[np.float64] | None = None,
        threshold: float = float("nan"),
    ) -> Verdicts:
        """Verdicts that give ``decision`` to the marked rows, for one reason, and accept the others."""
        index = marked.astype(np.int8)
        return cls(
            rule=rule,
            decisions=index * np.int8(decision),
            scores=np.full(len(marked), np.nan) if scores is None else scores,
            threshold=threshold,
            reasons=("", reason),
            reason_index=index,
        )

    def __len__(self) -> int:
        return len(self.decisions)

    def __getitem__(self, row: int) -> Verdict:
        return Verdict(
            decision=Decision(int(self.decisions[row])),
            rule=self.rule,
            reason=self.reasons[int(self.reason_index[row])],
            score=float(self.scores[row]),
            threshold=self.threshold,
        )

    def __iter__(self) -> Iterator[Verdict]:
        return (self[row] for row in range(len(self)))

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """``(n,)``: True where an update was rejected."""
        return self.decisions == Decision.REJECTED

    def spread(self, groups: NDArray[np.intp]) -> Verdicts:
        """Verdicts on groups of updates, given to each member: row i takes the verdict of ``groups[i]``."""
        return Verdicts(
            rule=self.rule,
            decisions=self.decisions[groups],
            scores=self.scores[groups],
            threshold=self.threshold,
            reasons=self.reasons,
            reason_index=self.reason_index[groups],
        )
