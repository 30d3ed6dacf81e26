"""A member of a secure sum, as a state machine: messages in, messages out, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.identity import Secret, SigningKey, framed, verify
from federation.privacy.errors import KeyReplayError, SecureStageError, SecureThresholdError, ShareError, UnmaskError
from federation.privacy.secure.fixed_point import Words
from federation.privacy.secure.masks import AgreementKey, mask, pair_label, seal, unseal
from federation.privacy.secure.messages import (
    AdvertisedKeys,
    DealtShares,
    FromClient,
    FromServer,
    KeyRing,
    MaskedRow,
    Parcel,
    ReceivedShares,
    Revealed,
    SecureTerms,
    UnmaskRequest,
    seed_proof,
    share_proof,
    signed_keys,
)
from federation.privacy.secure.shamir import PRIME, SHARE_BYTES, split

Step: TypeAlias = Literal["keys", "shares", "unmask", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureClient:
    """One member in one session. A value: `handle` returns another, and an error leaves this one as it was.

    Bonawitz et al., CCS 2017, figure 4, with the neighbourhoods of Bell et al., CCS 2020, and digests that hold
    everybody to the shares. What it was asked before it remembers only in itself: whoever keeps it must not feed
    two stories to the same value, and must not start a session twice with one secret.

    Attributes:
        terms: of the session.
        agent: which member this is.
        identities: Ed25519 public keys of all members.
        secret: of this session alone; keys, seed and polynomials derive from it.
        words: the row, encoded.
        step: what it waits for.
        ring: keys of the neighbours that are there.
        dealers: neighbours whose masks are in the masked row.
        held: shares of neighbours' seeds and keys.
        faults: wrong parcels that came; their dealers' shares are not held.
    """

    terms: SecureTerms
    agent: str
    identities: Mapping[str, bytes]
    secret: Secret
    words: Words = field(repr=False)
    step: Step = "keys"
    ring: Mapping[str, AdvertisedKeys] = field(default_factory=dict[str, AdvertisedKeys])
    dealers: tuple[str, ...] = ()
    held: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]], repr=False)
    faults: tuple[ShareError, ...] = ()

    @classmethod
    def start(
        cls,
        terms: SecureTerms,
        *,
        agent: str,
        row: NDArray[Any],
        key: SigningKey,
        identities: Mapping[str, bytes],
        secret: Secret,
    ) -> tuple[SecureClient, AdvertisedKeys]:
        """The member at the beginning, and its keys for the server.

        Args:
            terms: of the session.
            agent: a member of ``terms.circle``.
            row: ``(terms.dimension,)``, values within ``terms.form.limit``.
            key: the agent's own, for signing.
            identities: Ed25519 public keys of all members, from a source that the server does not choose.
            secret: 32 fresh random bytes; derived per session is as good, used twice is not.
        """
        if agent not in terms.around:
            raise SecureStageError(agent=agent, stage="start", found="a session that it is no member of")
        if np.shape(row) != (terms.dimension,):
            raise SecureStageError(agent=agent, stage="start", found=f"a row of shape {np.shape(row)}")
        # The session is in the derivation, so that one secret under two terms gives two sets of keys.
        own = secret.derive("secure", terms.session.hex(), agent)
        client = cls(terms=terms, agent=agent, identities=identities, secret=own, words=terms.form.encode(row))
        channel, masking = client._channel.public, client._masking.public
        signature = key.sign(signed_keys(terms.session, agent, channel, masking))
        return client, AdvertisedKeys(agent=agent, channel=channel, masking=masking, signature=signature)

    @singledispatchmethod
    def handle(self, message: FromServer) -> tuple[SecureClient, FromClient]:
        """The member after a message of the server's, and its answer.

        Raises:
            SecureStageError: for a message that is not next, or names somebody who is no neighbour.
            KeyReplayError: for keys that their agent did not sign for this session, or that come twice.
            SecureThresholdError: when too few neighbours are left.
            UnmaskError: when the answer would help to show a single update.
        """
        raise SecureStageError(agent=self.agent, stage=self.step, found=type(message).__name__)

    @handle.register(KeyRing)
    def _(self, message: KeyRing) -> tuple[SecureClient, FromClient]:
        self._expect("keys", message)
        terms, ring = self.terms, {keys.agent: keys for keys in message.keys}
        if len(ring) != len(message.keys) or not ring.keys() <= set(terms.around[self.agent]):
            raise SecureStageError(agent=self.agent, stage=self.step, found="keys twice or of no neighbour")
        seen = {self._channel.public, self._masking.public}
        for keys in message.keys:
            require_keys(keys, terms=terms, identity=self.identities.get(keys.agent, b""), seen=seen)
            seen |= {keys.channel, keys.masking}
        self._require(len(ring), stage="keys")
        holders = tuple(sorted(ring))
        points = tuple(terms.point(holder) for holder in holders)
        seeds, secrets = (
            split(secret, threshold=terms.threshold, points=points, seed=self.secret.derive("polynomial", name))
            for name, secret in (("seed", self._seed), ("key", self._masking.secret))
        )
        parcels = tuple(
            self._parcel(ring[holder], seeds[point], secrets[point])
            for holder, point in zip(holders, points, strict=True)
        )
        dealt = DealtShares(
            agent=self.agent, parcels=parcels, proof=seed_proof(terms.session, self.agent, self._seed.reveal())
        )
        return replace(self, step="shares", ring=ring), dealt

    @handle.register(ReceivedShares)
    def _(self, message: ReceivedShares) -> tuple[SecureClient, FromClient]:
        self._expect("shares", message)
        parcels = {parcel.dealer: parcel for parcel in message.parcels}
        if len(parcels) != len(message.parcels) or not parcels.keys() <= self.ring.keys():
            raise SecureStageError(agent=self.agent, stage=self.step, found="shares twice or of no neighbour")
        self._require(len(parcels), stage="shares")
        held: dict[str, tuple[int, int]] = {}
        faults: list[ShareError] = []
        for dealer, parcel in sorted(parcels.items()):
            shares = self._opened(parcel)
            if shares is None:
                found = f"the parcel for {self.agent} is not what its digests promise"
                faults.append(ShareError(agent=dealer, dealer=dealer, found=found))
            else:
                held[dealer] = shares
        terms, total = self.terms, self.words + mask(self._seed, self.terms.dimension)
        for dealer in parcels:
            shared = mask(self._shared("mask", self._masking, dealer, self.ring[dealer].masking), terms.dimension)
            total = total + shared if self.agent < dealer else total - shared
        row = MaskedRow(agent=self.agent, words=total & np.uint32(terms.form.mask))
        after = replace(self, step="unmask", dealers=tuple(sorted(parcels)), held=held, faults=tuple(faults))
        return after, row

    @handle.register(UnmaskRequest)
    def _(self, message: UnmaskRequest) -> tuple[SecureClient, FromClient]:
        self._expect("unmask", message)
        survivors, dropped, terms = set(message.survivors), set(message.dropped), self.terms
        if survivors & dropped or not survivors | dropped <= set(terms.circle) or self.agent not in survivors:
            raise UnmaskError(agent=self.agent, found="members twice, strangers, or not itself", needed="each once")
        if len(survivors) < terms.smallest:
            raise UnmaskError(agent=self.agent, found=f"{len(survivors)} rows", needed=f"{terms.smallest} at least")
        alive = [dealer for dealer in self.dealers if dealer in survivors]
        if not set(self.dealers) <= survivors | dropped or len(alive) < terms.threshold:
            found = f"{len(alive)} of {len(self.dealers)} neighbours among the survivors"
            raise UnmaskError(agent=self.agent, found=found, needed=f"{terms.threshold} at least, and word of all")
        answer = Revealed(
            agent=self.agent,
            seeds={dealer: shares[0] for dealer, shares in self.held.items() if dealer in survivors},
            keys={dealer: shares[1] for dealer, shares in self.held.items() if dealer in dropped},
        )
        return replace(self, step="done", held={}), answer

    @property
    def _channel(self) -> AgreementKey:
        return AgreementKey.of(self.secret.derive("channel"))

    @property
    def _masking(self) -> AgreementKey:
        return AgreementKey.of(self.secret.derive("masking"))

    @property
    def _seed(self) -> Secret:
        return self.secret.derive("seed")

    def _shared(self, purpose: str, key: AgreementKey, peer: str, public: bytes) -> Secret:
        return key.agree(public, peer=peer, label=pair_label(purpose, self.terms.session, self.agent, peer))

    def _parcel(self, keys: AdvertisedKeys, seed: int, secret: int) -> Parcel:
        session, holder = self.terms.session, keys.agent
        plain = seed.to_bytes(SHARE_BYTES, "big") + secret.to_bytes(SHARE_BYTES, "big")
        return Parcel(
            dealer=self.agent,
            holder=holder,
            sealed=seal(
                self._shared("channel", self._channel, holder, keys.channel),
                plain,
                route=framed(session, self.agent, holder),
            ),
            seed_proof=share_proof(session, self.agent, holder, "seed", seed),
            key_proof=share_proof(session, self.agent, holder, "key", secret),
        )

    def _opened(self, parcel: Parcel) -> tuple[int, int] | None:
        session, dealer = self.terms.session, parcel.dealer
        key = self._shared("channel", self._channel, dealer, self.ring[dealer].channel)
        plain = unseal(key, parcel.sealed, route=framed(session, dealer, self.agent))
        if plain is None or len(plain) != 2 * SHARE_BYTES or parcel.holder != self.agent:
            return None
        shares = int.from_bytes(plain[:SHARE_BYTES], "big"), int.from_bytes(plain[SHARE_BYTES:], "big")
        proofs = tuple(
            share_proof(session, dealer, self.agent, kind, share)
            for kind, share in zip(("seed", "key"), shares, strict=True)
        )
        right = proofs == (parcel.seed_proof, parcel.key_proof) and max(shares) < PRIME
        return shares if right else None

    def _expect(self, step: Step, message: FromServer) -> None:
        if self.step != step:
            raise SecureStageError(agent=self.agent, stage=self.step, found=type(message).__name__)

    def _require(self, found: int, *, stage: str) -> None:
        terms = self.terms
        if found < terms.threshold:
            raise SecureThresholdError(
                bucket=terms.bucket, stage=stage, found=found, needed=terms.threshold, members=terms.degree
            )


def require_keys(keys: AdvertisedKeys, *, terms: SecureTerms, identity: bytes, seen: set[bytes]) -> None:
    """Raise `KeyReplayError` unless the agent signed these keys for this session, and nobody showed them before."""
    if not verify(identity, signed_keys(terms.session, keys.agent, keys.channel, keys.masking), keys.signature):
        raise KeyReplayError(agent=keys.agent, found="they are not signed by it for this session")
    if keys.channel == keys.masking or {keys.channel, keys.masking} & seen:
        raise KeyReplayError(agent=keys.agent, found="they were shown before")
