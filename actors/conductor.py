"""The conductor: carries out the instructions of one round, and turns what happens into its events.

It holds no decision of the federation: when to close, wait or abort is `federation.round`'s. What it
knows is how to ask an actor, and what to do when the actor is gone: ask again until the round is over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.cast import Cast, Handle, Score, spread_release
from actors.faults import LOST, LOST_ARGUMENT, itself, pause_s
from actors.host import AbstainingError
from actors.in_force import MissingBaseError
from actors.messages import Aggregation, Receipt
from actors.opinions import opinions
from federation.errors import NoOpenRoundError, RoundAbortedError, SwarmError
from federation.events import (
    Abort,
    Aggregate,
    Aggregated,
    Applied,
    Apply,
    Arrived,
    AskCommitments,
    AskUpdates,
    Committed,
    Event,
    Failed,
    Finish,
    Instruction,
    Lost,
    Opened,
    QuorumRaised,
    Released,
    Stopped,
    Ticked,
    Validate,
    Validated,
    Wake,
    WindowExtended,
)
from federation.events import Release as MakeRelease
from federation.release import Release
from federation.round import Round
from federation.terms import Terms

REVIEW_AT = 0.8
"""Share of the deadline after which the aggregator's loop looks for stragglers."""


class Conductor:
    """One round, carried out.

    Args:
        terms: of the round.
        cast: who plays.
        write_down: puts the terms into the journal.
        base: the release that is learned from, its artefact, and its value.
        public: the coordinator's public key.
        make_value: the next value, from what the round has come to; the privacy ledger may refuse it.
        history: divergences of the run so far, for the validators.
        make_release: signs and journals a release of a value; returns it with its artefact.
        previous: agent -> digest of its last counted payload, for the gate.
        traceparent: of the round's span.
    """

    def __init__(
        self,
        terms: Terms,
        cast: Cast,
        *,
        write_down: Callable[[], Awaitable[None]],
        base: tuple[Release, bytes, NDArray[np.float32]],
        public: bytes,
        make_value: Callable[[Score], Awaitable[NDArray[np.float32]]],
        history: Mapping[str, Any],
        make_release: Callable[[Score, NDArray[np.float32]], Awaitable[tuple[Release, bytes]]],
        previous: Mapping[str, bytes],
        traceparent: str,
    ) -> None:
        self.round = Round(terms)
        self.score = Score()
        self._terms = terms
        self._cast = cast
        self._write_down = write_down
        self._base = base
        self._public = public
        self._make_value = make_value
        self._history = history
        self._make_release = make_release
        self._previous = previous
        self._trace = traceparent
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._ready = asyncio.Event()
        self._value: NDArray[np.float32] | None = None
        self._revealed = False
        self._foretold: tuple[tuple[str, ...], int, Aggregation] | None = None

    async def run(self) -> Score:
        """The score of the finished or aborted round. Never raises for what happens to other actors."""
        self.score.times.started = time.perf_counter()
        self._spawn(self._guard(self._open()))
        self._perform(self.round.handle(Opened(at=0.0)))
        timer = asyncio.get_running_loop().call_later(
            REVIEW_AT * self._terms.deadline_s, lambda: self._spawn(self._review())
        )
        self._timers.append(timer)
        try:
            while not self.round.over:
                event = await self._events.get()
                self._perform(self.round.handle(event))
        finally:
            for timer in self._timers:
                timer.cancel()
        self.score.error = self.round.error
        return self.score

    def stop(self, reason: str) -> None:
        """Ask the round to end here. It does, unless its release is written already."""
        self._events.put_nowait(Stopped(reason=reason, at=self.age))

    def cancel(self) -> None:
        """Drop what is still under way, late hosts included."""
        for task in self._tasks:
            task.cancel()

    @property
    def age(self) -> float:
        """Seconds since the round was opened here."""
        return time.perf_counter() - self.score.times.started

    def _perform(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case AskUpdates(agents=agents):
                    self.score.times.asked = self.age
                    if self._terms.commit_reveal:
                        self._spawn(self._guard(self._reveal(agents)))
                    else:
                        self._each_host(agents, self._ask_updates)
                case AskCommitments(agents=agents):
                    self.score.times.asked = self.age
                    self._each_host(agents, self._ask_commitments)
                case Wake(at=at):
                    loop = asyncio.get_running_loop()
                    delay = max(at - self.age, 0.0)
                    self._timers.append(loop.call_later(delay, self._tick, at))
                case Aggregate():
                    self._spawn(self._guard(self._aggregate(instruction)))
                case Validate():
                    self._spawn(self._guard(self._validate()))
                case MakeRelease():
                    self._spawn(self._guard(self._release()))
                case Apply():
                    self._spawn(self._apply())
                case Abort() | Finish():
                    self._spawn(self._finish())

    def _each_host(self, agents: tuple[str, ...], ask: Callable[[str], Awaitable[None]]) -> None:
        asked = frozenset(agents)
        for host, residents in self._cast.hosts.items():
            theirs = tuple(agent for agent in residents if agent in asked)
            if theirs:
                self._spawn(self._persist(host, theirs, ask))

    async def _persist(self, host: str, agents: tuple[str, ...], ask: Callable[[str], Awaitable[None]]) -> None:
        """Ask a host until it has answered or the round no longer wants its answer."""
        attempt = 0
        while not self.round.over:
            try:
                await ask(host)
            except LOST as error:
                self._put(Lost(agents=agents, reason=type(error).__name__, at=self.age))
            except AbstainingError as error:
                self._put(Arrived(accepted=(), refused=dict.fromkeys(agents, error.code), at=self.age))
                return
            except SwarmError as error:
                self._put(Lost(agents=agents, reason=error.code, at=self.age))
            except Exception as error:  # noqa: BLE001 - a host may fail in any way; its agents just did not answer
                self._put(Lost(agents=agents, reason=type(error).__name__, at=self.age))
            else:
                return
            await asyncio.sleep(pause_s(attempt))
            attempt += 1

    async def _ask_updates(self, host: str) -> None:
        handle = self._cast.find(host)
        try:
            receipt = await self._learned_by(handle)
        except MissingBaseError:
            await self._catch_up(handle)
            receipt = await self._learned_by(handle)
        if receipt.ready is not None:
            self._foretold = receipt.ready
        for code, count in receipt.counts.items():
            self.score.refusals[code] = self.score.refusals.get(code, 0) + count
        self._put(self._arrived(receipt))

    async def _learned_by(self, handle: Handle) -> Receipt:
        """The aggregator's receipt for what a host learned.

        The aggregator is asked at once, with a result that is not there yet: Ray hands it over when it is, and
        nobody has to wake up in between.
        """
        done, batches = handle.learn.options(num_returns=2).remote(self._terms, self._trace)
        await self._ready.wait()
        asked = asyncio.ensure_future(
            self._with_aggregator(lambda aggregator: aggregator.submit.remote(batches, self._trace))
        )
        try:
            await done
            self.score.times.learn = max(self.score.times.learn, self.age - self.score.times.asked)
            return await asked
        finally:
            if not asked.done():
                asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    async def _ask_commitments(self, host: str) -> None:
        handle = self._cast.find(host)
        try:
            batch = await handle.commit.remote(self._terms, self._trace)
        except MissingBaseError:
            await self._catch_up(handle)
            batch = await handle.commit.remote(self._terms, self._trace)
        await self._ready.wait()
        bound = await self._with_aggregator(lambda aggregator: aggregator.commit.remote(batch, self._trace))
        self._put(Committed(agents=tuple(bound), at=self.age))

    async def _catch_up(self, handle: Handle) -> None:
        release, artefact, _ = self._base
        await handle.apply.remote(release, artefact, self._public, self._trace)

    async def _reveal(self, agents: tuple[str, ...]) -> None:
        """Have the aggregator take no more commitments, then have the updates shown."""
        self._revealed = True
        await self._ready.wait()
        await self._with_aggregator(None)
        self._each_host(agents, self._ask_updates)

    async def _open(self) -> None:
        """Write the terms down, then give them to the aggregator; what its journal holds already counts as arrived.

        Hosts learn meanwhile. Should nothing come to be written, nobody takes in what they learned.
        """
        await self._write_down()
        receipts: list[Receipt] = await self._with_aggregator(None)
        self._ready.set()
        for receipt in receipts:
            if receipt.quorum:
                self._put(QuorumRaised(to=receipt.quorum, at=self.age))
            self._put(self._arrived(receipt))

    async def _with_aggregator(self, call: Callable[[Handle], Awaitable[Any]] | None) -> Any:
        """The answer of the aggregator; after a restart it is given the terms again first."""
        attempt = 0
        while True:
            try:
                aggregator = self._cast.find(self._cast.aggregator)
                if call is None or (attempt and not self.round.over):
                    opened = await aggregator.open.remote(self._terms, self._previous, self._revealed, self._trace)
                    if call is None:
                        return opened
                    for receipt in opened:
                        self._put(self._arrived(receipt))
                return await call(aggregator)
            except LOST_ARGUMENT:
                raise  # the host's, not the aggregator's: it is asked to learn again
            except (*LOST, NoOpenRoundError) as error:
                if self.round.over or self.age > 2 * self._terms.deadline_s:
                    raise RoundAbortedError(
                        round=self._terms.round, reason=f"the aggregator cannot be reached ({type(error).__name__})"
                    ) from error
                await asyncio.sleep(pause_s(attempt))
                attempt += 1

    async def _review(self) -> None:
        """Let the aggregator's loop look at the round before its deadline."""
        try:
            aggregator = self._cast.find(self._cast.aggregator)
            asked = await aggregator.review.remote(self.age / self.round.deadline)
        except (*LOST, SwarmError):
            return  # it is being restarted; the deadline stands
        for name, parameters in asked:
            if name == "extend_window":
                self._put(WindowExtended(by_s=parameters["share"] * self._terms.deadline_s, at=self.age))

    async def _aggregate(self, instruction: Aggregate) -> None:
        started = self.age
        agents, f = instruction.agents, instruction.fault_bound
        if self._foretold is not None and self._foretold[:2] == (agents, f):
            found = self._foretold[2]
        else:
            found = await self._with_aggregator(lambda aggregator: aggregator.aggregate.remote(agents, f, self._trace))
        self.score.aggregation = found
        self._value = await self._make_value(self.score)
        self.score.times.aggregate = self.age - started
        self._put(Aggregated(at=self.age))

    async def _validate(self) -> None:
        started = self.age
        found = self.score.aggregation
        if found is None or self._value is None:
            raise RoundAbortedError(round=self._terms.round, reason="there is nothing to validate")
        self.score.measurements = await opinions(
            self._cast, self._terms.round, self._base[2], self._value, found.variance, self._history, self._trace
        )
        self.score.times.validate = self.age - started
        self._put(Validated(at=self.age))

    async def _release(self) -> None:
        started = self.age
        if self._value is None:
            raise RoundAbortedError(round=self._terms.round, reason="there is nothing to release")
        release, artefact = await self._make_release(self.score, self._value)
        self.score.release, self.score.artefact = release, artefact
        self.score.times.release = self.age - started
        self._put(Released(version=release.version, at=self.age))

    async def _apply(self) -> None:
        started = self.age
        release = self.score.release
        try:
            if release is not None:
                hosts = await spread_release(
                    self._cast, release, self.score.artefact, self._public, traceparent=self._trace
                )
                self.score.applied = len(hosts)
                self.score.agents_applied = sum(len(self._cast.hosts[host]) for host in hosts)
        finally:
            self.score.times.apply = self.age - started
            self._put(Applied(at=self.age))

    async def _finish(self) -> None:
        try:
            await self._cast.find(self._cast.aggregator).finish.remote(self._terms.round)
        except LOST:
            return  # its memory went with it

    async def _guard(self, work: Awaitable[None]) -> None:
        """Turn what goes wrong in an instruction into the event that ends the round."""
        try:
            await work
        except SwarmError as error:
            self._put(Failed(error=itself(error), at=self.age))
        except Exception as error:  # noqa: BLE001 - whatever it is, the round must end with a reason, not hang
            reason = f"{type(error).__name__}: {error}"
            self._put(Failed(error=RoundAbortedError(round=self._terms.round, reason=reason), at=self.age))

    def _arrived(self, receipt: Receipt) -> Arrived:
        return Arrived(
            accepted=receipt.accepted,
            refused=receipt.refused,
            withdrawn=receipt.withdrawn,
            late=receipt.late,
            at=self.age,
        )

    def _tick(self, at: float) -> None:
        self._put(Ticked(at=max(at, self.age)))

    def _put(self, event: Event) -> None:
        if not self.round.over:
            self._events.put_nowait(event)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
