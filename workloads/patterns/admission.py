"""Deltas from outside: what a client has changed since the release that it has, as an update of a round.

The round learns from the newest release, and a client may have an older one. What it holds itself is its base plus its
changes; the update is how far that lies from the newest release. So a client that is a few releases behind is not
counted as if it had asked for the fleet's steps since then to be taken back.
"""

from __future__ import annotations

import numpy as np
from pydantic import ValidationError

from federation.workload import Admitted, Row
from workloads.patterns.delta import row_of
from workloads.patterns.errors import PatternError
from workloads.patterns.key_space import KeySpace
from workloads.patterns.rows import PRESENT, columns
from workloads.patterns.schema import DeltaWeightVector


def admitted(document: bytes, *, base: Row, current: Row, space: KeySpace, round_number: int) -> Admitted:
    """(base + change) - current for each key that the document names, each value within -1 and 1; never an alias.

    The declared weight is the document's total, or the largest sample of a pattern where no total is given.

    Raises:
        PatternError: for anything that is no `DeltaWeightVector`.
        KeySpaceError: for rows of another length.
    """
    try:
        delta = DeltaWeightVector.model_validate_json(document)
    except ValidationError as error:
        faults = f"{error.error_count()} faults, the first a {error.errors()[0]['type']}"  # a place may hold its words
        raise PatternError(what="A submission", found=faults, needed="a DeltaWeightVector as JSON") from None
    found = row_of(delta.weights, base=base, space=space, round_number=round_number)
    keys = len(space.keys)
    parts, theirs, ours = columns(found.row, keys), columns(base, keys), columns(current, keys)
    sent = parts.contributors >= PRESENT
    parts.values[sent] = np.clip(parts.values[sent] + theirs.values[sent] - ours.values[sent], -1, 1)
    most = max((weight.sample_size for weight in delta.weights.values()), default=1)
    return Admitted(
        row=found.row,
        weight=float(delta.total_experiences or most),
        known=len(delta.weights) - found.unknown,
        unknown=found.unknown,
    )
