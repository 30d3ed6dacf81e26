"""How many requests a second the federation's door takes, and how long they wait.

    python -m benchmarks.federation_rest [--json] [--workers 2] [--seconds 5] [--repeat 5] [--rate 1000]

Worker processes serve the door over a database (a new SQLite file, or ``--storage``) and files of releases; this
process is the client: raw sockets, requests that were signed before, keep-alive. Measured are

- ``submit``, closed: as many as 32 connections get through, each with one request at a time. Each submission is
  another nonce of one of the clients, 128 patterns, about 29 KB; the door tells the client, verifies its signature,
  validates the document and writes it down before it says 202.
- ``submit``, open: ``--rate`` a second at even times, whatever becomes of the ones before; a request's latency counts
  from its time, not from when a connection was free for it.
- ``latest``, closed: If-None-Match with the current version, 304.

Client and server share the machine's cores; the processor's seconds of each are told apart (``server_cpu``,
``client_cpu``: shares of one core). Rates are medians over the repeats, after one to warm up, with the lowest and the
highest; latencies are of the repeat with the median rate. Clients may submit four times a day, so that each repeat has
clients of its own. Left out: TLS, and the network.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785

from actors.storage import Client, ReleaseRecord, ReleaseStore, Storage
from federation.identity import Secret, SigningKey
from federation.rollout import Rollout
from gateway.federation.settings import DoorSettings, Limits
from gateway.federation.transport import reserved
from gateway.federation.workers import Workers, WorkerSettings
from gateway.machine import command, described, machine
from telemetry import TelemetryConfig

PER_DAY = 4
VERSION = "1.0.0"
TYPES = ("tool", "error", "success", "team")
SECRET = Secret(b"b" * 32)


def weights_of(patterns: int) -> bytes:
    """The canonical weights of a delta, with most of the members that a pattern may have."""
    found = {
        f"{TYPES[number % 4]}::Category{number}": {
            "type": TYPES[number % 4],
            "category": f"Category{number}",
            "confidence": round((number * 37 % 199 - 99) / 100, 3),
            "bestComposite": 0.125,
            "groupMean": -0.031,
            "sampleSize": 45 + number,
            "toolSuccessRate": 0.05,
            "avgLatencyBucket": "fast",
            "consecutiveSuccesses": 3,
            "updateCount": 4,
        }
        for number in range(patterns)
    }
    return rfc8785.dumps(found)


@dataclass(frozen=True, slots=True)
class Installation:
    """A client that is registered."""

    id: str
    token: str
    key: SigningKey


def installations(storage: Storage, first: int, count: int, now: float) -> list[Installation]:
    """Register so many clients, by their numbers."""
    made: list[Installation] = []
    for number in range(first, first + count):
        seed = sha256(f"client {number}".encode()).digest()
        token = "fed_" + base64.urlsafe_b64encode(seed).decode().rstrip("=")
        one = Installation(id=sha256(seed).hexdigest(), token=token, key=SigningKey.of(Secret(seed)))
        storage.clients.put(
            Client(
                id=one.id,
                public_key=one.key.public,
                token_hash=sha256(token.encode()).digest(),
                token_expires=now + 86_400,
                registered_at=now,
                seen_at=now,
            )
        )
        made.append(one)
    return made


def submissions(made: list[Installation], weights: bytes) -> list[tuple[bytes, bytes]]:
    """Requests, each as what is its own, and what all have in common."""
    day = datetime.now(UTC).strftime("%Y-%m-%d").encode()
    rest = b'"timestamp":"%s","totalExperiences":234,"weights":%s}' % (day, weights)
    found: list[tuple[bytes, bytes]] = []
    for turn in range(PER_DAY):
        for one in made:
            nonce = sha256(f"{one.id} {turn}".encode()).hexdigest()[:32]
            start = (
                f'{{"baseVersion":"{VERSION}","clientId":"{one.id}","nonce":"{nonce}","round":1,"schemaVersion":"1.0",'
            )
            signature = base64.b64encode(one.key.sign(start.encode() + rest)).decode()
            begin = f'{start}"signature":"ed25519:{signature}",'.encode()
            found.append((_head("POST", "weights/submit", one, len(begin) + len(rest)) + begin, rest))
    return found


def fetches(made: list[Installation]) -> list[tuple[bytes, bytes]]:
    """Requests for the latest release by clients that have it."""
    return [(_head("GET", "weights/latest", one, 0, f'If-None-Match: "v{VERSION}"\r\n'), b"") for one in made]


def _head(method: str, path: str, one: Installation, length: int, further: str = "") -> bytes:
    about = f"Content-Type: application/json\r\nContent-Length: {length}\r\n" if length else ""
    return (
        f"{method} /federation/v1/{path} HTTP/1.1\r\nHost: federation.example\r\nAuthorization: Bearer {one.token}\r\n"
        f"X-Client-ID: {one.id}\r\nX-Schema-Version: 1.0\r\n{about}{further}\r\n"
    ).encode()


@dataclass(slots=True)
class Tally:
    """What came of the requests."""

    statuses: dict[int, int] = field(default_factory=dict[int, int])
    latencies: list[float] = field(default_factory=list[float])


class Wire(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self, tally: Tally, free: Callable[[Wire], None]) -> None:
        self._tally, self._free = tally, free
        self._found = b""
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._since:
            self._tally.statuses[0] = self._tally.statuses.get(0, 0) + 1

    def ask(self, request: tuple[bytes, bytes], since: float) -> None:
        """Send a request; its latency counts from ``since``."""
        self._since = since
        self._transport.writelines(request)

    def data_received(self, data: bytes) -> None:
        self._found += data
        head, mark, body = self._found.partition(b"\r\n\r\n")
        if not mark:
            return
        at = head.find(b"content-length: ")
        length = int(head[at + 16 : at + 26].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        status = int(head[9:12])
        self._tally.statuses[status] = self._tally.statuses.get(status, 0) + 1
        self._tally.latencies.append(time.perf_counter() - self._since)
        self._found, self._since = b"", 0.0
        self._free(self)

    def close(self) -> None:
        """Close it."""
        self._transport.close()


async def closed(port: int, requests: Iterator[tuple[bytes, bytes]], connections: int, seconds: float) -> Tally:
    """Each connection asks again when it is answered."""
    tally, loop = Tally(), asyncio.get_running_loop()
    end, under_way, done = time.perf_counter() + seconds, 0, loop.create_future()

    def go_on(wire: Wire) -> None:
        nonlocal under_way
        now = time.perf_counter()
        request = next(requests, None) if now < end else None
        if request is None:
            under_way -= 1
            if under_way == 0 and not done.done():
                done.set_result(None)
            return
        wire.ask(request, now)

    wires = [
        (await loop.create_connection(lambda: Wire(tally, go_on), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    under_way, end = connections, time.perf_counter() + seconds
    for wire in wires:
        go_on(wire)
    async with asyncio.timeout(seconds + 30):
        await done
    for wire in wires:
        wire.close()
    return tally


async def opened(
    port: int, requests: Iterator[tuple[bytes, bytes]], connections: int, seconds: float, rate: float
) -> Tally:
    """Requests have their times; those that find no connection free wait for one."""
    tally, loop = Tally(), asyncio.get_running_loop()
    idle: deque[Wire] = deque()
    due: deque[tuple[tuple[bytes, bytes], float]] = deque()

    def free(wire: Wire) -> None:
        if due:
            wire.ask(*due.popleft())
        else:
            idle.append(wire)

    wires = [
        (await loop.create_connection(lambda: Wire(tally, free), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    idle.extend(wires)
    start, sent, total = time.perf_counter(), 0, int(seconds * rate)
    while sent < total:
        now = time.perf_counter()
        while sent < total and start + sent / rate <= now:
            request = next(requests, None)
            if request is None:
                total = sent
                break
            if idle:
                idle.popleft().ask(request, start + sent / rate)
            else:
                due.append((request, start + sent / rate))
            sent += 1
        await asyncio.sleep(max(0.0005, start + sent / rate - time.perf_counter()))
    async with asyncio.timeout(60):
        while len(tally.latencies) < sent:  # noqa: ASYNC110 - a look now and then disturbs what is measured less
            await asyncio.sleep(0.005)
    for wire in wires:
        wire.close()
    return tally


def used_by(processes: list[int]) -> float:
    """Seconds of the processor that the processes have used."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def quantiles(latencies: list[float]) -> dict[str, float]:
    """Milliseconds."""
    found = sorted(latencies)
    places = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
    return {
        name: round(found[min(len(found) - 1, int(place * len(found)))] * 1000, 2) for name, place in places.items()
    }


async def once(run: Callable[[], Awaitable[Tally]], processes: list[int]) -> dict[str, Any]:
    """One repeat: rate, latencies, and what it cost."""
    server, client, start = used_by(processes), time.process_time(), time.perf_counter()
    tally = await run()
    took = time.perf_counter() - start
    answered = len(tally.latencies)
    spent = used_by(processes) - server
    return {
        "rate": round(answered / took, 1),
        **quantiles(tally.latencies),
        "requests": answered,
        "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
        "server_cpu": round(spent / took, 2),
        "client_cpu": round((time.process_time() - client) / took, 2),
        "server_ms_each": round(spent / answered * 1000, 3),
    }


def summary(repeats: list[dict[str, Any]]) -> dict[str, Any]:
    """The repeat with the median rate, with the spread of all."""
    rates = [one["rate"] for one in repeats]
    middle = min(repeats, key=lambda one: abs(one["rate"] - statistics.median(rates)))
    p99 = [one["p99_ms"] for one in repeats]
    return {
        **middle,
        "rate": round(statistics.median(rates), 1),
        "rate_lowest": min(rates),
        "rate_highest": max(rates),
        "p99_ms_lowest": min(p99),
        "p99_ms_highest": max(p99),
        "repeats": len(repeats),
    }


async def measured(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures."""
    now = time.time()
    url = options.storage or f"sqlite:///{folder}/federation.db"
    weights = weights_of(options.patterns)
    files = ReleaseStore(f"file://{folder}/releases")
    files.put(f"v{VERSION}.json", b'{"weights":{}}')
    with Storage.open(url) as storage:
        _prepare(storage, now)
        door = DoorSettings(
            storage=url,
            releases=f"file://{folder}/releases",
            secret=SECRET,
            public_key=SigningKey.of(SECRET).public,
            limits=Limits(submissions=PER_DAY),
            telemetry=TelemetryConfig(prometheus=True),
        )
        with reserved("127.0.0.1", 0) as held:
            port = held.getsockname()[1]
            workers = Workers(
                lambda number: WorkerSettings(number=number, host="127.0.0.1", port=port, door=door), options.workers
            )
            await workers.start()
            try:
                processes = list(workers.processes.values())
                rows = await _rows(options, storage, port, processes, weights, now)
            finally:
                await workers.close()
    return {
        "machine": machine(),
        "command": command(),
        "workers": options.workers,
        "storage": url.partition(":")[0],
        "patterns": options.patterns,
        "body_bytes": len(submissions(installations_of_one(), weights)[0][1]),
        "rows": rows,
    }


def installations_of_one() -> list[Installation]:
    """Somebody who is not registered, to look at a request's size."""
    return [Installation(id="0" * 64, token="fed_", key=SigningKey.of(SECRET))]


def _prepare(storage: Storage, now: float) -> None:
    storage.releases.add(
        ReleaseRecord(version=VERSION, number=0, window=0, created_at=now, checksum="sha256:" + "0" * 64)
    )
    storage.rollouts.put(Rollout(version=VERSION, parent=None, entered_at=now, stage="full"))
    storage.facts.put("served", {"versions": [VERSION]})
    storage.facts.put("window", {"number": 1, "opened_at": now, "closes_at": now + 21_600})


async def _rows(
    options: argparse.Namespace, storage: Storage, port: int, processes: list[int], weights: bytes, now: float
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    first = 0

    async def repeated(
        name: str, loop: str, make: Callable[[list[Installation]], list[tuple[bytes, bytes]]], count: int, **about: Any
    ) -> None:
        nonlocal first
        repeats: list[dict[str, Any]] = []
        for turn in range(options.repeat + 1):
            made = await asyncio.to_thread(installations, storage, first, count, now)
            requests = make(made)
            first += count
            given = iter(requests) if name == "submit" else _over(requests)

            def run(given: Iterator[tuple[bytes, bytes]] = given) -> Awaitable[Tally]:
                if loop == "open":
                    return opened(port, given, options.connections, options.seconds, about["asked"])
                return closed(port, given, options.connections, options.seconds)

            found = await once(run, processes)
            if turn:
                repeats.append(found)
            if name == "submit":
                await asyncio.to_thread(storage.submissions.consume, 1)
        rows.append({"name": name, "loop": loop, **about, **summary(repeats)})

    if "submit" in options.only:
        await repeated("submit", "closed", lambda made: submissions(made, weights), options.clients)
        for rate in options.rate:
            count = int(rate * options.seconds / PER_DAY) + 1
            await repeated("submit", "open", lambda made: submissions(made, weights), count, asked=rate)
    if "latest" in options.only:
        await repeated("latest", "closed", fetches, min(options.clients, 1000))
    return rows


def _over(requests: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    while True:
        yield from requests


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--clients", type=int, default=4000, help="of a closed repeat; each submits four times")
    parser.add_argument("--patterns", type=int, default=128)
    parser.add_argument("--rate", type=float, nargs="*", default=[1000.0])
    parser.add_argument("--only", nargs="+", default=["submit", "latest"], choices=["submit", "latest"])
    parser.add_argument("--storage", help="URL; by default a new SQLite file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        found = runner.run(measured(options, Path(folder)))
    if options.json:
        print(json.dumps(found))
        return
    print(described(found["machine"]))
    print(f"{found['command']}: {found['workers']} workers, {found['storage']}, {found['body_bytes']} bytes each")
    for row in found["rows"]:
        asked = f" at {row['asked']:g}/s" if "asked" in row else ""
        print(
            f"{row['name']}, {row['loop']}{asked}: {row['rate']:g}/s "
            f"({row['rate_lowest']:g} to {row['rate_highest']:g}); "
            f"p50 {row['p50_ms']}, p99 {row['p99_ms']} ms ({row['p99_ms_lowest']} to {row['p99_ms_highest']}), "
            f"longest {row['max_ms']} ms; {row['statuses']}; cores: server {row['server_cpu']}, client "
            f"{row['client_cpu']}; server {row['server_ms_each']} ms each"
        )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
