"""Bucketing: random groups of updates are averaged before a rule sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from federation.errors import SettingError
from federation.kernels import weighted_sum
from federation.rules.base import Matrix, Mixed, Weights, checked_updates
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucketing:
    """Averages random groups of ``s`` updates; the last group may be smaller.

    Karimireddy, He and Jaggi, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing", ICLR
    2022, algorithm 1. A liar spoils its bucket only, so f liars stay f, of ceil(n / s) rows: the rule
    that follows must hold for those. A verdict on a bucket falls on all of its members. Weights are
    dropped: buckets are plain means. The groups depend on the order of rows, which the caller keeps
    canonical.

    Attributes:
        s: updates in a bucket.
        seed: seeds the shuffle when the call brings no generator. Liars who know it can choose
            their buckets; pass ``rng`` where that matters.
    """

    name: ClassVar[str] = "bucketing"
    s: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.s < 1:
            raise SettingError(name="bucketing.s", found=self.s, needed="at least 1")
        if self.seed < 0:
            raise SettingError(name="bucketing.seed", found=self.seed, needed="0 or more")

    def requires(self, n: int, f: int) -> None:
        """Refuse only a negative f: the bound is that of the rule that follows, for `size` rows."""
        if f < 0:
            raise SettingError(name="f", found=f, needed="0 or more")

    def size(self, n: int) -> int:
        return -(-n // self.s)

    def mix(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Mixed:
        updates = checked_updates(updates)
        n = len(updates)
        self.requires(n, f)
        shuffled = (np.random.default_rng(self.seed) if rng is None else rng).permutation(n)
        groups = np.empty(n, np.intp)
        groups[shuffled] = np.arange(n) // self.s
        mixed: Any = np.empty((self.size(n), updates.shape[1]), updates.dtype)
        for bucket in range(len(mixed)):
            members = updates[groups == bucket]
            mixed[bucket] = weighted_sum(np.full(len(members), 1 / len(members)), members)
        return Mixed(updates=mixed, f=f, weights=None, groups=groups, verdicts=Verdicts.accepting(n, rule=self.name))
