"""Federated averaging of pattern weights: key by key, among those who know the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np

from federation.errors import RuleBoundError, SettingError, UpdatesError
from federation.rules import Mean
from federation.rules.base import Aggregate, Bounded, Matrix, Rule, Vector, Weights, checked_updates, checked_weights
from federation.verdict import Decision, Verdicts
from workloads.patterns.rows import PRESENT, VALUES, dimension


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRule:
    """Aggregates each key over its contributors with an inner rule; by default the capped weighted mean.

    Updates whose values are longer than ``max_norm`` are first scaled down to it (third layer of the anomaly
    filter). A key with fewer contributors than ``min_contributors``, or than the inner rule needs for f liars among
    them, is left out: its columns of the aggregate are 0 and its value stays. For the others the contributor column
    counts them, the samples column adds up what they declared (capped each), and the values are the inner rule's.
    With the mean no client has more than 20 % of a key; with five contributors each has exactly that.

    Departure from federated averaging as the pattern document writes it: the aggregate is a change that is added to
    the global value, and does not replace it.

    Attributes:
        keys: number of keys in the rows' layout (`workloads.patterns.rows`); 0 takes all columns for values of
            one key that every row has.
        inner: the rule for one key; any rule of `federation.rules`.
        min_contributors: clients that a key needs.
        min_participants: updates that a round needs. Up to f of them may have been rejected before the rule sees
            them; that so many came is looked at by `PatternScreen`, which sees all.
        max_norm: largest L2 norm of an update's values.
    """

    name: ClassVar[str] = "patterns"
    keys: int
    inner: Rule = field(default_factory=Mean)
    min_contributors: int = 5
    min_participants: int = 10
    max_norm: float = float("inf")

    def __post_init__(self) -> None:
        if self.keys < 0:
            raise SettingError(name="keys", found=self.keys, needed="0 or more")
        for name in ("min_contributors", "min_participants"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not self.max_norm > 0:
            raise SettingError(name="max_norm", found=self.max_norm, needed="above 0")

    def minimum(self, f: int) -> int:
        """The smallest round for f liars."""
        inner = self.inner.minimum(f) if isinstance(self.inner, Bounded) else 1
        return max(self.min_participants - f, inner, 1)

    def requires(self, n: int, f: int) -> None:
        """Raise `RuleBoundError` for fewer updates than a round needs, or than the inner rule needs."""
        if f < 0:
            raise SettingError(name="f", found=f, needed="0 or more")
        if n < self.minimum(f):
            bound = f"at least {self.min_participants} participants less f and the bound of {self.inner.name}"
            raise RuleBoundError(rule=self.name, n=n, f=f, needed=self.minimum(f), bound=bound)
        self.inner.requires(n, f)

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        n, d = updates.shape
        self.requires(n, f)
        declared = checked_weights(weights, n)
        if self.keys == 0:
            scale, norms = self._scales(updates)
            found = self.inner(_scaled(updates, scale), f=f, weights=declared, rng=rng)
            verdicts = self._verdicts(norms, found.verdicts.decisions, found.verdicts)
            return Aggregate(value=found.value, verdicts=verdicts)
        if d != dimension(self.keys):
            raise UpdatesError(found=f"rows of {d}", needed=f"rows of {dimension(self.keys)} for {self.keys} keys")
        return self._by_key(updates, declared, f, rng)

    def _by_key(self, updates: Matrix, declared: Weights, f: int, rng: np.random.Generator | None) -> Aggregate:
        n, d = updates.shape
        keys, fields = self.keys, len(VALUES)
        if not np.isfinite(updates[:, : 2 * keys]).all():
            raise UpdatesError(found="NaN or Inf in contributors or samples", needed="finite updates")
        present = updates[:, :keys] >= PRESENT
        masked = updates[:, 2 * keys : 2 * keys + keys * fields].reshape(n, keys, fields)
        scale, norms = self._scales(np.where(present[:, :, None], masked, 0).reshape(n, -1))
        value = cast("Vector", np.zeros(d, updates.dtype))
        mildest = np.full(n, Decision.REJECTED, np.int8)
        judged = np.zeros(n, np.bool_)
        last: Verdicts | None = None
        for key in range(keys):
            rows = np.flatnonzero(present[:, key] & (declared > 0))
            if not self._enough(len(rows), f):
                continue
            block = _scaled(cast("Matrix", masked[rows, key]), None if scale is None else scale[rows])
            found = self.inner(block, f=f, weights=declared[rows], rng=rng)
            at = 2 * keys + key * fields
            value[at : at + fields] = found.value
            value[key] = len(rows)
            samples = np.clip(updates[rows, keys + key], 0, 1)
            value[keys + key] = samples.astype(np.float64).sum()
            mildest[rows] = np.minimum(mildest[rows], found.verdicts.decisions)
            judged[rows] = True
            if last is None or found.verdicts.decisions.any():
                last = found.verdicts
        return Aggregate(
            value=value, verdicts=self._verdicts(norms, np.where(judged, mildest, 0).astype(np.int8), last)
        )

    def _enough(self, n: int, f: int) -> bool:
        if n < self.min_contributors:
            return False
        try:
            self.inner.requires(n, f)
        except RuleBoundError:
            return False
        return True

    def _scales(self, values: Matrix) -> tuple[Weights | None, Weights]:
        """``(n,)`` factors that bring rows down to ``max_norm``, None where none is longer; and the norms."""
        # Divided first: the squares of large float64 would overflow. Rows with NaN are left for the inner rule.
        peak = np.abs(values).max(axis=1, initial=0).astype(np.float64)
        if not np.isfinite(peak).all():
            bad = np.flatnonzero(~np.isfinite(peak))
            raise UpdatesError(found=f"NaN or Inf in rows {bad[:8].tolist()}", needed="finite updates")
        safe = np.where(peak > 0, peak, 1.0)
        norms = np.array(
            [float(np.linalg.norm(row.astype(np.float64) / top)) for row, top in zip(values, safe, strict=True)]
        )
        norms = np.minimum(norms * safe, np.finfo(np.float64).max)
        long = norms > self.max_norm
        return (np.where(long, self.max_norm / np.where(long, norms, 1), 1.0) if long.any() else None), norms

    def _verdicts(self, norms: Weights, inner: np.ndarray, judged: Verdicts | None) -> Verdicts:
        """Clipped where a row was too long; else the mildest of what the inner rule said of it in its keys."""
        long = norms > self.max_norm
        theirs = next((reason for reason in judged.reasons if reason), "") if judged is not None else ""
        reasons = ("", "patterns.norm_clipped", theirs or "patterns.inner")
        index = np.where(inner > 0, 2, np.where(long, 1, 0)).astype(np.int8)
        return Verdicts(
            rule=self.name,
            decisions=np.maximum(inner, long * np.int8(Decision.CLIPPED)).astype(np.int8),
            scores=norms,
            threshold=self.max_norm if np.isfinite(self.max_norm) else float("nan"),
            reasons=reasons,
            reason_index=index,
        )


def _scaled(values: Matrix, scale: Weights | None) -> Matrix:
    return values if scale is None else cast("Matrix", (values * scale[:, None]).astype(values.dtype))
