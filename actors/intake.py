"""What has come in for the round that is open: judged by the gate, safe in the journal, in memory as rows.

Nothing here waits or talks to an actor. All of it runs in the aggregator's one worker thread.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from actors.commitments import commitments_from_wire, commitments_to_wire
from actors.journal import Journal
from actors.messages import Receipt
from federation.compression import Codec
from federation.errors import BatchError, NoOpenRoundError, RoundAbortedError
from federation.gate import CULPABLE, Gate, GateReport, Refusal
from federation.identity import EquivocationProof, rows_of
from federation.terms import Terms
from federation.update import CommitBatch, UpdateBatch, checked_batch

FINAL = CULPABLE | {Refusal.QUARANTINED}
"""Refusals after which nothing better can come from the agent in this round."""

OBSERVED = "trust.observed"
"""Reason for an update that is judged and does not count, because its agent is not trusted now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Rows for the arithmetic, in canonical order.

    Attributes:
        rows: ``(n + s, d) float32``: the asked agents' in their order, then s stale ones, decayed.
        weights: ``(n + s,)``.
        losses, norms: ``(n,)``.
        digests: agent -> payload digest.
        stale: agents of the s rows.
        observed: agents whose rows are judged and do not count; theirs are in ``observed_rows``.
        observed_rows: ``(o, d) float32``.
    """

    rows: NDArray[np.float32]
    weights: NDArray[np.float64]
    losses: NDArray[np.float64]
    norms: NDArray[np.float64]
    digests: Mapping[str, bytes]
    stale: tuple[str, ...]
    observed: tuple[str, ...]
    observed_rows: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Late:
    """An update that came after its round was closed."""

    row: NDArray[np.float32]
    weight: float
    round: int


@dataclass(slots=True)
class OpenRound:
    """One round's gate and what came through it."""

    terms: Terms
    gate: Gate
    reports: list[GateReport] = field(default_factory=list[GateReport])
    sequences: list[int] = field(default_factory=list[int])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    proofs: dict[str, EquivocationProof] = field(default_factory=dict[str, EquivocationProof])
    gate_s: float = 0.0
    extended: bool = False

    @property
    def observed(self) -> frozenset[str]:
        return frozenset(self.terms.observed)

    def receive(self, report: GateReport, sequence: int) -> None:
        """Take in a report that came in time, and under which number the journal has its batch."""
        if report.accepted:
            self.reports.append(report)
            self.sequences.append(sequence)
        self.refused.update({agent: str(code) for agent, code in report.refused.items() if code in FINAL})
        self.proofs.update({proof.agent: proof for proof in report.proofs})

    def receipt(self, report: GateReport, counts: Mapping[str, int]) -> Receipt:
        """The report in short. Observed agents have answered, and do not count towards the quorum."""
        if report.late:
            return Receipt(host=report.host, late=report.accepted, counts=counts)
        observed = self.observed
        refused = {agent: str(code) for agent, code in report.refused.items() if code in FINAL}
        refused.update({agent: OBSERVED for agent in report.accepted if agent in observed})
        return Receipt(
            host=report.host,
            accepted=tuple(agent for agent in report.accepted if agent not in observed),
            refused=refused,
            withdrawn=report.withdrawn,
            counts=counts,
        )

    @property
    def valid(self) -> int:
        """Updates that count so far."""
        return len(self.counted)

    @property
    def counted(self) -> tuple[str, ...]:
        """The agents whose updates count so far, sorted."""
        held = set[str]().union(*(report.accepted for report in self.reports))
        return tuple(sorted(held - self.refused.keys() - self.observed))

    @property
    def answered(self) -> bool:
        """Whether there is nothing more to wait for: every agent's update counts, or never will."""
        seen = set[str](self.refused).union(*(report.accepted for report in self.reports))
        return seen.issuperset(self.terms.roster)


class Intake:
    """The open round, the one before it, and late updates that may still count.

    Args:
        codec: of the workload.
        journal: where accepted batches go before anybody is told.
        late_decay: what a late update counts for in the next round; 0 leaves it out.
    """

    def __init__(self, codec: Codec, journal: Journal, *, late_decay: float) -> None:
        self.open: OpenRound | None = None
        self.last: OpenRound | None = None
        self._codec = codec
        self._journal = journal
        self._late_decay = late_decay
        self.late_proofs: dict[str, EquivocationProof] = {}
        self._keys: dict[str, bytes] = {}
        self._late: dict[str, _Late] = {}

    @property
    def waiting(self) -> int:
        """Late updates kept for the next round."""
        return len(self._late)

    def begin(
        self,
        terms: Terms,
        previous: Mapping[str, bytes],
        *,
        revealed: bool = False,
    ) -> list[Receipt]:
        """Open a round; receipts of what the journal holds of it already.

        Args:
            terms: of the round.
            previous: agent -> digest of its last counted payload.
            revealed: with commit-reveal: from now on updates are shown, and no commitment is taken.

        Raises:
            RoundAbortedError: when a later round is open: the question is out of date.
        """
        state = self.open
        if state is not None and terms.round < state.terms.round:
            raise RoundAbortedError(round=terms.round, reason=f"round {state.terms.round} is open already")
        if state is None or state.terms != terms:
            state = self._opened(terms, previous)
        if revealed:
            state.gate.seal()
        return [state.receipt(report, {}) for report in state.reports]

    def judge(self, found: object) -> tuple[GateReport, Receipt, OpenRound]:
        """The gate's report on a batch, journaled.

        Raises:
            NoOpenRoundError: when no round was opened since the start.
        """
        state = self._round_of(found)
        started = time.perf_counter()
        before = state.gate.counts.copy()
        report = state.gate.judge(found)
        sequence = 0
        if isinstance(found, UpdateBatch) and report.evidence:
            # Refused ones too: what an agent signed counts against it, also after a restart.
            batch = found if len(report.evidence) == len(found) else found.rows(report.evidence)
            sequence = self._journal.keep_batch(state.terms.round, batch.to_wire(), late=report.late)
        if report.late:
            self._keep_late(report, report.accepted, state.terms.round)
            self.late_proofs.update({proof.agent: proof for proof in report.proofs})
        else:
            state.receive(report, sequence)
        state.gate_s += time.perf_counter() - started
        counts = {str(code): count for code, count in (state.gate.counts - before).items()}
        return report, state.receipt(report, counts), state

    def commit(self, found: object) -> tuple[str, ...]:
        """Take in commitments, journaled. The agents that are bound now.

        Raises:
            NoOpenRoundError: when no round is open.
        """
        state = self.open
        if state is None:
            raise NoOpenRoundError(asked="take commitments")
        before = state.gate.committed
        state.gate.commit(found)
        if isinstance(found, CommitBatch) and state.gate.committed != before:
            self._journal.keep_commitments(state.terms.round, commitments_to_wire(found))
        return tuple(sorted(state.gate.committed))

    def close(self) -> None:
        """Whatever comes from now on is late."""
        if self.open is not None:
            self.open.gate.closed = True

    def finish(self, round_number: int) -> None:
        """The round is over: its rows can go."""
        state = self.open
        if state is not None and state.terms.round == round_number:
            state.gate.closed = True
            state.reports.clear()
            state.sequences.clear()
            self.last, self.open = state, None
            # What was late for the round before has been counted, or is too old now.
            self._late = {agent: late for agent, late in self._late.items() if late.round == round_number}

    def gather(self, state: OpenRound, agents: tuple[str, ...]) -> Gathered:
        """The rows of these agents in their order, with late rows of the last round for those missing.

        An update that was accepted in time, after the round had closed without it, waits for the next round.

        Raises:
            RoundAbortedError: when an agent's update is not here: the caller counts on one that never came.
        """
        places = {agent: place for place, agent in enumerate(agents)}
        observed = state.observed
        roster = set(state.terms.roster) - state.refused.keys() - observed - set(state.terms.quarantined)
        stale = tuple(
            sorted(
                agent
                for agent, late in self._late.items()
                if late.round == state.terms.round - 1 and agent in roster and agent not in places
            )
        )
        n, d = len(agents), state.terms.dimension
        rows = np.empty((n + len(stale), d), np.float32)
        weights = np.empty(n + len(stale))
        losses, norms, digests = np.full(n, np.nan), np.zeros(n), dict[str, bytes]()
        watched: list[tuple[str, NDArray[np.float32]]] = []
        self.close()
        overtaken: list[int] = []
        for report, sequence in zip(state.reports, state.sequences, strict=True):
            waiting = [agent for agent in report.accepted if agent in roster and agent not in places]
            if waiting:
                self._keep_late(report, waiting, state.terms.round)
                overtaken.append(sequence)
            pairs = [(places[agent], row) for row, agent in enumerate(report.accepted) if agent in places]
            there, here = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            rows[there], weights[there] = report.rows[here], report.weights[here]
            losses[there], norms[there] = report.losses[here], report.norms[here]
            payloads = rows_of(report.digests)
            digests.update({report.accepted[row]: payloads[row] for row in here})
            watched += [
                (agent, report.rows[row])
                for row, agent in enumerate(report.accepted)
                if agent in observed and agent not in state.refused
            ]
        if overtaken:
            self._journal.mark_late(overtaken)
        missing = [agent for agent in agents if agent not in digests]
        if missing:
            raise RoundAbortedError(
                round=state.terms.round, reason=f"updates of {len(missing)} agents are not here: {missing[:5]}"
            )
        for place, agent in enumerate(stale, start=n):
            late = self._late[agent]
            rows[place], weights[place] = self._late_decay * late.row, self._late_decay * late.weight
        watched.sort(key=lambda pair: pair[0])
        return Gathered(
            rows=rows,
            weights=weights,
            losses=losses,
            norms=norms,
            digests=digests,
            stale=stale,
            observed=tuple(agent for agent, _ in watched),
            observed_rows=np.array([row for _, row in watched], np.float32).reshape(len(watched), d),
        )

    def _opened(self, terms: Terms, previous: Mapping[str, bytes]) -> OpenRound:
        if not self._keys.keys() >= set(terms.roster):
            self._keys = self._journal.keys()
        if self.open is not None:
            self.open.gate.closed = True
            self.last = self.open
        elif self.last is None:
            self._recall_last(terms.round - 1)
        state = self._fresh(terms, previous)
        for wire in self._journal.commitments(terms.round):
            state.gate.commit(commitments_from_wire(wire))
        for kept in self._journal.batches(terms.round):
            # A late one too: the round is open again, so it is in time now.
            state.receive(state.gate.judge(UpdateBatch.from_wire(kept.wire)), kept.sequence)
            state.gate.seal()
        self._late = {agent: late for agent, late in self._late.items() if late.round < terms.round}
        self.open = state
        return state

    def _fresh(self, terms: Terms, previous: Mapping[str, bytes]) -> OpenRound:
        return OpenRound(terms, Gate(terms, codec=self._codec, keys=self._keys, previous=previous))

    def _recall_last(self, round_number: int) -> None:
        """The round before, closed, and its late updates, from the journal, after a restart."""
        terms = self._journal.terms(round_number)
        if terms is None:
            return
        self.last = self._fresh(terms, {})
        for wire in self._journal.commitments(round_number):
            self.last.gate.commit(commitments_from_wire(wire))
        verdicts = {found["agent"]: found["reason"] for found in self._journal.verdicts(round_number=round_number)}
        for kept in self._journal.batches(round_number):
            report = self.last.gate.judge(UpdateBatch.from_wire(kept.wire))
            if kept.late:
                self._keep_late(report, set(report.accepted) - verdicts.keys(), round_number)
                told = {agent for agent, reason in verdicts.items() if reason == Refusal.EQUIVOCATION}
                self.late_proofs.update({proof.agent: proof for proof in report.proofs if proof.agent not in told})
        self.last.gate.closed = True

    def _round_of(self, found: object) -> OpenRound:
        """The round a batch is judged in: the open one, or, when it is of the one before, that one."""
        state = self.open or self.last
        if state is None:
            raise NoOpenRoundError(asked="judge updates")
        try:
            statement = checked_batch(found).statement
        except BatchError:
            return state
        of_last = self.last is not None and statement == self.last.terms.statement
        return self.last if self.last is not None and of_last and statement != state.terms.statement else state

    def _keep_late(self, report: GateReport, agents: Collection[str], round_number: int) -> None:
        if self._late_decay <= 0:
            return
        for row, agent in enumerate(report.accepted):
            if agent in agents:
                self._late[agent] = _Late(report.rows[row], float(report.weights[row]), round_number)
