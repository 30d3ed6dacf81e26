"""What the storage keeps of secret sums, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Taken(StrEnum):
    """What became of a request to take part, or of an answer."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Somebody who takes part.

    Attributes:
        client, region: who, and behind which door.
        window: whose round it is for.
        base_version: of the release that the row is a change to; None for the genesis.
        nonce: of the request.
        received_at: when.
        public_key: of the client; empty where it is not asked for.
    """

    client: str
    region: str
    window: int
    base_version: str | None = None
    nonce: str = ""
    received_at: float = 0.0
    public_key: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBucket:
    """A bucket of a window.

    Attributes:
        id, window, region, base_version: which one.
        members: whose terms it is, while it is open; whose rows are in its sum, when it is done.
        state: ``open``, ``done``, ``failed``, and ``counted`` once its sum is erased.
        code: why it failed.
        deadline: when its stage ends, unix seconds.
        round: that its sum was taken for.
        terms, identities: of the session, while it is open.
        total: the sum of its members' rows; None unless it is done.
    """

    id: str
    window: int
    region: str
    base_version: str | None
    members: int
    state: str = "open"
    code: str = ""
    deadline: float = 0.0
    round: int | None = None
    terms: bytes | None = field(default=None, repr=False)
    identities: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    total: NDArray[np.float64] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What a member has answered, or a deadline that has passed: then ``client`` is empty."""

    bucket: str
    client: str
    kind: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter:
    """What a member is told: ``number`` is 1 for the first of its session."""

    client: str
    number: int
    kind: str
    body: str = field(repr=False)
