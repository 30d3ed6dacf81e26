"""The clerk of a federation: keeps its hours. Windows, rounds, releases, rollouts, standings, and what operators ask.

There is one at a time (`Tenure`), in the process that runs the federation. What to do next is decided by
`gateway.federation.schedule`; here it is done, and written down afterwards. Each step can be done twice: the swarm runs
a round once for each request id, files and records are written once, and a rollback looks for its own release before it
makes one. So the clerk may be killed anywhere, and the next one goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from actors import Swarm
from actors.cluster import NoSwarmError
from actors.releases import UnknownReleaseError as GoneReleaseError
from actors.storage import (
    ClientState,
    LeaseError,
    ReleaseRecord,
    ReleaseStore,
    Storage,
    StorageUnavailableError,
    UnknownReleaseError,
)
from federation.errors import SettingError, SwarmError
from federation.identity import SigningKey
from federation.rollout import Rollout
from gateway.federation import clerk_state
from gateway.federation.books import Books
from gateway.federation.clerk_state import (
    BUDGET,
    MASS_ANOMALY,
    OPERATOR,
    PARTICIPANTS,
    SHORT,
    UNPUBLISHED,
    ClerkSettings,
    Pause,
    Recall,
    Sealed,
    State,
)
from gateway.federation.clerk_telling import ClerkTelling, Told
from gateway.federation.desk import Desk
from gateway.federation.launching import Launching, everybodys
from gateway.federation.lookout import Lookout
from gateway.federation.publisher import WITHDRAWN, Publisher
from gateway.federation.rounds import budget_of, code_of, restored, run_within
from gateway.federation.schedule import (
    Attend,
    Extend,
    Judge,
    Launch,
    List,
    Publish,
    Renew,
    Request,
    Restore,
    RunRound,
    Seal,
    Settle,
    Step,
    Tidy,
    Wait,
    Withdraw,
    next_step,
)
from gateway.federation.sorting import Sorter
from gateway.federation.standings import Standings
from gateway.federation.tenure import Tenure
from telemetry import Telemetry
from telemetry.semconv import RolloutDecision, WindowEnding
from workloads.patterns import KeySpace

__all__ = ["Clerk", "ClerkSettings"]

T = TypeVar("T")


class Clerk:
    """Keeps a federation going. See the module.

    Args:
        swarm: that learns.
        storage: what clients sent, and what is known of them.
        files: where releases are handed out from.
        key: that signs releases for clients.
        space: the key space of the swarm's workload.
        regions: of the federation's doors.
        settings: the figures.
        sorter: that has clients summed in secret before a round; None where they submit.
        tenure: of this clerk, begun; None where there cannot be another one.
        telemetry: of this process.
        clock: seconds since 1970.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        swarm: Swarm,
        storage: Storage,
        files: ReleaseStore,
        key: SigningKey,
        *,
        space: KeySpace,
        regions: tuple[str, ...] = ("global",),
        settings: ClerkSettings | None = None,
        sorter: Sorter | None = None,
        tenure: Tenure | None = None,
        telemetry: Telemetry | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.settings = settings or ClerkSettings()
        self._swarm, self._storage, self._clock, self._sleep = swarm, storage, clock, sleep
        self._regions, self._sorter, self._tenure = regions, sorter, tenure
        self._tell = ClerkTelling(telemetry)
        self._publisher = Publisher(swarm, storage, files, key, space=space)
        self._launching = Launching(storage, self.settings)
        self._standings = Standings(swarm, storage, self._tell)
        self._desk = Desk(storage, keep=self.settings.keep_answers)
        self._books = Books(storage, self._desk, self._tell, tenure)
        self._lookout = Lookout(
            storage, self._desk, self._publisher, self._launching, self._tell, regions=regions, settings=self.settings
        )

    @property
    def state(self) -> State:
        """What is written down. There is none before `start`."""
        return self._books.state

    async def start(self) -> None:
        """Publish the genesis if nothing is published, open the first window, or take up what was left."""
        if self._tenure is not None:
            await self._tenure.renew()
        now = self._clock()
        found = await self._books.read()
        state = clerk_state.opened(now, settings=self.settings) if found is None else found
        try:
            for record in await self._publisher.catch_up(window=state.window.number - 1):
                self._tell.published(record)
        except StorageUnavailableError as error:
            if found is None:
                raise  # without the genesis there is nothing to begin with
            self._tell.unwritten(error)
        await asyncio.to_thread(self._launching.begin, now)
        await self._books.keep(state, **await budget_of(self._swarm))
        self._tell.opened(state, self.settings)

    async def run(self) -> None:
        """Do what is due, until cancelled. A storage that is away is waited for."""
        while True:
            try:
                step = await self.turn()
            except StorageUnavailableError as error:
                self._tell.unavailable(error)
                step = Wait()
            if isinstance(step, Wait):
                await self._sleep(self.settings.pulse_s)

    async def close(self) -> None:
        """Return at once: what was under way is taken up by the next clerk."""

    async def turn(self) -> Step:
        """Do the one thing that is due next. Returns what it was; a `LeaseError` says that another has taken over."""
        if self._tenure is not None:
            await self._tenure.renew()
        now = self._clock()
        seen, rollout = await asyncio.to_thread(self._lookout.look, self.state, now)
        step = next_step(self.state, seen, now=now, settings=self.settings)
        with self._tell.step(step, self.state.window.number) as told:
            await self._do(step, rollout, now, told)
        return step

    async def _do(self, step: Step, rollout: Rollout, now: float, told: Told) -> None:
        state = self.state
        match step:
            case Attend(request=request):
                await self._attend(request, now)
            case Seal(participants=found):
                await self._seal(found, now)
            case Extend():
                await self._extend(step, now)
            case RunRound(sealed=sealed):
                await self._run_round(sealed, told)
            case Publish():
                under_way = state.recall or state.sealed
                window = state.window.number - 1 if under_way is None else under_way.window
                made = await self._written(lambda: self._publisher.catch_up(window=window), told)
                for record in made or ():
                    self._tell.published(record)
            case List():
                await self._written(lambda: self._publisher.list_anew(everybodys(rollout)), told)
            case Settle(sealed=sealed):
                await self._settle(sealed, now)
            case Restore(recall=recall):
                await self._restore(recall, now)
            case Withdraw(recall=recall):
                await self._withdraw(recall, now)
            case Launch(version=version):
                launched = await asyncio.to_thread(self._launching.launch, version, rollout, now)
                self._tell.decided(RolloutDecision.PROMOTE, launched)
            case Judge():
                await self._judge(rollout, now)
            case Renew():
                await self._books.keep(replace(state, paused=None))
            case Tidy():
                self._lookout.tidied = now
                await self._standings.forget(now)
                submissions, staleness_s = self._storage.submissions, self.settings.staleness_s
                await asyncio.to_thread(lambda: submissions.drop_stale(now, staleness_s=staleness_s))

    async def _extend(self, step: Extend, now: float) -> None:
        state = clerk_state.extended(self.state, now, settings=self.settings)
        short = step.code == PARTICIPANTS
        told = {"found": step.found, "needed": step.needed, "since": now, "extended": state.window.extended}
        await self._books.keep(state, **({"short": told} if short else {}))
        self._tell.extended(state, step, short=short)

    async def _run_round(self, sealed: Sealed, told: Told) -> None:
        """Run the round of a sealed window; what comes of it is the next state."""
        share = None if sealed.limit is None else -(-sealed.limit // len(self._regions))
        await asyncio.to_thread(self._storage.facts.put, "round", {"window": sealed.window, "limit": share})
        if self._sorter is not None:
            await self._sorter.sort(sealed.window)
        try:
            record = await run_within(self._swarm, sealed.request, limit_s=self.settings.aggregation_s)
        except NoSwarmError:
            raise
        except SwarmError as error:
            told.code, told.message = error.code, str(error)
            await self._failed(sealed, error)
            return
        await self._books.keep(clerk_state.released(self.state, int(record["release"]["version"])), short=None)

    async def _failed(self, sealed: Sealed, error: SwarmError) -> None:
        now, settings = self._clock(), self.settings
        code = code_of(error)
        renews_at = error.fields.get("renews_at") if code == BUDGET else None
        state = clerk_state.failed(
            self.state, now, code=code, detail=str(error), settings=settings, renews_at=renews_at
        )
        if state.sealed is not None:
            await self._books.keep(state)  # once more
            return
        about = {"window": sealed.window, "participants": sealed.participants, "attempts": sealed.attempt}
        further: dict[str, Any] = {"last_round": {**about, "code": code, "detail": str(error), "at": now}}
        if code in SHORT:
            found = error.fields.get("found", error.fields.get("n", sealed.participants))
            needed = error.fields.get("needed", settings.min_participants)
            further["short"] = {"found": found, "needed": needed, "since": now, "extended": state.window.extended}
        await self._books.answer(sealed.asked, now, code=code, detail=str(error))
        await self._books.keep(state, **further, **await budget_of(self._swarm))
        ending = WindowEnding.PAUSED if code in (BUDGET, MASS_ANOMALY) else WindowEnding.ABORTED
        self._tell.closed(sealed.window, sealed.participants, ending, detail=code)

    async def _written(self, write: Callable[[], Awaitable[T]], told: Told) -> T | None:
        """What a write answers; after the last try in vain None, and publishing waits for an operator."""
        for pause in (*self.settings.write_again_s, None):
            try:
                return await write()
            except StorageUnavailableError as error:
                self._tell.unwritten(error)
                if pause is not None:
                    await self._sleep(pause)
                    continue
                told.code, told.message = error.code, str(error)
                kept = Pause(code=UNPUBLISHED, detail=str(error), since=self._clock())
                await self._books.keep(replace(self.state, unpublished=kept))
        return None

    async def _settle(self, sealed: Sealed, now: float) -> None:
        """Be done with a round: clients stand as the swarm judged them, and who asked for it is answered."""
        assert sealed.release is not None
        changed = await self._standings.mirror(now)
        record = await asyncio.to_thread(self._storage.releases.by_number, sealed.release)
        assert record is not None
        found = {
            "window": sealed.window,
            "version": record.version,
            "participants": record.participants,
            "attempts": sealed.attempt,
            "epsilon": record.epsilon,
            "quarantined": changed.quarantined,
            "reinstated": changed.reinstated,
            "code": "ok",
            "at": now,
        }
        await self._books.audit("round", code="ok", now=now)
        await self._books.answer(sealed.asked, now, result=found)
        await self._books.keep(replace(self.state, sealed=None), last_round=found, **await budget_of(self._swarm))
        self._tell.closed(sealed.window, sealed.participants, WindowEnding.RELEASED)

    async def _restore(self, recall: Recall, now: float) -> None:
        """Have the swarm bring a value back; one that it no longer has ends the rollback."""
        try:
            number = await restored(self._swarm, recall)
        except GoneReleaseError as error:
            await self._books.answer(recall.asked, now, code=error.code, detail=str(error))
            await self._books.audit("rollback", code=error.code, now=now)
            await self._books.keep(replace(self.state, recall=None))
            return
        await self._books.keep(replace(self.state, recall=replace(recall, restored=number)))

    async def _withdraw(self, recall: Recall, now: float) -> None:
        rollout = await asyncio.to_thread(self._launching.withdraw, recall, now)
        await self._books.audit("rollback", code=recall.reason, now=now)
        await self._books.answer(recall.asked, now, result={"version": rollout.version, "restores": rollout.parent})
        await self._books.keep(replace(self.state, recall=None))
        self._tell.rates(None)

    async def _judge(self, rollout: Rollout, now: float) -> None:
        """Look at the error rates of the release that is on its way: it goes on, or is taken back."""
        self._lookout.judged = now
        after, decision = await asyncio.to_thread(self._launching.judged, rollout, now)
        self._tell.rates(decision)
        self._tell.decided(RolloutDecision(decision.word), after, decision)
        if after.state == "rolled_back":  # now, or by a clerk who was killed before he wrote down what follows
            target = await asyncio.to_thread(self._storage.releases.get, rollout.parent or "")
            if target is not None:
                await self._recall(target, now, bad=rollout.version, reason="federation.error_rate")
        elif after.is_full and not rollout.is_full:
            await self._books.audit("rollout", code=after.stage, now=now)

    async def _recall(self, target: ReleaseRecord, now: float, *, bad: str = "", reason: str, asked: str = "") -> None:
        """Decide to bring an earlier release back. What makes it so are the steps that follow."""
        newest = (await self._swarm.releases(1))[0]["version"]
        back = Recall(
            target=target.number,
            newest=int(newest),
            bad=bad,
            reason=reason,
            window=self.state.window.number - 1,
            asked=asked,
        )
        await self._books.audit("recall", code=reason, now=now)
        await self._books.keep(replace(self.state, recall=back))

    async def _attend(self, request: Request, now: float) -> None:
        """Do what an operator asks for, and answer; a round and a rollback are answered when they are done."""
        try:
            match request.what:
                case "round":
                    await self._round_asked(request, now)
                    return
                case "rollback":
                    await self._rollback_asked(request, now)
                    return
                case "pause":
                    held, detail = self.state.paused, str(request.arguments.get("detail", ""))
                    paused = Pause(code=OPERATOR, detail=detail, since=now) if held is None or held.until else held
                    await self._books.keep(replace(self.state, paused=paused))
                case "resume":
                    if request.arguments.get("discard"):
                        await asyncio.to_thread(self._storage.submissions.consume, self.state.window.number)
                        await asyncio.to_thread(self._storage.windows.discard, now)
                    await self._books.keep(replace(self.state, paused=None, unpublished=None))
                case "quarantine":
                    await self._standings.order(str(request.arguments.get("client")), ClientState.QUARANTINED, now)
                case "reinstate":
                    await self._standings.order(str(request.arguments.get("client")), ClientState.ACTIVE, now)
                case other:
                    raise SettingError(name="what", found=other, needed="round, rollback, pause, resume, ...")
        except (StorageUnavailableError, LeaseError):
            raise
        except SwarmError as error:
            await self._books.answer(request.id, now, code=error.code, detail=str(error))
            return
        await self._books.answer(request.id, now)

    async def _round_asked(self, request: Request, now: float) -> None:
        if self.state.paused is not None:
            pause = self.state.paused
            detail = f"rounds are paused until `resume`: {pause.detail or pause.code}"
            await self._books.answer(request.id, now, code=pause.code, detail=detail)
            return
        found = await asyncio.to_thread(self._lookout.participants)
        needed = self.settings.min_participants
        if found < needed:
            detail = f"{found} clients have a submission that waits; {needed} are needed"
            await self._books.answer(request.id, now, code=PARTICIPANTS, detail=detail)
            return
        await self._seal(found, now, asked=request.id)

    async def _rollback_asked(self, request: Request, now: float) -> None:
        wanted = str(request.arguments.get("version"))
        target = await asyncio.to_thread(self._storage.releases.get, wanted)
        if target is None or target.state == WITHDRAWN:
            raise UnknownReleaseError(version=wanted)
        await self._recall(target, now, reason=OPERATOR, asked=request.id)

    async def _seal(self, participants: int, now: float, *, asked: str = "") -> None:
        state = clerk_state.sealed(self.state, now, participants=participants, settings=self.settings, asked=asked)
        await self._books.keep(state)
        self._tell.opened(state, self.settings)
