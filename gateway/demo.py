"""``swarmlore demo``: a swarm of agents, some of them lying, learns digits on a Ray of its own."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.connection import quiet, run
from gateway.options import Agents, AsJson, Hosts, RuleText, Seed
from gateway.output import Output, figure, plain
from gateway.reports import HEADING, round_line
from gateway.trial import Course, Record, trial

COMPARED_BY = "further swarms on the same Ray, one after the other, with the same data, seed and limit of rounds"


def demo(
    agents: Agents = 100,
    byzantine: Annotated[int, typer.Option("--byzantine", min=0, help="How many of them lie.")] = 33,
    attack: Annotated[str, typer.Option("--attack", help="How they lie.")] = "alie",
    rule: RuleText = None,
    alpha: Annotated[
        float, typer.Option("--alpha", min=0.001, help="How evenly digits are spread over agents; small is uneven.")
    ] = 0.5,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="End after so many, converged or not.")] = 200,
    seed: Seed = 0,
    hosts: Hosts = None,
    compare: Annotated[
        bool, typer.Option(help="Also run without liars, and with the plain mean under the same attack.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for plots, records and summary.", file_okay=False)
    ] = Path("swarmlore-demo"),
    plots: Annotated[bool, typer.Option(help="Save accuracy, KL and verdicts as PNG.")] = True,
    as_json: AsJson = False,
) -> None:
    """Learn digits with liars among the agents, until converged, on a Ray started for it.

    Needs the extra `demo` (scikit-learn and matplotlib). Ctrl-C ends it and its Ray.
    """
    output = Output(as_json=as_json)

    async def work() -> None:
        from gateway.learning import agent_names, liars_among, require_extra

        quiet()
        require_extra("sklearn", "scikit-learn", "The demo's data")
        if plots and out is not None:
            require_extra("matplotlib", "matplotlib", "Plotting")
        names = agent_names(agents)
        liars = liars_among(names, byzantine, seed=seed)
        with tempfile.TemporaryDirectory(prefix="swarmlore-") as folder:
            configs = _configurations(
                names, liars, attack=attack, rule=rule, alpha=alpha, seed=seed, hosts=hosts, folder=Path(folder)
            )
            courses = await _courses(configs, rounds, compare, output)
        summary = {
            "agents": agents,
            "byzantine": byzantine,
            "attack": attack if byzantine else None,
            "rule": courses["attacked"].records[-1]["rule"] if courses["attacked"].records else rule,
            "alpha": alpha,
            "seed": seed,
            **_summary(courses),
        }
        if out is not None:
            summary["files"] = _save(out, names, liars, courses, summary, plots=plots)
        output.event("summary", summary)
        _show(summary, output)

    run(work, output)


def _configurations(
    names: tuple[str, ...],
    liars: tuple[str, ...],
    *,
    attack: str,
    rule: str | None,
    alpha: float,
    seed: int,
    hosts: int | None,
    folder: Path,
) -> dict[str, Any]:
    """The configuration of each run, by its name; the one that is shown comes first."""
    from actors import SwarmConfig
    from federation.rules import Mean
    from federation.screening import Unscreened
    from gateway.learning import adversary, digits, rule_of

    common: dict[str, Any] = {
        "workload": digits(names, alpha=alpha, seed=seed),
        "agents": names,
        "seed": seed,
        "hosts": hosts,
    }
    lying = adversary(attack, liars, seed=seed)
    chosen: dict[str, Any] = {} if rule is None else {"rule": rule_of(rule)}
    return {
        "attacked": SwarmConfig(**common, **chosen, adversary=lying, state_dir=folder / "attacked"),
        "clean": SwarmConfig(**common, **chosen, state_dir=folder / "clean"),
        "mean": SwarmConfig(**common, rule=Mean(), screen=Unscreened(), adversary=lying, state_dir=folder / "mean"),
    }


async def _courses(configs: Mapping[str, Any], rounds: int, compare: bool, output: Output) -> dict[str, Course]:
    from actors import cluster

    with output.progress("starting Ray"):
        await asyncio.to_thread(cluster.join, "local")
        cluster.keep_signals()

    def started(facts: Mapping[str, Any]) -> None:
        output.event("swarm", facts)
        output.text(f"{facts['agents']} agents, hosts: {facts['hosts']}, fault bound {facts['fault_bound']}")
        output.text(HEADING, style="bold")

    def shown(record: Record) -> None:
        output.event("round", record)
        output.text(round_line(record))

    courses = {"attacked": await trial(configs["attacked"], rounds=rounds, on_start=started, on_round=shown)}
    if not compare:
        return courses
    for name, doing in (("clean", "the same without liars"), ("mean", "the plain mean under the same attack")):
        with output.progress(f"comparing with {doing}"):
            courses[name] = await trial(configs[name], rounds=rounds)
    return courses


def _summary(courses: Mapping[str, Course]) -> dict[str, Any]:
    course = courses["attacked"]
    found: dict[str, Any] = {
        **course.summary(),
        "detection": {"precision": course.precision, "recall": course.recall},
        "phases_ms": course.phases,
    }
    if len(courses) > 1:
        clean, mean = courses["clean"].summary(), courses["mean"].summary()
        found |= {"clean": clean, "mean": mean, "compared_by": COMPARED_BY}
        if clean["accuracy"] is not None and course.accuracy is not None:
            found["points_lost"] = 100.0 * (clean["accuracy"] - course.accuracy)
    return found


def _save(
    out: Path,
    names: tuple[str, ...],
    liars: tuple[str, ...],
    courses: Mapping[str, Course],
    summary: Mapping[str, Any],
    *,
    plots: bool,
) -> list[str]:
    out.mkdir(parents=True, exist_ok=True)
    with (out / "records.jsonl").open("w") as file:
        for name, course in courses.items():
            file.writelines(json.dumps({"run": name, **plain(record)}) + "\n" for record in course.records)
    (out / "summary.json").write_text(json.dumps(plain(summary), indent=2) + "\n")
    files = [out / "records.jsonl", out / "summary.json"]
    if plots:
        from gateway.plots import draw

        files += draw(out, names, liars, courses)
    return [str(file) for file in files]


def _show(summary: Mapping[str, Any], output: Output) -> None:
    output.text()
    ended = "converged after" if summary["converged"] else "not converged after"
    output.text(f"{ended} {summary['rounds']} rounds, {summary['aborted']} of them without a release", style="bold")
    rows = [["this run", figure(summary["accuracy"], ".2%"), str(summary["rounds"]), summary["rule"] or "-"]]
    for name, words in (("clean", "no liars"), ("mean", "plain mean, same attack")):
        if name in summary:
            found = summary[name]
            rows.append([words, figure(found["accuracy"], ".2%"), str(found["rounds"]), ""])
    output.table("", ["", "accuracy", "rounds", "rule"], rows)
    if "points_lost" in summary:
        lost = summary["points_lost"]
        output.text(f"{abs(lost):.2f} points {'worse' if lost > 0 else 'better'} than the run without liars")
    if "compared_by" in summary:
        output.text(f"compared by {summary['compared_by']}", style="dim")
    detection = summary["detection"]
    if summary["byzantine"]:
        output.text(
            f"detection: precision {figure(detection['precision'], '.3f')}, recall {figure(detection['recall'], '.3f')}"
        )
    phases = "  ".join(f"{name.removesuffix('_ms')} {ms:.1f}" for name, ms in summary["phases_ms"].items())
    output.text(f"median ms: {phases}")
    for file in summary.get("files", ()):
        output.text(f"saved {file}", style="dim")
