"""Whole runs in one process, without Ray, signatures or a network: what the arithmetic of rounds amounts to.

Updates go through the workload's codec and the gate's checks of content, and the numbers are those of a swarm of
the same run and seed as long as trust keeps nobody out and no loop steps in. All agents live on one host, so liars
know every honest update. Late and lost updates do not occur here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.aggregation import aggregated, screened
from federation.compression import ErrorFeedback
from federation.errors import QuorumError, SettingError
from federation.identity import DIGEST_BYTES, payload_digests
from federation.refusal import content, decoded, norms_of
from federation.rules.base import Rule
from federation.screening import Screen
from federation.terms import Terms, Tuning, fault_bound
from federation.verdict import Decision
from federation.workload import Corruption, Learned, Row, Rows, Workload

WEIGHT_CAP = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one round came to.

    Attributes:
        round: its number, from 1.
        value: of the new release.
        kl: policy KL from the release before, in nats.
        loss: mean training loss of the honest agents; NaN where nobody learned.
        flagged: ``(n,)``: refused by the gate's checks of content, or rejected by screen or rule.
        refused: how many the gate's checks refused.
    """

    round: int
    value: Row
    kl: float
    loss: float
    flagged: NDArray[np.bool_]
    refused: int


class Simulation:
    """One run of a swarm: learner, attack, gate's checks of content, screen, rule, fold.

    Args:
        workload: what is learned.
        agents: who learns.
        seed: of the run.
        f: fault bound; None for floor((n - 1) / 3).
        corruption: who lies and how; None for nobody.
        rule, screen: instead of the workload's own.
        error_feedback: what the codec leaves out of one update is added to the agent's next one.
        run: id of the run, which the agents' seeds derive from as well.
    """

    def __init__(
        self,
        workload: Workload,
        agents: Sequence[str],
        *,
        seed: int = 0,
        f: int | None = None,
        corruption: Corruption | None = None,
        rule: Rule | None = None,
        screen: Screen | None = None,
        error_feedback: bool = False,
        run: str = "swarm",
    ) -> None:
        if not agents or len(set(agents)) != len(agents):
            raise SettingError(name="agents", found=f"{len(agents)} ids", needed="at least one id, each once")
        self.agents = tuple(sorted(agents))
        self.workload = workload
        self.rule = rule or workload.rule
        self.screen = screen or workload.screen
        self.f = fault_bound(len(self.agents)) if f is None else f
        self.value = workload.genesis(seed)
        self.round = 0
        self._run, self._seed = run, seed
        self._previous: dict[str, bytes] = {}
        self._feedback = ErrorFeedback(len(self.agents), workload.dimension) if error_feedback else None
        learner = workload.learner(self.agents, seed=seed)
        self._learner = learner if corruption is None else corruption.corrupt(learner)
        liars: Collection[str] = () if corruption is None else corruption.agents
        self.liars = np.array([agent in liars for agent in self.agents])

    def step(self, tuning: Tuning | None = None) -> Step:
        """The next round.

        Raises:
            QuorumError: when fewer than n - f updates pass the gate's checks.
            RuleBoundError: when the rule cannot bear f with what is there.
        """
        number = self.round + 1
        terms = self._terms(number, tuning or Tuning())
        learned = self._learner.learn(
            self.value, round_number=number, seeds=terms.seeds(self.agents), tuning=terms.tuning
        )
        good, sent = self._through_the_gate(terms, learned)
        if good.sum() < len(self.agents) - self.f:
            raise QuorumError(
                round=number,
                valid=int(good.sum()),
                quorum=len(self.agents) - self.f,
                n=len(self.agents),
                f=self.f,
                refused=int((~good & ~learned.idle).sum()),
                missing=int(learned.idle.sum()),
            )
        rows = np.ascontiguousarray(sent[good])
        # Who sent nothing that counts is one of the f already.
        budget = max(self.f - int((~good).sum()), 0)
        found = screened(rows, screen=self.screen, budget=budget)
        outcome = aggregated(
            rows,
            learned.weights[good],
            rule=self.rule,
            screening=found.verdicts,
            f=self.f,
            rng=np.random.default_rng([self._seed & 0xFFFFFFFF, number]),
        )
        value = self.workload.fold(self.value, np.asarray(outcome.value, np.float32))
        kl = self.workload.divergence(self.value, value, probe=number)
        flagged = ~good & ~learned.idle
        flagged[np.flatnonzero(good)[outcome.decisions == Decision.REJECTED]] = True
        losses = learned.losses[~self.liars & np.isfinite(learned.losses)]
        self.value, self.round = value, number
        return Step(
            round=number,
            value=value,
            kl=kl,
            loss=float(losses.mean()) if len(losses) else float("nan"),
            flagged=flagged,
            refused=int((~good & ~learned.idle).sum()),
        )

    def steps(self, rounds: int) -> Iterator[Step]:
        """So many more rounds, one after the other."""
        for _ in range(rounds):
            yield self.step()

    def _terms(self, number: int, tuning: Tuning) -> Terms:
        workload = self.workload
        return Terms(
            run=self._run,
            round=number,
            kind=workload.kind,
            base_version=number - 1,
            base=bytes(DIGEST_BYTES),
            roster=self.agents,
            fault_bound=self.f,
            dimension=workload.dimension,
            codec=workload.codec.name,
            norm_cap=workload.norm_cap,
            weight_cap=WEIGHT_CAP,
            deadline_s=1.0,
            linger_s=0.0,
            seed=self._seed,
            tuning=tuning,
        )

    def _through_the_gate(self, terms: Terms, learned: Learned) -> tuple[NDArray[np.bool_], Rows]:
        """``(n,)`` whose updates count, and ``(n, d)`` what they say after the codec."""
        codec = self.workload.codec
        if self._feedback is None:
            payload = codec.encode(learned.rows)
        else:
            payload = self._feedback.compress(codec, learned.rows, sent=~learned.idle)
        there, rows = decoded(codec, payload, terms.dimension)
        norms, digests = norms_of(rows), payload_digests(codec.name, payload, learned.weights)
        good, sent = np.zeros(len(self.agents), np.bool_), np.zeros(learned.rows.shape, np.float32)
        sent[there] = rows
        for place, row in enumerate(there):
            if learned.idle[row]:
                continue
            replayed = self._previous.get(self.agents[row]) == digests[row].tobytes()
            weight = float(learned.weights[row])
            good[row] = content(terms, norm=float(norms[place]), weight=weight, replayed=replayed) is None
        self._previous = {self.agents[row]: digests[row].tobytes() for row in np.flatnonzero(good).tolist()}
        return good, sent
