"""Gathers tries of a task until there are enough to compare them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from federation.errors import SettingError
from workloads.trajectories.assembly import NS
from workloads.trajectories.trajectory import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class TrySettings:
    """How long tries wait for each other.

    Attributes:
        size: tries that are compared with each other.
        wait_s: how long the first of them waits for the others; then those are compared that are there.
        max_waiting: trajectories that wait at once; the tasks that have waited for longest make room.
    """

    size: int = 4
    wait_s: float = 600.0
    max_waiting: int = 10_000

    def __post_init__(self) -> None:
        for name in ("size", "max_waiting"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not self.wait_s >= 0:
            raise SettingError(name="wait_s", found=self.wait_s, needed="0 or more")


@dataclass(slots=True)
class _Waiting:
    since_ns: int
    tries: list[Trajectory] = field(default_factory=list)


class Tries:
    """Trajectories by task, until they can be compared. Keeps no clock.

    A group of tries is given out whole, once; tries of the same task that come later are a group of their own. An
    agent's tries are compared with each other alone: what others achieved is not its own data.

    Args:
        settings: of time and memory.
    """

    def __init__(self, settings: TrySettings | None = None) -> None:
        self.settings = settings or TrySettings()
        self._waiting: OrderedDict[tuple[str, str], _Waiting] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """How many trajectories wait."""
        return self._count

    def add(self, trajectories: Iterable[Trajectory], *, now_ns: int) -> list[Trajectory]:
        """Take trajectories. Returns the groups that are full, or had to make room."""
        ready: list[Trajectory] = []
        for trajectory in trajectories:
            key = (trajectory.agent or "", trajectory.task or "")
            group = self._waiting.setdefault(key, _Waiting(now_ns))
            group.tries.append(trajectory)
            self._count += 1
            if len(group.tries) >= self.settings.size:
                ready += self._release(key)
        while self._count > self.settings.max_waiting:
            ready += self._release(next(iter(self._waiting)))
        return ready

    def due(self, now_ns: int) -> list[Trajectory]:
        """The tries that have waited for long enough."""
        ready: list[Trajectory] = []
        while self._waiting:
            key = next(iter(self._waiting))
            if now_ns - self._waiting[key].since_ns < self.settings.wait_s * NS:
                break
            ready += self._release(key)
        return ready

    def finish(self) -> list[Trajectory]:
        """All that wait."""
        return [trajectory for key in list(self._waiting) for trajectory in self._release(key)]

    def _release(self, key: tuple[str, str]) -> list[Trajectory]:
        found = self._waiting.pop(key).tries
        self._count -= len(found)
        return found
