"""A door over a real SQLite file and a real store of releases, in this process, and clients that sign."""

from __future__ import annotations

import atexit
import base64
import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import rfc8785

from actors.storage import ReleaseRecord, ReleaseStore, Storage
from federation.identity import Secret, SigningKey
from federation.rollout import Rollout
from gateway.federation.app import Door
from gateway.federation.settings import DoorSettings
from telemetry import semconv
from telemetry.testing import Captured, captured
from workloads.patterns import Domain, GlobalWeightVector, PatternType, checksum
from workloads.patterns.schema import GlobalMetadata, GlobalPatternWeight

NOON = 1_773_576_000.0  # 2026-03-15T12:00:00Z
DAY = "2026-03-15"
PREFIX = "/federation/v1"
OPERATOR = "an-operator-token-that-is-long"
CODE = "come-in"
SECRET = Secret(b"s" * 32)
SERVER = SigningKey.of(SECRET.derive("federation"))


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def text_of(raw: bytes) -> str:
    return "ed25519:" + base64.b64encode(raw).decode()


def hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@dataclass
class Visitor:
    """An installation."""

    stand: Stand
    name: str = "one"
    token: str = ""
    id: str = ""
    count: int = 0
    key: SigningKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = SigningKey.of(Secret(hashed(self.name)))

    def registration(self, **changes: Any) -> dict[str, Any]:
        body: dict[str, Any] = {
            "installationHash": "sha256:" + hashed(self.name).hex(),
            "pluginVersion": "1.3.0",
            "schemaVersion": "1.0",
            "platform": "linux",
            "consent": {"federation": True, "analytics": False, "timestamp": f"{DAY}T00:00:00Z"},
            "publicKey": text_of(self.key.public),
            **changes,
        }
        body = {name: value for name, value in body.items() if value is not None}
        return {"proof": text_of(self.key.sign(rfc8785.dumps(body))), **body}

    async def register(self, **changes: Any) -> httpx2.Response:
        answer = await self.stand.post("register", self.registration(**changes), {})
        if answer.is_success:
            self.token, self.id = answer.json()["clientToken"], answer.json()["clientId"]
        return answer

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "X-Client-ID": self.id, "X-Schema-Version": "1.0"}

    def delta(self, **changes: Any) -> dict[str, Any]:
        """A signed delta; with ``signature`` given, that one."""
        self.count += 1
        body: dict[str, Any] = {
            "clientId": self.id,
            "schemaVersion": "1.0",
            "baseVersion": "1.0.2",
            "round": 7,
            "nonce": hashed(f"{self.name} {self.count}").hex()[:32],
            "timestamp": DAY,
            "totalExperiences": 40,
            "weights": {
                "tool::Read": {"type": "tool", "category": "Read", "confidence": 0.25, "sampleSize": 12},
            },
            **changes,
        }
        body = {name: value for name, value in body.items() if value is not None}
        if "signature" not in body:
            body["signature"] = text_of(self.key.sign(rfc8785.dumps(body)))
        return body

    async def submit(self, body: Any = None, **headers: str) -> httpx2.Response:
        found = self.delta() if body is None else body
        return await self.stand.post("weights/submit", found, self.headers | headers)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.stand.client.get(f"{PREFIX}/{path}", headers=self.headers | headers)


@dataclass
class Stand:
    """A door, and what is behind it."""

    storage: Storage
    files: ReleaseStore
    door: Door
    clock: Clock
    client: httpx2.AsyncClient
    capture: Captured

    def visitor(self, name: str = "one") -> Visitor:
        return Visitor(self, name)

    async def registered(self, name: str = "one", **changes: Any) -> Visitor:
        found = self.visitor(name)
        answer = await found.register(**changes)
        assert answer.status_code == 201, answer.text
        return found

    async def post(self, path: str, body: Any, headers: dict[str, str]) -> httpx2.Response:
        content = body if isinstance(body, bytes) else rfc8785.dumps(body)
        return await self.client.post(
            f"{PREFIX}/{path}", content=content, headers={"Content-Type": "application/json"} | headers
        )

    async def operate(self, method: str, path: str, body: Any = None, token: str = OPERATOR) -> httpx2.Response:
        return await self.client.request(
            method,
            f"{PREFIX}/operations/{path}",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            content=None if body is None else json.dumps(body).encode(),
        )

    async def look(self) -> None:
        """Have the door look at the federation anew."""
        await self.door.parts.viewer.refresh()

    def publish(self, number: int, *, parent: int | None = None, stage: str = "full") -> str:
        """Release 1.0.``number``, with a document for the frontend, at a stage of its rollout."""
        return publish(self.storage, self.files, number, parent=parent, stage=stage)


def publish(storage: Storage, files: ReleaseStore, number: int, *, parent: int | None, stage: str) -> str:
    """As `Stand.publish`."""
    version = f"1.0.{number}"
    before = None if parent is None else f"1.0.{parent}"
    for domain in (None, Domain.FRONTEND):
        name = f"v{version}.json" if domain is None else f"v{version}.{domain}.json"
        files.put_once(name, document(version, before, number))
    storage.releases.add(
        ReleaseRecord(
            version=version,
            number=number,
            window=number,
            parent=before,
            created_at=NOON - 60,
            checksum="sha256:" + "0" * 64,
            participants=12,
        )
    )
    served = (storage.facts.get("served") or {"versions": []})["versions"]
    storage.facts.put("served", {"versions": [version, *served]})
    storage.rollouts.put(Rollout(version=version, parent=before, entered_at=NOON, stage=stage))
    return version


@cache
def prepared() -> Path:
    """A folder with a database and releases, as `opened` says: made once, and copied for each test."""
    folder = Path(tempfile.mkdtemp(prefix="swarmlore-stand-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = ReleaseStore(f"file://{folder}/releases")
    with Storage.open(f"sqlite:///{folder}/federation.db") as storage:
        for number in range(3):
            publish(storage, files, number, parent=number - 1 if number else None, stage="full")
        storage.facts.put("window", {"number": 7, "opened_at": NOON - 14_400, "closes_at": NOON + 7_200})
    return folder


def document(version: str, parent: str | None, window: int) -> bytes:
    weights = {
        "tool::Read": GlobalPatternWeight(
            type=PatternType.TOOL, category="Read", confidence=0.5, total_samples=100, contributor_count=12
        )
    }
    metadata = GlobalMetadata(
        round=window,
        participants=12,
        pattern_count=1,
        epsilon_spent=0.0,
        parent_version=parent,
        checksum=checksum(weights),
    )
    made = GlobalWeightVector(
        version=version,
        schema_version="1.0",
        timestamp=datetime.fromtimestamp(NOON - 60, UTC),
        weights=weights,
        metadata=metadata,
        signature="ed25519:AA",
    )
    return rfc8785.dumps({**made.plain(), "signature": text_of(SERVER.sign(made.canonical()))})


@asynccontextmanager
async def opened(
    folder: Path, *, lookout: bool = False, address: str = "192.0.2.7", **settings: Any
) -> AsyncIterator[Stand]:
    """A door with releases 1.0.0 to 1.0.2, the last of which everybody gets, and window 7 open for another two hours.

    Args:
        folder: for database and files.
        lookout: whether the door looks at the federation again and again.
        address: that requests come from.
        settings: of the door, beside its URLs.
    """
    shutil.copytree(prepared(), folder, dirs_exist_ok=True)
    storage, clock = Storage.open(f"sqlite:///{folder}/federation.db"), Clock()
    files = ReleaseStore(f"file://{folder}/releases")
    made: dict[str, Any] = {
        "storage": "",
        "releases": "",
        "secret": SECRET,
        "public_key": SERVER.public,
        "operator_token": hashed(OPERATOR),
    }
    with captured(actor_kind=semconv.ActorKind.GATEWAY) as capture, storage:
        door = Door(DoorSettings(**made | settings), storage, files, telemetry=capture.telemetry, clock=clock)
        transport = httpx2.ASGITransport(door, client=(address, 40_000), raise_app_exceptions=True)
        async with httpx2.AsyncClient(transport=transport, base_url="http://federation.example") as client:
            stand = Stand(storage, files, door, clock, client, capture)
            await (door.start() if lookout else door.parts.viewer.refresh())
            try:
                yield stand
            finally:
                await door.close()


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, checked."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    found = answer.json()
    assert (found["code"], found["status"], found["type"]) == (code, status, f"urn:swarmlore:error:{code}")
    assert found["title"]
    assert found["detail"]
    return found


def squeezed(body: dict[str, Any]) -> bytes:
    return gzip.compress(rfc8785.dumps(body))
