"""The server of a secure sum, as a state machine: messages and deadlines in, messages out. It sees no single row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.identity import Secret
from federation.privacy.errors import KeyReplayError, SecureStageError, SecureThresholdError, ShareError
from federation.privacy.secure.client import require_keys
from federation.privacy.secure.fixed_point import Words
from federation.privacy.secure.masks import AgreementKey, mask, pair_label
from federation.privacy.secure.messages import (
    AdvertisedKeys,
    Closed,
    DealtShares,
    FromClient,
    FromServer,
    KeyRing,
    MaskedRow,
    ReceivedShares,
    Revealed,
    SecureTerms,
    UnmaskRequest,
    seed_proof,
    share_proof,
)
from federation.privacy.secure.shamir import PRIME, combine

Stage: TypeAlias = Literal["keys", "shares", "rows", "unmask", "done"]
_NEXT: dict[Stage, Stage] = {"keys": "shares", "shares": "rows", "rows": "unmask", "unmask": "done"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An instruction: send this message to this member."""

    to: str
    message: FromServer


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSum:
    """What a bucket gives: the sum of its rows.

    Attributes:
        bucket: its name.
        members: whose rows are in it, sorted.
        total: ``(d,) float64``, the sum.
    """

    bucket: str
    members: tuple[str, ...]
    total: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """``(d,)``, the sum over the number of members."""
        return self.total / len(self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureServer:
    """One bucket's session. A value: `handle` returns another, and an error leaves this one as it was.

    A stage ends when everybody who can still answer has, or at its deadline (`Closed`); who has not answered by
    then has dropped out, and what it sends later is refused. Rows are added up as they come and not kept.

    Attributes:
        terms: of the session.
        identities: Ed25519 public keys of all members.
        stage: what it waits for.
        keys, dealt: what came, by agent.
        rows: whose rows are in the sum.
        total: ``(d,)``, the sum of masked rows so far.
        revealed: shares that came, by agent.
        result: the bucket's sum, once it is done.
    """

    terms: SecureTerms
    identities: Mapping[str, bytes]
    stage: Stage = "keys"
    keys: Mapping[str, AdvertisedKeys] = field(default_factory=dict[str, AdvertisedKeys])
    dealt: Mapping[str, DealtShares] = field(default_factory=dict[str, DealtShares])
    rows: tuple[str, ...] = ()
    total: Words | None = field(default=None, repr=False)
    revealed: Mapping[str, Revealed] = field(default_factory=dict[str, Revealed], repr=False)
    result: BucketSum | None = None

    @property
    def expected(self) -> tuple[str, ...]:
        """Who can still answer in this stage, and who has, sorted."""
        by_stage: dict[Stage, tuple[str, ...]] = {
            "keys": self.terms.circle,
            "shares": tuple(self.keys),
            "rows": tuple(self.dealt),
            "unmask": self.rows,
            "done": (),
        }
        return tuple(sorted(by_stage[self.stage]))

    @property
    def answered(self) -> tuple[str, ...]:
        """Who has answered in this stage, sorted."""
        by_stage: dict[Stage, tuple[str, ...]] = {
            "keys": tuple(self.keys),
            "shares": tuple(self.dealt),
            "rows": self.rows,
            "unmask": tuple(self.revealed),
            "done": (),
        }
        return tuple(sorted(by_stage[self.stage]))

    @singledispatchmethod
    def handle(self, event: FromClient | Closed) -> tuple[SecureServer, tuple[Outgoing, ...]]:
        """The server after an event, and what to send to whom.

        Raises:
            SecureStageError: for a message that is late, early, double or from nobody expected.
            KeyReplayError: for keys that their agent did not sign for this session, or that came before.
            MaskedRowError: for a row of the wrong form, or a sum that rows of that form cannot make.
            ShareError: for a share that is not the one that was dealt; or, when the stage ends, for a dealer whose
                shares make no secret. The bucket is lost by the latter.
            SecureThresholdError: when a stage ends with too few. The bucket is lost.
        """
        raise SecureStageError(agent="the server", stage=self.stage, found=type(event).__name__)

    @handle.register(Closed)
    def _(self, event: Closed) -> tuple[SecureServer, tuple[Outgoing, ...]]:
        return self._advanced() if event.stage == self.stage else (self, ())

    @handle.register(AdvertisedKeys)
    def _(self, event: AdvertisedKeys) -> tuple[SecureServer, tuple[Outgoing, ...]]:
        if self.stage == "keys" and event.agent in self.keys:
            raise KeyReplayError(agent=event.agent, found="it has shown keys for this session already")
        self._expect("keys", event.agent, event)
        seen = {key for keys in self.keys.values() for key in (keys.channel, keys.masking)}
        require_keys(event, terms=self.terms, identity=self.identities.get(event.agent, b""), seen=seen)
        return replace(self, keys={**self.keys, event.agent: event}).settled()

    @handle.register(DealtShares)
    def _(self, event: DealtShares) -> tuple[SecureServer, tuple[Outgoing, ...]]:
        self._expect("shares", event.agent, event)
        holders = tuple(parcel.holder for parcel in event.parcels)
        there = tuple(near for near in self.terms.around[event.agent] if near in self.keys)
        if tuple(sorted(holders)) != there or any(parcel.dealer != event.agent for parcel in event.parcels):
            found = f"parcels for {len(holders)}, not for each of the {len(there)} neighbours once"
            raise ShareError(agent=event.agent, dealer=event.agent, found=found)
        return replace(self, dealt={**self.dealt, event.agent: event}).settled()

    @handle.register(MaskedRow)
    def _(self, event: MaskedRow) -> tuple[SecureServer, tuple[Outgoing, ...]]:
        self._expect("rows", event.agent, event)
        words = self.terms.form.checked(event.words, dimension=self.terms.dimension, agent=event.agent)
        total = words if self.total is None else (self.total + words) & np.uint32(self.terms.form.mask)
        return replace(self, rows=(*self.rows, event.agent), total=total).settled()

    @handle.register(Revealed)
    def _(self, event: Revealed) -> tuple[SecureServer, tuple[Outgoing, ...]]:
        self._expect("unmask", event.agent, event)
        for kind, shares in (("seed", event.seeds), ("key", event.keys)):
            for dealer, share in shares.items():
                # A share of the secret that was not asked for is as wrong as a wrong one.
                asked = dealer in self.rows if kind == "seed" else dealer in self.dealt and dealer not in self.rows
                if not asked or not self._dealt(dealer, event.agent, kind, share):
                    raise ShareError(agent=event.agent, dealer=dealer, found="it is not the share that was dealt")
        return replace(self, revealed={**self.revealed, event.agent: event}).settled()

    def settled(self) -> tuple[SecureServer, tuple[Outgoing, ...]]:
        """The server in its next stage, if everybody who can answer has; else as it is."""
        return self._advanced() if self.answered == self.expected else (self, ())

    def _advanced(self) -> tuple[SecureServer, tuple[Outgoing, ...]]:
        if self.stage == "done":
            return self, ()
        terms, there = self.terms, self.answered
        # Whoever revealed shares only has to be enough for each secret, which the unmasking itself checks.
        needed = terms.threshold if self.stage == "unmask" else terms.smallest
        if len(there) < needed:
            raise self._below(found=len(there), needed=needed)
        if self.stage == "unmask":
            return replace(self, stage="done", result=self._unmasked()), ()
        return replace(self, stage=_NEXT[self.stage]), tuple(
            Outgoing(to=member, message=self._message(member)) for member in there
        )

    def _message(self, member: str) -> FromServer:
        near = self.terms.around[member]
        if self.stage == "keys":
            return KeyRing(keys=tuple(self.keys[peer] for peer in near if peer in self.keys))
        if self.stage == "shares":
            dealers = [self.dealt[peer] for peer in near if peer in self.dealt]
            return ReceivedShares(
                parcels=tuple(parcel for dealt in dealers for parcel in dealt.parcels if parcel.holder == member)
            )
        return UnmaskRequest(survivors=self.answered, dropped=tuple(sorted(set(self.dealt) - set(self.rows))))

    def _unmasked(self) -> BucketSum:
        terms, survivors = self.terms, tuple(sorted(self.rows))
        assert self.total is not None
        total = self.total
        for member in survivors:
            seed = self._combined(member, "seed")
            if seed is None or seed_proof(terms.session, member, seed.reveal()) != self.dealt[member].proof:
                raise ShareError(agent=member, dealer=member, found="its shares do not make the seed it promised")
            total = total - mask(seed, terms.dimension)
        for member in sorted(set(self.dealt) - set(self.rows)):
            secret = self._combined(member, "key")
            if secret is None or AgreementKey.of(secret).public != self.keys[member].masking:
                raise ShareError(agent=member, dealer=member, found="its shares do not make its masking key")
            for peer in terms.around[member]:
                if peer in self.rows:
                    label = pair_label("mask", terms.session, member, peer)
                    key = AgreementKey.of(secret).agree(self.keys[peer].masking, peer=peer, label=label)
                    shared = mask(key, terms.dimension)
                    # The survivor's own sign, undone.
                    total = total - shared if peer < member else total + shared
        words = total & np.uint32(terms.form.mask)
        decoded = terms.form.decode(words, count=len(survivors), who=f"bucket {terms.bucket}")
        return BucketSum(bucket=terms.bucket, members=survivors, total=decoded)

    def _combined(self, dealer: str, kind: str) -> Secret | None:
        found: dict[int, int] = {}
        for holder, revealed in sorted(self.revealed.items()):
            shares = revealed.seeds if kind == "seed" else revealed.keys
            if dealer in shares and len(found) < self.terms.threshold:
                found[self.terms.point(holder)] = shares[dealer]
        if len(found) < self.terms.threshold:
            raise self._below(found=len(found), needed=self.terms.threshold)
        return combine(found)

    def _dealt(self, dealer: str, holder: str, kind: str, share: int) -> bool:
        for parcel in self.dealt[dealer].parcels:
            if parcel.holder == holder and 0 <= share < PRIME:
                promised = parcel.seed_proof if kind == "seed" else parcel.key_proof
                return share_proof(self.terms.session, dealer, holder, kind, share) == promised
        return False

    def _expect(self, stage: Stage, agent: str, message: FromClient) -> None:
        if self.stage != stage or agent not in self.expected or agent in self.answered:
            raise SecureStageError(agent=agent, stage=self.stage, found=type(message).__name__)

    def _below(self, *, found: int, needed: int) -> SecureThresholdError:
        return SecureThresholdError(
            bucket=self.terms.bucket, stage=self.stage, found=found, needed=needed, members=len(self.terms.circle)
        )
