"""What a door holds of the submissions of a window: counts and sums by group, key and weight class, and a sample."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from federation.workload import Rows
from workloads.patterns.errors import PatternError
from workloads.patterns.group_rows import MOST_MEMBERS
from workloads.patterns.rows import VALUES, dimension
from workloads.patterns.shares import CLASSES

FIXED = float(1 << 38)
"""Sums are integers of 2^-38: exact for 2^24 clients, and finer than the float32 that values arrive in."""

_FORM = 1
_COLUMNS = {
    "cells": np.int64, "counts": np.int64, "sums": np.int64, "samples": np.int64, "members": np.int64,
    "order": np.uint64, "sample": np.float32,
}  # fmt: skip
_REST = ("form", "run", "region", "number", "base", "groups", "keys", "judged", "flagged", "clipped")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """The submissions that were folded in so far. A value: folding returns another.

    Memory: 8 x 20 x (1 + 6) bytes for each group and key, and 40 bytes a key for each row of the sample: 4.9 MB for 16
    groups, 128 keys and 512 rows, however many clients there are. Its bytes leave out what is empty.

    Attributes:
        run, region, number: which window it is; groups and sample depend on them.
        base: version of the release that the values are changes to.
        counts: ``(G, 20, K) int64``: clients by group, class and key.
        sums: ``(G, 20, K, 6) int64``: their values / 2^-38.
        samples: ``(G, K) int64``: their experiences.
        members: ``(G,) int64``: clients folded in.
        order: ``(s,) uint64``: keyed hashes of the sample's clients, ascending.
        sample: ``(s, d) float32``: their rows.
        judged, flagged, clipped: how many submissions were screened, rejected by it, and shortened.
    """

    run: str
    region: str
    number: int
    base: int
    counts: NDArray[np.int64]
    sums: NDArray[np.int64]
    samples: NDArray[np.int64]
    members: NDArray[np.int64]
    order: NDArray[np.uint64]
    sample: Rows
    judged: int = 0
    flagged: int = 0
    clipped: int = 0

    @classmethod
    def empty(cls, *, run: str, region: str, number: int, base: int, groups: int, keys: int) -> Window:
        """A window nobody has sent anything in."""
        return cls(
            run=run,
            region=region,
            number=number,
            base=base,
            counts=np.zeros((groups, CLASSES, keys), np.int64),
            sums=np.zeros((groups, CLASSES, keys, len(VALUES)), np.int64),
            samples=np.zeros((groups, keys), np.int64),
            members=np.zeros(groups, np.int64),
            order=np.empty(0, np.uint64),
            sample=np.empty((0, dimension(keys)), np.float32),
        )

    @property
    def clients(self) -> int:
        """How many were folded in."""
        return int(self.members.sum())

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays in memory."""
        held = (self.counts, self.sums, self.samples, self.members, self.order, self.sample)
        return sum(array.nbytes for array in held)

    def to_bytes(self) -> bytes:
        """The window as bytes that hold no code; the same for the same window."""
        groups, _, keys = self.counts.shape
        cells = np.flatnonzero(self.counts)
        columns = {
            "cells": cells.astype(np.int64),
            "counts": self.counts.reshape(-1)[cells],
            "sums": self.sums.reshape(-1, len(VALUES))[cells],
            "samples": self.samples,
            "members": self.members,
            "order": self.order,
            "sample": self.sample,
        }
        rest = {name: getattr(self, name) for name in _REST if hasattr(self, name)}
        rest |= {"form": _FORM, "groups": groups, "keys": keys}
        contiguous = {name: np.ascontiguousarray(column) for name, column in columns.items()}
        return save(contiguous, metadata={"window": json.dumps(rest, sort_keys=True)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Window:
        """The window that `to_bytes` wrote.

        Raises:
            PatternError: for anything else.
        """
        try:
            columns: dict[str, Any] = load(data)
            (size,) = struct.unpack_from("<Q", data)
            rest: dict[str, Any] = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["window"])
            return _made(rest, columns)
        except (
            SafetensorError,
            struct.error,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
        ) as error:
            found = f"bytes that do not parse ({type(error).__name__}: {str(error)[:80]})"
            raise PatternError(what="A window", found=found, needed="bytes that to_bytes wrote") from error


def _made(rest: dict[str, Any], columns: dict[str, Any]) -> Window:
    if sorted(rest) != sorted(_REST) or rest["form"] != _FORM:
        raise ValueError(f"form {rest.get('form')!r} or other fields")
    numbers = {name: rest[name] for name in _REST if name not in ("run", "region")}
    if not all(type(value) is int and value >= 0 for value in numbers.values()):
        raise ValueError("numbers that are none")
    if not all(type(rest[name]) is str for name in ("run", "region")):
        raise ValueError("names that are none")
    groups, keys = rest["groups"], rest["keys"]
    size = groups * CLASSES * keys
    cells, held, filled = columns["cells"], len(columns["cells"]), len(columns["order"])
    shapes: dict[str, tuple[int, ...]] = {
        "cells": (held,), "counts": (held,), "sums": (held, len(VALUES)), "samples": (groups, keys),
        "members": (groups,), "order": (filled,), "sample": (filled, dimension(keys)),
    }  # fmt: skip
    for name, column in columns.items():
        if column.dtype != _COLUMNS[name] or column.shape != shapes[name]:
            raise ValueError(f"{name} of {column.dtype} and shape {column.shape}")
    if held and (cells[0] < 0 or cells[-1] >= size or (np.diff(cells) <= 0).any()):
        raise ValueError("cells out of place")
    counts, members = columns["counts"], columns["members"]
    if (counts < 1).any() or (counts > MOST_MEMBERS).any() or (members < 0).any() or (members > MOST_MEMBERS).any():
        raise ValueError("counts out of range")
    if (columns["samples"] < 0).any() or not np.isfinite(columns["sample"]).all():
        raise ValueError("samples out of range")
    empty = Window.empty(
        run=rest["run"], region=rest["region"], number=rest["number"], base=rest["base"], groups=groups, keys=keys
    )
    empty.counts.reshape(-1)[cells] = counts
    empty.sums.reshape(-1, len(VALUES))[cells] = columns["sums"]
    return replace(
        empty,
        samples=columns["samples"],
        members=members,
        order=columns["order"],
        sample=columns["sample"],
        judged=rest["judged"],
        flagged=rest["flagged"],
        clipped=rest["clipped"],
    )
