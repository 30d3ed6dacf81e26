"""Several screens as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from federation.rules.base import Matrix, Vector
from federation.screening.base import Screen, checked_screening
from federation.screening.score import worst
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True)
class Screens:
    """Each update gets the worst verdict of several screens; at most f are rejected in all.

    Scores are made comparable by dividing each by its screen's threshold: the score of a row is the
    largest of these, the threshold is 1. The false-positive rates of the screens add up at most.

    Attributes:
        screens: at least one; among equal verdicts the first in order names the reason.
    """

    screens: tuple[Screen, ...]

    def __post_init__(self) -> None:
        if not self.screens:
            raise SettingError(name="screens", found=self.screens, needed="at least one screen")

    @property
    def name(self) -> str:
        return "+".join(screen.name for screen in self.screens)

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        checked_screening(updates, centre, f)
        n = len(updates)
        columns = np.arange(n)
        parts = [screen.screen(updates, centre=centre, f=f) for screen in self.screens]
        ratios = np.stack([_ratio(part) for part in parts])
        decisions = np.stack([part.decisions for part in parts])
        # Severity first, then how far above its own threshold; argmax takes the first screen among equals.
        severity = decisions.max(axis=0)
        source = np.where(decisions == severity, ratios, -np.inf).argmax(axis=0)
        measured = (ratios > -np.inf).any(axis=0)
        scores = np.where(measured, ratios.max(axis=0), np.nan)
        cut = worst(severity > 0, ratios[source, columns], f)
        reasons = ("", *dict.fromkeys(reason for part in parts for reason in part.reasons if reason))
        named = np.stack(
            [np.array([reasons.index(reason) for reason in part.reasons])[part.reason_index] for part in parts]
        )
        return Verdicts(
            rule=self.name,
            decisions=np.where(cut, severity, 0).astype(np.int8),
            scores=scores,
            threshold=1.0,
            reasons=reasons,
            reason_index=np.where(cut, named[source, columns], 0).astype(np.int8),
        )


def _ratio(part: Verdicts) -> NDArray[np.float64]:
    """``(n,)``: scores over their threshold; -inf where a screen measured nothing."""
    ratio = part.scores / part.threshold
    return np.where(np.isnan(ratio), -np.inf, ratio)
