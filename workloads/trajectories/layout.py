"""What a decision looks like to the policy: which tools there are, and the features of the steps so far."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from workloads.trajectories.trajectory import Outcome, Step, Trajectory

OTHER = "other"
_VERSION = 1
_MOST_TOOLS = 512
_LONGEST_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The actions and the state of a workload that learns tool choice. Fixed once agents learn by it.

    Actions are ``tools`` in their order and one more, `OTHER`, that stands for every tool not named. A state has,
    all within [0, 1] except the task's own features, which are within [-1, 1]:

    ====================  ==============================================================================
    ``last`` x actions    one-hot: the newest tool, the one before, ...; zeros before the first step
    actions               how often each tool was called: log(1 + n) / log(1 + horizon), cut at 1
    1                     steps so far / horizon, cut at 1
    1                     model calls so far / horizon, cut at 1
    1                     failed steps so far / horizon, cut at 1
    1                     whether the newest step failed
    1                     how long the newest step took: log(1 + s) / log(601), cut at 1; 0 when not known
    task features         the trajectory's own, each over its scale, cut at -1 and 1; 0 where missing
    ====================  ==============================================================================

    Nothing of the step that is being decided is in the state, nor of any later one.

    Attributes:
        tools: names, each once, without `OTHER`.
        last: how many of the newest tools are in the state one by one.
        horizon: steps at which counts saturate.
        features: name of an attribute of the agent's span -> scale, for features of the task.
    """

    tools: tuple[str, ...]
    last: int = 3
    horizon: int = 32
    features: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tools", tuple(self.tools))
        pairs = self.features.items() if isinstance(self.features, Mapping) else self.features
        object.__setattr__(self, "features", tuple((str(name), float(scale)) for name, scale in pairs))
        if not all(isinstance(tool, str) and tool for tool in self.tools) or len(set(self.tools)) != len(self.tools):
            raise SettingError(name="tools", found=self.tools, needed="names of tools, each once")
        if not 1 <= len(self.tools) <= _MOST_TOOLS or OTHER in self.tools:
            raise SettingError(name="tools", found=len(self.tools), needed=f"1 to {_MOST_TOOLS} names, not {OTHER!r}")
        if self.last < 0:
            raise SettingError(name="last", found=self.last, needed="0 or more")
        if self.horizon < 1:
            raise SettingError(name="horizon", found=self.horizon, needed="1 or more")
        for name, scale in self.features:
            if not 0 < scale < math.inf:
                raise SettingError(name=f"the scale of {name}", found=scale, needed="above 0 and finite")

    @classmethod
    def learned(cls, trajectories: Iterable[Trajectory], *, most: int = 64, **settings: Any) -> Layout:
        """A layout of the ``most`` most frequent tools of trajectories, sorted by name.

        Raises:
            SettingError: when there is no step to learn it from.
        """
        counts = Counter(step.tool for trajectory in trajectories for step in trajectory.steps)
        counts.pop(OTHER, None)
        frequent = sorted(counts, key=lambda tool: (-counts[tool], tool))[:most]
        return cls(tools=tuple(sorted(frequent)), **settings)

    @property
    def actions(self) -> int:
        """How many actions there are, `OTHER` included."""
        return len(self.tools) + 1

    @property
    def length(self) -> int:
        """How many numbers a state has."""
        return (self.last + 1) * self.actions + 5 + len(self.features)

    def action(self, tool: str) -> int:
        """The number of a tool; that of `OTHER` for one that is not known."""
        return self.tools.index(tool) if tool in self.tools else len(self.tools)

    def tool(self, action: int) -> str:
        """The name of an action."""
        return (*self.tools, OTHER)[action]

    def states(self, trajectory: Trajectory) -> NDArray[np.float32]:
        """``(steps + 1, length)``: the state before each step, and the one after the last."""
        steps = trajectory.steps
        numbers = {tool: number for number, tool in enumerate(self.tools)}
        taken = [numbers.get(step.tool, len(self.tools)) for step in steps]
        made = np.zeros((len(steps) + 1, self.length), np.float32)
        counts = np.zeros((len(steps) + 1, self.actions))
        for place, action in enumerate(taken):
            counts[place + 1 :, action] += 1
            for back in range(min(self.last, len(steps) - place)):
                made[place + 1 + back, back * self.actions + action] = 1
        at = self.last * self.actions
        made[:, at : at + self.actions] = np.minimum(np.log1p(counts) / math.log1p(self.horizon), 1)
        at += self.actions
        failed = np.array([step.outcome is Outcome.FAILURE for step in steps], np.float64)
        made[:, at] = np.minimum(np.arange(len(steps) + 1) / self.horizon, 1)
        made[:, at + 1] = np.minimum(_inferences(trajectory) / self.horizon, 1)
        made[1:, at + 2] = np.minimum(np.cumsum(failed) / self.horizon, 1)
        made[1:, at + 3] = failed
        made[1:, at + 4] = [_latency(step) for step in steps]
        for place, (name, scale) in enumerate(self.features):
            made[:, at + 5 + place] = min(max(trajectory.features.get(name, 0.0) / scale, -1.0), 1.0)
        return made

    def to_json(self) -> str:
        """The layout as JSON text."""
        return json.dumps({"version": _VERSION, **asdict(self), "features": dict(self.features)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """The layout of such a text.

        Raises:
            SettingError: for anything else.
        """
        try:
            found = json.loads(text)
        except ValueError as error:
            raise SettingError(name="layout", found=str(error), needed="JSON as `to_json` writes it") from error
        known = {"version", "tools", "last", "horizon", "features"}
        if not isinstance(found, dict) or "tools" not in found or set(found) - known:
            raise SettingError(name="layout", found=_short(found), needed=f"an object with {', '.join(sorted(known))}")
        if found.pop("version", _VERSION) != _VERSION:
            raise SettingError(name="layout", found="another version", needed=f"version {_VERSION}")
        if not isinstance(found["tools"], list):
            raise SettingError(name="tools", found=_short(found["tools"]), needed="a list of names")
        try:
            return cls(**found)
        except (TypeError, ValueError) as error:
            raise SettingError(name="layout", found=_short(found), needed="numbers where numbers belong") from error


def _inferences(trajectory: Trajectory) -> NDArray[np.float64]:
    before: Sequence[int] = [step.inferences for step in trajectory.steps]
    # After the last step nothing is decided, so what came then is told by nobody.
    return np.array([*before, before[-1] if before else 0], np.float64)


def _latency(step: Step) -> float:
    if step.latency_s is None:
        return 0.0
    return min(math.log1p(step.latency_s) / math.log1p(_LONGEST_S), 1.0)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."
