"""Rows that stand for a group of clients: the row of its mean client, and how many it is the mean of.

The layout is that of `workloads.patterns.rows`. A group's row is as long as a client's, whatever its size, so that
gate, screen and norm cap treat it as one; the counts stand, scaled, in columns that updates leave free:

    ============  =======  ==================================================================================
    columns       numbers  in a group's update
    ============  =======  ==================================================================================
    contributors  K        1 and a mark of the round (below 1.125) where somebody has the key, else 0
    samples       K        mean over its contributors of experiences / 1,000,000
    values        K x 6    mean change, each client's share capped
    mean          K        the group's mass / 2^24: contributors x the sum of its clients' shares of the key
    variance      K        contributors / 2^24
    ============  =======  ==================================================================================

Shares add up to 1 over all groups of a window, so masses to its contributors; across windows (regions) each counts by
its contributors, and no client is above the cap of all of them: its share is at most max(cap, 1 / n) n / N, for n of N
contributors in its window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.workload import Row
from workloads.patterns.rows import columns, dimension

MOST_MEMBERS = 1 << 24
"""Clients of a group at most; float32 holds every count up to it exactly."""

_MARKS = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """A group of a closed window.

    Attributes:
        number: of the group.
        members: how many clients were folded into it.
        row: ``(d,) float32``.
    """

    number: int
    members: int
    row: Row


def group_row(
    *,
    values: NDArray[np.float64],
    contributors: NDArray[np.int64],
    samples: NDArray[np.float64],
    mass: NDArray[np.float64],
    round_number: int,
) -> Row:
    """The row of a group.

    Args:
        values: ``(K, 6)`` mean changes.
        contributors: ``(K,)``.
        samples: ``(K,)`` experiences / 1,000,000, added up.
        mass: ``(K,)``.
        round_number: that the row is marked with, so that the same means in two rounds are no replay.
    """
    keys = len(contributors)
    row = np.zeros(dimension(keys), np.float32)
    parts = columns(row, keys)
    there = contributors > 0
    parts.contributors[there] = 1 + (round_number % _MARKS) / (8 * _MARKS)
    parts.samples[:] = samples / np.maximum(contributors, 1)
    parts.values[:] = values
    parts.mean[:] = mass / MOST_MEMBERS
    parts.variance[:] = contributors / MOST_MEMBERS
    return row
