"""How members are drawn into buckets so that everybody can check it: a commitment before, the secret afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import pairwise

from federation.identity import Secret, framed


def draw_commitment(secret: Secret, *, run: str, round: int) -> str:
    """SHA-256, in hex, that holds whoever drew to a secret. It is told before anybody has shown a key."""
    fields = framed(run, str(round), secret.reveal())
    return hashlib.sha256(b"swarmlore/secure/draw/1" + fields).hexdigest()


def roster_digest(members: Iterable[str]) -> str:
    """SHA-256, in hex, of the ids of everybody who takes part, in any order."""
    return hashlib.sha256(b"swarmlore/secure/roster/1" + framed(*sorted(members))).hexdigest()


def in_order(circle: Iterable[str], *, run: str, round: int, seed: Secret) -> bool:
    """Whether a circle's members stand in the order that the seed gives them (`SecurePlan.sessions`)."""
    keys = [seed.derive("bucket", run, str(round), member).reveal() for member in circle]
    return all(before < after for before, after in pairwise(keys))
