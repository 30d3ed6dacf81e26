"""The swarm in a terminal, as `swarmlore watch` shows it: health, curves, phases, verdicts and actors.

Everything here is a function of a status and of the records of the last rounds; the command keeps them fresh.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.output import figure
from gateway.reports import budget_line

BARS = "▁▂▃▄▅▆▇█"
PHASES: tuple[tuple[str, str, str], ...] = (
    ("learning", "local_training_ms", "blue"),
    ("gate", "gate_ms", "cyan"),
    ("screen", "screen_ms", "green"),
    ("aggregation", "aggregation_ms", "yellow"),
    ("validation", "validation_ms", "red"),
    ("release", "release_ms", "magenta"),
    ("distribution", "distribution_ms", "bright_red"),
    ("between", "", "bright_black"),
)
"""(name, field of a record, colour), in the order of a round; the last is what no phase accounts for."""
MARKS = "LGSAVRD."
"""A letter for each phase, which tells them apart where there is no colour."""

Record = Mapping[str, Any]
Status = Mapping[str, Any]


def health(status: Status, last: Record | None) -> tuple[str, str]:
    """(colour, sentence): how the swarm is. The worst that is true comes first."""
    if not status:
        return "yellow", "Asking the swarm how it is."
    if status.get("error"):
        return "red", f"The coordinator does not answer: {status['error']}"
    words = status["actors"].items()
    silent = sorted(name.removeprefix("swarmlore-") for name, word in words if word is None)
    hosts = [word for _, word in words if word is not None and "agents" in word]
    reached, needed = sum(word["agents"] for word in hosts), status["agents"] - status["fault_bound"]
    if words and reached < needed:
        return "red", f"No quorum: {reached} agents can be reached, {needed} are needed."
    if last is not None and last.get("release") is None:
        return "red", f"Round {last['round']} ended without a release: {(last.get('error') or {}).get('message', '')}"
    if silent:
        return "yellow", f"Silent: {', '.join(silent[:4])}. A quorum is within reach."
    if status.get("privacy", {}).get("paused"):
        return "yellow", f"Paused: {budget_line(status['privacy'])}."
    trend = status["convergence"]["status"]
    if trend in ("diverging", "stalled"):
        return "yellow", f"Learning is {trend}."
    if last is not None and last.get("validators_disagree"):
        return "yellow", "Validators disagree."
    kept = f"{len(status['quarantined'])} in quarantine" if status["quarantined"] else "nobody in quarantine"
    return "green", f"Healthy: {status['agents']} agents, {status['fault_bound']} liars tolerated, {kept}."


def sparkline(values: Sequence[float | None], *, logarithmic: bool = False) -> str:
    """One block a value, from the lowest to the highest; a blank where there is none."""
    scaled = [_scaled(value, logarithmic=logarithmic) for value in values]
    known = [value for value in scaled if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    return "".join(
        " " if value is None else BARS[round((value - low) / span * (len(BARS) - 1)) if span else 0] for value in scaled
    )


def _scaled(value: float | None, *, logarithmic: bool) -> float | None:
    if value is None or not math.isfinite(value) or (logarithmic and value <= 0):
        return None
    return math.log10(value) if logarithmic else value


def phases(record: Record) -> list[float]:
    """Milliseconds of each of `PHASES`."""
    parts = [float(record.get(field) or 0.0) for _, field, _ in PHASES[:-1]]
    return [*parts, max(float(record.get("total_duration_ms") or 0.0) - sum(parts), 0.0)]


def phase_bar(record: Record, most_ms: float, width: int) -> Text:
    """A round as a bar of ``width`` cells for ``most_ms``: a letter and a colour for each phase."""
    found, cells, passed = Text(), 0, 0.0
    for part, letter, (_, _, colour) in zip(phases(record), MARKS, PHASES, strict=True):
        passed += part
        until = min(round(width * passed / most_ms), width) if most_ms > 0 else 0
        found.append(letter * (until - cells), style=f"{colour} reverse" if letter != "." else colour)
        cells = max(cells, until)
    return found


def screen(status: Status, rounds: Sequence[Record], *, width: int = 100, height: int = 40) -> RenderableType:
    """All of it, for a terminal of this size. ``rounds`` are records, oldest first."""
    last = rounds[-1] if rounds else None
    colour, sentence = health(status, last)
    parts: list[RenderableType] = [
        Text.assemble(("● ", colour), (sentence, "bold"), no_wrap=True, overflow="ellipsis"),
        _now(status),
        Text(),
    ]
    parts += [_curves(status, rounds, width), Text()]
    actors = _actors(status, width)
    room = max(height - 13 - actors.row_count, 4)
    parts += [_rounds(rounds[-room:], width), _legend(), Text(), actors]
    return Group(*parts)


def _now(status: Status) -> Text:
    if not status:
        return Text()
    where = f"{status['phase']} in round {status['round']}" if status["round"] is not None else "idle"
    learning = f"a round every {status['interval_s']:g} s" if status["learning"] else "learning on demand"
    release = status["release"] or {}
    version = f"release {release.get('version', '-')} {str(release.get('digest', ''))[:10]}"
    words = f"  run {status['run']} ({status['kind']}) · {where} · {learning} · {version}"
    return Text(words, style="dim", no_wrap=True, overflow="ellipsis")


def _curves(status: Status, rounds: Sequence[Record], width: int) -> Table:
    shown = rounds[-max(width - 50, 10) :]
    table = Table.grid(padding=(0, 2))
    convergence = status.get("convergence") or {}
    threshold = convergence.get("threshold")
    rest = convergence.get("rounds_remaining")
    note = f"{convergence.get('status', '')}" + (f", about {rest} rounds to go" if rest else "")
    kl = [record.get("kl_divergence") for record in shown]
    accuracy = [(record.get("evaluation") or {}).get("accuracy") for record in shown]
    known = [value for value in accuracy if value is not None]
    table.add_row(
        Text("KL", style="bold"),
        Text(sparkline(kl, logarithmic=True), style="cyan"),
        f"{figure(kl[-1] if kl else None)} of {figure(threshold)}",
        note,
    )
    table.add_row(
        Text("accuracy", style="bold"),
        Text(sparkline(accuracy), style="green"),
        figure(known[-1] if known else None, ".1%"),
        f"best shown {max(known):.1%}" if known else "not measured by this workload",
    )
    return table


def _rounds(rounds: Sequence[Record], width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("round", "ms", "", "counted", "rejected", "KL", "accuracy"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    most = max((sum(phases(record)) for record in rounds), default=0.0)
    for record in rounds:
        if record.get("release") is None:
            error = record.get("error") or {}
            table.add_row(str(record["round"]), "", Text(f"{record['status']}: {error.get('code', '')}", style="red"))
            continue
        verdicts = record["verdicts"]
        table.add_row(
            str(record["round"]),
            figure(record.get("total_duration_ms"), ".1f"),
            phase_bar(record, most, max(width - 56, 8)),
            str(verdicts["accepted"] + verdicts["clipped"]),
            Text(str(verdicts["rejected"]), style="red" if verdicts["rejected"] else ""),
            figure(record.get("kl_divergence"), ".2e"),
            figure((record.get("evaluation") or {}).get("accuracy"), ".1%"),
        )
    if not rounds:
        table.add_row("", "", Text("no round has ended yet: `swarmlore round` runs one", style="dim"))
    return table


def _legend() -> Text:
    found = Text("  ")
    for letter, (name, _, colour) in zip(MARKS, PHASES, strict=True):
        found.append(letter, style=f"{colour} reverse" if letter != "." else colour)
        found.append(f" {name} ", style="dim")
    return found


def _actors(status: Status, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("actor", no_wrap=True)
    table.add_column("loop", no_wrap=True)
    table.add_column("found and done", overflow="ellipsis", no_wrap=True, max_width=max(width - 34, 20))
    if not status:
        return table
    table.add_row("coordinator", *_loop(status["mape"]))
    hosts = 0
    for name, word in sorted(status["actors"].items(), key=lambda item: item[1] is not None and "agents" in item[1]):
        short = name.removeprefix("swarmlore-")
        if word is None:
            table.add_row(short, Text("silent", style="red"), "")
        elif "agents" not in word:
            table.add_row(short, *_loop(word["mape"]))
        else:
            hosts += 1
            if hosts <= 6:
                table.add_row(short, "", f"{word['agents']} agents, release {word['release']}")
    if hosts > 6:
        table.add_row(f"and {hosts - 6} more hosts", "", "")
    return table


def _loop(mape: Mapping[str, Any]) -> tuple[str, str]:
    """Cycles, and the last thing that a loop found and did; what it found most often when that is all there is."""
    last = mape.get("last") or {}
    found = [f"{one['name']}: {one['detail']}" for one in last.get("symptoms", ())]
    done = [f"{one['action']} ({one['result']})" for one in last.get("outcomes", ())]
    words = "; ".join(found) + (f" → {', '.join(done)}" if done else "")
    return f"{mape.get('cycles', 0)} cycles", words.replace("_", " ") or "nothing wrong"
