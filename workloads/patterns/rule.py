"""Federated averaging of pattern weights: key by key, among those who know the key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from federation.errors import RuleBoundError, SettingError, UpdatesError
from federation.rules import Mean
from federation.rules.base import Aggregate, Bounded, Matrix, Rule, Vector, Weights, checked_updates, checked_weights
from federation.verdict import Decision, Verdicts
from workloads.patterns.group_rows import MOST_MEMBERS
from workloads.patterns.rows import PRESENT, VALUES, dimension

_BLOCK_ELEMENTS = 1 << 21  # values brought together at a time: 8 MiB of float32


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
        grouped: rows stand for groups of clients (`workloads.patterns.group_rows`), and declare how many they are.
            Then contributors, samples and participants are summed, a mean weighs a key's groups by their mass and caps
            none of them (their clients were capped, over all groups), and any other inner rule takes each as one.
    """

    name: ClassVar[str] = "patterns"
    keys: int
    inner: Rule = field(default_factory=Mean)
    min_contributors: int = 5
    min_participants: int = 10
    max_norm: float = float("inf")
    grouped: bool = False

    def __post_init__(self) -> None:
        if self.keys < (1 if self.grouped else 0):
            raise SettingError(name="keys", found=self.keys, needed="0 or more, 1 or more for rows of groups")
        for name in ("min_contributors", "min_participants"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not self.max_norm > 0:
            raise SettingError(name="max_norm", found=self.max_norm, needed="above 0")

    def minimum(self, f: int) -> int:
        """The smallest round for f liars."""
        inner = self.inner.minimum(f) if isinstance(self.inner, Bounded) else 1
        return inner if self.grouped else max(self.min_participants - f, inner, 1)

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
        if self.grouped and declared.sum() < (needed := max(self.min_participants - f, 1)):
            bound = f"at least {self.min_participants} participants less f"
            raise RuleBoundError(rule=self.name, n=int(declared.sum()), f=f, needed=needed, bound=bound)
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
        heads = updates[:, 2 * keys + keys * fields :] if self.grouped else updates[:0]
        if not np.isfinite(updates[:, : 2 * keys]).all() or not np.isfinite(heads).all():
            raise UpdatesError(found="NaN or Inf in contributors or samples", needed="finite updates")
        if self.grouped and (heads < 0).any():
            raise UpdatesError(found="negative counts or masses", needed="rows of groups, as `Streaming.closed` makes")
        present = updates[:, :keys] >= PRESENT
        scale, norms = self._scales(updates[:, 2 * keys : 2 * keys + keys * fields], present)
        value = cast("Vector", np.zeros(d, updates.dtype))
        mildest = np.full(n, Decision.REJECTED, np.int8)
        judged = np.zeros(n, np.bool_)
        last: Verdicts | None = None
        for key, values, samples, there in self._blocks(updates, present):
            rows = np.flatnonzero(there & (declared > 0))
            weights, contributors = declared[rows], float(len(rows))
            if self.grouped:
                # A mean weighs groups by their mass, in which every client's share is capped already.
                weights = heads[rows, key].astype(np.float64) * MOST_MEMBERS
                counts = np.round(heads[rows, keys + key].astype(np.float64) * MOST_MEMBERS)
                contributors = float(counts.sum())
                said = np.clip(samples[rows], 0, 1) * counts
            else:
                said = np.clip(samples[rows], 0, 1).astype(np.float64)
            if not self._enough(len(rows), contributors, f) or not weights.any():
                continue
            block = _scaled(cast("Matrix", values[rows]), None if scale is None else scale[rows])
            found = self._for_key(block, f=f, weights=weights, rng=rng)
            at = 2 * keys + key * fields
            value[at : at + fields] = found.value
            value[key] = contributors
            value[keys + key] = said.sum()
            mildest[rows] = np.minimum(mildest[rows], found.verdicts.decisions)
            judged[rows] = True
            if last is None or found.verdicts.decisions.any():
                last = found.verdicts
        return Aggregate(
            value=value, verdicts=self._verdicts(norms, np.where(judged, mildest, 0).astype(np.int8), last)
        )

    def _blocks(
        self, updates: Matrix, present: NDArray[np.bool_]
    ) -> Iterator[tuple[int, Matrix, Vector, NDArray[np.bool_]]]:
        """Key, ``(n, 6)`` values, ``(n,)`` samples, who has it. Columns are brought together a few keys at a time."""
        n, keys, fields = len(updates), self.keys, len(VALUES)
        width = max(1, _BLOCK_ELEMENTS // (n * fields))
        for start in range(0, keys, width):
            stop = min(start + width, keys)
            part = updates[:, 2 * keys + start * fields : 2 * keys + stop * fields].reshape(n, stop - start, fields)
            values = np.ascontiguousarray(part.transpose(1, 0, 2))
            samples = np.ascontiguousarray(updates[:, keys + start : keys + stop].T)
            there = np.ascontiguousarray(present[:, start:stop].T)
            for place in range(stop - start):
                yield start + place, cast("Matrix", values[place]), cast("Vector", samples[place]), there[place]

    def _for_key(self, block: Matrix, *, f: int, weights: Weights, rng: np.random.Generator | None) -> Aggregate:
        inner = replace(self.inner, share_cap=1.0) if self.grouped and isinstance(self.inner, Mean) else self.inner
        return inner(block, f=f, weights=weights, rng=rng)

    def _enough(self, rows: int, contributors: float, f: int) -> bool:
        if rows == 0 or contributors < self.min_contributors:
            return False
        try:
            self.inner.requires(rows, f)
        except RuleBoundError:
            return False
        return True

    def _scales(self, values: Matrix, present: NDArray[np.bool_] | None = None) -> tuple[Weights | None, Weights]:
        """``(n,)`` factors that bring rows down to ``max_norm``, None where none is longer; and the norms.

        With ``present``, ``(n, K)``, values of other keys do not count, whatever they are.
        """
        n, width = values.shape
        norms = np.empty(n)
        for start in range(0, n, step := max(1, _BLOCK_ELEMENTS // width)):
            rows = slice(start, start + step)
            part = values[rows].astype(np.float64)
            if present is not None:
                part[~np.repeat(present[rows], len(VALUES), axis=1)] = 0
            # Divided first: the squares of large float64 would overflow.
            peak = np.maximum(part.max(axis=1, initial=0), -part.min(axis=1, initial=0))
            if not np.isfinite(peak).all():
                bad = start + np.flatnonzero(~np.isfinite(peak))
                raise UpdatesError(found=f"NaN or Inf in rows {bad[:8].tolist()}", needed="finite updates")
            safe = np.where(peak > 0, peak, 1.0)
            part /= safe[:, None]
            with np.errstate(over="ignore"):
                norms[rows] = np.sqrt(np.einsum("ij,ij->i", part, part)) * safe
        norms = np.minimum(norms, np.finfo(np.float64).max)
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
