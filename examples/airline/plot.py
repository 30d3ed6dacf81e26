"""The comparison as a picture; needs the extra ``demo``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.airline.comparison import Comparison

PANELS = (
    ("accuracy", "held-out steps whose tool it chooses too"),
    ("reward", "expected reward, estimated"),
)


def save(comparison: Comparison, path: Path) -> Path:
    """Draws both figures, mean and standard deviation over the seeds, a bar for each contender; returns the path."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    contenders = list(comparison.figures)[::-1]
    places = np.arange(len(contenders))
    figure, axes = plt.subplots(
        1, len(PANELS), figsize=(11.0, 0.35 * len(contenders) + 1.5), sharey=True, layout="constrained"
    )
    for panel, (name, label) in zip(axes, PANELS, strict=True):
        means, deviations = zip(*(comparison.mean(contender, name) for contender in contenders), strict=True)
        panel.barh(places, means, xerr=np.nan_to_num(deviations), height=0.7, color="#4c78a8", ecolor="#555555")
        panel.set_xlabel(label)
        panel.set_xlim(0, 1)
    axes[1].axvline(float(np.mean(comparison.logged)), color="#e45756", linewidth=1, label="as logged")
    axes[1].legend(loc="lower right")
    axes[0].set_yticks(places, contenders)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
