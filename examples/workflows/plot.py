"""The comparison as a picture; needs the extra ``demo``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.workflows.comparison import GROUPS, Comparison

COLOURS = ("#4c78a8", "#f58518", "#54a24b")


def save(comparison: Comparison, path: Path) -> Path:
    """Draws mean reward per turn and its 95 % interval, a bar for each manager and group; returns the path."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    managers = sorted(comparison.rewards, key=lambda name: comparison.figure(name, GROUPS[-1]).mean)
    places = np.arange(len(managers))
    figure, axes = plt.subplots(figsize=(9.0, 0.7 * len(managers) + 1.5), layout="constrained")
    for offset, (group, colour) in enumerate(zip(GROUPS, COLOURS, strict=True)):
        figures = [comparison.figure(name, group) for name in managers]
        axes.barh(
            places + 0.27 * (1 - offset),
            [found.mean for found in figures],
            xerr=np.nan_to_num([found.half_width for found in figures]),
            height=0.25,
            color=colour,
            label=group,
        )
    axes.set_yticks(places, managers)
    lowest = min(comparison.figure(name, group).mean for name in managers for group in GROUPS)
    axes.set_xlim(left=max(lowest - 0.1, 0.0))
    axes.set_xlabel("reward per turn: share of good requests, less the cost of adaptations")
    figure.legend(loc="outside upper center", ncols=len(GROUPS))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
