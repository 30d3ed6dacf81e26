"""What members and the server of a secure sum say to each other, and the terms they say it under.

Everything a message means is bound to the digest of the terms (`SecureTerms.session`): by signature for keys, by key
derivation and route for shares, by hash for commitments. A message of another session is refused or is noise.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from federation.errors import SettingError
from federation.identity import framed
from federation.privacy.secure.fixed_point import FixedPoint, Words
from federation.privacy.secure.graph import neighbours
from federation.privacy.secure.shamir import SHARE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureTerms:
    """What all members of one bucket agree on before it starts.

    Attributes:
        run, round, bucket: name the session; never used again with other contents.
        circle: the members in random order, drawn after they enrolled.
        degree: neighbours of each member.
        threshold: shares that make a secret, 2 to degree.
        smallest: fewest rows whose sum is ever unmasked; clients hold to it, not only the server.
        dimension: length of a row.
        form: how rows become words.
    """

    run: str
    round: int
    bucket: str
    circle: tuple[str, ...]
    degree: int
    threshold: int
    dimension: int
    form: FixedPoint
    smallest: int = 3
    around: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    session: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(set(self.circle)) != len(self.circle) or len(self.circle) > self.form.members:
            needed = f"different members, at most {self.form.members}"
            raise SettingError(name="circle", found=f"{len(self.circle)} members", needed=needed)
        if not 2 <= self.threshold <= self.degree:
            raise SettingError(name="threshold", found=self.threshold, needed=f"2 to the degree, {self.degree}")
        if not max(2, self.threshold) <= self.smallest <= len(self.circle):
            needed = f"from the threshold, {self.threshold}, to {len(self.circle)}"
            raise SettingError(name="smallest", found=self.smallest, needed=needed)
        if self.dimension < 1:
            raise SettingError(name="dimension", found=self.dimension, needed="1 or more")
        object.__setattr__(self, "around", neighbours(self.circle, self.degree))
        object.__setattr__(self, "session", self._digest())

    def _digest(self) -> bytes:
        numbers = struct.pack(
            "<QQQQQQdQ",
            self.round,
            self.degree,
            self.threshold,
            self.smallest,
            self.dimension,
            self.form.members,
            self.form.limit,
            self.form.bits,
        )
        fields = framed(self.run, self.bucket, numbers, *self.circle)
        return hashlib.sha256(b"swarmlore/secure/session/1" + fields).digest()

    def point(self, member: str) -> int:
        """Where a member's shares lie: its place on the circle, from 1."""
        return self.circle.index(member) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertisedKeys:
    """Client to server: two fresh X25519 keys, signed with the agent's own Ed25519 key.

    Attributes:
        agent: whose.
        channel: public key for sealing shares.
        masking: public key for masks.
        signature: over `signed_keys`.
    """

    agent: str
    channel: bytes
    masking: bytes
    signature: bytes


def signed_keys(session: bytes, agent: str, channel: bytes, masking: bytes) -> bytes:
    """What an agent signs to show its keys."""
    return b"swarmlore/secure/keys/1" + framed(session, agent, channel, masking)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """Server to client: the keys of those of its neighbours who are there."""

    keys: tuple[AdvertisedKeys, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Two shares for one holder: of the dealer's own mask seed, and of its masking key.

    Attributes:
        dealer, holder: from whom, for whom.
        sealed: both shares, encrypted for the holder.
        seed_proof, key_proof: digests of the two shares (`share_proof`), which hold dealer and holder to them.
    """

    dealer: str
    holder: str
    sealed: bytes
    seed_proof: bytes
    key_proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DealtShares:
    """Client to server: a parcel for each neighbour, and a digest of the seed that they share out (`seed_proof`)."""

    agent: str
    parcels: tuple[Parcel, ...]
    proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedShares:
    """Server to client: the parcels that its neighbours dealt it. Who is missing has dropped out."""

    parcels: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedRow:
    """Client to server: ``(d,) uint32``, the row under all of its masks."""

    agent: str
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmaskRequest:
    """Server to client: whose rows are in the sum, and who dealt shares and then dropped out. Sorted."""

    survivors: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Revealed:
    """Client to server: its shares of surviving neighbours' seeds and of dropped neighbours' masking keys."""

    agent: str
    seeds: Mapping[str, int]
    keys: Mapping[str, int]

    def __repr__(self) -> str:
        return f"Revealed(agent={self.agent!r}, {len(self.seeds)} seeds, {len(self.keys)} keys)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """To the server, from whoever keeps its clock: the deadline of a stage has passed.

    Attributes:
        stage: of which; one that came too late says nothing.
    """

    stage: str


FromClient: TypeAlias = AdvertisedKeys | DealtShares | MaskedRow | Revealed
FromServer: TypeAlias = KeyRing | ReceivedShares | UnmaskRequest


def share_proof(session: bytes, dealer: str, holder: str, kind: str, share: int) -> bytes:
    """Digest that holds a dealer and a holder to a share. A share is 256 random bits, so it tells nothing of it."""
    fields = framed(session, dealer, holder, kind, share.to_bytes(SHARE_BYTES, "big"))
    return hashlib.sha256(b"swarmlore/secure/share/1" + fields).digest()


def seed_proof(session: bytes, dealer: str, seed: bytes) -> bytes:
    """Digest that holds a dealer to the seed of its own mask."""
    return hashlib.sha256(b"swarmlore/secure/seed/1" + framed(session, dealer, seed)).digest()
