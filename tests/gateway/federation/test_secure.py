"""Secret sums from end to end: installations with the SDK over real HTTP, the clerk with his sorter, and real rounds.

Ray alone is missing: actors are those of the stage.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import rfc8785
import uvicorn

from actors.config import FederationConfig, SwarmConfig
from actors.secure import SecureConfig
from actors.storage import ReleaseStore, Storage, StoredBucket, StoredLetter
from federation.identity import Secret, SigningKey
from federation.privacy.secure import KeyRing, MaskedRow, SecurePlan, to_wire
from federation.rules import Median
from gateway.client import ClientSettings, FederationClient
from gateway.client.errors import ParticipationError, RefusedError, TermsError
from gateway.client.participation import Participated, ParticipationSettings
from gateway.federation.app import Door
from gateway.federation.clerk import Clerk
from gateway.federation.clerk_state import ClerkSettings
from gateway.federation.publishing import federation_key
from gateway.federation.settings import DoorSettings
from gateway.federation.sorting import Sorter
from gateway.federation.transport import listener, uvicorn_settings
from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.testing import captured
from tests.actors.conftest import Stage
from tests.gateway.federation.served import _Server
from tests.gateway.federation.stand import opened, problem, text_of
from tests.gateway.federation.summing import Gathering
from workloads.patterns import STANDARD, GroupedPatternsWorkload, PatternsWorkload, weights_of

SECRET = Secret(bytes(range(32)))
KEY = federation_key(SECRET)
TINY = SecureConfig(size=7, liars=1, dropped=1, stage_s=20.0)
ASKED = ParticipationSettings(members=7, rows=5, patience_s=120.0)
RATES = {"Edit": 0.7, "Grep": 0.95, "Read": 0.9}


class Swarm:
    """The handle of a swarm on the stage."""

    def __init__(self, play: Stage) -> None:
        self._play = play

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def asked(*given: Any, **named: Any) -> Any:
            return await getattr(self._play.coordinator, name).remote(*given, **named)

        return asked


class Federation:
    """A federation that sees no single update, with its installations."""

    def __init__(self, folder: Path, *, secure: SecureConfig = TINY, least: int = 7, count: int = 15) -> None:
        self.folder, self.url = folder, f"sqlite:///{folder}/federation.db"
        workload = PatternsWorkload(inner=Median())
        self.play = Stage(
            SwarmConfig(
                workload=GroupedPatternsWorkload.of(workload),
                federation=FederationConfig(storage=self.url, secure=secure),
                state_dir=folder / "state",
                deadline_s=20.0,
                linger_s=0.5,
            )
        )
        self.storage = Storage.open(self.url)
        self.files = ReleaseStore(f"file://{folder}/releases")
        self.secure, self.count = secure, count
        self.telemetry = Telemetry.start(
            TelemetryConfig(prometheus=True), actor_kind=semconv.ActorKind.CLERK, instance="test"
        )
        self.ahead = 0.0
        self.clerk = self.hired(least)
        self.door: Door | None = None
        self.clients: list[FederationClient] = []
        self.pool = ThreadPoolExecutor(count)

    def hired(self, least: int = 7) -> Clerk:
        """Another clerk, with another sorter."""
        sorter = Sorter(
            self.storage,
            self.secure,
            run=self.play.config.run,
            keys=len(STANDARD.keys),
            telemetry=self.telemetry,
            clock=self.now,
            pulse_s=0.02,
        )
        return Clerk(
            Swarm(self.play),  # type: ignore[arg-type]
            self.storage,
            self.files,
            KEY,
            space=STANDARD,
            settings=ClerkSettings(interval_s=3600.0, min_participants=least),
            sorter=sorter,
            telemetry=self.telemetry,
            clock=self.now,
        )

    def now(self) -> float:
        return time.time() + self.ahead

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Have the door listen on a port, in a thread of its own; with installations that have the first release."""
        settings = DoorSettings(storage=self.url, releases="", secret=SECRET, public_key=KEY.public, secure=self.secure)
        storage = Storage.open(self.url)
        with storage, listener("127.0.0.1", 0, shared=False) as bound:
            self.door = Door(settings, storage, self.files, telemetry=self.telemetry)
            ready = threading.Event()
            server = _Server(uvicorn.Config(self.door, **uvicorn_settings(None, "")), ready)
            thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
            thread.start()
            assert ready.wait(30)
            self.clients = [
                FederationClient(
                    ClientSettings.of(
                        f"http://127.0.0.1:{bound.getsockname()[1]}",
                        state_dir=self.folder / f"installation-{number}",
                        keychain=False,
                    ),
                )
                for number in range(self.count)
            ]
            try:
                yield
            finally:
                self.pool.shutdown(cancel_futures=True)
                server.should_exit = True
                thread.join(30)
                assert not thread.is_alive()

    def begun(self, number: int) -> None:
        """Have an installation agree, register, get the release that is there, and learn."""
        client = self.clients[number]
        client.give_consent()
        client.register()
        client.pull()
        client.hot_swap()
        client.learn(experiences(shift=0.002 * number))

    def join(self, numbers: Any = None) -> list[Future[Participated]]:
        """Have installations take part, each in a thread."""
        chosen = range(self.count) if numbers is None else numbers
        return [self.pool.submit(self.clients[number].participate, ASKED) for number in chosen]

    async def joined(self, count: int) -> None:
        """Wait until so many are on the roster."""
        for _ in range(600):
            if self.storage.mail.count_joined() >= count:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(self.storage.mail.count_joined())

    async def closed(self) -> list[str]:
        """Put the time ahead to the window's end; what the clerk then does."""
        self.ahead += 3600.0
        done: list[str] = []
        for _ in range(30):
            step = type(await self.clerk.turn()).__name__
            if step == "Wait":
                return done
            done.append(step)
        raise AssertionError(done)

    def opened(self, window: int) -> None:
        """Have another window open."""
        self.storage.facts.put("window", {"number": window, "opened_at": time.time(), "closes_at": time.time() + 60})

    def proposes(
        self, window: int, *, run: str, plan: SecurePlan, keys: dict[str, bytes], round: int | None = None
    ) -> None:
        """Propose one session to everybody in ``keys``, as a server that lies may."""
        terms = plan.sessions(sorted(keys), run=run, round=round or window, seed=Secret(bytes(32)))[0]
        identities = {name: base64.b64encode(key).decode() for name, key in keys.items()}
        told = {"terms": to_wire(terms).decode(), "identities": identities, "commitment": "", "roster": ""}
        bucket = StoredBucket(
            id=f"{window}.global.0000",
            window=window,
            region="global",
            base_version="1.0.0",
            members=len(keys),
            terms=to_wire(terms),
            identities=identities,
        )
        letters = [StoredLetter(client=name, number=1, kind="terms", body=json.dumps(told)) for name in keys]
        assert self.storage.mail.begin(window, secret=bytes(32), facts={}, buckets=[bucket], letters=letters)

    def known(self) -> dict[str, float]:
        """The success rates of the newest release."""
        record = self.storage.releases.get(self.storage.releases.list(1)[0].version)
        assert record is not None
        weights = weights_of(PatternsWorkload().unpack(record.row), STANDARD)
        return {one.category: one.tool_success_rate or 0.0 for one in weights.values()}


def experiences(*, shift: float) -> list[dict[str, Any]]:
    """Uses of three tools, 120 calls each, the first of which was the quickest."""
    return [
        {
            "type": "tool",
            "category": tool,
            "success": round(rate - shift, 4),
            "errors": round(1 - rate + shift, 4),
            "count": 10,
            "duration_s": 0.05 if place == 0 else 3.0,
            "resources": 10.0,
        }
        for tool, rate in RATES.items()
        for place in range(12)
    ]


async def test_a_release_from_sums_that_nobody_saw_into(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    await federation.clerk.start()
    with federation.serving():
        await asyncio.gather(*(asyncio.to_thread(federation.begun, number) for number in range(15)))
        with pytest.raises(RefusedError) as refused:
            await asyncio.to_thread(federation.clients[0].push)
        assert refused.value.fields["reason"] == "SECURE_ONLY"
        parts = federation.join()
        await federation.joined(15)
        assert (await federation.closed())[1:4] == ["Seal", "RunRound", "Publish"]
        found = [await asyncio.wrap_future(part) for part in parts]
    assert [one.status for one in found] == ["done"] * 15
    assert all(one.drawn and one.members in (7, 8) and one.round == 1 for one in found)
    record = federation.storage.releases.list(1)[0]
    assert (record.version, record.participants) == ("1.0.1", 15)
    assert record.facts["secure"] == {"buckets": 2, "members": 15, "failed": 0, "window": 1}
    assert federation.known() == pytest.approx({tool: rate - 0.014 for tool, rate in RATES.items()}, abs=0.005)


async def test_an_installation_leaves_sums_that_it_takes_no_part_in(tmp_path: Path) -> None:
    federation = Federation(tmp_path, count=1)
    await federation.clerk.start()
    with federation.serving():
        await asyncio.to_thread(federation.begun, 0)
        client = federation.clients[0]
        own, name = client.account.identity, client.standing.client
        assert name is not None
        plan = TINY.plan(len(STANDARD.keys))
        others = {f"{number:064x}": SigningKey.of(Secret(bytes([number] * 32))).public for number in range(1, 7)}
        public = SigningKey.of(Secret(own.seed)).public
        truth: dict[str, Any] = {"run": "swarm:global:1.0.0", "plan": plan, "keys": {name: public, **others}}
        part = asyncio.create_task(asyncio.to_thread(client.participate, ASKED))
        await federation.joined(1)
        lie: dict[str, Any] = {**truth, "keys": {name: bytes(32), **others}}
        federation.proposes(1, **lie)
        with pytest.raises(TermsError, match="another key in this installation's place"):
            await part
        assert federation.storage.mail.waiting(["1.global.0000"]) == []  # it has said nothing
        # What it agrees to it begins once.
        federation.opened(50)
        part = asyncio.create_task(asyncio.to_thread(client.participate, replace(ASKED, patience_s=0.5)))
        await federation.joined(1)
        federation.proposes(50, **truth)
        with pytest.raises(ParticipationError, match="no end after"):
            await part
        assert [one.kind for one in federation.storage.mail.waiting(["50.global.0000"])] == ["keys"]
        with pytest.raises(ParticipationError, match="was begun before"):
            await asyncio.to_thread(client.participate, ASKED)


async def test_what_the_door_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path, secure=TINY) as stand:
        one, other = await stand.registered("one"), await stand.registered("other")

        def request(**changes: Any) -> dict[str, Any]:
            body = {"clientId": one.id, "round": 7, "baseVersion": "1.0.2", "nonce": "5e" * 16, **changes}
            return {"signature": text_of(one.key.sign(rfc8785.dumps(body))), **body}

        async def join(body: dict[str, Any]) -> httpx2.Response:
            return await stand.post("secure/join", body, one.headers)

        problem(await one.submit(), 409, "SECURE_ONLY")
        answer = await join(request())
        assert (answer.status_code, answer.json()["status"], answer.json()["round"]) == (202, "joined", 7)
        assert (await join(request())).status_code == 202
        problem(await join({**request(), "round": 8}), 400, "INVALID_SIGNATURE")
        problem(await join(request(round=8)), 400, "STALE_SUBMISSION")
        problem(await join(request(baseVersion="1.0.1")), 400, "STALE_BASE_VERSION")
        problem(await join(request(clientId=other.id)), 401, "UNAUTHORIZED")
        problem(await join(request(more=1)), 400, "INVALID_SCHEMA")
        problem(await stand.post("secure/join", request(), {}), 401, "UNAUTHORIZED")
        found = (await one.get("secure/mail?round=7&wait=0.3")).json()
        assert (found["joined"], found["letters"], found["currentRound"]) == (True, [], 7)
        assert not (await other.get("secure/mail?round=7")).json()["joined"]
        problem(await one.get("secure/mail?round=0"), 400, "INVALID_SCHEMA")
        problem(await one.get("secure/mail?round=7&wait=26"), 400, "INVALID_SCHEMA")
        row = to_wire(MaskedRow(agent=one.id, words=np.zeros(len(STANDARD.keys) * 8, np.uint32)))
        problem(await stand.post("secure/mail?round=7", row, one.headers), 409, "SECURE_LATE")
        problem(await stand.post("secure/mail?round=7", row, other.headers), 401, "UNAUTHORIZED")
        short = to_wire(MaskedRow(agent=one.id, words=np.zeros(8, np.uint32)))
        problem(await stand.post("secure/mail?round=7", short, one.headers), 400, "INVALID_SCHEMA")
        ring = to_wire(KeyRing(keys=()))
        problem(await stand.post("secure/mail?round=7", ring, one.headers), 400, "INVALID_SCHEMA")
        problem(await stand.post("secure/mail?round=7", b"{}" * 200_000, one.headers), 413, "PAYLOAD_TOO_LARGE")
        draw = (await one.get("secure/draw?round=7")).json()
        assert (draw["commitment"], draw["secret"], len(draw["roster"])) == (None, None, 1)


async def test_a_door_that_sums_nothing_in_secret_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered("one")
        for path in ("secure/mail?round=7", "secure/draw?round=7"):
            problem(await one.get(path), 409, "NOT_SECURE")
        problem(await stand.post("secure/join", {}, one.headers), 409, "NOT_SECURE")
        problem(await stand.post("secure/mail?round=7", {}, one.headers), 409, "NOT_SECURE")


async def test_what_the_sorter_tells_of_it(tmp_path: Path) -> None:
    found = Gathering(tmp_path, 15)
    with captured(actor_kind=semconv.ActorKind.CLERK) as capture:
        found.telemetry = capture.telemetry
        for name in found.names[:6]:
            found.silent[name] = "terms"
        await found.sorted()
        drawn = [one for one in capture.events if one.name == semconv.EVENT_WINDOW_DRAWN]
        closed = [one for one in capture.events if one.name == semconv.EVENT_BUCKET_CLOSED]
        (span,) = [one for one in capture.spans if one.name == semconv.SPAN_WINDOW_SUMS]
        failed = sum(one.state == "failed" for one in found.storage.mail.buckets(1))
        assert failed
        assert len(drawn) == 1
        assert len(closed) == capture.total(semconv.METRIC_BUCKETS) == 2
        told = [one.attributes for one in closed if semconv.ATTR_ERROR_TYPE in one.attributes]
        assert [(one[semconv.ATTR_ERROR_TYPE], one[semconv.ATTR_BUCKET_STAGE]) for one in told] == [
            ("secure.threshold", "keys")
        ] * failed
        assert (span.attributes or {})[semconv.ATTR_BUCKETS_COUNT] == 2 - failed
