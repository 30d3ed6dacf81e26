"""Members of secret sums without a network: they read their letters and answer, whenever the sorter waits."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.secure import SecureConfig
from actors.storage import Client, Join, Storage
from federation.identity import Secret, SigningKey
from federation.privacy.secure import SecureClient, from_wire, to_wire
from gateway.federation.sorting import Sorted, Sorter
from telemetry import Telemetry
from workloads.patterns.buckets import addend_dimension

KEYS = 3
NOW = 1_773_576_000.0
CONFIG = SecureConfig(size=7, liars=1, dropped=1, stage_s=60.0)
ORDER = ("terms", "ring", "shares", "unmask")


class Killed(BaseException):
    """The process that was running this is gone."""


class Gathering:
    """A storage, members who have joined, and sorters one after the other.

    Attributes:
        rows: what each member adds.
        silent: member -> kind of the first letter that it does not answer.
        twist: changes an answer before it is sent: given member, kind of the letter and bytes.
        looked: called whenever the sorter waits.
        slow: only one of them answers at a time.
        kill_at: called with the number of each write of the sorter's; "before" or "after" kills it there.
    """

    def __init__(self, folder: Path, count: int, *, region: Callable[[int], str] = lambda _: "global") -> None:
        self.path = folder / "federation.db"
        self.storage, self.now = Storage.open(f"sqlite:///{self.path}"), NOW
        self.names = [f"{number:064x}" for number in range(count)]
        self.keys = {name: SigningKey.of(Secret(bytes([number + 1] * 32))) for number, name in enumerate(self.names)}
        draw = np.random.default_rng(5)
        self.rows: dict[str, NDArray[np.float64]] = {}
        for name in self.names:
            row = np.round(draw.uniform(-0.5, 0.5, addend_dimension(KEYS)), 4)
            row[:KEYS], row[KEYS : 2 * KEYS] = 1, 0.001
            self.rows[name] = row
        self.silent: dict[str, str] = {}
        self.twist: Callable[[str, str, bytes], bytes] = lambda _name, _kind, wire: wire
        self.looked: Callable[[], Any] = lambda: None
        self.kill_at: Callable[[int], str] = lambda _: ""
        self.writes, self.slow = 0, False
        self.telemetry: Telemetry | None = None
        self.clients: dict[str, SecureClient] = {}
        self.ends: dict[str, dict[str, Any]] = {}
        self._read: dict[str, int] = dict.fromkeys(self.names, 0)
        self.storage.facts.put("window", {"number": 1})
        for number, name in enumerate(self.names):
            self.storage.clients.put(Client(id=name, public_key=self.keys[name].public, region=region(number)))
            self.join(name, region(number))

    def join(self, name: str, region: str = "global", window: int = 1) -> str:
        join = Join(client=name, region=region, window=window, base_version="1.0.0", nonce="a", received_at=NOW)
        return self.storage.mail.join(join).value

    def sorter(self) -> Sorter:
        """Another sorter; its writes are counted, and it may be killed at one."""
        made = Sorter(
            self.storage,
            CONFIG,
            run="test",
            keys=KEYS,
            telemetry=self.telemetry,
            clock=lambda: self.now,
            sleep=self._wait,
            draw=lambda count: bytes(range(count)),
        )
        for name in ("begin", "advance"):
            self._arm(made, name)
        return made

    async def sorted(self) -> Sorted:
        """The window sorted, by as many sorters as it takes."""
        while True:
            try:
                found = await self.sorter().sort(1)
            except Killed:
                continue
            self._said()
            return found

    def totals(self) -> list[tuple[str, str, int, list[float]]]:
        """State, code, members and sum of each bucket."""
        return [
            (one.state, one.code, one.members, [] if one.total is None else one.total.tolist())
            for one in self.storage.mail.buckets(1)
        ]

    def circle(self, place: int = 0) -> list[str]:
        """The members of a bucket, of those who have had terms."""
        circles = sorted({client.terms.bucket: client.terms.circle for client in self.clients.values()}.items())
        return list(circles[place][1])

    async def _wait(self, _: float) -> None:
        self.looked()
        if not self._said():
            self.now += CONFIG.stage_s

    def _said(self) -> bool:
        """Whether anybody had something to answer; everybody is asked, or one after the other where they are slow."""
        if self.slow:
            return any(self._answered(name) for name in self.names)
        said = [self._answered(name) for name in self.names]
        return any(said)

    def _answered(self, name: str) -> bool:
        _, letters = self.storage.mail.letters([(1, name, self._read[name])])[0]
        said = False
        for letter in letters:
            self._read[name] = letter.number
            if letter.kind == "end":
                self.ends[name] = json.loads(letter.body)
                continue
            quiet = self.silent.get(name)
            if quiet is not None and ORDER.index(letter.kind) >= ORDER.index(quiet):
                continue
            message = self._message(name, letter.kind, letter.body)
            wire = self.twist(name, letter.kind, to_wire(message))
            kind = {"terms": "keys", "ring": "dealt", "shares": "row", "unmask": "revealed"}[letter.kind]
            self.storage.mail.answer(name, 1, kind, wire)
            said = True
        return said

    def _message(self, name: str, kind: str, body: str) -> Any:
        if kind != "terms":
            self.clients[name], answer = self.clients[name].handle(from_wire(body.encode()))  # type: ignore[arg-type]
            return answer
        told = json.loads(body)
        self.clients[name], keys = SecureClient.start(
            from_wire(told["terms"].encode()),  # type: ignore[arg-type]
            agent=name,
            row=self.rows[name],
            key=self.keys[name],
            identities={client: base64.b64decode(key) for client, key in told["identities"].items()},
            secret=Secret(bytes([len(name) - int(name, 16) % 64] * 32)),
        )
        return keys

    def _arm(self, sorter: Sorter, name: str) -> None:
        whole = getattr(sorter._mail, name)

        def written(*given: Any, **named: Any) -> Any:
            number, self.writes = self.writes, self.writes + 1
            when = self.kill_at(number)
            if when == "before":
                raise Killed
            found = whole(*given, **named)
            if when == "after":
                raise Killed
            return found

        mail = type("Watched", (), {"__getattr__": lambda _, other, mail=sorter._mail: getattr(mail, other)})()
        setattr(mail, name, written)
        sorter._mail = mail  # pyright: ignore[reportAttributeAccessIssue]
