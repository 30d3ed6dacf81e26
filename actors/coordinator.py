"""The coordinator: opens rounds, signs releases, keeps the journal, and answers for the swarm.

Every method answers while a round runs. A restarted coordinator reads the journal, takes up the round
that was open, and goes on; what was accepted is asked from the aggregator, not learned again.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors import health, record
from actors.cast import Cast, Handle, Score, spread_release
from actors.conductor import Conductor
from actors.config import AGGREGATOR, SwarmConfig, host_name, validator_name
from actors.faults import LOST
from actors.health import Health
from actors.journal import Journal
from actors.ledger import Ledger
from actors.mape import Action, Loop
from actors.releases import Published, Releases
from actors.telling import Telling
from federation.convergence import disagreement
from federation.errors import RoundAbortedError, SettingError, SwarmError
from federation.heterogeneity import heterogeneity, local_epochs
from federation.identity import Secret, SigningKey
from federation.release import Release
from federation.terms import Terms, fault_bound
from telemetry import Telemetry, semconv

ANSWER_S = 2.0
"""How long `status` waits for an actor before it reports it as silent."""


class ChangedKeyError(SwarmError):
    """An agent that comes back with another key than it was enrolled with."""

    code = "coordinator.changed_key"

    def __init__(self, *, agents: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(agents)} agents come with other keys than they enrolled with: {', '.join(agents[:5])}. "
            "Start with the state directory that holds their secret, or under another run id.",
            agents=agents,
        )


class Coordinator:
    """The actor. See the module.

    Args:
        config: of the swarm.
        shares: the agents of each host, in the order of the hosts' numbers.
        secret: that the signing key derives from.
        journal: path of the file.
        find: from a name to an actor handle.
        put: keeps a large value where all nodes can read it.
        revive: makes a host again that Ray has given up.
        telemetry: of this process; made from the config when not given.
    """

    def __init__(
        self,
        config: SwarmConfig,
        shares: tuple[tuple[str, ...], ...],
        secret: Secret,
        journal: Path,
        find: Callable[[str], Handle],
        put: Callable[[Any], Any],
        revive: Callable[[str], None],
        telemetry: Telemetry | None = None,
    ) -> None:
        self.config = config
        self._hosts = {host_name(number): agents for number, agents in enumerate(shares)}
        self._validators = [validator_name(number) for number in range(config.validators)]
        self._find, self._put, self._revive = find, put, revive
        self._telemetry = telemetry or Telemetry.start(
            config.telemetry, actor_kind=semconv.ActorKind.COORDINATOR, instance="coordinator"
        )
        self._journal = Journal(journal)
        key = SigningKey.of(secret.derive("coordinator", config.run))
        self._releases = Releases(config.run, config.workload, key, self._journal)
        self._tell = Telling(config, self._telemetry)
        self._ledger = Ledger.of(config, self._journal)
        self._loop: Loop[Health] = Loop(
            kind=semconv.ActorKind.COORDINATOR, analyze=health.analyze, plan=health.plan, telemetry=self._telemetry
        )
        self._labels = {semconv.ATTR_WORKLOAD: config.workload.kind}
        self._rounds = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._started = False
        self._conductor: Conductor | None = None
        self._former: Conductor | None = None
        self._idle: frozenset[str] = frozenset()
        self._news = asyncio.Condition()
        self._last_told = 0
        self._learning: asyncio.Task[None] | None = None
        self._enough = asyncio.Event()
        self._interval = 0.0
        self._wishes: dict[str, str] = {}

    async def start(self) -> dict[str, Any]:
        """Enrol the hosts and make the genesis release, once. Answers with the public facts of the run."""
        async with self._starting:
            if not self._started:
                await self._enrol()
                await self._begin()
                self._started = True
        return {
            "run": self.config.run,
            "kind": self.config.workload.kind,
            "agents": len(self.config.agents),
            "hosts": len(self._hosts),
            "fault_bound": self.config.used_fault_bound,
            "public_key": self._releases.public.hex(),
            "release": record.release_summary(self._releases.current.release),
        }

    async def run_round(self, request: str = "") -> dict[str, Any]:
        """Run one round, and answer with its record.

        A round that was open when the coordinator was last stopped is taken up first. A ``request`` id makes
        the call idempotent: the same id is answered with the same round, however often it is asked.

        Raises:
            QuorumError, RuleBoundError, RoundAbortedError: when the round ends without a release.
        """
        await self.start()
        async with self._rounds:
            done = await asyncio.to_thread(self._answer_to, request)
            if done is not None:
                return _answered(done)
            terms = await self._taken_up() or self._terms()
            await asyncio.to_thread(self._open, terms, request)
            return _answered(await self._conduct(terms))

    async def start_learning(
        self, interval_s: float = 0.0, *, rounds: int | None = None, until_converged: bool = False
    ) -> None:
        """Run round after round in the background, ``interval_s`` apart, until stopped, converged or counted out."""
        if interval_s < 0 or (rounds is not None and rounds < 1):
            raise SettingError(name="interval_s, rounds", found=(interval_s, rounds), needed=">= 0 and >= 1")
        await self.start()
        await self.stop_learning()
        self._interval = interval_s
        self._enough.clear()
        self._learning = asyncio.create_task(self._learn_on(rounds, until_converged))

    async def stop_learning(self) -> None:
        """Stop after the round that is under way, and wait for it."""
        self._enough.set()
        if self._learning is not None:
            await asyncio.gather(self._learning, return_exceptions=True)
            self._learning = None

    async def retrain(self, agent: str, reason: str) -> str:
        """Take an agent's wish to be retrained. Of f + 1 agents that wish it one is honest, and learning starts."""
        self._wishes[agent] = reason
        needed = self.config.used_fault_bound + 1
        if len(self._wishes) < needed:
            return f"{len(self._wishes)} of {needed} agents ask for it"
        if self._learning is not None and not self._learning.done():
            return "learning already"
        self._wishes.clear()
        # The tasks have changed: what converged on the old ones says nothing about the new.
        self._ledger = self._ledger.restarted(self._ledger.good)
        await self.start_learning(self._interval, until_converged=True)
        return "learning"

    async def abort_round(self, reason: str) -> bool:
        """End the round that is open without a release. False when none is, or its release is written."""
        if self._conductor is None or self._conductor.round.over:
            return False
        self._conductor.stop(reason)
        return True

    async def records(self, after: int = 0, *, wait_s: float = 0.0, limit: int = 1000) -> list[dict[str, Any]]:
        """Records of rounds numbered above ``after``; waits for one when there is none yet."""
        if wait_s > 0:
            try:
                async with asyncio.timeout(wait_s), self._news:
                    await self._news.wait_for(lambda: self._last_told > after)
            except TimeoutError:
                pass
        return await asyncio.to_thread(self._journal.records, after=after, limit=limit)

    async def release(self, version: int | None = None) -> dict[str, Any]:
        """A release with its artefact and the key to verify it; the current one when no version is named."""
        await self.start()
        found, artefact = await asyncio.to_thread(self._releases.stored, version)
        return {"release": found.to_dict(), "artefact": artefact, "public_key": self._releases.public.hex()}

    async def releases(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest releases, newest first, without artefacts."""
        await self.start()
        return [found.to_dict() for found in await asyncio.to_thread(self._journal.releases, limit=limit)]

    async def rollback(self, version: int) -> dict[str, Any]:
        """Bring back the value of an earlier release, as a new release. Waits for the round that is under way.

        A round that a stopped coordinator left open is given up: its updates were made from another release.

        Raises:
            UnknownReleaseError: when there is no such release.
        """
        await self.start()
        async with self._rounds:
            done = await self._restore(version)
            await self._taken_up()
            return done

    async def verdicts(self, round_number: int | None = None, agent: str | None = None) -> list[dict[str, Any]]:
        """Verdicts of a round, of an agent, or of both."""
        return await asyncio.to_thread(self._journal.verdicts, round_number=round_number, agent=agent)

    async def proofs(self) -> list[dict[str, Any]]:
        """Every proof of equivocation, with the key that it can be checked against."""
        found, keys = await asyncio.to_thread(lambda: (self._journal.proofs(), self._journal.keys()))
        return [{**proof, "public_key": keys[proof["agent"]].hex()} for proof in found]

    async def host_of(self, agent: str) -> str:
        """The name of the host that an agent lives on."""
        for host, agents in self._hosts.items():
            if agent in agents:
                return host
        raise SettingError(name="agent", found=agent, needed=f"one of the {len(self.config.agents)} that are enrolled")

    async def status(self) -> dict[str, Any]:
        """The swarm in short, as plain data. Actors that do not answer are reported as silent."""
        conductor = self._conductor
        live = conductor is not None and not conductor.round.over
        names = [*self._hosts, AGGREGATOR, *self._validators]
        answers = await asyncio.gather(*(self._ask_status(name) for name in names))
        return {
            "run": self.config.run,
            "process": os.getpid(),
            "kind": self.config.workload.kind,
            "agents": len(self.config.agents),
            "idle": len(self._idle),
            "fault_bound": self.config.used_fault_bound,
            "round": conductor.round.terms.round if live and conductor else None,
            "phase": str(conductor.round.phase) if live and conductor else "idle",
            "rounds": self._journal.last_round(),
            "release": record.release_summary(self._releases.current.release) if self._releases.started else None,
            "learning": self._learning is not None and not self._learning.done(),
            "interval_s": self._interval,
            **self._ledger.summary(),
            "mape": self._loop.knowledge.summary(),
            "actors": dict(zip(names, answers, strict=True)),
        }

    async def drain(self) -> dict[str, bool]:
        """Have every actor send what telemetry is still waiting."""
        names = [*self._hosts, AGGREGATOR, *self._validators]

        async def drained(name: str) -> bool:
            try:
                async with asyncio.timeout(3 * ANSWER_S):
                    return bool(await self._find(name).drain.remote())
            except (*LOST, TimeoutError, ValueError):
                return False

        done = await asyncio.gather(*(drained(name) for name in names))
        own = await asyncio.to_thread(self._telemetry.drain, ANSWER_S)
        return {**dict(zip(names, done, strict=True)), "coordinator": own}

    def _cast(self, roster: tuple[str, ...]) -> Cast:
        asked = frozenset(roster)
        hosts = {host: tuple(agent for agent in agents if agent in asked) for host, agents in self._hosts.items()}
        return Cast(hosts=hosts, validators=self._validators, aggregator=AGGREGATOR, find=self._find, put=self._put)

    async def _enrol(self) -> None:
        known = await asyncio.to_thread(self._journal.keys)

        async def keys_of(host: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
            handle = self._find(host)
            try:
                return await handle.enrol.remote(), tuple(await handle.idle.remote())
            except LOST:
                if not known.keys() >= set(self._hosts[host]):
                    raise
                return {}, ()  # after a restart: its agents are enrolled, and the host may come back

        shares = await asyncio.gather(*(keys_of(host) for host in self._hosts))
        changed = tuple(
            sorted(agent for keys, _ in shares for agent, public in keys.items() if known.get(agent, public) != public)
        )
        if changed:
            raise ChangedKeyError(agents=changed)
        for host, (keys, _) in zip(self._hosts, shares, strict=True):
            await asyncio.to_thread(self._journal.enrol, host, keys)
        self._idle = frozenset(agent for _, agents in shares for agent in agents)
        if self.config.adapt_epochs:
            await self._suit_epochs()
        self._tell.enrolled(len(self.config.agents))

    async def _suit_epochs(self) -> None:
        """Set the local epochs by how differently the agents act (specification 5.3)."""
        answers = await asyncio.gather(*(self._find(host).histogram.remote() for host in self._hosts))
        spread = heterogeneity(np.concatenate([counts for _, counts in answers]))
        scale = local_epochs(spread) / local_epochs(0.0)
        self._ledger = replace(self._ledger, tuning=replace(self._ledger.tuning, epochs_scale=scale))
        self._telemetry.gauge(semconv.METRIC_HETEROGENEITY, spread, self._labels)

    async def _begin(self) -> None:
        """Take the release in force from the journal, or make the genesis, and give it to the hosts."""
        self._last_told = await asyncio.to_thread(self._journal.last_record)
        published = await asyncio.to_thread(self._releases.begin, self.config.seed)
        if self._last_told or published.release.version:
            self._tell.restarted(semconv.ActorKind.COORDINATOR, self._last_told, f"release {published.release.version}")
        await self._spread(published)
        if self._ledger.pending is not None:
            await self._roll_back()

    async def _spread(self, published: Published) -> tuple[str, ...]:
        cast = self._cast(self.config.agents)
        return await spread_release(cast, published.release, published.artefact, self._releases.public)

    def _answer_to(self, request: str) -> dict[str, Any] | None:
        """The record of the round that has answered this request already."""
        number = self._journal.round_of(request) if request else None
        done = [] if number is None else self._journal.records(after=number - 1, limit=1)
        return done[0] if done and done[0]["round"] == number else None

    async def _taken_up(self) -> Terms | None:
        """The round that was open when a coordinator was stopped; None when there is none to go on with."""
        found = await asyncio.to_thread(self._journal.unfinished)
        if found is None or found.terms.base == self._releases.current.release.digest:
            return None if found is None else found.terms
        reason = f"release {self._releases.current.release.version} came into force before it was taken up again"
        error = RoundAbortedError(round=found.terms.round, reason=reason)
        await self._write_off(found.terms, {**_ending(found.terms, error), "agents_count": 0, "total_duration_ms": 0.0})
        return None

    def _terms(self) -> Terms:
        """The terms of the next round."""
        config, workload = self.config, self.config.workload
        release = self._releases.current.release
        roster = tuple(agent for agent in config.agents if agent not in self._idle) or config.agents
        asked = frozenset(roster)
        f = fault_bound(len(roster)) if config.fault_bound is None else config.fault_bound
        return Terms(
            run=config.run,
            round=self._journal.last_round() + 1,
            kind=workload.kind,
            base_version=release.version,
            base=release.digest,
            roster=roster,
            fault_bound=f,
            dimension=workload.dimension,
            codec=workload.codec.name,
            norm_cap=self._ledger.norm_cap,
            weight_cap=config.weight_cap,
            deadline_s=config.deadline_s,
            linger_s=config.linger_s,
            seed=config.seed,
            quarantined=tuple(agent for agent in self._ledger.quarantined if agent in asked),
            observed=tuple(agent for agent in self._ledger.observed if agent in asked),
            commit_reveal=config.commit_reveal,
            tuning=self._ledger.tuning,
        )

    def _open(self, terms: Terms, request: str) -> None:
        started = time.perf_counter()
        self._journal.open_round(terms, opened=time.time(), request=request)
        self._tell.wrote(semconv.JournalOperation.OPEN, started)

    async def _conduct(self, terms: Terms) -> dict[str, Any]:
        started = time.perf_counter()
        telemetry = self._telemetry
        with telemetry.span(
            semconv.SPAN_ROUND,
            attributes={
                semconv.ATTR_ROUND: terms.round,
                semconv.ATTR_RUN_ID: terms.run,
                semconv.ATTR_RULE: self.config.used_rule.name,
                semconv.ATTR_AGENTS_COUNT: len(terms.roster),
                semconv.ATTR_FAULT_BOUND: terms.fault_bound,
                semconv.ATTR_QUORUM: terms.quorum,
                **self._labels,
            },
        ) as span:
            if self._former is not None:
                self._former.cancel()
            self._former = self._conductor  # its late hosts may still answer: that counts in this round
            base = self._releases.current
            self._tell.opened(terms)
            conductor = Conductor(
                terms,
                self._cast(terms.roster),
                base=(base.release, base.artefact, base.value),
                public=self._releases.public,
                fold=self.config.workload.fold,
                history=self._ledger.history,
                make_release=lambda score, value: self._make_release(terms, score, value),
                previous=self._ledger.previous,
                traceparent=span.traceparent,
            )
            self._conductor = conductor
            score = await conductor.run()
            total = time.perf_counter() - started
            if score.error is not None:
                span.fail(score.error.code, str(score.error))
                done = await self._abandon(terms, conductor, score, total)
            else:
                done = record.timed(self._ledger.draft, score, total_s=total)
                await asyncio.to_thread(self._journal.amend, terms.round, done)
                span.set(semconv.ATTR_RELEASE_VERSION, done["release"]["version"])
            self._tell.ended(terms, conductor, score, done, total)
            self._tell.quarantined(len(self._ledger.quarantined))
            await self._reflect(conductor, score, total)
        await self._announce(terms.round)
        return done

    async def _announce(self, round_number: int) -> None:
        async with self._news:
            self._last_told = max(self._last_told, round_number)
            self._news.notify_all()

    async def _make_release(self, terms: Terms, score: Score, value: NDArray[np.float32]) -> tuple[Release, bytes]:
        """Sign the candidate and write it down with everything else that the round decided, all or nothing."""
        found = score.aggregation
        if found is None:
            raise RoundAbortedError(round=terms.round, reason="there is nothing to release")
        opinion = disagreement(
            {measurement.validator: measurement.kl for measurement in score.measurements},
            threshold=self.config.threshold,
        )
        rows = record.verdict_rows(found)
        measures = {"kl_divergence": opinion.median, **score.measurements[0].evaluation}
        published = await asyncio.to_thread(
            lambda: self._releases.successor(terms, found, value, rows=rows, measures=measures)
        )
        release, artefact = published.release, published.artefact
        score.release = release
        wanted = self._wanted(score)
        after = self._ledger.after(found, opinion.median, version=release.version, wanted=wanted)
        liars = self.config.adversary.agents if self.config.adversary is not None else None
        draft = record.record_of(terms, score, rows=rows, tracker=after.tracker, opinion=opinion, liars=liars)
        started = time.perf_counter()
        await asyncio.to_thread(
            self._journal.finish_round,
            round_number=terms.round,
            state="released",
            record=draft,
            release=release,
            artefact=artefact,
            verdicts=rows,
            proofs=found.proofs,
            facts=after.facts(),
            keep_artefacts=self.config.keep_artefacts,
            spare=after.good,
        )
        self._tell.wrote(semconv.JournalOperation.RELEASE, started)
        changes = self._ledger.changes(after)
        self._ledger = replace(after, draft=draft)
        self._releases.take(published)
        self._tell.standing(terms, changes)
        return release, artefact

    def _wanted(self, score: Score) -> list[tuple[str, Mapping[str, Any]]]:
        """What most validators ask for: one alone may be wrong."""
        asked: dict[str, list[Mapping[str, Any]]] = {}
        for measurement in score.measurements:
            for name, parameters in measurement.actions:
                asked.setdefault(name, []).append(parameters)
        return [
            (name, wishes[0])
            for name, wishes in asked.items()
            if 2 * len(wishes) > len(self._validators) and name != "converged"
        ]

    async def _abandon(self, terms: Terms, conductor: Conductor, score: Score, total_s: float) -> dict[str, Any]:
        """Write down that a round ended without a release."""
        error = score.error
        assert error is not None
        machine = conductor.round
        done: dict[str, Any] = {
            **_ending(terms, error),
            "total_duration_ms": 1e3 * total_s,
            "agents_count": len(machine.accepted),
            "quorum": machine.quorum,
            "refusals": dict(score.refusals),
            "lost": dict(machine.lost),
        }
        await self._write_off(terms, done)
        return done

    async def _write_off(self, terms: Terms, done: Mapping[str, Any]) -> None:
        started = time.perf_counter()
        await asyncio.to_thread(self._journal.finish_round, round_number=terms.round, state="aborted", record=done)
        self._tell.wrote(semconv.JournalOperation.RELEASE, started)

    async def _reflect(self, conductor: Conductor, score: Score, total_s: float) -> None:
        """The coordinator's own loop, and the rollback that the validators' loops asked for."""
        lost = frozenset(conductor.round.lost)
        observation = Health(
            duration_s=math.nan if score.error is not None else total_s,
            budget_s=self.config.round_budget_s,
            interval_s=self._interval,
            lost=tuple(host for host, agents in self._hosts.items() if lost.intersection(agents)),
            unapplied=len(self._hosts) - score.applied,
            split=bool(self._ledger.draft.get("validators_disagree")) and score.error is None,
            quarantined=len(self._ledger.quarantined),
        )
        await self._loop.turn(observation, self._execute)
        if self._ledger.pending is not None:
            await self._roll_back()

    async def _execute(self, action: Action) -> str:
        if action.name == "lengthen_interval":
            self._interval *= float(action.parameters["factor"])
            return f"{self._interval:.3f} s between rounds"
        revived = 0
        for host in action.parameters.get("hosts", ()):
            answer = await self._ask_status(host)
            if answer is None:
                self._revive(host)
                self._tell.restarted(semconv.ActorKind.HOST, detail=host)
                revived += 1
        return f"{revived} hosts made again"

    async def _roll_back(self) -> None:
        """Carry out the rollback that was decided with the last release."""
        version, self._ledger = self._ledger.pending, replace(self._ledger, pending=None)
        assert version is not None
        await self._restore(version)

    async def _restore(self, version: int) -> dict[str, Any]:
        published = await asyncio.to_thread(self._releases.restoring, version)
        after = self._ledger.restarted(published.release.version)
        await asyncio.to_thread(self._journal.publish, published.release, published.artefact, facts=after.facts())
        self._ledger = after
        self._releases.take(published)
        applied = await self._spread(published)
        self._tell.rolled_back(published.release)
        return {**record.release_summary(published.release), "hosts_applied": len(applied)}

    async def _learn_on(self, rounds: int | None, until_converged: bool) -> None:
        count = 0
        while not self._enough.is_set() and (rounds is None or count < rounds):
            begun = time.perf_counter()
            try:
                done = await self.run_round()
            except SwarmError:
                done = {"converged": False}  # it is in the journal with its reason; the next one may do better
            count += 1
            if until_converged and done["converged"]:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(self._interval - (time.perf_counter() - begun), 0.0)):
                    await self._enough.wait()

    async def _ask_status(self, name: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._find(name).status.remote()
        except (*LOST, TimeoutError, ValueError):
            return None


def _answered(done: dict[str, Any]) -> dict[str, Any]:
    """The record of a round, or the error that it ended with."""
    failure = done.get("error")
    if failure is None:
        return done
    raise _failure(failure)


def _failure(failure: Mapping[str, Any]) -> SwarmError:
    fields = {name: value for name, value in failure.items() if name not in ("code", "message")}
    pending = [SwarmError]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind.code == failure["code"] and kind is not SwarmError:
            return kind(**fields)
    return RoundAbortedError(round=int(fields.get("round", 0)), reason=str(failure["message"]))


def _ending(terms: Terms, error: SwarmError) -> dict[str, Any]:
    """What every record of a round without a release says."""
    return {
        "round": terms.round,
        "enrolled": len(terms.roster),
        "quorum": terms.quorum,
        "fault_bound": terms.fault_bound,
        "converged": False,
        "status": "aborted",
        "refusals": {},
        "lost": {},
        "release": None,
        "error": error.to_dict(),
    }
