"""Accuracy of each rule under each attack, on digits, by pure rounds in one process.

    python -m benchmarks.arena [--agents 100 --byzantine 33 --alpha 0.5 --rounds 100 --seed 0]
                               [--runs 3] [--rules default,median --attacks alie,ipm] [--out FILE.json]
                               [--json] [--readme]

Each cell is the held-out accuracy in percent after so many rounds, and what was lost against the same rule
without liars, both as means over runs with seeds of their own (data, liars, start): one run is judged on
about 360 scans, which leaves a standard error of a point. A cell fails when more than 3 points are lost.
The first column is the workload's default, rule and screen; the others are rules by themselves, without a
screen. Liars know all honest updates. The gate's checks of content (finite, norm, weight) are on for all;
signatures and networks are left out. ``--readme`` also writes the result to benchmarks/results/arena.json and the
table into the README.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from federation.convergence import ConvergenceTracker
from federation.errors import SettingError, SwarmError
from federation.rules import (
    CenteredClipping,
    GeometricMedian,
    Mean,
    Median,
    MultiKrum,
    NearestNeighborMixing,
    Pipeline,
    TrimmedMean,
)
from federation.rules.base import Rule
from federation.screening import Screen, detection
from gateway.machine import machine
from workloads.attacks import ALL_ATTACKS, Adversary, Attack, attack_from
from workloads.gradients import CascadeScreen, DigitsBandit, GradientsWorkload
from workloads.simulation import Simulation

ALLOWED_LOSS = 3.0
CLEAN = "clean"
ROOT = Path(__file__).parent.parent
START, END = "<!-- arena: written by `make arena` -->", "<!-- end of arena -->"
# Beyond the catalogue's defaults: liars who know that copies are looked for, and stronger reversals.
ADAPTIVE: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("alie, noise 1", {"name": "alie", "noise": 1.0}),
    ("min_max, noise 0.5", {"name": "min_max", "noise": 0.5}),
    ("ipm 0.5, noise 1", {"name": "ipm", "noise": 1.0}),
    ("ipm 2, noise 1", {"name": "ipm", "epsilon": 2.0, "noise": 1.0}),
)
RULES: tuple[tuple[str, Rule | None], ...] = (
    ("default", None),
    ("mean", Mean()),
    ("median", Median()),
    ("trimmed_mean", TrimmedMean()),
    ("nnm+median", Pipeline(steps=(NearestNeighborMixing(),), rule=Median())),
    ("nnm+trimmed_mean", Pipeline(steps=(NearestNeighborMixing(),), rule=TrimmedMean())),
    ("multi_krum", MultiKrum()),
    ("geometric_median", GeometricMedian()),
    ("centered_clipping", CenteredClipping()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run, or several as their mean.

    Attributes:
        attack, rule: of the run.
        accuracy: held-out, in percent, after the last round; None when a round was refused.
        accuracies: of each run.
        converged_at: of each run, the first round that counted as converged; None for none.
        accuracy_then: in percent, the mean over the runs that converged.
        kl: of the last round.
        precision, recall: of who was flagged, over all rounds; None where undefined.
        false_positive_rate: share of honest updates that were flagged.
        refused: the error that ended a run early, "" for none.
    """

    attack: str
    rule: str
    accuracy: float | None
    accuracies: tuple[float, ...]
    converged_at: tuple[int | None, ...]
    accuracy_then: float | None
    kl: float | None
    precision: float | None
    recall: float | None
    false_positive_rate: float | None
    refused: str = ""


def run(
    workload: GradientsWorkload,
    agents: Sequence[str],
    liars: frozenset[str],
    *,
    names: tuple[str, str],
    attack: Attack | None,
    rule: Rule | None,
    screen: Screen | None,
    rounds: int,
    seed: int,
) -> Cell:
    """One cell of the table."""
    corruption = None if attack is None else Adversary(agents=liars, attack=attack, seed=seed)
    simulation = Simulation(workload, agents, seed=seed, f=len(liars), corruption=corruption, rule=rule, screen=screen)
    tracker, converged, then = ConvergenceTracker(), None, None
    flags: list[np.ndarray] = []
    kl = float("nan")
    try:
        for step in simulation.steps(rounds):
            kl = step.kl
            tracker = tracker.observe(kl)
            flags.append(step.flagged)
            if converged is None and tracker.status == "converged":
                converged, then = step.round, 100 * workload.evaluate(step.value)["accuracy"]
    except SwarmError as error:
        refused = f"{error.code} in round {simulation.round + 1}"
        return Cell(
            attack=names[0],
            rule=names[1],
            accuracy=None,
            accuracies=(),
            converged_at=(),
            accuracy_then=None,
            kl=None,
            precision=None,
            recall=None,
            false_positive_rate=None,
            refused=refused,
        )
    accuracy = 100 * workload.evaluate(simulation.value)["accuracy"]
    told = detection(np.concatenate(flags), np.tile(simulation.liars, len(flags)))
    return Cell(
        attack=names[0],
        rule=names[1],
        accuracy=accuracy,
        accuracies=(accuracy,),
        converged_at=(converged,),
        accuracy_then=then,
        kl=_number(kl),
        precision=_number(told.precision),
        recall=_number(told.recall),
        false_positive_rate=_number(told.false_positive_rate),
    )


def mean_of(cells: Sequence[Cell]) -> Cell:
    """Runs of one attack and rule as one cell; refused as soon as one of them was."""
    refused = next((cell for cell in cells if cell.refused), None)
    if refused is not None:
        return refused

    def mean(name: str) -> float | None:
        known = [value for value in (getattr(cell, name) for cell in cells) if value is not None]
        return float(np.mean(known)) if known else None

    return Cell(
        attack=cells[0].attack,
        rule=cells[0].rule,
        accuracy=mean("accuracy"),
        accuracies=tuple(value for cell in cells for value in cell.accuracies),
        converged_at=tuple(value for cell in cells for value in cell.converged_at),
        accuracy_then=mean("accuracy_then"),
        kl=mean("kl"),
        precision=mean("precision"),
        recall=mean("recall"),
        false_positive_rate=mean("false_positive_rate"),
    )


def table(cells: Sequence[Cell]) -> str:
    """The cells as Markdown: attacks down, rules across; ``accuracy (-lost)``, and FAIL above 3 points."""
    rules = list(dict.fromkeys(cell.rule for cell in cells))
    attacks = list(dict.fromkeys(cell.attack for cell in cells))
    found = {(cell.attack, cell.rule): cell for cell in cells}
    lines = ["| attack | " + " | ".join(rules) + " |", "|---" * (len(rules) + 1) + "|"]
    for attack in attacks:
        words = [_words(found.get((attack, rule)), found.get((CLEAN, rule))) for rule in rules]
        lines.append(f"| {attack} | " + " | ".join(words) + " |")
    return "\n".join(lines)


def replaced(readme: str, text: str) -> str:
    """The README with the table between its two marks.

    Raises:
        SettingError: when it has no such marks.
    """
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise SettingError(name="README.md", found="no place for the table", needed=f"a text with {START} and {END}")
    return f"{before}{START}\n{text}\n{END}{after}"


def lost(cell: Cell, clean: Cell | None) -> float | None:
    """Points of accuracy that a cell lost against its clean run; None where either has none."""
    if clean is None or cell.accuracy is None or clean.accuracy is None:
        return None
    return clean.accuracy - cell.accuracy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the table. Exits with 1 when a cell of the default column fails under a catalogue attack."""
    options = _options().parse_args(arguments)
    agents = tuple(f"agent-{number:05d}" for number in range(options.agents))
    seeds = range(options.seed, options.seed + options.runs)
    workloads = {
        seed: GradientsWorkload(data=DigitsBandit(agents=agents, alpha=options.alpha, seed=seed)) for seed in seeds
    }
    attacks = _attacks(options.attacks)
    rules = _rules(options.rules)
    started = time.perf_counter()
    cells: list[Cell] = []
    for rule_name, rule in rules:
        for attack_name, attack in attacks:
            cells.append(
                mean_of(
                    [
                        run(
                            workloads[seed],
                            agents,
                            _liars(agents, options.byzantine, seed),
                            names=(attack_name, rule_name),
                            attack=attack,
                            rule=rule,
                            screen=None if rule is None else CascadeScreen(stages=()),
                            rounds=options.rounds,
                            seed=seed,
                        )
                        for seed in seeds
                    ]
                )
            )
            if not options.json:
                cell = cells[-1]
                shown = cell.refused or f"{cell.accuracy:.1f} %, converged at {cell.converged_at}"
                print(f"{rule_name:18} {attack_name:20} {shown}", file=sys.stderr, flush=True)
    result = {
        "benchmark": "arena",
        "settings": {
            "agents": options.agents,
            "byzantine": options.byzantine,
            "alpha": options.alpha,
            "rounds": options.rounds,
            "seed": options.seed,
            "runs": options.runs,
        },
        "machine": machine(),
        "seconds": time.perf_counter() - started,
        "allowed_loss": ALLOWED_LOSS,
        "failed": [f"{cell.rule} / {cell.attack}" for cell in cells if _failed(cell, cells)],
        "cells": [asdict(cell) for cell in cells],
    }
    text = json.dumps(result, indent=2)
    for out in (options.out, ROOT / "benchmarks" / "results" / "arena.json" if options.readme else None):
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text + "\n", encoding="utf-8")
    if options.readme:
        readme = ROOT / "README.md"
        readme.write_text(replaced(readme.read_text(encoding="utf-8"), table(cells)), encoding="utf-8")
    print(text if options.json else table(cells))
    names = {kind.name for kind in ALL_ATTACKS}
    return int(any(cell.rule == "default" and cell.attack in names and _failed(cell, cells) for cell in cells))


def _liars(agents: Sequence[str], count: int, seed: int) -> frozenset[str]:
    chosen = np.random.default_rng([seed, 17]).permutation(len(agents))[:count]
    return frozenset(agents[int(number)] for number in chosen)


def _failed(cell: Cell, cells: Sequence[Cell]) -> bool:
    clean = next((other for other in cells if other.rule == cell.rule and other.attack == CLEAN), None)
    points = lost(cell, clean)
    return bool(cell.refused) or (points is not None and points > ALLOWED_LOSS)


def _words(cell: Cell | None, clean: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.accuracy is None:
        return f"refused: {cell.refused}"
    points = lost(cell, clean)
    if cell.attack == CLEAN or points is None:
        return f"{cell.accuracy:.1f}"
    return f"{cell.accuracy:.1f} ({-points:+.1f})" + (" FAIL" if points > ALLOWED_LOSS else "")


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _attacks(names: str) -> list[tuple[str, Attack | None]]:
    known: list[tuple[str, Attack | None]] = [(CLEAN, None)]
    if names:
        return known + [(name, attack_from(name)) for name in names.split(",")]
    known += [(kind.name, kind()) for kind in ALL_ATTACKS]
    return known + [(name, attack_from(dict(settings))) for name, settings in ADAPTIVE]


def _rules(names: str) -> list[tuple[str, Rule | None]]:
    known = dict(RULES)
    wanted = names.split(",") if names else list(known)
    for name in wanted:
        if name not in known:
            raise SettingError(name="--rules", found=name, needed="among " + ", ".join(known))
    return [(name, known[name]) for name in wanted]


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.arena", description="Attack x rule table on digits.")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--byzantine", type=int, default=33)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=3, help="runs per cell, with seeds from --seed on")
    parser.add_argument("--rules", default="", help="comma-separated; all when empty")
    parser.add_argument("--attacks", default="", help="comma-separated; all when empty")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--readme", action="store_true", help="write the table into the README")
    return parser


if __name__ == "__main__":
    sys.exit(main())
