"""The comparison of pattern weights as tables, words and a picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from rich.table import Table

from examples.airline.patterns import FEDERATED, ISOLATED, LIES, UNGUARDED, Found, PatternsPlan, private_name

COLUMNS = {
    "known": "patterns known",
    "success": "error of success rates",
    "confidence": "error of confidence",
    "counted": "error, made of counts",
    "flagged": "liars found",
}


def pattern_tables(found: Found, private: Found, plan: PatternsPlan) -> list[Table]:
    """Mean and standard deviation over the seeds; first with liars, then with noise."""
    first = f"{plan.installations} installations, {plan.liars} of them lie below the line; {len(plan.seeds)} seeds"
    second = f"Noise: epsilon of each of four rounds; clipped to {plan.radius:g}; {len(plan.seeds)} seeds"
    tables: list[Table] = []
    for title, figures in ((first, found), (second, private)):
        columns = COLUMNS if figures is found else {name: COLUMNS[name] for name in ("known", "success", "confidence")}
        table = Table(title=title)
        table.add_column("against what all runs say together")
        for words in columns.values():
            table.add_column(words, justify="right")
        for contender in figures.figures:
            cells = (_words(figures.mean(contender, name)) for name in columns)
            table.add_row(contender, *cells, end_section=contender == UNGUARDED)
        tables.append(table)
    return tables


def pattern_findings(found: Found, private: Found, plan: PatternsPlan) -> str:
    """What the figures come to, in words."""

    def figure(contender: str, name: str = "success", of: Found = found) -> float:
        return of.mean(contender, name)[0]

    alone, known = figure(ISOLATED), figure(ISOLATED, "known")
    doubt, counted = figure(FEDERATED, "doubt"), figure(FEDERATED, "counted")
    near = f"A release's success rates are {figure(FEDERATED):.3f} from the pooled ones; those of one installation are "
    sure = f"Its confidences are {doubt:.3f} below the pooled ones: each installation is sure of little, and "
    lines = [
        near + f"{alone:.3f} off, of the {known:.0%} of patterns that it knows.",
        sure + f"their mean is no surer. Made of its rates and counts they are {counted:.3f} off.",
    ]
    for lie in LIES if plan.liars else ():
        ours, theirs = figure(f"{FEDERATED}, {lie}"), figure(f"{UNGUARDED}, {lie}")
        share = figure(f"{FEDERATED}, {lie}", "flagged")
        words = (
            f"success rates are {ours:.3f} off, without the screen {theirs:.3f}; {share:.0%} of the liars are found."
        )
        lines += [f"{lie}: {words}"]
    for size in plan.fleets:
        noisy = ", ".join(
            f"{figure(private_name(size, epsilon), of=private):.3f} at epsilon {epsilon:g}" for epsilon in plan.epsilons
        )
        bare = figure(private_name(size), of=private)
        lines.append(f"{size:,} installations: success rates are {bare:.3f} off without noise, {noisy}.")
    return "\n".join(lines)


def save_patterns(found: Found, private: Found, plan: PatternsPlan, path: Path) -> Path:
    """Draws errors of success rates: with liars on the left, with noise by size of the fleet on the right."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.2), layout="constrained")
    contenders = list(found.figures)[::-1]
    means, deviations = zip(*(found.mean(contender, "success") for contender in contenders), strict=True)
    left.barh(range(len(contenders)), means, xerr=np.nan_to_num(deviations), color="#4c78a8", ecolor="#555555")
    left.set_yticks(range(len(contenders)), contenders)
    left.set_xlabel("mean error of tools' success rates")
    for epsilon in (None, *plan.epsilons):
        spread = [private.mean(private_name(size, epsilon), "success") for size in plan.fleets]
        label = "no noise" if epsilon is None else f"epsilon {epsilon:g} a round"
        errors = np.nan_to_num([deviation for _, deviation in spread])
        right.errorbar(plan.fleets, [mean for mean, _ in spread], yerr=errors, marker="o", capsize=3, label=label)
    right.set_xscale("log")
    right.set_xticks(plan.fleets, [f"{size:,}" for size in plan.fleets])
    right.set_xlabel("installations")
    right.set_ylabel("mean error of tools' success rates")
    right.set_ylim(bottom=0)
    right.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _words(figure: tuple[float, float]) -> str:
    if math.isnan(figure[0]):
        return "-"
    return f"{figure[0]:.3f}" if math.isnan(figure[1]) else f"{figure[0]:.3f} ± {figure[1]:.3f}"
