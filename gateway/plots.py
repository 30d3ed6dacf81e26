"""The demo's plots: accuracy, KL, and the verdict on every agent in every round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.trial import Course

WORDS = {"attacked": "with liars", "clean": "without liars", "mean": "plain mean, with liars"}
ACCEPTED, CLIPPED, REJECTED, NO_RELEASE = range(4)
_CODES = {"accepted": ACCEPTED, "clipped": CLIPPED, "rejected": REJECTED}


def verdict_grid(names: Sequence[str], liars: Sequence[str], course: Course) -> tuple[list[str], NDArray[np.int8]]:
    """Agents, honest ones first, and ``(agents, rounds)`` verdicts; column i is round i + 1.

    A round that ended without a release has verdicts on nobody.
    """
    marked = frozenset(liars)
    order = sorted(names, key=lambda name: (name in marked, name))
    rows = {name: row for row, name in enumerate(order)}
    last = max((int(record["round"]) for record in course.records), default=0)
    grid = np.full((len(order), last), NO_RELEASE, np.int8)
    for record in course.records:
        column = int(record["round"]) - 1
        grid[:, column] = ACCEPTED
        for agent, verdict in record["verdicts"]["agents"].items():
            if agent in rows:
                grid[rows[agent], column] = _CODES[verdict["decision"]]
    return order, grid


def draw(out: Path, names: Sequence[str], liars: Sequence[str], courses: Mapping[str, Course]) -> list[Path]:
    """Save the plots as PNG; returns their paths. Needs matplotlib (extra ``demo``)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    files = [out / "accuracy.png", out / "kl.png", out / "verdicts.png"]
    _curves(pyplot, files[0], courses, lambda record: record["evaluation"].get("accuracy"), "held-out accuracy")
    _curves(
        pyplot, files[1], courses, lambda record: record["kl_divergence"], "KL to the last release (nats)", log=True
    )
    _heat(pyplot, files[2], names, liars, courses["attacked"])
    return files


def _curves(
    pyplot: Any, path: Path, courses: Mapping[str, Course], read: Any, label: str, *, log: bool = False
) -> None:
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for name, course in courses.items():
        points = [(record["round"], read(record)) for record in course.records]
        points = [(number, value) for number, value in points if value is not None and (value > 0 or not log)]
        if points:
            axes.plot(*zip(*points, strict=True), label=WORDS[name], linewidth=1.6)
    if log:
        axes.set_yscale("log")
        axes.axhline(0.01, color="grey", linestyle=":", linewidth=1, label="threshold")
    else:
        axes.set_ylim(0, 1)
    axes.set_xlabel("round")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _heat(pyplot: Any, path: Path, names: Sequence[str], liars: Sequence[str], course: Course) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    order, grid = verdict_grid(names, liars, course)
    colours = ["#e8eef2", "#f2b94b", "#b5303c", "#ffffff"]
    figure, axes = pyplot.subplots(figsize=(8, 6), layout="constrained")
    if grid.size:
        axes.imshow(
            grid,
            aspect="auto",
            interpolation="nearest",
            cmap=ListedColormap(colours),
            vmin=ACCEPTED,
            vmax=NO_RELEASE,
            extent=(0.5, grid.shape[1] + 0.5, len(order) - 0.5, -0.5),
        )
    honest = len(order) - len(liars)
    if 0 < honest < len(order):
        axes.axhline(honest - 0.5, color="black", linewidth=1)
    axes.set_yticks([honest / 2, honest + len(liars) / 2] if liars else [honest / 2])
    axes.set_yticklabels(["honest", "lying"] if liars else ["honest"])
    axes.set_xlabel("round")
    axes.set_title("verdicts")
    handles = [Patch(facecolor=colour, label=word) for colour, word in zip(colours, _CODES, strict=False)]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
