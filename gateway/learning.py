"""From the words of a command to what is learned, by whom, and who lies."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from federation.errors import ExtraError, SettingError
from federation.rules import Rule, rule_from
from federation.workload import Corruption, Workload

if TYPE_CHECKING:
    from workloads.gradients import ExperienceFiles
    from workloads.trajectories import Layout

_LIARS = 0x11A5
"""Keeps the choice of liars apart from everything else that a seed draws."""


def agent_names(count: int) -> tuple[str, ...]:
    """``agent-000`` and so on, wide enough for all of them."""
    width = max(3, len(str(count - 1)))
    return tuple(f"agent-{number:0{width}d}" for number in range(count))


def liars_among(agents: Sequence[str], count: int, *, seed: int) -> tuple[str, ...]:
    """``count`` of the agents, drawn by the seed; sorted.

    Raises:
        SettingError: when there are not so many.
    """
    if not 0 <= count <= len(agents):
        raise SettingError(name="byzantine", found=count, needed=f"between 0 and the {len(agents)} agents")
    chosen = np.random.default_rng([seed, _LIARS]).choice(len(agents), size=count, replace=False)
    return tuple(sorted(agents[int(row)] for row in chosen))


def rule_of(text: str) -> Rule:
    """The rule that ``"median"`` or ``"nearest_neighbor_mixing,median"`` names.

    Raises:
        SettingError: for an unknown name, with the nearest valid one.
    """
    parts = [part.strip() for part in text.split(",")]
    return rule_from(parts[0] if len(parts) == 1 else parts)


def adversary(attack: str, liars: Sequence[str], *, seed: int) -> Corruption | None:
    """The marked agents with their attack; None when nobody lies.

    Raises:
        SettingError: for an unknown attack, with the nearest valid one.
    """
    if not liars:
        return None
    from workloads.attacks import Adversary, attack_from

    return Adversary(agents=frozenset(liars), attack=attack_from(attack), seed=seed)


def digits(agents: Sequence[str], *, alpha: float, seed: int, dimension: int | None = None) -> Workload:
    """Scikit-learn's digits, spread over the agents.

    Args:
        agents: who learns.
        alpha: how evenly.
        seed: of the spread.
        dimension: parameters that the policy shall have; it gets the number of hidden units that comes nearest.

    Raises:
        ExtraError: without scikit-learn.
    """
    require_extra("sklearn", "scikit-learn", "The digits data")
    from workloads.gradients import DigitsBandit, GradientsWorkload

    data = DigitsBandit(agents=tuple(agents), alpha=alpha, seed=seed)
    if dimension is None:
        return GradientsWorkload(data=data)
    # Two layers with biases: features x h + h and h x actions + actions.
    hidden = round((dimension - data.actions) / (data.features + 1 + data.actions))
    return GradientsWorkload(data=data, hidden=max(hidden, 1))


def experiences(paths: Sequence[Path], *, strict: bool) -> tuple[Workload, ExperienceFiles]:
    """The user's own experiences as a workload, and their source, which knows the agents and the skipped lines.

    Files that `swarmlore ingest` wrote have their layout beside them. It says how many actions there are, and that
    these are logs of habits, which are learned from with pessimism.

    Raises:
        SettingError: when a file is not there, or the files have different layouts.
        ExperienceLineError: for a bad line, with ``strict``.
        ExperienceError: when no line is an experience to learn from.
    """
    from workloads.gradients import ExperienceFiles, GradientsWorkload, LearningSettings

    layout = layout_of(paths)
    source = ExperienceFiles(
        paths=tuple(str(path.absolute()) for path in paths),
        strict=strict,
        number_of_actions=layout.actions if layout else None,
    )
    return GradientsWorkload(data=source, learning=LearningSettings(pessimism=1.0 if layout else 0.0)), source


def layout_from(path: Path) -> Layout:
    """The layout in a file.

    Raises:
        SettingError: when it cannot be read, or is none.
    """
    from workloads.trajectories import Layout

    try:
        return Layout.from_json(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(name="layout", found=str(path), needed=f"a file that can be read ({error})") from error


def layout_of(paths: Sequence[Path]) -> Layout | None:
    """The layout that stands beside files of experiences; None when none does.

    Raises:
        SettingError: when they have different ones.
    """
    layouts = {layout_from(layout_beside(path)) for path in paths if layout_beside(path).exists()}
    if len(layouts) > 1:
        raise SettingError(
            name="experiences", found=f"{len(layouts)} layouts", needed="files of one layout: ingest them with --layout"
        )
    return next(iter(layouts), None)


def layout_beside(path: Path) -> Path:
    """Where the layout of a file of experiences is, if `swarmlore ingest` wrote it."""
    return path.with_name(path.name + ".layout.json")


def require_extra(module: str, package: str, purpose: str, *, extra: str = "demo") -> None:
    """Raise `ExtraError` unless a module of an optional extra is installed."""
    if importlib.util.find_spec(module) is None:
        raise ExtraError(package=package, extra=extra, purpose=purpose)
