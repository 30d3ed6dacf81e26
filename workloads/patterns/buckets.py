"""What a client adds to a sum that nobody sees into, and the row of a group that such a sum amounts to.

A member's row is K bits for the keys that it has, K sample counts over 1,000,000 and K x 6 changes, each within -1
and 1. The sum of such rows holds, key by key, how many members have it and what they add up to, so the mean of those
who have it comes out as if each row had been seen. Every member weighs the same: a weight of its own would be a number
that the others' sum has to be divided by, and one member could declare it at will.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from federation.workload import Row
from workloads.patterns.errors import PatternError
from workloads.patterns.group_rows import group_row
from workloads.patterns.rows import PRESENT, VALUES, columns, value_columns

ADDEND_LIMIT = 1.0
"""Largest magnitude of a number in a member's row; what `FixedPoint.limit` has to be."""

_FIELDS = len(VALUES)
_NEAR = 1e-3
"""By which a sum may miss what honest rows make: 2^-22 for each of a few hundred members, and far more than that."""


def addend_dimension(keys: int) -> int:
    """The length of a member's row for so many keys."""
    return keys * (2 + _FIELDS)


def addend(row: Row, *, keys: int) -> NDArray[np.float64]:
    """``(K x 8,) float64``, each within -1 and 1: what a member adds, of the update row that it would have sent.

    Args:
        row: as `workloads.patterns.row_of` makes it.
        keys: how many there are.
    """
    parts = columns(row, keys)
    there = parts.contributors >= PRESENT
    made = np.zeros(addend_dimension(keys))
    made[:keys] = there
    made[keys : 2 * keys] = np.where(there, np.clip(parts.samples, 0, 1), 0)
    made[2 * keys :] = np.where(there[:, None], np.clip(parts.values, -1, 1), 0).reshape(-1)
    return made


def sum_row(total: NDArray[np.float64], *, members: int, keys: int, round_number: int, shift: Row | None = None) -> Row:
    """``(d,) float32``: the row of the group of members whose rows add up to ``total``.

    Args:
        total: ``(K x 8,)``.
        members: how many rows are in it.
        keys: how many there are.
        round_number: that the row is marked with.
        shift: ``(d,)``: the members' base less the release that the round starts from; None where they are the same.

    Raises:
        PatternError: for a sum that such rows cannot make: somebody's was none. One that they could make, and that is
            none all the same, is for the rule across groups to bear.
    """
    if total.shape != (addend_dimension(keys),) or not np.isfinite(total).all():
        raise PatternError(what="A sum", found=f"shape {total.shape}", needed=f"({addend_dimension(keys)},), finite")
    counts, samples = total[:keys], total[keys : 2 * keys]
    values = total[2 * keys :].reshape(keys, _FIELDS)
    whole = np.rint(counts)
    if (
        (np.abs(counts - whole) > _NEAR).any()
        or (whole < 0).any()
        or (whole > members).any()
        or (samples < -_NEAR).any()
        or (samples > whole + _NEAR).any()
        or (np.abs(values) > whole[:, None] + _NEAR).any()
    ):
        needed = f"counts from 0 to {members}, and sums of numbers within -1 and 1 of so many"
        raise PatternError(what="A sum", found="numbers that no rows add up to", needed=needed)
    there = whole > 0
    means = values / np.where(there, whole, 1)[:, None]
    if shift is not None:
        means = means + shift[value_columns(keys)].reshape(keys, _FIELDS)
    return group_row(
        values=np.where(there[:, None], np.clip(means, -1, 1), 0),
        contributors=whole.astype(np.int64),
        samples=np.clip(samples, 0, whole),
        mass=whole,
        round_number=round_number,
    )
