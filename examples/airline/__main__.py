"""``python -m examples.airline``: learns from recorded runs by way of their telemetry, compares, prints and draws."""

from __future__ import annotations

import asyncio
import math
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from examples.airline.comparison import (
    CENTRAL,
    FEDERATED,
    HABIT,
    ISOLATED,
    MAJORITY,
    PLAIN_MEAN,
    Comparison,
    Plan,
    attacked,
    compare,
    mean_attacked,
)
from examples.airline.live import learned_on_ray
from examples.airline.pattern_report import pattern_findings, pattern_tables, save_patterns
from examples.airline.patterns import PatternsPlan, compare_patterns, compare_private
from examples.airline.plot import save
from examples.airline.runs import data_file
from federation.errors import SettingError


def main(
    data: Annotated[Path | None, typer.Argument(help="The file of runs, or its folder; else SWARMLORE_DATA.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions, each with other held-out tasks and liars.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Federated rounds.")] = 60,
    agents: Annotated[int, typer.Option(min=1, help="Agents that the tasks are dealt to.")] = 10,
    liars: Annotated[int, typer.Option(min=0, help="Agents that are poisoned.")] = 3,
    pessimism: Annotated[float, typer.Option(min=0, max=1, help="With which all learn; 0 shows why.")] = 1.0,
    patterns: Annotated[
        bool, typer.Option("--patterns", help="Compare pattern weights with what all runs say, not policies.")
    ] = False,
    ray: Annotated[bool, typer.Option("--ray", help="Also learn on a swarm of its own on Ray.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Where the picture goes.")] = None,
) -> None:
    """140 recorded runs of an airline agent become OTLP, trajectories, experiences and a policy of tools."""
    console = Console()
    try:
        if patterns:
            told = PatternsPlan(
                path=str(data_file(data).absolute()), installations=agents, liars=liars, seeds=tuple(range(seeds))
            )
            _patterns(told, console, plot or Path("results/airline-patterns.png"))
            return
        plan = Plan(
            path=str(data_file(data).absolute()),
            rounds=rounds,
            agents=agents,
            liars=liars,
            seeds=tuple(range(seeds)),
            pessimism=pessimism,
        )
    except SettingError as error:
        console.print(f"{error.code}: {error}", style="red", markup=False)
        raise typer.Exit(2) from error
    comparison = compare(plan, tell=lambda line: console.print(line, style="dim"))
    console.print(table_of(comparison, plan))
    console.print(findings(comparison, plan), markup=False, soft_wrap=True)
    if ray:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(
                learned_on_ray(plan, state_dir=Path(folder), tell=lambda line: console.print(line, style="dim"))
            )
        console.print(f"On Ray, seed 0: accuracy {found.accuracy:.3f}, expected reward {found.reward:.3f}")
    console.print(f"Drawn to {save(comparison, plot or Path('results/airline.png'))}")


def _patterns(plan: PatternsPlan, console: Console, plot: Path) -> None:
    def tell(line: str) -> None:
        console.print(line, style="dim")

    found, private = compare_patterns(plan, tell=tell), compare_private(plan, tell=tell)
    for table in pattern_tables(found, private, plan):
        console.print(table)
    console.print(pattern_findings(found, private, plan), markup=False, soft_wrap=True)
    console.print(f"Drawn to {save_patterns(found, private, plan, plot)}")


def table_of(comparison: Comparison, plan: Plan) -> Table:
    """Mean and standard deviation over the seeds of every contender's figures."""
    table = Table(
        title=f"{plan.held_out_tasks} held-out tasks, {len(plan.seeds)} seeds, mean ± standard deviation; "
        f"{plan.liars} of {plan.agents} agents lie below the line"
    )
    table.add_column("chooses the next tool")
    for column in ("accuracy", "on solved runs", "expected reward"):
        table.add_column(column, justify="right")
    honest = [
        name for name in (MAJORITY, HABIT, ISOLATED, FEDERATED, PLAIN_MEAN, CENTRAL) if name in comparison.figures
    ]
    for contender in comparison.figures:
        cells = (_words(comparison.mean(contender, name)) for name in ("accuracy", "solved_accuracy", "reward"))
        table.add_row(contender, *cells, end_section=contender == honest[-1])
    return table


def findings(comparison: Comparison, plan: Plan) -> str:
    """What the paired differences say, in words; no better is said as no better."""
    lines = [f"As logged, held-out steps have a mean reward of {sum(comparison.logged) / len(comparison.logged):.3f}."]
    if len(plan.seeds) < 2:
        return f"{lines[0]} One seed tells nothing about differences."
    for name, word in (("accuracy", "accuracy"), ("reward", "expected reward")):
        lines += [
            f"In {word}, federated is {_relation(comparison, FEDERATED, other, name)}."
            for other in (MAJORITY, HABIT, ISOLATED, PLAIN_MEAN, CENTRAL)
        ]
    for attack in plan.attacks if plan.liars else ():
        ours = _relation(comparison, attacked(attack), FEDERATED, "accuracy", word="itself without liars")
        theirs = _relation(comparison, mean_attacked(attack), PLAIN_MEAN, "accuracy", word="itself without liars")
        lines.append(f"In accuracy under {attack}, federated is {ours}; the plain mean is {theirs}.")
    lines.append(
        "Told apart: the 95 % interval of the paired difference leaves out 0. Seeds share their tasks and runs."
    )
    return "\n".join(lines)


def _relation(comparison: Comparison, contender: str, other: str, name: str, *, word: str = "") -> str:
    gap, deviation = comparison.gap(contender, other, name)
    figures = f"{gap:+.3f} ± {deviation:.3f}"
    if not comparison.apart(contender, other, name):
        return f"not told apart from {word or other} ({figures})"
    return f"{'better' if gap > 0 else 'worse'} than {word or other} ({figures})"


def _words(figure: tuple[float, float]) -> str:
    return f"{figure[0]:.3f}" if math.isnan(figure[1]) else f"{figure[0]:.3f} ± {figure[1]:.3f}"


if __name__ == "__main__":
    typer.run(main)
