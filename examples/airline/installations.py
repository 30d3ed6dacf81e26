"""The recorded runs as pattern experiences of a few installations, and the lies that some of them could tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from examples.airline.source import trajectories_of
from federation.errors import SettingError
from workloads.patterns import GivenExperiences, KeySpace, PatternExperience, PatternType, of_trajectory
from workloads.trajectories import Trajectory

TASK_TYPE = "airline"

Shares = Mapping[str, tuple[PatternExperience, ...]]
"""installation -> what it has lived through, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Installations that have their tasks to themselves.

    Attributes:
        space: all tools of the recording, its one class of errors, and its one type of task.
        shares: of each installation, in the order of the tries: everybody's first try comes before any second.
        tries: how many of an installation's experiences there are after each try.
    """

    space: KeySpace
    shares: Shares
    tries: Mapping[str, tuple[int, ...]]

    def until(self, number: int, shares: Shares | None = None) -> GivenExperiences:
        """What everybody has lived through after so many tries, from ``shares`` where those are lies."""
        given = shares or self.shares
        return GivenExperiences(
            given=tuple((name, given[name][: self.tries[name][number - 1]]) for name in sorted(given))
        )

    @property
    def pooled(self) -> tuple[PatternExperience, ...]:
        """Everything, as if one installation had lived through it."""
        return tuple(one for name in sorted(self.shares) for one in self.shares[name])


def fleet_of(path: str, *, installations: int, seed: int) -> Fleet:
    """The tasks dealt to installations, all tries of a task to the same one.

    Raises:
        SettingError: for more installations than tasks.
    """
    trajectories = trajectories_of(path)
    tasks = sorted({str(one.task) for one in trajectories})
    if not 1 <= installations <= len(tasks):
        raise SettingError(name="installations", found=installations, needed=f"1 to {len(tasks)}, a task for each")
    order = np.random.default_rng([seed, 60]).permutation(len(tasks))
    owners = {tasks[row]: f"installation-{place % installations:02d}" for place, row in enumerate(order)}
    space = KeySpace.of(
        tools=sorted({step.tool for one in trajectories for step in one.steps}),
        errors=sorted({step.error_type for one in trajectories for step in one.steps if step.error_type}),
        successes=[TASK_TYPE],
    )
    lived: dict[str, list[PatternExperience]] = {name: [] for name in owners.values()}
    tries: dict[str, list[int]] = {name: [] for name in lived}
    for together in _tries(trajectories):
        for one in together:
            lived[owners[str(one.task)]] += of_trajectory(one, space=space, task_type=TASK_TYPE)
        for name, found in lived.items():
            tries[name].append(len(found))
    return Fleet(
        space=space,
        shares={name: tuple(found) for name, found in sorted(lived.items())},
        tries={name: tuple(found) for name, found in tries.items()},
    )


def resampled(path: str, *, installations: int, seed: int) -> Fleet:
    """A fleet of any size in which every try is a run drawn from the recording: as large fleets might look, not one.

    Each installation has as many runs as one of ten has, by draws with replacement.
    """
    recorded = fleet_of(path, installations=1, seed=seed)
    runs = [of_trajectory(one, space=recorded.space, task_type=TASK_TYPE) for one in trajectories_of(path)]
    rng = np.random.default_rng([seed, 62])
    shares: dict[str, tuple[PatternExperience, ...]] = {}
    tries: dict[str, tuple[int, ...]] = {}
    for number in range(installations):
        drawn = [runs[row] for row in rng.integers(len(runs), size=max(len(runs) // 10, 8))]
        parts = np.array_split(np.array([len(run) for run in drawn]), 4)
        name = f"installation-{number:04d}"
        shares[name] = tuple(one for run in drawn for one in run)
        tries[name] = tuple(np.cumsum([int(part.sum()) for part in parts]).tolist())
    return Fleet(space=recorded.space, shares=shares, tries=tries)


def _tries(trajectories: Sequence[Trajectory]) -> list[list[Trajectory]]:
    """First tries of all tasks, second tries, ...; the recording's times tell which is which."""
    by_task: dict[str, list[Trajectory]] = {}
    for one in sorted(trajectories, key=lambda found: (found.start_ns, found.key)):
        by_task.setdefault(str(one.task), []).append(one)
    longest = max(map(len, by_task.values()))
    return [[found[number] for _, found in sorted(by_task.items()) if number < len(found)] for number in range(longest)]


def inverted(shares: Shares, liars: frozenset[str]) -> Shares:
    """Liars say that what went well went wrong, and the other way round."""
    return _told(shares, liars, lambda one: replace(one, success=1 - one.success, errors=1 - one.errors))


def promoted(shares: Shares, liars: frozenset[str], *, tool: str, count: int = 1000) -> Shares:
    """Liars praise one tool and run all others down, with ``count`` calls behind every word."""

    def told(one: PatternExperience) -> PatternExperience:
        well = float(one.type is PatternType.TOOL and one.category == tool)
        return replace(one, success=well, errors=1 - well, count=count)

    return _told(shares, liars, told)


def _told(shares: Shares, liars: frozenset[str], lie: Callable[[PatternExperience], PatternExperience]) -> Shares:
    return {name: tuple(map(lie, found)) if name in liars else found for name, found in shares.items()}
