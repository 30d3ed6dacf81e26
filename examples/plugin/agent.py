"""The plugin: times the agent's tools, keeps what came of them, and has the agent try first what works best."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from examples.plugin.workshop import ToolError, Workshop
from gateway.client import FederationClient

T = TypeVar("T")


class Session:
    """One session of the agent: a task, and every call of a tool on the way.

    Args:
        clock: seconds, of any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = clock()
        self._calls: dict[str, list[tuple[bool, float]]] = defaultdict(list)
        self._errors: list[tuple[str, str]] = []

    def call(self, tool: str, work: Callable[[], T]) -> T | None:
        """What a tool gives; None when it failed."""
        began = self._clock()
        try:
            found = work()
        except ToolError as error:
            self._calls[tool].append((False, self._clock() - began))
            self._errors.append((tool, error.name))
            return None
        self._calls[tool].append((True, self._clock() - began))
        return found

    def experiences(self, *, passed: bool) -> list[dict[str, Any]]:
        """The session as numbers and public names: no path, no source, no message."""
        made: list[dict[str, Any]] = [
            {
                "type": "tool",
                "category": tool,
                "data": {
                    "calls": len(calls),
                    "successes": sum(well for well, _ in calls),
                    "totalMs": 1000 * sum(seconds for _, seconds in calls),
                },
            }
            for tool, calls in sorted(self._calls.items())
        ]
        for tool, name in self._errors:
            recovered = any(well for well, _ in self._calls[tool])
            made.append({"type": "error", "category": name, "data": {"recoverable": recovered}})
        spent = 1000 * (self._clock() - self._began)
        made.append({"type": "success", "category": "bugfix", "data": {"duration": spent, "testsPass": passed}})
        return made


class Agent:
    """A coding agent with a federation's client in its plugin.

    Args:
        client: that keeps and shares experiences.
        folder: for the sessions' work.
        draw: of tasks.
    """

    def __init__(self, client: FederationClient, folder: Path, draw: random.Random) -> None:
        self._client, self._folder, self._draw = client, folder, draw
        self._sessions = 0

    def work(self) -> bool:
        """Fix a bug, keep what came of it, and say whether the test passes."""
        self._sessions += 1
        place = self._folder / f"session-{self._sessions}"
        place.mkdir()
        workshop, session = Workshop(place, self._draw), Session()
        passed = self._fix(workshop, session)
        self._client.record(session.experiences(passed=passed))
        return passed

    def ways(self) -> list[str]:
        """The tools that find a function, the best first, as far as own and the fleet's experience goes."""
        installed = self._client.weights
        known = installed.weights if installed else {}

        def worth(tool: str) -> float:
            weight = known.get(f"tool::{tool}")
            return weight.confidence if weight else 0.5

        return sorted(("Read", "Grep"), key=worth, reverse=True)

    def _fix(self, workshop: Workshop, session: Session) -> bool:
        task = workshop.task
        for tool in self.ways():
            if tool == "Grep":
                found = session.call("Grep", lambda: workshop.grep(rf"def {task.function}\b"))
                name = found[0] if found else None
            else:
                # A guess at the name, as people make it.
                guess = f"{task.function}.py"
                name = guess if session.call("Read", lambda guess=guess: workshop.read(guess)) else None
            if name is not None:
                session.call("Edit", lambda name=name: workshop.edit(name, task.wrong, task.right) or True)
                return bool(session.call("Bash", lambda name=name: workshop.bash(name, task.check) or True))
        return False
