"""Many deltas from outside at once: the rows that `admission.admitted` makes one by one, at a tenth of the time.

A document that is plain in every way is decoded into typed columns. Any other, be it wrong or merely unusual (names in
snake case, a key that the key space does not name), goes the long way, so what is accepted, what comes of it and
what is said of the rest are always those of `admitted`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from federation.errors import SwarmError
from federation.workload import AdmittedRows, Row, Rows
from workloads.patterns.admission import admitted
from workloads.patterns.experience import LARGEST_COUNT, LARGEST_TEAM
from workloads.patterns.key_space import KeySpace
from workloads.patterns.rows import LATENCIES, MOST_SAMPLES, PRESENT, VALUES, columns, dimension, mark

_Change = Annotated[float, Meta(ge=-1, le=1)]
_Count = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]
_Large = Annotated[int, Meta(ge=0, lt=2**53)]
_LATENCY = {"": np.nan} | {word: place / 2 for place, word in enumerate(LATENCIES)}
_AS_THEY_ARE = ((4, 1), (5, LARGEST_TEAM))
"""Fields that are sent as they are, and what they are over; NaN stands for one that was not sent."""


class _Weight(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    type: Literal["tool", "error", "success", "team"]
    category: str
    confidence: _Change
    sample_size: Annotated[int, Meta(ge=1, le=LARGEST_COUNT)]
    best_composite: _Change = 0.0
    group_mean: _Change = 0.0
    tool_success_rate: _Change = 0.0
    # Defaults are not held against the type: these two say that nothing was sent, and no document can say that.
    avg_latency_bucket: Literal["fast", "medium", "slow"] = ""  # pyright: ignore[reportAssignmentType]
    team_size: Annotated[int, Meta(ge=0, le=LARGEST_TEAM)] = -1
    consecutive_successes: _Count = 0
    update_count: _Count = 0
    domain: Literal["frontend", "backend", "security", "infrastructure", "documentation", "general"] = "general"


class _Delta(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    client_id: Annotated[str, Meta(pattern=r"^[a-f0-9]{64}\Z")]
    schema_version: Annotated[str, Meta(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}\Z")]
    round: _Large
    nonce: Annotated[str, Meta(pattern=r"^[a-f0-9]{32}\Z")]
    timestamp: datetime.date
    weights: dict[str, _Weight]
    base_version: Annotated[str, Meta(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}\Z")] | None = None
    total_experiences: _Large = 0
    signature: Annotated[str, Meta(pattern=r"^ed25519:[A-Za-z0-9+/_=-]{1,128}\Z")] | None = None


_DECODER = msgspec.json.Decoder(_Delta)


def admitted_all(
    documents: Sequence[bytes], *, bases: Sequence[Row], current: Row, space: KeySpace, round_number: int
) -> AdmittedRows:
    """`admitted` of each document, with the base that its changes are relative to; bit for bit the same rows.

    Args:
        documents: m of them.
        bases: m rows; documents with the very same array are worked on together.
        current: the release that the round learns from.
        space: the key space.
        round_number: of the round.
    """
    m, keys = len(documents), len(space.keys)
    rows = np.zeros((m, dimension(keys)), np.float32)
    weights, known, unknown = np.zeros(m), np.zeros(m, np.int64), np.zeros(m, np.int64)
    faults: dict[int, SwarmError] = {}
    said = _Said()
    owners: list[int] = []
    for place, document in enumerate(documents):
        delta = _plain(document, space)
        if delta is None:
            try:
                one = admitted(document, base=bases[place], current=current, space=space, round_number=round_number)
            except SwarmError as error:
                faults[place] = error
                continue
            rows[place], weights[place], known[place], unknown[place] = one.row, one.weight, one.known, one.unknown
            continue
        owners.append(place)
        known[place] = len(delta.weights)
        weights[place] = delta.total_experiences or said.largest(delta)
        said.add(delta, space.places)
    if owners:
        rows[owners, 2 * keys + keys * len(VALUES)] = mark(round_number)
        _scatter(said, np.repeat(np.array(owners, np.intp), known[owners]), rows, bases=bases, current=current)
    return AdmittedRows(rows=rows, weights=weights, known=known, unknown=unknown, faults=faults)


class _Said:
    """What documents say, weight after weight, a list for each field: lists of numbers cost the collector nothing."""

    __slots__ = ("numbers", "places", "samples")

    def __init__(self) -> None:
        self.places: list[int] = []
        self.samples: list[int] = []
        self.numbers: tuple[list[float], ...] = tuple([] for _ in VALUES)

    def add(self, delta: _Delta, places: Mapping[str, int]) -> None:
        weights = delta.weights.values()
        self.places += [places[key] for key in delta.weights]
        self.samples += [one.sample_size for one in weights]
        confidence, best, mean, success, latency, team = self.numbers
        confidence += [one.confidence for one in weights]
        best += [one.best_composite for one in weights]
        mean += [one.group_mean for one in weights]
        success += [one.tool_success_rate for one in weights]
        latency += [_LATENCY[one.avg_latency_bucket] for one in weights]
        team += [one.team_size if one.team_size >= 0 else np.nan for one in weights]

    @staticmethod
    def largest(delta: _Delta) -> int:
        return max((one.sample_size for one in delta.weights.values()), default=1)


def _plain(document: bytes, space: KeySpace) -> _Delta | None:
    """The document; None for what has to go the long way."""
    try:
        delta = _DECODER.decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    places = space.places
    known = all(key in places and key == f"{one.type}::{one.category}" for key, one in delta.weights.items())
    return delta if known else None


def _scatter(said: _Said, owners: NDArray[np.intp], rows: Rows, *, bases: Sequence[Row], current: Row) -> None:
    """Write what was said into its owners' rows, in the arithmetic of `delta.row_of` and `admitted`."""
    keys = rows.shape[1] // dimension(1)
    at = np.array(said.places, np.intp)
    rows[owners, at] = 1
    rows[owners, keys + at] = np.minimum(np.array(said.samples, np.float64), MOST_SAMPLES) / MOST_SAMPLES
    values = np.zeros((len(rows), keys, len(VALUES)))
    for field, numbers in enumerate(said.numbers):
        values[owners, at, field] = numbers
    ours = columns(current, keys).values
    same: dict[int, list[int]] = {}
    for owner in np.unique(owners).tolist():
        same.setdefault(id(bases[owner]), []).append(owner)
    for members in same.values():
        base = columns(bases[members[0]], keys)
        mine = values[members]
        for field, unit in _AS_THEY_ARE:
            before = np.where(base.contributors >= PRESENT, base.values[:, field], 0).astype(np.float64)
            mine[:, :, field] = np.nan_to_num(mine[:, :, field] / unit - before)
        made = mine.astype(np.float32)
        made += base.values
        made -= ours
        np.clip(made, -1, 1, out=made)
        made[rows[members, :keys] < PRESENT] = 0
        rows[members, 2 * keys : 2 * keys + keys * len(VALUES)] = made.reshape(len(members), -1)
