"""The gate: what an update has to pass before any arithmetic sees it.

The checks come in this order, the cheapest first. Whatever fails gets one stable code.

- the batch as a whole: its form, run, round, kind, base, codec, shape
- who sends: enrolled for this round, not in quarantine
- the signature over (run, round, kind, base digest, agent id, payload digest), and the digest itself
- one update an agent: the same again is a duplicate, another one is equivocation, with its proof
- the commitment, when the round has one
- what it says: the codec's own checks, finite, weight cap, norm cap, not the last round's payload again

Only what an agent has signed can be held against it. A forged or unsigned update may come from
anybody, and a nonce is not signed, so these are refused and counted, and the agent may still send its
own. But whatever it did sign for the round, two different payloads convict it, in whichever order and
with whatever else wrong with them they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from federation.compression import Codec
from federation.errors import BatchError
from federation.identity import (
    DIGEST_BYTES,
    EquivocationProof,
    Statement,
    commitment,
    payload_digests,
    rows_of,
    verify_all,
)
from federation.refusal import CULPABLE, FORGETTABLE, Refusal, content, decoded, norms_of
from federation.terms import Terms
from federation.update import UpdateBatch, checked_batch, checked_commitments


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gate made of one batch.

    Attributes:
        host: who carried it.
        accepted: agents whose updates came through.
        rows: ``(m, d) float32``, theirs, decoded, in that order.
        weights: ``(m,) float64``, theirs, each at most the cap.
        losses: ``(m,) float64``, as declared; for display only.
        norms: ``(m,) float64``, L2.
        digests: ``(m, 32) uint8``.
        late: whether the round was closed already: the accepted ones do not count in it.
        refused: agent -> code, for the others.
        evidence: places in the batch of the updates that the gate remembers: judging only these again, after
            those of the batches before, comes to the same.
        proofs: equivocations that came to light.
        withdrawn: agents accepted earlier whose update is void now, because they equivocated.
    """

    host: str
    accepted: tuple[str, ...]
    rows: NDArray[np.float32]
    weights: NDArray[np.float64]
    losses: NDArray[np.float64]
    norms: NDArray[np.float64]
    digests: NDArray[np.uint8]
    late: bool = False
    refused: Mapping[str, Refusal] = field(default_factory=dict[str, Refusal])
    evidence: tuple[int, ...] = ()
    proofs: tuple[EquivocationProof, ...] = ()
    withdrawn: tuple[str, ...] = ()


@dataclass(slots=True)
class _Seen:
    """What an agent has signed for this round: its first payload, and the digests of all."""

    digest: bytes
    signature: bytes
    digests: set[bytes]
    accepted: bool = False
    final: bool = False


class Gate:
    """The gate of one round. It decides on values only; who calls it does the rest.

    Args:
        terms: of the round.
        codec: that payloads come in; its name is in the terms.
        keys: agent id -> 32-byte Ed25519 public key, of everybody enrolled.
        previous: agent id -> digest of its last counted payload.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        codec: Codec,
        keys: Mapping[str, bytes],
        previous: Mapping[str, bytes] | None = None,
    ) -> None:
        self.terms = terms
        self.counts: Counter[Refusal] = Counter()
        self.closed = False
        self._codec = codec
        self._keys = keys
        self._roster = frozenset(terms.roster)
        self._quarantined = frozenset(terms.quarantined)
        self._previous = previous or {}
        self._seen: dict[str, _Seen] = {}
        self._commitments: dict[str, bytes] = {}
        self._sealed = False

    def commit(self, found: object) -> dict[str, Refusal]:
        """Take in signed commitments. Returns agent -> code for those that were refused. Never raises for content."""
        try:
            batch = checked_commitments(found)
        except BatchError:
            self.counts[Refusal.MALFORMED] += 1
            return {}
        refused: dict[str, Refusal] = {}
        known = [row for row, agent in enumerate(batch.agents) if agent in self._roster and agent in self._keys]
        for row in set(range(len(batch.agents))) - set(known):
            refused[batch.agents[row]] = Refusal.UNKNOWN_AGENT
        if batch.statement != self.terms.statement:
            refused |= dict.fromkeys(batch.agents, self._misaddressed(batch.statement) or Refusal.BASE)
        else:
            messages = batch.statement.commitments([batch.agents[row] for row in known], batch.commitments[known])
            genuine = verify_all(
                [self._keys[batch.agents[row]] for row in known],
                messages,
                [batch.signatures[row].tobytes() for row in known],
            )
            for row, good in zip(known, genuine, strict=True):
                agent, sealed = batch.agents[row], batch.commitments[row].tobytes()
                if not good:
                    refused[agent] = Refusal.SIGNATURE
                elif self._sealed and agent not in self._commitments:
                    refused[agent] = Refusal.LATE
                elif self._commitments.setdefault(agent, sealed) != sealed:
                    refused[agent] = Refusal.DUPLICATE  # the first commitment binds
        self.counts.update(refused.values())
        return refused

    def seal(self) -> None:
        """No commitment is taken from now on: the first updates are about to be shown."""
        self._sealed = True

    @property
    def committed(self) -> frozenset[str]:
        """Agents bound by a commitment."""
        return frozenset(self._commitments)

    def judge(self, found: object) -> GateReport:
        """The report on a batch. Never raises for what a host or an agent sends."""
        try:
            batch = checked_batch(found)
        except BatchError:
            self.counts[Refusal.MALFORMED] += 1
            return self._empty("", {})
        whole = self._whole(batch)
        if whole is not None:
            self.counts[whole] += max(len(batch), 1)
            return self._empty(batch.host, dict.fromkeys(batch.agents, whole))
        codes: list[Refusal | None] = [None] * len(batch)
        self._authenticate(batch, codes)
        digests = rows_of(batch.digests)
        proofs, withdrawn = self._convict(batch, digests, codes)
        kept, rows = self._open(batch, codes)
        norms = norms_of(rows)
        weights = batch.weights.tolist()
        for row, norm in zip(kept, norms.tolist(), strict=True):
            replayed = self._previous.get(batch.agents[row]) == digests[row]
            codes[row] = content(self.terms, norm=norm, weight=weights[row], replayed=replayed)
        good = [place for place, row in enumerate(kept) if codes[row] is None]
        chosen = [kept[place] for place in good]
        for row, code in enumerate(codes):
            if code is None or code in CULPABLE:
                seen = self._seen[batch.agents[row]]
                seen.final, seen.accepted = True, code is None
        accepted = tuple(batch.agents[row] for row in chosen)
        self.counts.update(code for code in codes if code is not None)
        self.counts.update([Refusal.EQUIVOCATION] * len(withdrawn))
        if self.closed:
            self.counts[Refusal.LATE] += len(accepted)
        through = set(accepted)
        return GateReport(
            host=batch.host,
            accepted=accepted,
            rows=rows[good],
            weights=batch.weights[chosen],
            losses=batch.losses[chosen],
            norms=norms[good],
            digests=batch.digests[chosen],
            late=self.closed,
            refused={
                agent: code
                for agent, code in zip(batch.agents, codes, strict=True)
                if code is not None and agent not in through
            },
            evidence=tuple(row for row, code in enumerate(codes) if code not in FORGETTABLE),
            proofs=tuple(proofs),
            withdrawn=tuple(withdrawn),
        )

    def _whole(self, batch: UpdateBatch) -> Refusal | None:
        """What is wrong with the batch as a whole, if anything."""
        misaddressed = self._misaddressed(batch.statement)
        if misaddressed is not None:
            return misaddressed
        if batch.codec != self.terms.codec:
            return Refusal.CODEC
        width = self._codec.width(self.terms.dimension)
        if batch.payload.shape[1] != width or batch.payload.dtype != self._codec.payload_dtype:
            return Refusal.SHAPE
        return None

    def _misaddressed(self, theirs: Statement) -> Refusal | None:
        ours = self.terms.statement
        if theirs.run != ours.run:
            return Refusal.RUN
        if theirs.kind != ours.kind:
            return Refusal.KIND
        if theirs.round != ours.round:
            return Refusal.STALE if theirs.round < ours.round else Refusal.FUTURE
        return Refusal.BASE if theirs.base != ours.base else None

    def _authenticate(self, batch: UpdateBatch, codes: list[Refusal | None]) -> None:
        """Refuse rows of strangers, and rows whose digest or signature is not genuine."""
        for row, agent in enumerate(batch.agents):
            if agent not in self._roster or agent not in self._keys:
                codes[row] = Refusal.UNKNOWN_AGENT
            elif agent in self._quarantined:
                codes[row] = Refusal.QUARANTINED
        signed = np.any(batch.signatures, axis=1)
        actual = payload_digests(batch.codec, batch.payload, batch.weights)
        matching = np.all(actual == batch.digests, axis=1)
        candidates: list[int] = []
        for row, code in enumerate(codes):
            if code is None:
                codes[row] = Refusal.UNSIGNED if not signed[row] else None if matching[row] else Refusal.DIGEST
                if codes[row] is None:
                    candidates.append(row)
        agents = [batch.agents[row] for row in candidates]
        genuine = verify_all(
            [self._keys[agent] for agent in agents],
            batch.statement.messages(agents, batch.digests[candidates]),
            rows_of(batch.signatures[candidates]),
        )
        for row, good in zip(candidates, genuine.tolist(), strict=True):
            if not good:
                codes[row] = Refusal.SIGNATURE

    def _convict(
        self, batch: UpdateBatch, digests: list[bytes], codes: list[Refusal | None]
    ) -> tuple[list[EquivocationProof], list[str]]:
        """Refuse second updates: the same one again, or another one, which convicts its agent.

        Returns the proofs, and the agents whose accepted update is void.
        """
        here: dict[str, int] = {}
        signatures = rows_of(batch.signatures)
        proofs: list[EquivocationProof] = []
        withdrawn: list[str] = []
        for row, agent in enumerate(batch.agents):
            if codes[row] is not None:
                continue
            digest, signature = digests[row], signatures[row]
            seen = self._seen.get(agent)
            if seen is None:
                seen = self._seen[agent] = _Seen(digest, signature, {digest})
            if digest in seen.digests:
                if seen.final or agent in here or len(seen.digests) > 1:
                    codes[row] = Refusal.DUPLICATE
                else:
                    here[agent] = row
                continue
            if len(seen.digests) == 1:
                proofs.append(
                    EquivocationProof(
                        statement=batch.statement,
                        agent=agent,
                        digests=(seen.digest, digest),
                        signatures=(seen.signature, signature),
                    )
                )
                if agent in here:
                    codes[here[agent]] = Refusal.EQUIVOCATION
                if seen.accepted:
                    withdrawn.append(agent)
            seen.digests.add(digest)
            seen.accepted, seen.final = False, True
            codes[row] = Refusal.EQUIVOCATION
        return proofs, withdrawn

    def _open(self, batch: UpdateBatch, codes: list[Refusal | None]) -> tuple[list[int], NDArray[np.float32]]:
        """The rows still standing, and what they decode to. A row that breaks the codec is refused alone."""
        if self.terms.commit_reveal:
            for row, code in enumerate(codes):
                if code is None:
                    codes[row] = self._reveal(batch, row)
        kept = [row for row, code in enumerate(codes) if code is None]
        there, rows = decoded(self._codec, batch.payload[kept], self.terms.dimension)
        for place in set(range(len(kept))).difference(there):
            codes[kept[place]] = Refusal.ENCODING
        return [kept[place] for place in there], rows

    def _reveal(self, batch: UpdateBatch, row: int) -> Refusal | None:
        sealed = self._commitments.get(batch.agents[row])
        if sealed is None or batch.nonces is None:
            return Refusal.UNCOMMITTED
        opened = commitment(batch.agents[row], batch.digests[row].tobytes(), batch.nonces[row].tobytes())
        return None if opened == sealed else Refusal.COMMITMENT

    def _empty(self, host: str, refused: dict[str, Refusal]) -> GateReport:
        return GateReport(
            host=host,
            accepted=(),
            rows=np.empty((0, self.terms.dimension), np.float32),
            weights=np.empty(0),
            losses=np.empty(0),
            norms=np.empty(0),
            digests=np.empty((0, DIGEST_BYTES), np.uint8),
            refused=refused,
        )
