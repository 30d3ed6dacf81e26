"""Submissions that are folded in when they arrive, in memory that does not grow with their number.

A client falls into one of G groups by a keyed hash of (run, region, window, client), so that nobody chooses a group.
Of each group, key and power of two of the clients' weights the window keeps a count and sums, and nothing of any
single client but a bounded sample to screen the next ones by. When the window closes each group is one row, the
mean of its clients, and the round's rule runs across the groups.

What it gives, for f liars that pass the screen among n clients:

- They spoil at most f groups, each at most one. A rule that bears as many spoilt rows is not moved outside
  of the range of the other groups (`group_bound` tells for which G and f, and at what chance more is borne).
- Where they are more than that, no group is moved by more than the shares of its liars times the range of a
  value, 2, and a median or a trimmed mean is moved by no more than the group that is moved most.
- No client has more than the cap of a key, 20 %, or an equal share where there are fewer than five: the shares
  are worked out over all clients of the window when it closes, exactly, for weights rounded down to powers of two.

Sums are integers, so they do not depend on the order of arrival, nor on how it was cut into batches; whom the
screen lets through does. What a client sends after it was folded in a window is not counted again: to take the
first one out its values would have to be kept, and they are what is to be erased. Whoever folds tells by its own
list whom it has folded (a storage that remembers nonces has it).

The form of a window's bytes is 1: a safetensors file. A field is never removed or given another meaning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError, UpdatesError
from federation.identity import Secret
from federation.verdict import Decision, Verdicts
from federation.workload import Row, Rows
from workloads.patterns.errors import MassAnomalyError
from workloads.patterns.group_rows import MOST_MEMBERS, Group, group_row
from workloads.patterns.rows import MOST_SAMPLES, PRESENT, VALUES, dimension, value_columns
from workloads.patterns.screen import PatternScreen
from workloads.patterns.shares import CLASSES, class_shares, classes_of
from workloads.patterns.window import FIXED, Window

_FIELDS = len(VALUES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What became of a batch of submissions.

    Attributes:
        window: with those that were let through.
        verdicts: one for each row: rejected by the screen, clipped because it was too long, or accepted.
        groups: ``(m,)``: whose group each client is in.
    """

    window: Window
    verdicts: Verdicts
    groups: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How submissions are folded in and what a closed window comes to. Holds no state.

    Attributes:
        screen: judges each arriving batch together with the window's sample.
        groups: how many there are, G.
        share_cap: the largest share of a client in a key.
        max_norm: largest L2 norm of a submission's values; longer ones are scaled down to it.
        sample: rows of the window that are kept to screen by. They are the ones with the smallest keyed hashes, so a
            uniform sample of all clients, accepted or not, that nobody can push others out of.
        warmup: submissions with which screening begins to tell; `ready` waits for them.
        most_flagged: share of flagged submissions above which `rows` refuses the window.
    """

    screen: PatternScreen
    groups: int = 16
    share_cap: float = 0.2
    max_norm: float = math.inf
    sample: int = 512
    warmup: int = 32
    most_flagged: float = 0.3

    def __post_init__(self) -> None:
        if self.screen.keys < 1:
            raise SettingError(name="streaming.screen.keys", found=self.screen.keys, needed="1 or more")
        for name, least in (("groups", 1), ("sample", 0), ("warmup", 0)):
            if getattr(self, name) < least:
                raise SettingError(name=f"streaming.{name}", found=getattr(self, name), needed=f"{least} or more")
        if not 0 < self.share_cap <= 1 or not 0 < self.most_flagged <= 1 or not self.max_norm > 0:
            found = (self.share_cap, self.most_flagged, self.max_norm)
            needed = "in (0, 1], (0, 1], above 0"
            raise SettingError(name="streaming.share_cap, most_flagged, max_norm", found=found, needed=needed)

    @property
    def keys(self) -> int:
        return self.screen.keys

    def start(self, *, run: str, region: str, number: int, base: int) -> Window:
        """An empty window.

        Args:
            run: id of the swarm's run.
            region: whose clients it takes.
            number: of the window.
            base: version of the release that its rows are changes to.
        """
        return Window.empty(run=run, region=region, number=number, base=base, groups=self.groups, keys=self.keys)

    def ready(self, window: Window, waiting: int) -> bool:
        """Whether there is enough to screen by, with so many more submissions waiting. Only the close need not ask."""
        return len(window.sample) + waiting >= self.warmup

    def groups_of(self, window: Window, clients: Sequence[str], secret: Secret) -> NDArray[np.intp]:
        """``(m,)``: each client's group in this window."""
        return (_hashes("group", window, clients, secret) % np.uint64(self.groups)).astype(np.intp)

    def fold(
        self, window: Window, rows: Rows, *, clients: Sequence[str], weights: NDArray[np.float64], secret: Secret
    ) -> Folded:
        """The window with these submissions; O(m d) time, and memory of the batch and the sample.

        Rows with a weight of zero count for nothing and are accepted. The same client twice in a batch is an error;
        in two batches it counts twice, so whoever calls this leaves out whom it has folded before.

        Args:
            window: is not changed.
            rows: ``(m, d) float32``: changes to the window's base, as `workloads.patterns.rows` lays them out. Values
                beyond -1 and 1 are cut.
            clients: m ids.
            weights: ``(m,)``: declared sample counts, rounded down to powers of two, at most 2^19.
            secret: of whoever folds; groups and sample are hashes under it.

        Raises:
            UpdatesError: for NaN, Inf or another shape; then nothing is folded.
        """
        checked_window(self, window)
        m, keys = len(clients), self.keys
        if rows.shape != (m, dimension(keys)) or len(set(clients)) != m or len(weights) != m:
            found = f"rows of shape {rows.shape}, {len(set(clients))} clients and {len(weights)} weights"
            raise UpdatesError(found=found, needed=f"({m}, {dimension(keys)}), {m} different clients, {m} weights")
        if not np.isfinite(rows).all() or not np.isfinite(weights).all() or (weights < 0).any():
            raise UpdatesError(found="NaN, Inf or a negative weight", needed="finite rows, weights of 0 or more")
        groups = self.groups_of(window, clients, secret)
        if m == 0:
            return Folded(window=window, verdicts=Verdicts.accepting(0, rule="streaming"), groups=groups)
        found = self._screened(window, rows)
        kept = ~found.rejected & (weights > 0)
        present = (rows[:, :keys] >= PRESENT) & kept[:, None]
        values, long = self._clipped(rows, present)
        counts, sums = window.counts.copy(), window.sums.copy()
        samples, members = window.samples.copy(), window.members.copy()
        cells = groups * CLASSES + classes_of(weights)
        said = np.rint(np.clip(rows[:, keys : 2 * keys], 0, 1) * np.float64(MOST_SAMPLES)).astype(np.int64)
        said[~present] = 0
        mine = np.flatnonzero(kept)
        mine = mine[np.argsort(cells[mine], kind="stable")]
        if len(mine):
            filled, starts = np.unique(cells[mine], return_index=True)
            where, places = np.divmod(filled, CLASSES)
            counts[where, places] += np.add.reduceat(present[mine], starts, axis=0, dtype=np.int64)
            sums[where, places] += np.add.reduceat(values[mine], starts, axis=0)
            np.add.at(samples, where, np.add.reduceat(said[mine], starts, axis=0))
            members += np.bincount(groups[mine], minlength=self.groups)
        if members.max(initial=0) > MOST_MEMBERS:
            raise SettingError(
                name="streaming.groups", found=self.groups, needed=f"more: a group has over {MOST_MEMBERS} clients"
            )
        order, sample = self._sampled(window, rows, clients, found, secret)
        clipped = long & kept
        after = replace(
            window,
            counts=counts,
            sums=sums,
            samples=samples,
            members=members,
            order=order,
            sample=sample,
            judged=window.judged + m,
            flagged=window.flagged + int(found.rejected.sum()),
            clipped=window.clipped + int(clipped.sum()),
        )
        return Folded(window=after, verdicts=_with_clipped(found, clipped), groups=groups)

    def closed(self, window: Window, *, round_number: int, shift: Row | None = None) -> tuple[Group, ...]:
        """The rows of the groups that have clients, in the groups' order; what the round's rule takes.

        Args:
            window: the one that is over.
            round_number: the round's, by which rows are marked.
            shift: ``(d,)``: the window's base less the release that the round starts from, if that is another one:
                a mean of changes moves with its base. None for none.

        Raises:
            MassAnomalyError: when more than ``most_flagged`` of its submissions were flagged.
        """
        checked_window(self, window)
        if window.flagged > self.most_flagged * max(window.judged, 1):
            raise MassAnomalyError(flagged=window.flagged, judged=window.judged, most=self.most_flagged)
        shares = class_shares(window.counts.sum(axis=0), cap=self.share_cap)  # (C, K)
        everybody = window.counts.sum(axis=(0, 1))  # (K,)
        moved = None if shift is None else shift[value_columns(self.keys)].reshape(self.keys, _FIELDS)
        made: list[Group] = []
        for number in np.flatnonzero(window.members).tolist():
            mine = window.counts[number]
            mass = (shares * mine).sum(axis=0)
            values = np.einsum("ck,ckv->kv", shares, window.sums[number] / FIXED)
            values /= np.where(mass > 0, mass, 1)[:, None]
            there = mine.sum(axis=0)
            if moved is not None:
                values = np.clip(values + moved, -1, 1)
            row = group_row(
                values=np.where(there[:, None] > 0, values, 0),
                contributors=there,
                samples=window.samples[number] / MOST_SAMPLES,
                mass=mass * everybody,
                round_number=round_number,
            )
            made.append(Group(number=number, members=int(window.members[number]), row=row))
        return tuple(made)

    def _screened(self, window: Window, rows: Rows) -> Verdicts:
        """The screen's verdicts on a batch, judged together with the sample."""
        together = np.concatenate([rows, window.sample]) if len(window.sample) else rows
        centre = np.zeros(together.shape[1], together.dtype)  # its medians are the contributors' own
        found = self.screen.screen(together, centre=centre, f=len(together))
        m = len(rows)
        return replace(
            found, decisions=found.decisions[:m], scores=found.scores[:m], reason_index=found.reason_index[:m]
        )

    def _clipped(self, rows: Rows, present: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """``(m, K, V)`` values in fixed point, 0 where absent, within the norm cap; and which rows were too long."""
        values = rows[:, value_columns(self.keys)].reshape(len(rows), self.keys, _FIELDS).astype(np.float64)
        np.clip(values, -1, 1, out=values)
        values *= present[:, :, None]
        norms = np.sqrt(np.einsum("ikv,ikv->i", values, values))
        long = norms > self.max_norm
        if long.any():
            values[long] *= (self.max_norm / norms[long])[:, None, None]
        values *= FIXED
        return np.rint(values, out=values).astype(np.int64), long

    def _sampled(
        self, window: Window, rows: Rows, clients: Sequence[str], found: Verdicts, secret: Secret
    ) -> tuple[NDArray[np.uint64], Rows]:
        """Order and rows of the sample after a batch: those of the smallest hashes, ascending."""
        malformed = np.array([reason == "patterns.malformed" for reason in found.reasons])[found.reason_index]
        order = np.concatenate([window.order, _hashes("sample", window, clients, secret)[~malformed]])
        chosen = np.argsort(order, kind="stable")[: self.sample]
        older = len(window.order)
        new = np.flatnonzero(~malformed)
        made = np.empty((len(chosen), rows.shape[1]), np.float32)
        for place, source in enumerate(chosen.tolist()):
            made[place] = window.sample[source] if source < older else rows[new[source - older]]
        return order[chosen], made


def checked_window(streaming: Streaming, window: Window) -> None:
    """Return if the window is one of these settings.

    Raises:
        SettingError: otherwise.
    """
    found = window.counts.shape
    needed = (streaming.groups, CLASSES, streaming.keys)
    if found != needed:
        raise SettingError(name="window", found=found, needed=f"one of {needed} groups, classes and keys")


def _hashes(purpose: str, window: Window, clients: Sequence[str], secret: Secret) -> NDArray[np.uint64]:
    own = secret.derive("streaming", purpose, window.run, window.region, str(window.number))
    digests = b"".join(own.nonce(client)[:8] for client in clients)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _with_clipped(found: Verdicts, clipped: NDArray[np.bool_]) -> Verdicts:
    if not clipped.any():
        return found
    index = found.reason_index.copy()
    index[clipped] = len(found.reasons)
    decisions = np.where(clipped, np.int8(Decision.CLIPPED), found.decisions).astype(np.int8)
    reasons = (*found.reasons, "patterns.norm_clipped")
    return replace(found, decisions=decisions, reasons=reasons, reason_index=index)
