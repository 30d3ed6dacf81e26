"""The coordinator: opens rounds, signs releases, keeps the journal, and answers for the swarm.

Every method answers while a round runs. A restarted coordinator reads the journal, takes up the round
that was open, and goes on; what was accepted is asked from the aggregator, not learned again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors import health, record
from actors.conductor import Cast, Conductor, Handle, Score, spread_release
from actors.config import AGGREGATOR, SwarmConfig, host_name, validator_name
from actors.faults import LOST
from actors.health import Health
from actors.journal import Journal
from actors.ledger import Ledger
from actors.mape import Action, Loop
from federation.convergence import disagreement
from federation.errors import RoundAbortedError, SettingError, SwarmError
from federation.heterogeneity import heterogeneity, local_epochs
from federation.identity import Secret, SigningKey
from federation.release import GENESIS, Release, artefact_digest
from federation.terms import Terms, Tuning, fault_bound
from telemetry import Telemetry, semconv

ANSWER_S = 2.0
"""How long `status` waits for an actor before it reports it as silent."""


class UnknownReleaseError(SwarmError):
    """A version that was never released, or whose artefact is no longer kept."""

    code = "release.unknown"

    def __init__(self, *, version: int, current: int) -> None:
        super().__init__(
            f"There is no release {version}; the current one is {current}. `releases` lists those that are kept.",
            version=version,
            current=current,
        )


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
        self._key = SigningKey.of(secret.derive("coordinator", config.run))
        self._telemetry = telemetry or Telemetry.start(
            config.telemetry, actor_kind=semconv.ActorKind.COORDINATOR, instance="coordinator"
        )
        self._journal = Journal(journal)
        self._ledger = Ledger.of(config, self._journal)
        self._loop: Loop[Health] = Loop(
            kind=semconv.ActorKind.COORDINATOR, analyze=health.analyze, plan=health.plan, telemetry=self._telemetry
        )
        self._labels = {semconv.ATTR_WORKLOAD: config.workload.kind}
        self._rounds = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._started = False
        self._conductor: Conductor | None = None
        self._current: tuple[Release, bytes, NDArray[np.float32]] | None = None
        self._idle: frozenset[str] = frozenset()
        self._news = asyncio.Condition()
        self._learning: asyncio.Task[None] | None = None
        self._interval = 0.0
        self._wishes: dict[str, str] = {}

    async def start(self) -> dict[str, Any]:
        """Enrol the hosts and make the genesis release, once. Answers with the public facts of the run."""
        async with self._starting:
            if not self._started:
                await self._enrol()
                await self._begin()
                self._started = True
        release, _, _ = self._require_current()
        return {
            "run": self.config.run,
            "kind": self.config.workload.kind,
            "agents": len(self.config.agents),
            "hosts": len(self._hosts),
            "fault_bound": self.config.used_fault_bound,
            "public_key": self._key.public.hex(),
            "release": record.release_summary(release),
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
            known = self._journal.recall("request") or {}
            if request and known.get("id") == request:
                done = self._journal.records(after=known["round"] - 1, limit=1)
                if done and done[0]["round"] == known["round"]:
                    return _answered(done[0])
            unfinished = await asyncio.to_thread(self._journal.unfinished)
            terms = unfinished.terms if unfinished else self._terms()
            if unfinished is None:
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
        self._learning = asyncio.create_task(self._learn_on(rounds, until_converged))

    async def stop_learning(self) -> None:
        """Stop after the round that is under way."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.gather(self._learning, return_exceptions=True)
            self._learning = None

    async def retrain(self, agent: str, reason: str) -> str:
        """Take an agent's wish to be retrained. Once f + 1 agents wish it, one of them is honest, and learning starts."""
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
        found = await asyncio.to_thread(self._journal.records, after=after, limit=limit)
        if found or wait_s <= 0:
            return found
        try:
            async with asyncio.timeout(wait_s), self._news:
                await self._news.wait()
        except TimeoutError:
            return []
        return await asyncio.to_thread(self._journal.records, after=after, limit=limit)

    async def release(self, version: int | None = None) -> dict[str, Any]:
        """A release with its artefact and the key to verify it; the current one when no version is named."""
        await self.start()
        found, artefact = await self._stored(version)
        return {"release": found.to_dict(), "artefact": artefact, "public_key": self._key.public.hex()}

    async def releases(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest releases, newest first, without artefacts."""
        await self.start()
        return [found.to_dict() for found in await asyncio.to_thread(self._journal.releases, limit=limit)]

    async def rollback(self, version: int) -> dict[str, Any]:
        """Bring back the value of an earlier release, as a new release. Waits for the round that is open.

        Raises:
            UnknownReleaseError: when there is no such release.
        """
        await self.start()
        async with self._rounds:
            return await self._restore(version)

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
        current = self._current
        return {
            "run": self.config.run,
            "kind": self.config.workload.kind,
            "agents": len(self.config.agents),
            "idle": len(self._idle),
            "fault_bound": self.config.used_fault_bound,
            "round": conductor.round.terms.round if live and conductor else None,
            "phase": str(conductor.round.phase) if live and conductor else "idle",
            "rounds": self._journal.last_round(),
            "release": None if current is None else record.release_summary(current[0]),
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
        async def keys_of(host: str) -> dict[str, bytes]:
            return await self._find(host).enrol.remote()

        shares = await asyncio.gather(*(keys_of(host) for host in self._hosts))
        known = await asyncio.to_thread(self._journal.keys)
        changed = tuple(
            sorted(agent for keys in shares for agent, public in keys.items() if known.get(agent, public) != public)
        )
        if changed:
            raise ChangedKeyError(agents=changed)
        for host, keys in zip(self._hosts, shares, strict=True):
            await asyncio.to_thread(self._journal.enrol, host, keys)
        idle = await asyncio.gather(*(self._find(host).idle.remote() for host in self._hosts))
        self._idle = frozenset(agent for agents in idle for agent in agents)
        if self.config.adapt_epochs:
            await self._suit_epochs()
        self._telemetry.gauge(semconv.METRIC_AGENTS_ENROLLED, len(self.config.agents), self._labels)

    async def _suit_epochs(self) -> None:
        """Set the local epochs by how differently the agents act (specification 5.3)."""
        answers = await asyncio.gather(*(self._find(host).histogram.remote() for host in self._hosts))
        spread = heterogeneity(np.concatenate([counts for _, counts in answers]))
        scale = local_epochs(spread) / local_epochs(0.0)
        self._ledger = replace(self._ledger, tuning=replace(self._ledger.tuning, epochs_scale=scale))
        self._telemetry.gauge(semconv.METRIC_HETEROGENEITY, spread, self._labels)

    async def _begin(self) -> None:
        """Take the current release from the journal, or make the genesis, and give it to the hosts."""
        workload = self.config.workload
        found = await asyncio.to_thread(self._journal.release)
        if found is None:
            artefact = workload.pack(workload.genesis(self.config.seed))
            genesis = Release(
                run=self.config.run,
                kind=workload.kind,
                version=0,
                round=0,
                parent=GENESIS,
                artefact=artefact_digest(artefact),
                artefact_bytes=len(artefact),
            ).signed(self._key, created=time.time())
            await asyncio.to_thread(self._journal.publish, genesis, artefact)
            found = genesis, artefact
        await self._take(*found)
        await spread_release(self._cast(self.config.agents), *found, self._key.public)

    async def _take(self, release: Release, artefact: bytes) -> None:
        release.check(public=self._key.public, artefact=artefact)
        self._current = release, artefact, self.config.workload.unpack(artefact)

    def _require_current(self) -> tuple[Release, bytes, NDArray[np.float32]]:
        if self._current is None:
            raise RoundAbortedError(round=0, reason="the coordinator has not been started")
        return self._current

    def _terms(self) -> Terms:
        """The terms of the next round."""
        config, workload = self.config, self.config.workload
        release, _, _ = self._require_current()
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
        self._journal.open_round(terms, opened=time.time())
        if request:
            self._journal.remember({"request": {"id": request, "round": terms.round}})
        self._wrote(semconv.JournalOperation.OPEN, started)

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
            if self._conductor is not None:
                self._conductor.cancel()
            conductor = Conductor(
                terms,
                self._cast(terms.roster),
                base=self._base(terms),
                public=self._key.public,
                fold=self.config.workload.fold,
                history=self._ledger.tracker.to_dict(),
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
            self._tell(terms, score, done, total)
        await self._reflect(terms, conductor, score, total)
        async with self._news:
            self._news.notify_all()
        return done

    def _base(self, terms: Terms) -> tuple[Release, bytes, NDArray[np.float32]]:
        """The release that the terms name: the current one, unless the round was taken up after a rollback."""
        current = self._require_current()
        if current[0].digest == terms.base:
            return current
        found = self._journal.release(terms.base_version)
        if found is None:
            raise UnknownReleaseError(version=terms.base_version, current=current[0].version)
        return found[0], found[1], self.config.workload.unpack(found[1])

    async def _make_release(self, terms: Terms, score: Score, value: NDArray[np.float32]) -> tuple[Release, bytes]:
        """Sign the candidate and write it down with everything else that the round decided, all or nothing."""
        found = score.aggregation
        if found is None:
            raise RoundAbortedError(round=terms.round, reason="there is nothing to release")
        opinion = disagreement(
            {measurement.validator: measurement.kl for measurement in score.measurements},
            threshold=self.config.threshold,
        )
        artefact = self.config.workload.pack(value)
        parent, _, _ = self._require_current()
        rows = record.verdict_rows(found)
        counts = record.verdict_summary(rows)
        release = Release(
            run=terms.run,
            kind=terms.kind,
            version=parent.version + 1,
            round=terms.round,
            parent=parent.digest,
            artefact=artefact_digest(artefact),
            artefact_bytes=len(artefact),
            rule=found.rule,
            agents=found.counted,
            fault_bound=found.fault_bound,
            accepted=counts["accepted"],
            clipped=counts["clipped"],
            rejected=counts["rejected"],
            refused=dict(sorted(Counter(found.refused.values()).items())),
            late=found.stale,
            flagged=found.flagged,
            measures={
                "kl_divergence": _finite(opinion.median),
                **{name: _finite(figure) for name, figure in score.measurements[0].evaluation.items()},
            },
        ).signed(self._key, created=time.time())
        score.release = release
        after = self._ledger.after(found, opinion.median, version=release.version)
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
        )
        self._wrote(semconv.JournalOperation.RELEASE, started)
        changes = self._ledger.changes(after)
        self._ledger = replace(after, draft=draft)
        await self._take(release, artefact)
        self._announce(terms, changes)
        return release, artefact

    async def _abandon(self, terms: Terms, conductor: Conductor, score: Score, total_s: float) -> dict[str, Any]:
        """Write down that a round ended without a release."""
        error = score.error
        assert error is not None
        machine = conductor.round
        done: dict[str, Any] = {
            "round": terms.round,
            "total_duration_ms": 1e3 * total_s,
            "agents_count": len(machine.accepted),
            "enrolled": len(terms.roster),
            "quorum": machine.quorum,
            "fault_bound": terms.fault_bound,
            "converged": False,
            "status": "aborted",
            "refusals": dict(score.refusals),
            "lost": dict(machine.lost),
            "release": None,
            "error": error.to_dict(),
        }
        await asyncio.to_thread(self._journal.finish_round, round_number=terms.round, state="aborted", record=done)
        return done

    async def _reflect(self, terms: Terms, conductor: Conductor, score: Score, total_s: float) -> None:
        """The coordinator's own loop, and what the validators' loops asked for."""
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
        asked: dict[str, list[dict[str, Any]]] = {}
        for measurement in score.measurements:
            for name, parameters in measurement.actions:
                asked.setdefault(name, []).append(parameters)
        for name, wishes in asked.items():
            # One validator alone may be wrong: half of them have to ask.
            if 2 * len(wishes) >= len(self._validators) and name != "converged":
                await self._adapt(name, wishes[0])
        del terms

    async def _execute(self, action: Action) -> str:
        if action.name == "lengthen_interval":
            self._interval *= float(action.parameters["factor"])
            return f"{self._interval:.3f} s between rounds"
        revived = 0
        for host in action.parameters.get("hosts", ()):
            answer = await self._ask_status(host)
            if answer is None:
                self._revive(host)
                revived += 1
        return f"{revived} hosts made again"

    async def _adapt(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Carry out what the validators planned: tuning for the next rounds, or a rollback."""
        tuning = self._ledger.tuning
        tuning = Tuning(
            learning_rate_scale=max(tuning.learning_rate_scale * parameters.get("learning_rate_scale", 1.0), 1 / 64),
            epochs_scale=min(tuning.epochs_scale * parameters.get("epochs_scale", 1.0), 4.0),
        )
        self._ledger = replace(self._ledger, tuning=tuning)
        await asyncio.to_thread(self._journal.remember, self._ledger.facts())
        if name == "rollback" and self._ledger.good < self._require_current()[0].version:
            await self._restore(self._ledger.good)

    async def _restore(self, version: int) -> dict[str, Any]:
        current, _, _ = self._require_current()
        wanted, artefact = await self._stored(version)
        release = Release(
            run=current.run,
            kind=current.kind,
            version=current.version + 1,
            round=0,
            parent=current.digest,
            artefact=wanted.artefact,
            artefact_bytes=wanted.artefact_bytes,
            rule="rollback",
            measures=wanted.measures,
            restores=version,
        ).signed(self._key, created=time.time())
        self._ledger = self._ledger.restarted(release.version)
        await asyncio.to_thread(self._journal.publish, release, artefact, facts=self._ledger.facts())
        await self._take(release, artefact)
        applied = await spread_release(self._cast(self.config.agents), release, artefact, self._key.public)
        self._telemetry.event(
            semconv.EVENT_RELEASE_ROLLED_BACK,
            {semconv.ATTR_RELEASE_VERSION: release.version, semconv.ATTR_WORKLOAD: release.kind},
        )
        return {**record.release_summary(release), "hosts_applied": applied}

    async def _stored(self, version: int | None) -> tuple[Release, bytes]:
        found = await asyncio.to_thread(self._journal.release, version)
        if found is None or not found[1]:
            raise UnknownReleaseError(
                version=-1 if version is None else version, current=self._require_current()[0].version
            )
        return found

    async def _learn_on(self, rounds: int | None, until_converged: bool) -> None:
        count = 0
        while rounds is None or count < rounds:
            begun = time.perf_counter()
            try:
                done = await self.run_round()
            except SwarmError:
                done = {"converged": False}  # it is in the journal with its reason; the next one may do better
            count += 1
            if until_converged and done["converged"]:
                return
            await asyncio.sleep(max(self._interval - (time.perf_counter() - begun), 0.0))

    async def _ask_status(self, name: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._find(name).status.remote()
        except (*LOST, TimeoutError, ValueError):
            return None

    def _wrote(self, operation: str, started: float) -> None:
        self._telemetry.observe(
            semconv.METRIC_JOURNAL_WRITE_DURATION,
            time.perf_counter() - started,
            {semconv.ATTR_JOURNAL_OPERATION: operation},
        )

    def _announce(self, terms: Terms, changes: Mapping[str, str]) -> None:
        """Events for agents that went into quarantine or came back."""
        for agent, change in changes.items():
            event = semconv.EVENT_AGENT_QUARANTINED if change == "quarantined" else semconv.EVENT_AGENT_READMITTED
            self._telemetry.event(event, {semconv.ATTR_AGENT_ID: agent, semconv.ATTR_ROUND: terms.round})

    def _tell(self, terms: Terms, score: Score, done: Mapping[str, Any], total_s: float) -> None:
        telemetry, labels = self._telemetry, self._labels
        if not telemetry.enabled:
            return
        telemetry.observe(semconv.METRIC_ROUND_DURATION, total_s, labels)
        if score.error is not None:
            telemetry.count(semconv.METRIC_ROUNDS_ABORTED, 1, {**labels, semconv.ATTR_ABORT_REASON: score.error.code})
            telemetry.event(
                semconv.EVENT_ROUND_ABORTED,
                {semconv.ATTR_ROUND: terms.round, semconv.ATTR_ABORT_REASON: score.error.code, **labels},
            )
            return
        telemetry.count(semconv.METRIC_ROUNDS, 1, labels)
        telemetry.gauge(semconv.METRIC_RELEASE_VERSION, done["release"]["version"], labels)
        telemetry.gauge(semconv.METRIC_AGENTS_QUARANTINED, len(self._ledger.quarantined), labels)
        telemetry.gauge(semconv.METRIC_AGENTS_ACTIVE, done["agents_count"], labels)
        if done["kl_divergence"] is not None:
            telemetry.gauge(semconv.METRIC_KL_DIVERGENCE, done["kl_divergence"], labels)
            telemetry.event(
                semconv.EVENT_CONVERGENCE_CHECKED,
                {
                    semconv.ATTR_ROUND: terms.round,
                    semconv.ATTR_CONVERGENCE_KL_DIVERGENCE: done["kl_divergence"],
                    semconv.ATTR_CONVERGENCE_STATUS: done["status"],
                    semconv.ATTR_THRESHOLD: self.config.threshold,
                },
            )
        if done["avg_local_loss"] is not None:
            telemetry.gauge(semconv.METRIC_GLOBAL_LOSS, done["avg_local_loss"], labels)
        accuracy = done["evaluation"].get("accuracy")
        if accuracy is not None:
            telemetry.gauge(semconv.METRIC_ACCURACY, accuracy, labels)
        if done["converged"]:
            telemetry.gauge(semconv.METRIC_CONVERGENCE_ROUNDS, self._ledger.tracker.rounds, labels)
        telemetry.event(
            semconv.EVENT_MODEL_SYNCHRONIZED,
            {
                semconv.ATTR_ROUND: terms.round,
                semconv.ATTR_MODEL_SIZE_BYTES: done["release"]["artefact_bytes"],
                semconv.ATTR_AGENTS_SYNCHRONIZED: done["agents_count"],
            },
        )


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


def _finite(value: float) -> float:
    """The value as the release's canonical JSON takes it: Inf and NaN become the largest float."""
    return float(value) if math.isfinite(value) else 1.7976931348623157e308
