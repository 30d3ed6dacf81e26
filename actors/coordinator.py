"""The coordinator: opens rounds, signs releases, keeps the journal, and answers for the swarm.

Every method answers while a round runs. A restarted coordinator reads the journal, takes up the round
that was open, and goes on; what was accepted is asked from the aggregator, not learned again.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors import record
from actors.cast import Handle, Score
from actors.clientele import members_of
from actors.conductor import Conductor
from actors.config import SwarmConfig
from actors.journal import Journal, OpenRound
from actors.learning import Learning
from actors.ledger import Ledger, wanted_by_most
from actors.members import ANSWER_S
from actors.protection import protector_of
from actors.reception import Reception
from actors.reflection import Reflection
from actors.releases import Releases
from actors.telling import Telling
from federation.convergence import disagreement
from federation.errors import RoundAbortedError, SettingError
from federation.heterogeneity import local_epochs
from federation.identity import Secret, SigningKey
from federation.release import Release
from federation.terms import Terms
from telemetry import Telemetry, semconv


class Coordinator(Reception):
    """The actor. See the module.

    Args:
        config: of the swarm.
        shares: the agents of each host, in the order of the hosts' numbers; none for a federation.
        secret: that the signing key derives from.
        journal: path of the file.
        find: from a name to an actor handle.
        put: keeps a large value where all nodes can read it.
        revive: makes a host again that Ray has given up.
        telemetry: of this process; made from the config when not given.
        clock: seconds since the epoch, for the privacy ledger.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._telemetry = telemetry or Telemetry.start(
            config.telemetry, actor_kind=semconv.ActorKind.COORDINATOR, instance="coordinator"
        )
        kept = Journal(journal, erasing=config.federation is not None)
        super().__init__(members_of(config, shares, find, put, revive, kept), kept, Ledger.of(config, kept))
        key = SigningKey.of(secret.derive("coordinator", config.run))
        self._releases = Releases(config.run, config.workload, key, self._journal)
        self._tell = Telling(config, self._telemetry)
        self._protector = protector_of(config, secret, self._journal, self._telemetry, clock)
        self._labels = {semconv.ATTR_WORKLOAD: config.workload.kind}
        self._starting = asyncio.Lock()
        self._started = False
        self._conductor: Conductor | None = None
        self._former: Conductor | None = None
        self._learning = Learning(self.run_round, self._tell.learning)
        self._reflection = Reflection(config, self._members, self._learning, self._tell, self._telemetry)

    async def start(self) -> dict[str, Any]:
        """Enrol the hosts and make the genesis release, once. Answers with the public facts of the run."""
        async with self._starting:
            if not self._started:
                await self._members.enrol(self._journal)
                if self.config.adapt_epochs:
                    await self._suit_epochs()
                self._tell.enrolled(self._enrolled)
                await self._begin()
                self._started = True
        return {
            "run": self.config.run,
            "kind": self.config.workload.kind,
            "agents": self._enrolled,
            "hosts": len(self._members.hosts),
            "doors": self.config.federation is not None,
            "validators": len(self._members.validators),
            "fault_bound": self._members.fault_bound,
            "public_key": self._releases.public.hex(),
            "release": record.release_summary(self._releases.current.release),
        }

    async def run_round(self, request: str = "") -> dict[str, Any]:
        """Run one round, and answer with its record.

        A round that was open when the coordinator was last stopped is taken up first. A ``request`` id makes
        the call idempotent: the same id is answered with the same round, however often it is asked.

        Raises:
            QuorumError, RuleBoundError, RoundAbortedError, ReviewError: when the round ends without a release.
            ParticipantsError: when too few clients of a federation are there. Nothing was opened then.
            PrivacyBudgetError: when the privacy budget does not pay for one. Nobody is asked for anything then.
        """
        await self.start()
        async with self._rounds:
            done, unfinished, number = await asyncio.to_thread(self._where, request)
            if done is not None:
                return record.answer_of(done)
            terms = await self._taken_up(unfinished) or await self._terms(number)
            self._protector.require(terms)
            return record.answer_of(await self._conduct(terms, request))

    async def start_learning(
        self, interval_s: float = 0.0, *, rounds: int | None = None, until_converged: bool = False
    ) -> None:
        """Run round after round in the background, ``interval_s`` apart, until stopped, converged or counted out."""
        if interval_s < 0 or (rounds is not None and rounds < 1):
            raise SettingError(name="interval_s, rounds", found=(interval_s, rounds), needed=">= 0 and >= 1")
        await self.start()
        await self.stop_learning()
        self._learning.start(interval_s, rounds=rounds, until_converged=until_converged)

    async def stop_learning(self) -> None:
        """Stop after the round that is under way, and wait for it."""
        await self._learning.stop()

    async def retrain(self, agent: str, reason: str) -> str:
        """Take an agent's wish to be retrained. Of f + 1 agents that wish it one is honest, and learning starts."""
        wishes = self._learning.wishes
        wishes[agent] = reason
        needed = self._members.fault_bound + 1
        if len(wishes) < needed:
            return f"{len(wishes)} of {needed} agents ask for it"
        if self._learning.active:
            return "learning already"
        wishes.clear()
        # The tasks have changed: what converged on the old ones says nothing about the new.
        self._ledger = self._ledger.restarted(self._ledger.good)
        await self.start_learning(self._learning.interval_s, until_converged=True)
        return "learning"

    async def abort_round(self, reason: str) -> bool:
        """End the round that is open without a release. False when none is, or its release is written."""
        if self._conductor is None or self._conductor.round.over:
            return False
        self._conductor.stop(reason)
        return True

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
            await self._taken_up(await asyncio.to_thread(self._journal.unfinished))
            return done

    async def status(self, *, actors: bool = True) -> dict[str, Any]:
        """The swarm in short, as plain data. Actors that do not answer are reported as silent, or are not asked."""
        conductor = self._conductor
        live = conductor is not None and not conductor.round.over
        return {
            "run": self.config.run,
            "process": os.getpid(),
            "kind": self.config.workload.kind,
            "agents": self._enrolled,
            "idle": len(self._members.idle),
            "fault_bound": self._members.fault_bound,
            "round": conductor.round.terms.round if live and conductor else None,
            "phase": str(conductor.round.phase) if live and conductor else "idle",
            "rounds": self._journal.last_round(),
            "release": record.release_summary(self._releases.current.release) if self._releases.started else None,
            "learning": self._learning.active,
            "interval_s": self._learning.interval_s,
            **self._ledger.summary(),
            **self._protector.summary(),
            "mape": self._reflection.summary(),
            "telemetry_dropped": dict(self._telemetry.dropped),
            "actors": await self._members.statuses() if actors else {},
        }

    async def metrics(self) -> bytes:
        """This process's metrics as they are now, for `telemetry.prometheus`."""
        return await asyncio.to_thread(self._telemetry.metrics)

    async def drain(self) -> dict[str, bool]:
        """Have every actor send what telemetry is still waiting."""
        done = await self._members.drain()
        own = await asyncio.to_thread(self._telemetry.drain, ANSWER_S)
        return {**done, "coordinator": own}

    async def _suit_epochs(self) -> None:
        """Set the local epochs by how differently the agents act (specification 5.3)."""
        spread = await self._members.heterogeneity()
        scale = local_epochs(spread) / local_epochs(0.0)
        self._ledger = replace(self._ledger, tuning=replace(self._ledger.tuning, epochs_scale=scale))
        self._telemetry.gauge(semconv.METRIC_HETEROGENEITY, spread, self._labels)

    async def _begin(self) -> None:
        """Take the release in force from the journal, or make the genesis, and give it to the hosts."""
        begun = time.time_ns()
        self._last_told = await asyncio.to_thread(self._journal.last_record)
        published = await asyncio.to_thread(self._releases.begin, self.config.seed)
        if self._last_told or published.release.version:
            self._tell.recovered(begun, published.release.version)
            self._tell.restarted(semconv.ActorKind.COORDINATOR, self._last_told, f"release {published.release.version}")
        await self._members.spread(published, self._releases.public)
        await asyncio.to_thread(self._journal.scrub)
        if self._ledger.pending is not None:
            await self._roll_back()

    def _where(self, request: str) -> tuple[dict[str, Any] | None, OpenRound | None, int]:
        """The record of the round that has answered this request already, the open round, the next one's number."""
        number = self._journal.round_of(request) if request else None
        done = [] if number is None else self._journal.records(after=number - 1, limit=1)
        answer = done[0] if done and done[0]["round"] == number else None
        return answer, self._journal.unfinished(), self._journal.last_round() + 1

    async def _taken_up(self, found: OpenRound | None) -> Terms | None:
        """The round that was open when a coordinator was stopped; None when there is none to go on with."""
        if found is None or found.terms.base == self._releases.current.release.digest:
            return None if found is None else found.terms
        reason = f"release {self._releases.current.release.version} came into force before it was taken up again"
        error = RoundAbortedError(round=found.terms.round, reason=reason)
        await self._write_off(
            found.terms, {**record.ending(found.terms, error), "agents_count": 0, "total_duration_ms": 0.0}
        )
        return None

    @property
    def _enrolled(self) -> int:
        """How many members there are; of a federation, how many have ever taken part."""
        return len(self.config.agents or self._ledger.trust.agents)

    async def _terms(self, number: int) -> Terms:
        """The terms of round ``number``, for those who are there to take part in it."""
        present = await self._members.gather(number, self._journal, self._ledger.quarantined)
        self._ledger = self._ledger.enrolled(present)
        found = self._ledger.terms(self.config, self._releases.current.release, self._members.roster, number=number)
        return replace(found, clip_radius=self._protector.radius)

    async def _open(self, terms: Terms, request: str) -> None:
        """Write the terms down. Hosts may be asked meanwhile; the aggregator takes nothing in before it is done."""
        bounds = {
            semconv.ATTR_AGENTS_COUNT: len(terms.roster),
            semconv.ATTR_FAULT_BOUND: terms.fault_bound,
            semconv.ATTR_QUORUM: terms.quorum,
        }
        with self._tell.phase(semconv.Phase.OPEN, terms, bounds):
            started = time.perf_counter()
            await asyncio.to_thread(self._journal.open_round, terms, opened=time.time(), request=request)
            self._tell.wrote(semconv.JournalOperation.OPEN, started)

    async def _conduct(self, terms: Terms, request: str) -> dict[str, Any]:
        with self._tell.round(terms) as span:
            started = time.perf_counter()
            if self._former is not None:
                self._former.cancel()
            self._former = self._conductor  # its late hosts may still answer: that counts in this round
            base = self._releases.current
            self._tell.opened(terms)
            conductor = Conductor(
                terms,
                self._members.cast(terms.roster),
                write_down=lambda: self._open(terms, request),
                base=(base.release, base.artefact, base.value),
                public=self._releases.public,
                make_value=lambda score: self._protector.make_value(terms, score, base.value, span.traceparent),
                history=self._ledger.history,
                make_release=lambda score, value: self._make_release(terms, score, value),
                previous=self._ledger.previous,
                traceparent=span.traceparent,
            )
            self._conductor = conductor
            score, written = await conductor.run(), None
            total = time.perf_counter() - started
            self._tell.learned(terms, score, len(self._members.hosts), span.traceparent)
            if score.error is not None:
                span.fail(score.error.code, str(score.error))
                done = record.abandoned(terms, score.error, conductor.round, score.refusals, total_s=total)
                await self._write_off(terms, done)
            else:
                done = record.timed(self._ledger.draft, score, total_s=total)
                written = asyncio.ensure_future(asyncio.to_thread(self._journal.amend, terms.round, done))
            self._tell.concluded(span, conductor, done)
            self._tell.ended(terms, conductor, score, done, total)
            self._tell.quarantined(len(self._ledger.quarantined))
            await self._reflection.turn(conductor, score, self._ledger, total)
            if written is not None:
                await written
            if self._ledger.pending is not None:
                await self._roll_back()
        self._members.follow_up(score.applied, self._releases.current, self._releases.public)
        await asyncio.to_thread(self._journal.scrub)
        await self._announce(terms.round)
        return done

    async def _make_release(self, terms: Terms, score: Score, value: NDArray[np.float32]) -> tuple[Release, bytes]:
        """Sign the candidate and write it down with everything else that the round decided, all or nothing."""
        found = score.aggregation
        if found is None:
            raise RoundAbortedError(round=terms.round, reason="there is nothing to release")
        version = self._releases.current.release.version + 1
        with self._tell.phase(semconv.Phase.RELEASE, terms, {semconv.ATTR_RELEASE_VERSION: version}) as span:
            opinion = disagreement(
                {measurement.validator: measurement.kl for measurement in score.measurements},
                threshold=self.config.threshold,
            )
            rows = record.verdict_rows(found)
            measures = {"kl_divergence": opinion.median, **score.measurements[0].evaluation}
            published = await asyncio.to_thread(
                lambda: self._releases.successor(
                    terms, found, value, rows=rows, measures=measures, protected=score.protected
                )
            )
            release, artefact = published.release, published.artefact
            span.set(semconv.ATTR_RELEASE_DIGEST, release.digest.hex())
            span.set(semconv.ATTR_RELEASE_PARENT_VERSION, version - 1)
            span.set(semconv.ATTR_MODEL_SIZE_BYTES, release.artefact_bytes)
            score.release = release
            wanted = wanted_by_most(score.measurements, len(self._members.validators))
            after = self._ledger.after(terms, found, opinion.median, version=release.version, wanted=wanted)
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
                facts=after.facts() | (score.protected.facts() if score.protected else {}),
                keep_artefacts=self.config.keep_artefacts,
                spare=after.good,
            )
            self._tell.wrote(semconv.JournalOperation.RELEASE, started)
            changes = self._ledger.changes(after)
            self._ledger = replace(after, draft=draft)
            self._releases.take(published)
            self._protector.released(score.protected)
            self._tell.standing(terms, changes, after.trust)
            return release, artefact

    async def _write_off(self, terms: Terms, done: Mapping[str, Any]) -> None:
        started = time.perf_counter()
        await asyncio.to_thread(self._journal.finish_round, round_number=terms.round, state="aborted", record=done)
        self._tell.wrote(semconv.JournalOperation.ABORT, started)

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
        applied = await self._members.spread(published, self._releases.public)
        self._tell.rolled_back(published.release)
        return {**record.release_summary(published.release), "hosts_applied": len(applied)}
