"""What a host sends for its agents: encoded, with what earlier rounds left untold, and signed by each one's own key."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from federation.compression import Codec, ErrorFeedback
from federation.identity import DIGEST_BYTES, NONCE_BYTES, Secret, SigningKey, commitment, payload_digests
from federation.terms import Terms
from federation.update import CommitBatch, UpdateBatch
from federation.workload import Learned


class Signatory:
    """The keys of the agents of one host.

    Args:
        host: its name.
        agents: ids, in the order of the rows.
        codec: of the workload.
        secret: that keys and nonces derive from.
        run: id of the run.
    """

    def __init__(self, host: str, agents: Sequence[str], codec: Codec, secret: Secret, run: str) -> None:
        self._host, self._agents, self._codec = host, tuple(agents), codec
        self._secrets = [secret.derive("agent", run, agent) for agent in agents]
        self._keys = [SigningKey.of(own) for own in self._secrets]
        self._row = {agent: row for row, agent in enumerate(agents)}

    @property
    def agents(self) -> tuple[str, ...]:
        return self._agents

    @property
    def public(self) -> dict[str, bytes]:
        """agent -> Ed25519 public key."""
        return {agent: key.public for agent, key in zip(self._agents, self._keys, strict=True)}

    def sign(
        self, terms: Terms, learned: Learned, rows: Sequence[int], feedback: ErrorFeedback | None = None
    ) -> UpdateBatch:
        """The signed updates of these rows. With ``feedback``, what it holds is told first and then holds the rest."""
        agents = tuple(self._agents[row] for row in rows)
        whole = len(rows) == len(self._agents)
        if feedback is None:
            values = learned.rows if whole else np.ascontiguousarray(learned.rows[rows])
            payload = self._codec.encode(values)
        else:
            sent = np.zeros(len(self._agents), np.bool_)
            sent[list(rows)] = True
            payload = feedback.compress(self._codec, learned.rows, sent=sent)
            payload = payload if whole else np.ascontiguousarray(payload[list(rows)])
        weights = np.ascontiguousarray(learned.weights[list(rows)], dtype=np.float64)
        digests = payload_digests(terms.codec, payload, weights)
        messages = terms.statement.messages(agents, digests)
        signed = b"".join(self._keys[row].sign(message) for row, message in zip(rows, messages, strict=True))
        nonces = None
        if terms.commit_reveal:
            text = b"".join(self._secrets[row].nonce(terms.run, str(terms.round)) for row in rows)
            nonces = np.frombuffer(text, np.uint8).reshape(-1, NONCE_BYTES)
        return UpdateBatch(
            host=self._host,
            statement=terms.statement,
            codec=terms.codec,
            agents=agents,
            payload=payload,
            weights=weights,
            digests=digests,
            signatures=np.frombuffer(signed, np.uint8).reshape(len(rows), -1),
            losses=np.ascontiguousarray(learned.losses[list(rows)], dtype=np.float64),
            nonces=nonces,
        )

    def commit(self, terms: Terms, batch: UpdateBatch) -> CommitBatch:
        """Signed commitments to a batch; none when it has no nonces."""
        if batch.nonces is None:
            return CommitBatch(
                host=self._host,
                statement=terms.statement,
                agents=(),
                commitments=np.empty((0, DIGEST_BYTES), np.uint8),
                signatures=np.empty((0, 64), np.uint8),
            )
        sealed = b"".join(
            commitment(agent, batch.digests[row].tobytes(), batch.nonces[row].tobytes())
            for row, agent in enumerate(batch.agents)
        )
        commitments = np.frombuffer(sealed, np.uint8).reshape(-1, DIGEST_BYTES)
        messages = terms.statement.commitments(batch.agents, commitments)
        signed = b"".join(
            self._keys[self._row[agent]].sign(message) for agent, message in zip(batch.agents, messages, strict=True)
        )
        return CommitBatch(
            host=self._host,
            statement=terms.statement,
            agents=batch.agents,
            commitments=commitments,
            signatures=np.frombuffer(signed, np.uint8).reshape(-1, 64),
        )
