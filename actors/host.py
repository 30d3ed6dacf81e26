"""The host: runs the local learners of many agents, signs for each with its own key, answers `predict`.

One call a phase carries one stacked matrix for all agents of the host. Learning happens in a thread,
so `predict` and `status` answer from the last release while it runs. A host keeps its last batch: to
be asked again for the same round costs nothing and gives the same bytes, after a restart too, be it that
they can be made again from seeds and data, or that they are in the host's journal.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.agent import Reading
from actors.config import COORDINATOR, SwarmConfig
from actors.host_journal import HostJournal
from actors.host_telling import HostTelling
from actors.in_force import InForce
from actors.journal_file import JournalError
from actors.residents import Residents
from actors.signing import Signatory
from federation.compression import ErrorFeedback
from federation.errors import SettingError, SwarmError
from federation.identity import Secret
from federation.release import Release
from federation.terms import Terms
from federation.update import CommitBatch, UpdateBatch
from federation.workload import Acting, Learned, Remembering, Row
from telemetry import SpanKind, Telemetry, semconv


class AbstainingError(SwarmError):
    """A host that may have signed for a round already, and does not know what."""

    code = "host.abstains"

    def __init__(self, *, host: str, round: int, first: int) -> None:
        super().__init__(
            f"{host} came without the journal that it last signed by, so it signs for no round before {first}, and "
            f"was asked for {round}. Nothing needs to be done: it takes part from round {first} on.",
            host=host,
            round=round,
            first=first,
        )


class UnknownAgentError(SwarmError):
    """An agent that does not live where it was looked for."""

    code = "host.unknown_agent"

    def __init__(self, *, agent: str, host: str) -> None:
        super().__init__(
            f"{agent!r} does not live on {host}. `status()` lists the agents that are enrolled.", agent=agent, host=host
        )


class AgentHost:
    """Many agents in one process.

    Args:
        name: of the actor.
        agents: who lives here.
        config: of the swarm.
        secret: that the agents' signing keys derive from.
        find: from a name to an actor handle.
        telemetry: of this process; made from the config when not given.
    """

    def __init__(
        self,
        name: str,
        agents: Sequence[str],
        config: SwarmConfig,
        secret: Secret,
        find: Callable[[str], Any],
        telemetry: Telemetry | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self._telemetry = telemetry or Telemetry.start(
            config.telemetry, actor_kind=semconv.ActorKind.HOST, instance=name
        )
        workload = config.workload
        learner = workload.learner(tuple(agents), seed=config.seed)
        self._learner = config.adversary.corrupt(learner) if config.adversary is not None else learner
        self._workload = workload
        self._agents: tuple[str, ...] = self._learner.agents
        self._telling = HostTelling(name, self._agents, config, self._telemetry)
        self._signatory = Signatory(name, self._agents, workload.codec, secret, config.run)
        self._row = {agent: row for row, agent in enumerate(self._agents)}
        self._force = InForce(name, workload)
        self._batches: dict[tuple[int, bytes], list[UpdateBatch]] = {}
        self._single = ThreadPoolExecutor(1, thread_name_prefix="learn")
        self._learning = asyncio.Lock()
        self._idle: frozenset[str] = frozenset()
        self._rounds = 0
        self._find = find
        self._residents = (
            Residents(self._agents, workload, telemetry=self._telemetry, retraining=self, port=config.systems)
            if isinstance(workload, Acting)
            else None
        )
        self._journal = HostJournal(Path(config.state_dir) / "hosts" / f"{name}.sqlite", self._agents)
        self._feedback: ErrorFeedback | None = None
        self._vouched: str | None = None
        self._pushing = asyncio.Lock()
        self._unusable: JournalError | None = None
        try:
            self._recall()
        except JournalError as error:
            self._unusable = error  # raised where the journal is needed: Ray would only say that the actor died

    async def enrol(self) -> dict[str, bytes]:
        """agent -> Ed25519 public key."""
        return self._signatory.public

    async def idle(self) -> tuple[str, ...]:
        """Agents that have nothing to learn from, and are left off the next roster."""
        counts = await asyncio.to_thread(lambda: self._learner.histogram().sum(axis=1))
        self._idle = frozenset(agent for agent, mass in zip(self._agents, counts, strict=True) if not mass > 0)
        return tuple(sorted(self._idle))

    async def learn(self, terms: Terms, traceparent: str = "") -> tuple[int, list[UpdateBatch]]:
        """How many agents have learned, and their signed updates: the first for who waits, the second for who sums.

        Two results, so that the coordinator hears of the first while the updates go past it to the aggregator.
        There is more than one batch only when an attack wants it.

        Raises:
            MissingBaseError: when the base is not the release that this host has.
        """
        batches = await self._learned(terms, traceparent)
        return len(batches[0]), batches

    async def _learned(self, terms: Terms, traceparent: str) -> list[UpdateBatch]:
        async with self._learning:
            key = (terms.round, terms.base)
            await self._vouch(terms.round)
            if key not in self._batches:
                if terms.round < self._journal.first_round:
                    raise AbstainingError(host=self.name, round=terms.round, first=self._journal.first_round)
                base = self._force.base(terms)
                loop = asyncio.get_running_loop()
                batches = await loop.run_in_executor(self._single, self._learn, terms, base, traceparent)
                self._batches = {key: batches}
                self._rounds += 1
                await self._vouch(terms.round)  # for a journal that was begun meanwhile
            return self._batches[key]

    async def _vouch(self, asked: int) -> None:
        """Have the coordinator know which journal this host goes by; once a process, and when a journal is begun.

        Raises:
            JournalError: when there is one and it cannot be used.
        """
        if self._unusable is not None:
            raise self._unusable
        while self._vouched != self._journal.id:
            journal, first = self._journal.id, self._journal.first_round
            needed = await self._find(COORDINATOR).first_round.remote(self.name, journal, first)
            if needed > first:
                # The round that is asked for may be open and not yet written down.
                await asyncio.to_thread(self._journal.wait_until, max(needed, asked + 1))
            else:
                self._vouched = journal

    async def commit(self, terms: Terms, traceparent: str = "") -> CommitBatch:
        """Signed commitments to what `learn` will show."""
        batches = await self._learned(terms, traceparent)
        return await asyncio.to_thread(self._signatory.commit, terms, batches[0])

    async def apply(self, release: Release, artefact: bytes, public: bytes, traceparent: str = "") -> int:
        """Take a release into force. Returns its version.

        Raises:
            ReleaseError: when it does not verify; the last good one stays in force.
        """
        with self._telemetry.span(
            semconv.SPAN_APPLY,
            parent=traceparent or None,
            attributes={
                semconv.ATTR_ROUND: release.round,
                semconv.ATTR_WORKLOAD: release.kind,
                semconv.ATTR_RELEASE_VERSION: release.version,
            },
        ):
            version = self._force.take(release, artefact, public)
            if version == release.version and self._residents is not None:
                self._residents.adopt(version, self._force.value)
        return version

    async def predict(self, agent: str, states: NDArray[np.float32]) -> NDArray[np.intp]:
        """Actions of one agent for ``(m, features)`` states, by the last release."""
        if agent not in self._row:
            raise UnknownAgentError(agent=agent, host=self.name)
        return self._workload.predict(self._force.value, np.asarray(states, dtype=np.float32))

    async def observe(self, agent: str, experiences: Sequence[object]) -> int:
        """Add to an agent's memory, and let its loop look at how its tasks go.

        Returns how many experiences it now holds.
        """
        if agent not in self._row:
            raise UnknownAgentError(agent=agent, host=self.name)
        held = await self._remember(agent, experiences)
        self._idle -= {agent}
        if self._residents is not None:
            await self._residents.observed(agent, experiences)
        return held

    async def manage(self, agent: str, reading: Reading) -> dict[str, Any]:
        """One turn of an agent's loop over the system that it manages; what was found and done, as plain data.

        The experience that the turn completes goes into the agent's memory.
        """
        if agent not in self._row:
            raise UnknownAgentError(agent=agent, host=self.name)
        if self._residents is None:
            raise SettingError(name="workload", found=self._workload.kind, needed="one whose releases are policies")
        turn = await self._residents.manage(agent, reading)
        if turn.lived is not None:
            await self._remember(agent, [turn.lived])
        return {
            "symptoms": [symptom.name for symptom in turn.cycle.symptoms],
            "outcomes": [(done.action.name, done.result, done.detail) for done in turn.cycle.outcomes],
        }

    async def _remember(self, agent: str, experiences: Sequence[object]) -> int:
        """Add to an agent's memory, and to the journal where the workload can. How many experiences it now holds."""
        if self._unusable is not None:
            raise self._unusable
        async with self._pushing:  # the journal has them in the order of the memory
            if isinstance(self._workload, Remembering):
                records = self._workload.pack_experiences(experiences)
                if not self._journal.begun and records:
                    async with self._learning:  # what was signed without them goes in before them
                        batches = [batch for kept in self._batches.values() for batch in kept]
                        await asyncio.to_thread(self._journal.begin, batches)
                if records:
                    await asyncio.to_thread(self._journal.add, agent, records, capacity=self._workload.memory)
            return self._learner.observe(agent, experiences)

    def _recall(self) -> None:
        """Take up what a process before this one has left in the journal.

        Raises:
            JournalError: when it cannot be read.
        """
        signed = self._journal.recall()
        if signed is not None:
            self._batches = {(signed.round, signed.base): list(signed.batches)}
        if not self.config.feeds_back:
            self._journal.forget_residuals()
        if isinstance(self._workload, Remembering):
            for agent, records in self._journal.experiences():
                try:
                    self._learner.observe(agent, self._workload.unpack_experiences(records))
                except SwarmError as error:
                    raise JournalError(path=str(self._journal.path), found=str(error)) from error

    async def retrain(self, *, agent: str, reason: str) -> str:
        """Pass an agent's wish to be retrained on to the coordinator."""
        return await self._find(COORDINATOR).retrain.remote(agent, reason)

    async def histogram(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """The agents, and how often each met each kind of case."""
        return self._agents, await asyncio.to_thread(self._learner.histogram)

    async def status(self) -> dict[str, Any]:
        """What this host is and has, as plain data."""
        return {
            "name": self.name,
            "process": os.getpid(),
            "agents": len(self._agents),
            "idle": sorted(self._idle),
            "release": self._force.version,
            "rounds": self._rounds,
            "journal": self._journal.begun,
            "first_round": self._journal.first_round,
            "learning": self._learning.locked(),
            "mape": self._residents.summary() if self._residents is not None else {},
            "telemetry_dropped": dict(self._telemetry.dropped),
        }

    async def agents(self) -> tuple[str, ...]:
        return self._agents

    async def node(self) -> str:
        """Id of the Ray node that this host is on."""
        import ray

        return ray.get_runtime_context().get_node_id()

    async def metrics(self) -> bytes:
        """This process's metrics as they are now, for `telemetry.prometheus`."""
        return await asyncio.to_thread(self._telemetry.metrics)

    async def drain(self) -> bool:
        """Send what telemetry is still waiting."""
        return await asyncio.to_thread(self._telemetry.drain, 2.0)

    def _learn(self, terms: Terms, base: Row, traceparent: str) -> list[UpdateBatch]:
        asked = [self._row[agent] for agent in terms.roster if agent in self._row]
        labels = {semconv.ATTR_ROUND: terms.round, semconv.ATTR_WORKLOAD: terms.kind}
        telemetry = self._telemetry
        with telemetry.span(
            semconv.SPAN_HOST_LEARNING,
            kind=SpanKind.CONSUMER,
            parent=traceparent or None,
            attributes={**labels, semconv.ATTR_HOST_ID: self.name, semconv.ATTR_AGENTS_COUNT: len(asked)},
        ) as span:
            telemetry.event(
                semconv.EVENT_LOCAL_TRAINING_STARTED,
                {**labels, semconv.ATTR_HOST_ID: self.name, semconv.ATTR_AGENTS_COUNT: len(asked)},
            )
            begun, started = time.time_ns(), time.perf_counter()
            learned = self._learner.learn(
                base, round_number=terms.round, seeds=terms.seeds(self._agents), tuning=terms.tuning
            )
            seconds, ended = time.perf_counter() - started, time.time_ns()
            self._idle = frozenset(agent for agent, idle in zip(self._agents, learned.idle, strict=True) if idle)
            batches = self._signed(terms, learned, [row for row in asked if not learned.idle[row]], span.traceparent)
            self._telling.learned(terms, learned, seconds, span.traceparent, begun, ended)
            if "heterogeneity" in learned.measures:
                span.set(semconv.ATTR_HETEROGENEITY, learned.measures["heterogeneity"])
            span.set(semconv.ATTR_BATCH_SIZE, learned.batch_size)
            span.set(semconv.ATTR_NUM_EPOCHS, learned.epochs)
        return batches

    def _signed(self, terms: Terms, learned: Learned, rows: list[int], trace: str) -> list[UpdateBatch]:
        """What is sent for these rows, safe in the journal when it could not be made again."""
        feedback = None
        if self.config.feeds_back:
            # Taken out, and put back when its new state is written down: a failure starts from the old one.
            feedback, self._feedback = self._feedback or self._journal.feedback(self._workload.dimension), None
        batch = replace(self._signatory.sign(terms, learned, rows, feedback), trace=trace)
        adversary = self.config.adversary
        batches = [batch] if adversary is None else list(adversary.send(batch))
        if feedback is not None or self._journal.begun:
            self._journal.keep_signed(batches, feedback)
        self._feedback = feedback
        return batches
