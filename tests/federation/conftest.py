"""Agents with keys, and what they sign: the raw material of every test of identity, gate and round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from federation.compression import Codec, RawCodec
from federation.gate import Gate
from federation.identity import DIGEST_BYTES, NONCE_BYTES, Secret, SigningKey, commitment, payload_digests
from federation.terms import Terms
from federation.update import CommitBatch, UpdateBatch

RAW = RawCodec()


class Fleet:
    """Seven agents, a to g, with keys of their own, for rounds of rows of four values."""

    agents = tuple("abcdefg")

    def __init__(self) -> None:
        root = Secret(bytes(range(32)))
        self.secrets = {agent: root.derive("agent", agent) for agent in (*self.agents, "stranger")}
        self.keys = {agent: SigningKey.of(secret) for agent, secret in self.secrets.items()}
        self.publics = {agent: self.keys[agent].public for agent in self.agents}

    def terms(self, **changes: Any) -> Terms:
        """The terms of round 3, with changes."""
        terms = Terms(
            run="run", round=3, kind="null", base_version=2, base=bytes(32), roster=self.agents, fault_bound=2,
            dimension=4, codec=RAW.name, norm_cap=100.0, weight_cap=1000.0, deadline_s=10.0, linger_s=1.0, seed=0,
        )  # fmt: skip
        return replace(terms, **changes)

    def gate(self, terms: Terms | None = None, **settings: Any) -> Gate:
        settings.setdefault("codec", RAW)
        return Gate(terms or self.terms(), keys=self.publics, **settings)

    def batch(
        self,
        agents: Sequence[str],
        rows: ArrayLike | None = None,
        *,
        weights: ArrayLike | None = None,
        terms: Terms | None = None,
        codec: Codec = RAW,
        host: str = "host",
        payload: NDArray[Any] | None = None,
    ) -> UpdateBatch:
        """A batch that is genuinely signed by each of the agents."""
        terms = terms or self.terms()
        values = np.array([[ord(agent[0]) - 96.0] * 4 for agent in agents] if rows is None else rows, np.float32)
        payload = codec.encode(values.reshape(len(agents), -1)) if payload is None else payload
        declared = np.ones(len(agents)) if weights is None else np.array(weights, np.float64)
        digests = payload_digests(terms.codec, payload, declared)
        signed = [
            self.keys[agent].sign(message)
            for agent, message in zip(agents, terms.statement.messages(agents, digests), strict=True)
        ]
        nonces = b"".join(self.secrets[agent].nonce(terms.run, str(terms.round)) for agent in agents)
        return UpdateBatch(
            host=host,
            statement=terms.statement,
            codec=terms.codec,
            agents=tuple(agents),
            payload=payload,
            weights=declared,
            digests=digests,
            signatures=np.frombuffer(b"".join(signed), np.uint8).reshape(len(agents), -1),
            losses=np.zeros(len(agents)),
            nonces=np.frombuffer(nonces, np.uint8).reshape(-1, NONCE_BYTES) if terms.commit_reveal else None,
        )

    def commitments(self, batch: UpdateBatch, *, terms: Terms) -> CommitBatch:
        """Each agent's signed commitment to its row of the batch."""
        assert batch.nonces is not None
        sealed = b"".join(
            commitment(agent, batch.digests[row].tobytes(), batch.nonces[row].tobytes())
            for row, agent in enumerate(batch.agents)
        )
        return self.sign_commitments(batch.agents, np.frombuffer(sealed, np.uint8).reshape(-1, DIGEST_BYTES), terms)

    def sign_commitments(self, agents: Sequence[str], sealed: NDArray[np.uint8], terms: Terms) -> CommitBatch:
        messages = terms.statement.commitments(agents, sealed)
        signed = b"".join(self.keys[agent].sign(message) for agent, message in zip(agents, messages, strict=True))
        return CommitBatch(
            host="host",
            statement=terms.statement,
            agents=tuple(agents),
            commitments=sealed,
            signatures=np.frombuffer(signed, np.uint8).reshape(len(agents), -1),
        )


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return Fleet()
