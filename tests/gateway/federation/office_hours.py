"""A clerk at work in a test: real storage, files and releases, a set clock, and a swarm that does as it is told.

The swarm is a double, for the order of steps and for kills between them only: whole rounds are in
``tests/actors`` and ``tests/e2e``. It answers a request id with the same round for ever, as the coordinator does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from actors.storage import Client, ReleaseStore, Storage, Submission
from actors.storage.facts import Facts
from federation.errors import SettingError, SwarmError
from federation.identity import Secret, SigningKey
from federation.release import GENESIS, Release, artefact_digest
from gateway.federation.clerk import Clerk
from gateway.federation.clerk_state import ClerkSettings
from gateway.federation.publishing import federation_key
from gateway.federation.schedule import Step, Wait
from gateway.federation.tenure import Tenure
from workloads.patterns import KeySpace, PatternsWorkload
from workloads.patterns.rows import columns

SPACE = KeySpace.of(tools=("Edit", "Read"), domains={"tool::Edit": "frontend"})
KEY = federation_key(Secret(bytes(range(32))))
START = 1_773_500_000.0


class Killed(BaseException):
    """The process that was running this is gone."""


class ScriptedSwarm:
    """Releases that follow each other as a coordinator makes them; rounds end as the script says.

    Attributes:
        script: what each further round comes to: None for a release, or the error that it ends with.
        on_round: called when a round is run, with the number of the try.
        privacy: what it says of its budget; None for rounds without noise.
        quarantined: what the trust ledger says.
        chain: every release with its artefact.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage, self.workload = storage, PatternsWorkload(space=SPACE)
        self.key = SigningKey.of(Secret(bytes(32)))
        self.script: list[SwarmError | None] = []
        self.privacy: dict[str, Any] | None = None
        self.quarantined: set[str] = set()
        self.reinstated: list[str] = []
        self.forgotten: list[str] = []
        self.rounds: dict[str, dict[str, Any] | SwarmError] = {}
        self.limits: list[int | None] = []
        self.chain: list[tuple[Release, bytes]] = []
        self._add(self.workload.genesis(0))

    async def run_round(self, request: str = "") -> dict[str, Any]:
        found = self.rounds.get(request) or self._round(request)
        if isinstance(found, SwarmError):
            raise found
        return found

    async def abort_round(self, reason: str) -> bool:
        return False

    async def status(self, *, actors: bool = True) -> dict[str, Any]:
        assert not actors  # nobody needs their words
        return {"round": 0} | ({} if self.privacy is None else {"privacy": self.privacy})

    async def releases(self, limit: int = 100) -> list[dict[str, Any]]:
        return [release.to_dict() for release, _ in reversed(self.chain)][:limit]

    async def release(self, version: int | None = None) -> dict[str, Any]:
        found, artefact = self.chain[-1 if version is None else version]
        return {"release": found.to_dict(), "artefact": artefact, "public_key": self.key.public.hex()}

    async def rollback(self, version: int) -> dict[str, Any]:
        row = self.workload.unpack(self.chain[version][1])
        return {"version": self._add(row, restores=version).version}

    async def agents(
        self, after: str = "", limit: int | None = None, standing: str | None = None
    ) -> list[dict[str, Any]]:
        assert standing == "quarantined"
        return [{"agent": agent, "standing": standing} for agent in sorted(self.quarantined) if agent > after][:limit]

    async def quarantine(self, agent: str) -> dict[str, Any]:
        self.quarantined.add(agent)
        return {}

    async def reinstate(self, agent: str) -> dict[str, Any]:
        if agent not in self.quarantined:
            raise SettingError(name="agent", found=agent, needed="enrolled")
        self.quarantined.discard(agent)
        return {}

    async def forget(self, agents: tuple[str, ...]) -> None:
        self.forgotten += agents

    def _round(self, request: str) -> dict[str, Any] | SwarmError:
        facts = self.storage.facts.get("round")
        self.limits.append(facts["limit"])
        outcome = self.script.pop(0) if self.script else None
        if outcome is None:
            row = self.workload.unpack(self.chain[-1][1])
            parts, place = columns(row, len(SPACE.keys)), SPACE.places["tool::Edit"]
            parts.contributors[place], parts.samples[place] = 12, 0.001
            parts.values[place, 0] = np.clip(parts.values[place, 0] + 0.05, 0, 1)
            made = self._add(row, agents=self.storage.submissions.count_pending(window=facts["window"]))
            self.storage.submissions.consume(facts["window"])
            self.rounds[request] = {"round": len(self.rounds) + 1, "release": {"version": made.version}}
        else:
            self.rounds[request] = outcome
        return self.rounds[request]

    def _add(self, row: Any, *, agents: int = 0, restores: int | None = None) -> Release:
        artefact, number = self.workload.pack(row), len(self.chain)
        made = Release(
            run="test",
            kind="patterns",
            version=number,
            round=0 if restores is not None else number,
            parent=self.chain[-1][0].digest if self.chain else GENESIS,
            artefact=artefact_digest(artefact),
            artefact_bytes=len(artefact),
            agents=agents,
            restores=restores,
        ).signed(self.key, created=START + number)
        self.chain.append((made, artefact))
        return made


class OfficeHours:
    """A federation with its clerk, who can be killed at any call that changes something outside of himself.

    Attributes:
        now: what the clock says.
        effects: names of the calls that changed something, in order.
        kill_at: called with the number of each effect; True kills him when it is about to be made.
    """

    def __init__(self, folder: Path, *, settings: ClerkSettings | None = None, files: str = "memory:///") -> None:
        self.storage, self.files = Storage.open(f"sqlite:///{folder}/federation.sqlite"), ReleaseStore(files)
        self.swarm = ScriptedSwarm(self.storage)
        self.settings = settings or ClerkSettings(interval_s=100.0)
        self.now, self.deaths = START, 0
        self.effects: list[str] = []
        self.kill_at: Callable[[int], bool] = lambda _: False
        self.slept: list[float] = []
        self._watch()
        self.clerk = self.hired()

    def hired(self, tenure: Tenure | None = None) -> Clerk:
        """Another clerk, who knows what is written down."""
        return Clerk(
            self.swarm,  # type: ignore[arg-type]
            self.storage,
            self.files,
            KEY,
            space=SPACE,
            settings=self.settings,
            tenure=tenure,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    async def start(self) -> None:
        await self._alive(lambda: self.clerk.start())

    async def work(self, *, until: float | None = None, most: int = 200) -> list[Step]:
        """Steps, until there is nothing to do; with a time, until then, the clock going on in between."""
        done: list[Step] = []
        for _ in range(most):
            done.append(await self._alive(lambda: self.clerk.turn()))
            if isinstance(done[-1], Wait):
                if until is None or self.now >= until:
                    return done
                self.now = min(self.now + max(5.0, (until - self.now) / 20), until)
        raise AssertionError(f"still at work: {done[-5:]}")

    def submit(self, count: int, *, base: str | None = None, first: int = 0) -> list[str]:
        """So many registered clients that have something to say. Their ids."""
        window = (self.storage.facts.get("window") or {"number": 1})["number"]
        names = [f"{number:064x}" for number in range(first, first + count)]
        for name in names:
            if self.storage.clients.get(name) is None:
                self.storage.clients.put(Client(id=name, public_key=bytes(32), registered_at=self.now))
        self.storage.submissions.add_many(
            [
                Submission(
                    client=name,
                    nonce=f"{window}-{self.now}",
                    window=window,
                    base_version=base,
                    received_at=self.now,
                    document=b"{}",
                )
                for name in names
            ],
            now=self.now,
            per_day=1000,
        )
        return names

    def ask(self, name: str, what: str, **arguments: Any) -> None:
        """An operator's request, as the door leaves it."""
        asked = {"id": name, "what": what, "by": "ops", "at": self.now, **arguments}
        Facts.put_many(self.storage.facts, {f"request.{name}": asked})

    def answer(self, name: str) -> dict[str, Any]:
        return self.storage.facts.get(f"answer.{name}")

    def report(self, **rates: float) -> None:
        """Sixty clients' error rates under versions, given as ``v1_0_0=0.02``."""
        for version, rate in rates.items():
            for number in range(60):
                name = version.removeprefix("v").replace("_", ".")
                self.storage.reports.add(f"{number:064x}", name, 20_000, 1000, round(1000 * rate))

    async def _alive(self, act: Callable[[], Any]) -> Any:
        """What a clerk does, or the next one after he was killed at it."""
        while True:
            try:
                return await act()
            except Killed:
                self.deaths += 1
                self.clerk = self.hired()
                while True:
                    try:
                        await self.clerk.start()
                        break
                    except Killed:
                        self.deaths += 1
                        self.clerk = self.hired()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def _watch(self) -> None:
        storage = self.storage
        for part, names in (
            (storage.facts, ("put_many",)),
            (storage.releases, ("add", "set_state")),
            (storage.rollouts, ("put", "change")),
            (storage.clients, ("set_state", "purge")),
            (self.files, ("put_once", "put")),
            (self.swarm, ("run_round", "rollback")),
        ):
            for name in names:
                setattr(part, name, self._deadly(f"{type(part).__name__}.{name}", getattr(part, name)))

    def _deadly(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def count() -> None:
            self.effects.append(name)
            if self.kill_at(len(self.effects)):
                raise Killed

        async def awaited(*arguments: Any, **named: Any) -> Any:
            count()
            return await call(*arguments, **named)

        def called(*arguments: Any, **named: Any) -> Any:
            count()
            return call(*arguments, **named)

        return awaited if inspect.iscoroutinefunction(call) else called
