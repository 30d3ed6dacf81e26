"""Many deltas from outside at once: the rows that `admission.admitted` makes one by one, at a tenth of the time.

A document that is plain in every way is decoded into typed columns. Any other, be it wrong or merely unusual (names in
snake case, a key that the key space does not name), goes the long way, so what is accepted, what comes of it and
what is said of the rest are always those of `admitted`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from federation.errors import SwarmError
from federation.workload import Row, Rows
from workloads.patterns.admission import admitted
from workloads.patterns.experience import LARGEST_COUNT, LARGEST_TEAM
from workloads.patterns.key_space import KeySpace
from workloads.patterns.rows import LATENCIES, MOST_SAMPLES, PRESENT, VALUES, columns, dimension, mark

_Change = Annotated[float, Meta(ge=-1, le=1)]
_Count = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]
_Large = Annotated[int, Meta(ge=0, lt=2**53)]
_LATENCY: Mapping[str | None, float] = {None: np.nan} | {word: place / 2 for place, word in enumerate(LATENCIES)}
_SENT, _SAMPLES = 0, 1


class _Weight(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    type: Literal["tool", "error", "success", "team"]
    category: str
    confidence: _Change
    sample_size: Annotated[int, Meta(ge=1, le=LARGEST_COUNT)]
    best_composite: _Change = 0.0
    group_mean: _Change = 0.0
    tool_success_rate: _Change = 0.0
    avg_latency_bucket: str | None = None
    team_size: Annotated[int, Meta(ge=0, le=LARGEST_TEAM)] | None = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRows:
    """What m documents say.

    Attributes:
        rows: ``(m, d) float32``; zeros where a document is at fault.
        weights: ``(m,)``: the sample count that each client declares; 0 where a document is at fault.
        known: ``(m,)``: keys of the document that are in its row.
        unknown: ``(m,)``: keys that were left out.
        faults: place -> what is wrong with that document.
    """

    rows: Rows
    weights: NDArray[np.float64]
    known: NDArray[np.int64]
    unknown: NDArray[np.int64]
    faults: Mapping[int, SwarmError]


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
    lines: list[tuple[float, ...]] = []
    owners: list[int] = []
    for place, document in enumerate(documents):
        plain = _plain(document, space)
        if plain is None:
            try:
                one = admitted(document, base=bases[place], current=current, space=space, round_number=round_number)
            except SwarmError as error:
                faults[place] = error
                continue
            rows[place], weights[place], known[place], unknown[place] = one.row, one.weight, one.known, one.unknown
            continue
        total, found = plain
        lines += found
        owners.append(place)
        known[place] = len(found)
        weights[place] = total or max((line[_SAMPLES] for line in found), default=1.0)
    if owners:
        counts = known[owners]
        rows[owners, 2 * keys + keys * len(VALUES)] = mark(round_number)
        said = np.fromiter(chain.from_iterable(lines), np.float64).reshape(-1, 2 + len(VALUES))
        _scatter(said, np.repeat(np.array(owners, np.intp), counts), rows, bases=bases, current=current, keys=keys)
    return AdmittedRows(rows=rows, weights=weights, known=known, unknown=unknown, faults=faults)


def _plain(document: bytes, space: KeySpace) -> tuple[int, list[tuple[float, ...]]] | None:
    """The declared total and, for each weight, place, samples and six numbers; None for what has to go the long way."""
    places = space.places
    try:
        delta = _DECODER.decode(document)
        found = [
            (
                places[key],
                one.sample_size,
                one.confidence,
                one.best_composite,
                one.group_mean,
                one.tool_success_rate,
                _LATENCY[one.avg_latency_bucket],
                np.nan if one.team_size is None else one.team_size,
            )
            for key, one in delta.weights.items()
            if key == f"{one.type}::{one.category}"
        ]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, RecursionError):
        return None
    return (delta.total_experiences, found) if len(found) == len(delta.weights) else None


def _scatter(
    said: NDArray[np.float64],
    owners: NDArray[np.intp],
    rows: Rows,
    *,
    bases: Sequence[Row],
    current: Row,
    keys: int,
) -> None:
    """Write what was said into its owners' rows, in the arithmetic of `delta.row_of` and `admitted`."""
    at = said[:, _SENT].astype(np.intp)
    rows[owners, at] = 1
    rows[owners, keys + at] = np.minimum(said[:, _SAMPLES], MOST_SAMPLES) / MOST_SAMPLES
    values = np.zeros((len(rows), keys, len(VALUES)))
    values[owners, at] = said[:, 2:]
    ours = columns(current, keys).values
    same: dict[int, list[int]] = {}
    for owner in np.unique(owners).tolist():
        same.setdefault(id(bases[owner]), []).append(owner)
    for members in same.values():
        base = columns(bases[members[0]], keys)
        mine = values[members]
        for field, unit in ((4, 1), (5, LARGEST_TEAM)):  # sent as they are; NaN stands for not at all
            before = np.where(base.contributors >= PRESENT, base.values[:, field], 0).astype(np.float64)
            mine[:, :, field] = np.nan_to_num(mine[:, :, field] / unit - before)
        made = mine.astype(np.float32)
        made += base.values
        made -= ours
        np.clip(made, -1, 1, out=made)
        made[rows[members, :keys] < PRESENT] = 0
        rows[members, 2 * keys : 2 * keys + keys * len(VALUES)] = made.reshape(len(members), -1)
