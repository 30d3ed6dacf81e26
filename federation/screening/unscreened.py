"""The screen that finds nothing."""

from __future__ import annotations

from dataclasses import dataclass

from federation.rules.base import Matrix, Vector
from federation.screening.base import checked_screening
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscreened:
    """Accepts everything: for comparison, and for rounds in which what is left out must depend on no member's data."""

    name: str = "none"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Accepting verdicts."""
        checked_screening(updates, centre, f)
        return Verdicts.accepting(len(updates), rule=self.name)
