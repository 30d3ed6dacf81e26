"""What groups of clients leave of the resistance to liars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from federation.errors import SettingError
from federation.rules.base import Rule
from federation.spoilage import Spoilage, most_borne


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBound(Spoilage):
    """How many of G groups f lying clients spoil, each of whom a keyed hash puts into any group with equal chance.

    Liars cannot foresee the hash. As `federation.privacy.secure.buckets.BucketBound`, whose buckets are of one size and
    drawn without putting back; here sizes differ, and a liar's place does not depend on another's. The worst is
    min(f, G).

    Attributes:
        groups: that have clients; for the others see `Spoilage`.
    """

    groups: int


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
        f=f, groups=groups, worst=worst, borne=most_borne(rule, groups), chances=tuple(chances[: worst + 1].tolist())
    )
