"""What groups of clients leave of the resistance to liars."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from federation.errors import RuleBoundError, SettingError
from federation.rules.base import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBound:
    """How many of G groups f lying clients spoil, each of whom a keyed hash puts into any group with equal chance.

    Liars cannot foresee the hash. As `federation.privacy.secure.buckets.BucketBound`, whose buckets are of one size and
    drawn without putting back; here sizes differ, and a liar's place does not depend on another's.

    Attributes:
        f, groups: liars, groups that have clients.
        worst: most groups that they can spoil, min(f, G).
        borne: most spoilt groups that the rule bears, -1 where it bears not even none.
        chances: at index p, the chance that exactly p groups are spoilt.
    """

    f: int
    groups: int
    worst: int
    borne: int
    chances: tuple[float, ...]

    @property
    def certain(self) -> bool:
        """Whether the rule bears the worst draw."""
        return self.worst <= self.borne

    @property
    def expected(self) -> float:
        """Mean number of spoilt groups."""
        return math.fsum(spoilt * chance for spoilt, chance in enumerate(self.chances))

    @property
    def chance_lost(self) -> float:
        """The chance of a draw that the rule does not bear."""
        return math.fsum(self.chances[max(self.borne + 1, 0) :])


def group_bound(*, f: int, groups: int, rule: Rule) -> GroupBound:
    """What so many groups give with this rule across them. The chances are exact, one liar after another."""
    if f < 0 or groups < 1:
        raise SettingError(name="f, groups", found=(f, groups), needed=">= 0, >= 1")
    spoilt = np.arange(groups + 1)
    chances = np.zeros(groups + 1)
    chances[0] = 1.0
    for _ in range(f):
        again = chances * spoilt / groups
        again[1:] += chances[:-1] * (groups - spoilt[:-1]) / groups
        chances = again
    worst = min(f, groups)
    return GroupBound(
        f=f, groups=groups, worst=worst, borne=_borne(rule, groups), chances=tuple(chances[: worst + 1].tolist())
    )


def _borne(rule: Rule, groups: int) -> int:
    for spoilt in range(groups, -1, -1):
        try:
            rule.requires(groups, spoilt)
        except RuleBoundError:
            continue
        return spoilt
    return -1
