"""How many parts of a round its liars spoil, where updates are put together in parts, and how many a rule bears."""

from __future__ import annotations

import math
from dataclasses import dataclass

from federation.errors import RuleBoundError
from federation.rules.base import Rule


def most_borne(rule: Rule, rows: int) -> int:
    """How many liars among so many rows the rule bears, -1 where it bears not even none."""
    for liars in range(rows, -1, -1):
        try:
            rule.requires(rows, liars)
        except RuleBoundError:
            continue
        return liars
    return -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoilage:
    """What f liars can do to parts that they cannot choose.

    Attributes:
        f: liars.
        worst: most parts that they can spoil.
        borne: most spoilt parts that the rule across them bears, -1 where it bears not even none.
        chances: at index p, the chance that exactly p parts are spoilt.
    """

    f: int
    worst: int
    borne: int
    chances: tuple[float, ...]

    @property
    def certain(self) -> bool:
        """Whether the rule bears the worst draw."""
        return self.worst <= self.borne

    @property
    def expected(self) -> float:
        """Mean number of spoilt parts."""
        return math.fsum(spoilt * chance for spoilt, chance in enumerate(self.chances))

    def chance_beyond(self, spoilt: int) -> float:
        """The chance that more parts than this are spoilt."""
        return math.fsum(self.chances[max(spoilt + 1, 0) :])

    @property
    def chance_lost(self) -> float:
        """The chance of a draw that the rule does not bear."""
        return self.chance_beyond(self.borne)
