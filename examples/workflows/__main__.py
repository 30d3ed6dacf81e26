"""``python -m examples.workflows``: learns, compares, prints a table and draws it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from examples.workflows.comparison import FEDERATED, GROUPS, Comparison, Figure, Plan, compare
from examples.workflows.contenders import learn
from examples.workflows.plot import save


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions, each with other systems, weather and luck.")] = 5,
    agents: Annotated[int, typer.Option(min=1, help="Agents per kind of system; there are four kinds.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="Federated rounds.")] = 60,
    clairvoyance: Annotated[bool, typer.Option(help="Also run the clairvoyant; half of the time goes there.")] = True,
    plot: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("results/workflows.png"),
) -> None:
    """Four kinds of workflow systems are learned from; seven, three of them never met, are managed."""
    console = Console()
    plan = Plan(agents_per_kind=agents, rounds=rounds, seeds=tuple(range(seeds)), clairvoyance=clairvoyance)
    comparison = compare(plan, learn, tell=lambda line: console.print(line, style="dim"))
    console.print(table_of(comparison))
    console.print(verdict_of(comparison))
    console.print(f"Drawn to {save(comparison, plot)}")


def table_of(comparison: Comparison) -> Table:
    """Mean reward per turn, 95 % interval, and the paired difference to the federated policy."""
    seeds = len(comparison.experiences)
    table = Table(title=f"Reward per turn on held-out systems, {seeds} seeds, 95 % intervals")
    table.add_column("manager")
    for group in GROUPS:
        table.add_column(group, justify="right")
    table.add_column("federated is better by, unmet kinds", justify="right")
    for manager in sorted(comparison.rewards, key=lambda name: comparison.figure(name, GROUPS[-1]).mean):
        figures = [_words(comparison.figure(manager, group)) for group in GROUPS]
        gap = "" if manager == FEDERATED else _words(comparison.difference(FEDERATED, manager, GROUPS[-1]), sign=True)
        table.add_row(manager, *figures, gap)
    return table


def verdict_of(comparison: Comparison) -> str:
    """What the paired differences say about the federated policy, manager by manager."""
    lines: list[str] = []
    for group in GROUPS:
        better: list[str] = []
        worse: list[str] = []
        even: list[str] = []
        for manager in comparison.rewards:
            if manager == FEDERATED:
                continue
            gap = comparison.difference(FEDERATED, manager, group)
            sure = abs(gap.mean) > gap.half_width
            (even if not sure else better if gap.mean > 0 else worse).append(manager)
        said = [f"{word} {', '.join(names)}" for word, names in _told(better, worse, even) if names]
        lines.append(f"On {group}, the federated policy is {'; '.join(said)}.")
    return "\n".join(lines)


def _told(better: list[str], worse: list[str], even: list[str]) -> tuple[tuple[str, list[str]], ...]:
    return ("better than", better), ("worse than", worse), ("not told apart from", even)


def _words(figure: Figure, *, sign: bool = False) -> str:
    return f"{figure.mean:+.3f} ± {figure.half_width:.3f}" if sign else f"{figure.mean:.3f} ± {figure.half_width:.3f}"


if __name__ == "__main__":
    typer.run(main)
