"""Rows of pattern weights: which number stands where.

Rules of evolution: the layout is that of form 1, written into each artefact with the digest of the key space.
Fields are not moved or removed; a further field is a new form.

A row has, for K keys in the key space's order:

    ============  =======  ======================================  ====================================
    columns       numbers  in an update                            in a release
    ============  =======  ======================================  ====================================
    contributors  K        1 where the client has the key, else 0  clients behind the newest change
    samples       K        its experiences / 1,000, at most 1,000  theirs, added up
    values        K x 6    change to the base release              the value
    mean          K        0; the first is a mark of the round     moving mean of the confidence
    variance      K        0                                       moving variance of the confidence
    ============  =======  ======================================  ====================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.workload import Row
from workloads.patterns.errors import KeySpaceError
from workloads.patterns.key_space import KeySpace

VALUES = ("confidence", "best_composite", "group_mean", "success_rate", "latency", "team_size")
"""The fields of a key's values, all within [0, 1]: latency is 0 fast, 0.5 medium, 1 slow; a team's size is over 20."""

LATENCIES = ("fast", "medium", "slow")
MOST_SAMPLES = 1_000_000
"""What a client may say of one key at most, and the unit of the column, so that no update's norm is made of it."""
PRESENT = 0.5
"""What an update's contributor column must reach for the key to count as sent; codecs may round."""

_MARKS = 32
_EXTRA = 4  # contributors, samples, mean, variance


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weights of one key as numbers.

    Attributes:
        samples: experiences behind it.
        values: one number for each of `VALUES`; in a release within [0, 1], in an update a change to it.
    """

    samples: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A row and what did not fit.

    Attributes:
        row: ``(d,) float32``.
        unknown: how many keys the key space does not name; they are left out.
    """

    row: Row
    unknown: int


@dataclass(frozen=True, slots=True)
class Columns:
    """A row seen as columns; views of it, so a change to them changes the row.

    Attributes:
        contributors, samples: ``(K,)``.
        values: ``(K, 6)``.
        mean, variance: ``(K,)``.
    """

    contributors: NDArray[np.float32]
    samples: NDArray[np.float32]
    values: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]


def dimension(keys: int) -> int:
    """The length of a row for so many keys."""
    return keys * (len(VALUES) + _EXTRA)


def value_columns(keys: int) -> slice:
    """Where the values stand in a row."""
    return slice(2 * keys, 2 * keys + keys * len(VALUES))


def columns(row: Row, keys: int) -> Columns:
    """The columns of a row, as views.

    Raises:
        KeySpaceError: for a row of another length.
    """
    if row.shape != (dimension(keys),):
        raise KeySpaceError(found=f"a row of shape {row.shape}", needed=f"({dimension(keys)},) for {keys} keys")
    values = value_columns(keys)
    return Columns(
        row[:keys],
        row[keys : 2 * keys],
        row[values].reshape(keys, len(VALUES)),
        row[values.stop : values.stop + keys],
        row[values.stop + keys :],
    )


def mark(round_number: int) -> float:
    """What the first number of the mean column is in an update of a round: 0.5 to 1, the next rounds' differ."""
    return 0.5 + (round_number % _MARKS) / (2 * _MARKS)


def encoded(weights: Mapping[str, Weights], space: KeySpace, *, round_number: int) -> Encoded:
    """The update row of a client's weights, for a round.

    The gate refuses the last round's payload when it comes again. A client whose experiences have not changed since
    says the same again rightly, so a row is marked with its round. Nothing reads the mark; it is large enough to
    survive lossy codecs.
    """
    keys = len(space.keys)
    row = np.zeros(dimension(keys), np.float32)
    parts = columns(row, keys)
    parts.mean[0] = mark(round_number)
    unknown = 0
    for key, found in weights.items():
        place = space.places.get(key)
        if place is None:
            unknown += 1
            continue
        parts.contributors[place] = 1
        parts.samples[place] = min(found.samples, MOST_SAMPLES) / MOST_SAMPLES
        parts.values[place] = found.values
    return Encoded(row=row, unknown=unknown)


def decoded(row: Row, space: KeySpace) -> dict[str, Weights]:
    """key -> weights, for the keys that somebody has contributed to."""
    parts = columns(row, len(space.keys))
    return {
        key: Weights(
            samples=float(np.round(float(parts.samples[place]) * MOST_SAMPLES)),
            values=tuple(parts.values[place].tolist()),
        )
        for place, key in enumerate(space.keys)
        if parts.contributors[place] >= PRESENT
    }


def migrated(row: Row, old: KeySpace, new: KeySpace) -> Row:
    """The row in the columns of a later minor version of its key space; new keys are zero.

    Raises:
        KeySpaceError: unless the new key space begins with all keys of the old one, in the same major version.
    """
    if new.keys[: len(old.keys)] != old.keys or new.version.split(".")[0] != old.version.split(".")[0]:
        raise KeySpaceError(found=f"key space {new.version}", needed=f"one that extends {old.version}")
    made = np.zeros(dimension(len(new.keys)), np.float32)
    before, after = columns(row, len(old.keys)), columns(made, len(new.keys))
    for name in Columns.__slots__:
        getattr(after, name)[: len(old.keys)] = getattr(before, name)
    return made
