"""Experiences of an installation: kept as they come, and learned from later. Nothing of this needs the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.client.account import STATE, WAIT_S
from gateway.client.errors import DamagedError
from gateway.client.folder import Folder
from gateway.client.memory import NO_VERSION, Memory
from gateway.client.tally import Tally
from workloads.patterns import BatchLearning, KeySpace, PatternError, PatternExperience, PatternType, experience_of

INBOX = "inbox"
"""Folder of experiences that were recorded and not learned from yet: a file for each call of `Diary.record`."""
MOST_RECORDED = 1000
"""Files in it; more are not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What became of experiences.

    Attributes:
        experiences: that were learned from.
        patterns: known now.
        waiting: experiences that are too few of their kind to tell anything yet.
        skipped: entries that were no experiences.
    """

    experiences: int
    patterns: int
    waiting: int
    skipped: int = 0


class Diary:
    """Keeps experiences, and learns from them.

    Args:
        folder: of the state.
        memory: that holds what is learned.
        space: of the categories.
        clock: Unix time.
        draw: makes so many random bytes.
    """

    def __init__(
        self,
        folder: Folder,
        memory: Memory,
        space: KeySpace,
        *,
        clock: Callable[[], float],
        draw: Callable[[int], bytes],
    ) -> None:
        self._folder, self._memory, self._space = folder, memory, space
        self._clock, self._draw = clock, draw

    def record(self, experiences: Iterable[Any], *, version: str) -> int:
        """Keep experiences under the release that was in force, and say how many: none when the folder is full.

        Raises:
            PatternError: for what is none; nothing is kept then.
            WriteError: when there is no room.
        """
        found = [experience_of(one).within(self._space) for one in experiences]
        if not found or len(self._folder.names(INBOX)) >= MOST_RECORDED:
            return 0
        name = f"{INBOX}/{int(self._clock() * 1000):015d}-{self._draw(8).hex()}.jsonl"
        head = json.dumps({"version": version, "day": self._day()}).encode()
        self._folder.write(name, b"\n".join([head, *(one.to_json() for one in found)]) + b"\n")
        return len(found)

    def learn(self, experiences: Iterable[Any] = ()) -> Learned:
        """Learn from what was recorded, and from these experiences.

        What was recorded is noted as taken in the same write, so that a crash before it is removed counts nothing
        twice.

        Raises:
            PatternError: for what is no experience; nothing is learned then.
            WriteError: when there is no room; what was recorded stays recorded.
        """
        given = [experience_of(one).within(self._space) for one in experiences]
        with self._folder.locked(STATE, wait_s=WAIT_S):
            state = self._memory.load()
            own, skipped = state.own, 0
            found: list[PatternExperience] = []
            tally, names = own.tally, self._folder.names(INBOX)
            for name in names:
                if name in own.taken:
                    continue
                version, day, entries, bad = self._recorded(name)
                found += entries
                skipped += bad
                tally = _counted(tally, entries, version=version, day=day)
            tally = _counted(tally, given, version=state.version, day=self._day())
            if names or given:
                batch = [*found, *given]
                own = own.learned(batch, space=self._space, learning=BatchLearning(), tally=tally, taken=names)
                self._memory.keep_own(own)
            for name in names:
                self._folder.delete(name)
        return Learned(
            experiences=len(found) + len(given),
            patterns=len(own.patterns),
            waiting=sum(map(len, own.waiting.values())),
            skipped=skipped,
        )

    def _recorded(self, name: str) -> tuple[str, str, list[PatternExperience], int]:
        try:
            lines = (self._folder.read(name) or b"").splitlines()
            head = json.loads(lines[0])
            version, day = str(head["version"]), str(head["day"])
        except (DamagedError, ValueError, IndexError, KeyError, TypeError):
            return NO_VERSION, self._day(), [], 1
        entries: list[PatternExperience] = []
        bad = 0
        for line in lines[1:]:
            try:
                entries.append(experience_of(json.loads(line)))
            except (PatternError, ValueError, RecursionError):
                bad += 1
        return version, day, entries, bad

    def _day(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()


def _counted(tally: Tally, found: Iterable[PatternExperience], *, version: str, day: str) -> Tally:
    tools = [one for one in found if one.type is PatternType.TOOL]
    calls = sum(one.count for one in tools)
    return tally.added(version, day, calls=calls, errors=round(sum(one.errors * one.count for one in tools)))
