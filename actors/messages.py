"""What the actors tell each other: frozen records that cross process boundaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """What a round amounts to.

    Attributes:
        value: ``(d,) float32``: the aggregate; float64 in a private round.
        variance: ``(d,) float64`` over the counted updates; empty for very long rows.
        agents: whose updates were judged, sorted; the columns below are in their order.
        decisions: ``(n,) int8``, values of `federation.verdict.Decision`.
        judges, reasons: ``n`` words each.
        scores, thresholds: ``(n,) float64``; NaN where nothing was measured.
        flagged: agents that the screen rejected, or whose signed update the gate refused.
        refused: agent -> code, of everything that was refused for good.
        proofs: (agent, proof as plain data), of equivocation.
        digests: agent -> payload digest, for the next round's replay check.
        rule: description of the rule that was used.
        counted: updates that went in.
        fault_bound: how many of them may have been lies.
        standing_out: how many updates scored above the screen's threshold.
        stale: late updates of the last round that were counted, decayed.
        loss: mean declared loss of the accepted; NaN where none was declared.
        norm: median L2 norm of the accepted.
        gate_s, screen_s, aggregate_s: seconds in each step.
    """

    value: NDArray[np.float32] | NDArray[np.float64]
    variance: NDArray[np.float64]
    agents: tuple[str, ...]
    decisions: NDArray[np.int8]
    judges: tuple[str, ...]
    reasons: tuple[str, ...]
    scores: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    flagged: tuple[str, ...]
    refused: Mapping[str, str]
    proofs: tuple[tuple[str, dict[str, Any]], ...]
    digests: Mapping[str, bytes]
    rule: str
    counted: int
    fault_bound: int
    standing_out: int
    stale: int
    loss: float
    norm: float
    gate_s: float
    screen_s: float
    aggregate_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of the batches of one host; small, because the coordinator waits for it.

    Attributes:
        host: who carried them.
        accepted: agents whose updates count.
        refused: agent -> code, of agents that will not count in this round whatever they send.
        withdrawn: agents accepted earlier whose update is void now.
        late: agents that came after the round was closed.
        counts: code -> how many, of everything the gate refused.
        ready: (agents, fault bound, what they amount to), when this was the last answer of the round. It saves
            asking for it.
        quorum: more than n - f updates, when the aggregator's loop wants this round to wait for them; else 0.
    """

    host: str
    accepted: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    withdrawn: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    ready: tuple[tuple[str, ...], int, Aggregation] | None = None
    quorum: int = 0

    def joined(self, other: Receipt) -> Receipt:
        """One receipt for both."""
        counts = dict(self.counts)
        for code, count in other.counts.items():
            counts[code] = counts.get(code, 0) + count
        return Receipt(
            host=self.host or other.host,
            accepted=self.accepted + other.accepted,
            refused={**self.refused, **other.refused},
            withdrawn=self.withdrawn + other.withdrawn,
            late=self.late + other.late,
            counts=counts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Who takes part in a round through one door.

    Attributes:
        keys: id -> Ed25519 public key, of those that have an update for the round.
        clients: how many clients are behind these.
    """

    keys: Mapping[str, bytes]
    clients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one validator found.

    Attributes:
        validator: its name.
        kl: policy KL(old || new) on this validator's probe states, nats; the figure that decides.
        parameter_kl: Gaussian KL over the parameters with the variances of the counted updates; NaN when the
            rows are too long for variances.
        status: what the run looks like with this figure added.
        remaining: rounds until convergence, or None for unknown.
        evaluation: held-out figures by name.
        kl_s, evaluation_s: seconds that the divergences and the evaluation took.
        actions: (name, parameters) that its loop asks the coordinator for.
    """

    validator: str
    kl: float
    parameter_kl: float
    status: str
    remaining: int | None
    evaluation: Mapping[str, float]
    kl_s: float
    evaluation_s: float
    actions: tuple[tuple[str, dict[str, Any]], ...]
