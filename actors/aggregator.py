"""The aggregator: gate, journal, screen and rule of the round that is open, and its MAPE-K loop.

The pure decisions are federation's; this file keeps them apart from the disk and from Ray. Batches are
judged one at a time in one thread, written to the journal, and only then answered for. A restarted
aggregator judges the journal's batches again and is where it was.

Its loop sees stragglers, mass anomaly (more than 30 % stand out) and more liars than the bound allows,
and answers by extending the window, by a stricter rule, or by ending the round for somebody to look at it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from actors.aggregator_telling import AggregatorTelling, payload_bytes
from actors.config import SwarmConfig
from actors.intake import OBSERVED, Gathered, Intake, OpenRound
from actors.journal import Journal
from actors.mape import Action, Loop
from actors.messages import Aggregation, Receipt
from actors.standing import REVIEW, SYMPTOMS, Standing, analyze, plan, raised_quorum, worst
from federation.aggregation import Outcome, Screened, aggregated, screened
from federation.errors import NoOpenRoundError, ReviewError, RoundAbortedError, SwarmError
from federation.gate import Refusal
from federation.rules import Median
from federation.rules.base import Rule
from federation.terms import Terms
from federation.update import UpdateBatch
from federation.verdict import Decision, Verdicts
from telemetry import Telemetry, semconv

T = TypeVar("T")

MOST_LINKS = 128
"""Spans of learning that the span of aggregation links to; OpenTelemetry's own limit."""


class Aggregator:
    """The actor. See the module.

    Args:
        config: of the swarm.
        journal: path of the file that the coordinator writes to as well.
        telemetry: of this process; made from the config when not given.
    """

    def __init__(self, config: SwarmConfig, journal: Path, telemetry: Telemetry | None = None) -> None:
        self.config = config
        self._telemetry = telemetry or Telemetry.start(
            config.telemetry, actor_kind=semconv.ActorKind.AGGREGATOR, instance="aggregator"
        )
        kept = Journal(journal, erasing=config.federation is not None)
        self._intake = Intake(config.workload.codec, kept, late_decay=config.used_late_decay)
        self._single = ThreadPoolExecutor(1, thread_name_prefix="aggregate")
        self._loop: Loop[Standing] = Loop(
            kind=semconv.ActorKind.AGGREGATOR, analyze=analyze, plan=plan, telemetry=self._telemetry
        )
        if config.review_above is not None:
            self._loop.knowledge.facts[REVIEW] = config.review_above
        self._labels = {semconv.ATTR_WORKLOAD: config.workload.kind}
        self._telling = AggregatorTelling(config, self._telemetry)
        self._spoken: tuple[Terms, int] | None = None
        kind = {semconv.ATTR_ACTOR_KIND: semconv.ActorKind.AGGREGATOR}
        for symptom in SYMPTOMS:  # an alert sees the first of each as a rise from zero
            self._telemetry.count(semconv.METRIC_SYMPTOMS, 0, {**kind, semconv.ATTR_SYMPTOM: symptom})
        self._concluded: tuple[tuple[int, tuple[str, ...], int], asyncio.Future[Aggregation]] | None = None
        self._origins: dict[str, None] = {}  # trace contexts of the learning that was submitted

    async def open(
        self, terms: Terms, previous: Mapping[str, bytes], revealed: bool = False, traceparent: str = ""
    ) -> list[Receipt]:
        """Take a round's terms. Opening it again, or after a restart, returns what is there already.

        Args:
            terms: of the round.
            previous: agent -> digest of its last counted payload.
            revealed: whether updates are shown from now on, so that commitments come too late.
        """
        fresh = self._intake.open is None and self._intake.last is None
        begun = time.time_ns()
        receipts = await self._in_thread(lambda: self._intake.begin(terms, previous, revealed=revealed))
        quorum = self._wanted_quorum(terms)
        if fresh and (receipts or self._intake.last is not None):
            kind = {semconv.ATTR_ACTOR_KIND: semconv.ActorKind.AGGREGATOR.value}
            found = {**kind, **self._labels, semconv.ATTR_ROUND: terms.round}
            self._telemetry.record_span(semconv.SPAN_RECOVER, begun, time.time_ns(), found, parent=traceparent or None)
            self._telemetry.count(semconv.METRIC_ACTOR_RESTARTS, 1, kind)
            self._telemetry.event(semconv.EVENT_ACTOR_RESTARTED, {**kind, semconv.ATTR_ROUND: terms.round})
        return receipts if quorum <= terms.quorum else [Receipt(host="", quorum=quorum), *receipts]

    async def submit(self, found: object, traceparent: str = "") -> Receipt:
        """Judge one batch, or several; what was accepted is in the journal when this returns.

        The receipt of the last answer brings the aggregate with it, which nobody has to ask for then.
        """
        state = self._intake.open
        number = 0 if state is None else state.terms.round
        with self._telemetry.phase(
            semconv.Phase.SUBMIT,
            attributes={semconv.ATTR_ROUND: number, **self._labels},
            parent=traceparent or None,
        ) as span:
            receipt = await self._in_thread(self._submit, found, span.traceparent)
            span.set(semconv.ATTR_AGENTS_COUNT, len(receipt.accepted) + len(receipt.refused))
            span.set(semconv.ATTR_HOST_ID, receipt.host)
            span.set(semconv.ATTR_CODEC, self.config.workload.codec.name)
            span.set(semconv.ATTR_PAYLOAD_SIZE, payload_bytes(found))
        state = self._intake.open
        if state is None or not receipt.accepted or not state.answered or state.valid < state.terms.quorum:
            return receipt
        agents, f = state.counted, state.terms.fault_bound
        try:
            return replace(receipt, ready=(agents, f, await self.aggregate(agents, f, traceparent)))
        except SwarmError:
            return receipt  # it comes again, as an error, when the aggregate is asked for

    async def commit(self, found: object, traceparent: str = "") -> tuple[str, ...]:
        """Take in signed commitments. Returns the agents that are bound now."""
        state = self._intake.open
        attributes = {semconv.ATTR_ROUND: 0 if state is None else state.terms.round, **self._labels}
        with self._telemetry.phase(semconv.Phase.COMMIT, attributes=attributes, parent=traceparent or None) as span:
            bound = await self._in_thread(self._intake.commit, found)
            span.set(semconv.ATTR_AGENTS_COUNT, len(bound))
        return bound

    async def review(self, age: float) -> list[tuple[str, dict[str, Any]]]:
        """One turn of the loop over the open round. Returns the actions that are the coordinator's to do."""
        state = self._intake.open
        if state is None:
            return []
        asked: list[tuple[str, dict[str, Any]]] = []

        def execute(action: Action) -> str:
            if state.extended:
                raise RoundAbortedError(round=state.terms.round, reason="its window was extended once already")
            state.extended = True
            asked.append((action.name, dict(action.parameters)))
            return "asked the coordinator"

        standing = Standing(n=len(state.terms.roster), quorum=state.terms.quorum, valid=state.valid, age=age)
        await self._loop.turn(standing, execute)
        return asked

    async def aggregate(self, agents: tuple[str, ...], f: int, traceparent: str = "") -> Aggregation:
        """Close the gate and aggregate the updates of these agents.

        Raises:
            NoOpenRoundError: when it was restarted since the round was opened.
            RuleBoundError: when too few are left for the rule.
            RoundAbortedError: when more stand out than any rule can bear.
            ReviewError: when so many stand out that the workload wants them looked at first.
        """
        state = self._intake.open
        if state is None:
            raise NoOpenRoundError(asked="aggregate")
        # Two batches that were judged together both see the last answer; the work is done, and told, once.
        question = (state.terms.round, agents, f)
        if self._concluded is None or self._concluded[0] != question:
            work = self._aggregated(state, agents, f, traceparent)
            self._concluded = question, asyncio.ensure_future(work)
        return await asyncio.shield(self._concluded[1])

    async def _aggregated(self, state: OpenRound, agents: tuple[str, ...], f: int, traceparent: str) -> Aggregation:
        attributes = {semconv.ATTR_ROUND: state.terms.round, **self._labels}
        parent, labels = traceparent or None, self._labels
        with self._telemetry.phase(semconv.Phase.CLOSE, attributes=attributes, parent=parent) as span:
            gathered = await self._in_thread(self._intake.gather, state, agents)
            span.set(semconv.ATTR_AGENTS_REPLIED, len(gathered.rows))
            span.set(semconv.ATTR_QUORUM, state.terms.quorum)
        budget = max(f - (len(state.terms.roster) - len(agents)), 0)
        attributes[semconv.ATTR_AGENTS_REPLIED] = len(gathered.rows)
        method = {semconv.ATTR_DETECTION_METHOD: self.config.used_screen.name}
        with self._telemetry.phase(
            semconv.Phase.SCREEN, attributes=attributes | method, parent=parent, measures=labels
        ):
            started = time.perf_counter()
            found = await self._in_thread(
                lambda: screened(gathered.rows, screen=self.config.used_screen, budget=budget)
            )
            screen_s = time.perf_counter() - started
        rule, bound, screening = await self._decide(state, found, (*agents, *gathered.stale), f, traceparent)
        attributes |= {semconv.ATTR_RULE: rule.name, semconv.ATTR_FAULT_BOUND: bound}
        with self._telemetry.phase(
            semconv.Phase.AGGREGATE, attributes=attributes, parent=parent, links=tuple(self._origins), measures=labels
        ):
            started = time.perf_counter()
            rng = np.random.default_rng([state.terms.seed & 0xFFFFFFFF, state.terms.round])
            outcome = await self._in_thread(
                lambda: aggregated(
                    gathered.rows,
                    gathered.weights,
                    rule=rule,
                    screening=screening,
                    f=bound,
                    rng=rng,
                    exact=state.terms.clip_radius > 0,
                )
            )
            aggregate_s = time.perf_counter() - started
        seconds = (state.gate_s, screen_s, aggregate_s)
        result = self._conclude(state, agents, gathered, found, outcome, rule, bound, seconds)
        self._telling.aggregated(state.terms, result, traceparent)
        return result

    async def finish(self, round_number: int) -> None:
        """The round is over; its rows can go. Late updates are kept for the next one."""
        self._concluded = None
        self._origins.clear()
        await self._in_thread(self._intake.finish, round_number)

    async def status(self) -> dict[str, Any]:
        """What is open and what the loop has done, as plain data."""
        state = self._intake.open
        return {
            "name": "aggregator",
            "process": os.getpid(),
            "round": None if state is None else state.terms.round,
            "valid": 0 if state is None else state.valid,
            "late": self._intake.waiting,
            "gate": {} if state is None else {str(code): count for code, count in state.gate.counts.items()},
            "mape": self._loop.knowledge.summary(),
            "telemetry_dropped": dict(self._telemetry.dropped),
        }

    async def metrics(self) -> bytes:
        """This process's metrics as they are now, for `telemetry.prometheus`."""
        return await asyncio.to_thread(self._telemetry.metrics)

    async def drain(self) -> bool:
        """Send what telemetry is still waiting."""
        return await asyncio.to_thread(self._telemetry.drain, 2.0)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._single, work, *arguments)

    def _submit(self, found: object, traceparent: str) -> Receipt:
        batches: list[object] = list(found) if isinstance(found, list | tuple) else [found]  # pyright: ignore[reportUnknownArgumentType]
        receipt = Receipt(host="")
        for batch in batches:
            receipt = receipt.joined(self._judge(batch, traceparent))
            if isinstance(batch, UpdateBatch) and self._telemetry.enabled and len(self._origins) < MOST_LINKS:
                self._origins[str(batch.trace)[:64]] = None
        return receipt

    def _judge(self, found: object, traceparent: str) -> Receipt:
        state = self._intake.open
        number = 0 if state is None else state.terms.round
        with self._telemetry.phase(
            semconv.Phase.GATE,
            attributes={semconv.ATTR_ROUND: number, **self._labels},
            parent=traceparent or None,
            measures=self._labels,
        ) as span:
            report, receipt, state = self._intake.judge(found)
            span.set(semconv.ATTR_UPDATES_ACCEPTED, len(receipt.accepted))
            span.set(semconv.ATTR_UPDATES_REFUSED, len(report.refused))
        if self._telemetry.enabled:
            self._telling.judged(found, report, receipt, state.terms.round, traceparent)
        return receipt

    def _wanted_quorum(self, terms: Terms) -> int:
        """What the loop, after the round before this one, wants this one to wait for."""
        if self._spoken is None or self._spoken[0].round != terms.round - 1:
            return terms.quorum
        before, standing_out = self._spoken
        kept_out = {*terms.quarantined, *terms.observed}
        return raised_quorum(
            n=len(terms.roster),
            f=terms.fault_bound,
            standing_out=standing_out,
            kept_out=len(kept_out),
            newly_kept_out=len(kept_out.difference(before.quarantined, before.observed)),
        )

    async def _decide(
        self, state: OpenRound, found: Screened, agents: tuple[str, ...], f: int, traceparent: str
    ) -> tuple[Rule, int, Verdicts]:
        """The rule, bound and screening to use, after the loop has seen what the screen found of these agents."""
        n = len(agents)
        chosen: list[tuple[Rule, int, Verdicts]] = [(self.config.rule_of(state.terms), f, found.verdicts)]
        review: list[str] = []

        def execute(action: Action) -> str:
            if action.name == "raise_quorum":
                self._spoken = state.terms, found.standing_out
                return "the next round waits for more"
            if action.name == "abort":
                review.append(action.symptom)
                return "the round ends for review"
            if action.name != "stricter_rule":
                return "noted"
            stricter = Median()
            # Every update that stands out may be a lie, and which ones f of them are cannot be told any more.
            # So all are counted: the median bears them while they are a minority.
            stricter.requires(n, found.standing_out)
            chosen.append((stricter, found.standing_out, Verdicts.accepting(n, rule=found.verdicts.rule)))
            return f"{stricter.name} with a bound of {found.standing_out}"

        standing = Standing(
            n=len(state.terms.roster),
            quorum=state.terms.quorum,
            valid=n,
            age=0.0,
            standing_out=found.standing_out,
            screened=n,
            fault_bound=f,
        )
        cycle = await self._loop.turn(standing, execute, parent=traceparent or None)
        for outcome in cycle.outcomes:
            if outcome.result != semconv.Outcome.SUCCESS:
                raise RoundAbortedError(
                    round=state.terms.round,
                    reason=f"{found.standing_out} of {n} updates stand out, the bound is {f}: {outcome.detail}",
                )
        if review:
            raise ReviewError(
                round=state.terms.round,
                flagged=found.standing_out,
                received=n,
                share=self._loop.knowledge.facts[REVIEW],
                bound=f,
                agents=tuple(worst(agents, found.verdicts, found.standing_out)),
            )
        return chosen[-1]

    def _conclude(
        self,
        state: OpenRound,
        agents: tuple[str, ...],
        gathered: Gathered,
        found: Screened,
        outcome: Outcome,
        rule: Rule,
        bound: int,
        seconds: tuple[float, float, float],
    ) -> Aggregation:
        """The result, with the verdicts of the agents that only were observed."""
        n = len(agents)
        judges = [outcome.verdicts[judge] for judge in outcome.judges[:n].tolist()]
        watched = self._watch(gathered, found)
        screened_out = [agents[row] for row in np.flatnonzero(found.verdicts.rejected[:n])]
        culpable = [agent for agent, code in state.refused.items() if code != Refusal.QUARANTINED]
        standing_out = [agent for agent, above in watched.items() if above]
        late = self._intake.late_proofs.items()
        proofs = {agent: proof for agent, proof in late if proof.statement.round == state.terms.round - 1}
        proofs |= state.proofs
        refused = {agent: code for agent, code in state.refused.items() if agent not in gathered.digests}
        return Aggregation(
            value=outcome.value,
            variance=outcome.variance,
            agents=agents + gathered.observed,
            decisions=np.concatenate(
                [outcome.decisions[:n], np.full(len(gathered.observed), Decision.REJECTED, np.int8)]
            ),
            judges=tuple(judge.rule for judge in judges) + ("trust",) * len(gathered.observed),
            reasons=tuple(judge.reasons[int(judge.reason_index[row])] for row, judge in enumerate(judges))
            + (OBSERVED,) * len(gathered.observed),
            scores=np.array([*(judge.scores[row] for row, judge in enumerate(judges)), *[np.nan] * len(watched)]),
            thresholds=np.array([*(judge.threshold for judge in judges), *[np.nan] * len(watched)]),
            flagged=tuple(sorted({*screened_out, *culpable, *standing_out, *proofs})),
            refused=dict(sorted(refused.items())),
            proofs=tuple((agent, proof.to_dict()) for agent, proof in sorted(proofs.items())),
            digests=gathered.digests,
            rule=repr(rule),
            counted=int((outcome.decisions != Decision.REJECTED).sum()),
            fault_bound=bound,
            standing_out=found.standing_out,
            stale=len(gathered.stale),
            loss=_middle_mean(gathered.losses, bound),
            norm=float(np.median(gathered.norms)) if n else 0.0,
            gate_s=seconds[0],
            screen_s=seconds[1],
            aggregate_s=seconds[2],
        )

    def _watch(self, gathered: Gathered, found: Screened) -> dict[str, bool]:
        """agent -> whether its update stands out, for those that are judged and do not count."""
        if not gathered.observed:
            return {}
        everything = np.concatenate([gathered.rows, gathered.observed_rows])
        verdicts = self.config.used_screen.screen(everything, centre=found.centre, f=len(everything))
        tail = verdicts.rejected[len(gathered.rows) :].tolist()
        return dict(zip(gathered.observed, tail, strict=True))


def _middle_mean(losses: NDArray[np.float64], f: int) -> float:
    """Mean of what is left without the f largest and the f smallest: agents declare their losses themselves."""
    known = np.sort(losses[np.isfinite(losses)])
    cut = min(f, max(len(known) - 1, 0) // 2)
    return float(known[cut : len(known) - cut].mean()) if len(known) else float("nan")
