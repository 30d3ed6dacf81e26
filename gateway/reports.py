"""Rounds, releases and status as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.output import Output, figure

HEADING = f"{'round':>5}  {'accuracy':>8}  {'KL':>9}  {'loss':>8}  {'accepted':>8}  {'rejected':>8}  {'ms':>7}  status"


def round_line(record: Mapping[str, Any]) -> str:
    """One round in one line, under `HEADING`."""
    number, status = record["round"], record["status"]
    if record.get("release") is None:
        error = record.get("error") or {}
        return f"{number:>5}  {status}: {error.get('code', '')}: {error.get('message', '')}"
    verdicts = record["verdicts"]
    accepted = verdicts["accepted"] + verdicts["clipped"]
    accuracy = record["evaluation"].get("accuracy")
    return (
        f"{number:>5}  {figure(accuracy, '.2%'):>8}  {figure(record['kl_divergence'], '.2e'):>9}  "
        f"{figure(record['avg_local_loss'], '.4f'):>8}  {accepted:>8}  {verdicts['rejected']:>8}  "
        f"{record['total_duration_ms']:>7.1f}  {status}"
    )


def show_status(status: Mapping[str, Any], output: Output) -> None:
    """What `Swarm.status` answered, for people."""
    release, convergence = status["release"] or {}, status["convergence"]
    learning = f"every {status['interval_s']:g} s" if status["learning"] else "on demand"
    where = f"in {status['phase']} of round {status['round']}" if status["round"] is not None else "idle"
    rows = [
        ["run", f"{status['run']} ({status['kind']})"],
        ["agents", f"{status['agents']}, {status['idle']} of them without data; fault bound {status['fault_bound']}"],
        ["now", f"{where}; {status['rounds']} rounds so far; learning {learning}"],
        ["release", f"{release.get('version', '-')}  {str(release.get('digest', ''))[:16]}"],
        ["convergence", _convergence(convergence)],
        ["quarantined", _named(status["quarantined"])],
    ]
    if privacy := status.get("privacy"):
        rows.append(["privacy", budget_line(privacy)])
    silent = [name for name, answer in status["actors"].items() if answer is None]
    rows.append(["actors", f"{len(status['actors'])}" + (f", silent: {_named(silent)}" if silent else ", all answer")])
    lost = _lost_telemetry(status)
    if lost is not None:
        rows.append(["telemetry", lost])
    output.table("", ["", ""], rows)


def budget_line(privacy: Mapping[str, Any]) -> str:
    """What is left of a privacy budget."""
    spent = f"epsilon {privacy['epsilon_spent']:.2f} of {privacy['epsilon_budget']:g} spent"
    until = f"{datetime.fromtimestamp(privacy['renews_at'], UTC):%Y-%m-%d %H:%M} UTC"
    if privacy["paused"]:
        return f"{spent}: no rounds until {until}"
    return f"{spent}, {privacy['rounds_left']} rounds left until {until}"


def budget_outlook(privacy: Mapping[str, Any], *, interval_s: float, now: float) -> str:
    """What is left of a privacy budget, and when rounds will pause if there is one in each interval."""
    lasts = privacy["rounds_left"] * interval_s
    line = budget_line(privacy)
    if privacy["paused"] or now + lasts >= privacy["renews_at"]:
        return line
    ends = f"{datetime.fromtimestamp(now + lasts, UTC):%Y-%m-%d %H:%M} UTC"
    return f"{line}; a round every {interval_s:g} s spends them by {ends}; rounds pause then (see --epsilon-year)"


def _lost_telemetry(status: Mapping[str, Any]) -> str | None:
    """What was not delivered, and by whom; None when nothing is to be delivered."""
    actors = {"coordinator": status, **{name: answer for name, answer in status["actors"].items() if answer}}
    drops = {name: answer["telemetry_dropped"] for name, answer in actors.items() if answer.get("telemetry_dropped")}
    if not drops:
        return None
    sums = {signal: sum(lost.get(signal, 0) for lost in drops.values()) for signal in ("spans", "events")}
    if not any(sums.values()):
        return "nothing dropped"
    who = _named([name for name, lost in drops.items() if any(lost.values())])
    return f"dropped {sums['spans']} spans and {sums['events']} events; by {who}"


def _convergence(found: Mapping[str, Any]) -> str:
    remaining = found["rounds_remaining"]
    kl = figure(found["kl_divergence"])
    rest = "" if remaining is None else f", about {remaining} rounds remain"
    return f"{found['status']}, KL {kl}{rest}"


def _named(names: Sequence[str], limit: int = 8) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{len(names)}: {', '.join(names[:limit])}{more}"


def show_releases(releases: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Releases, newest first, for people."""
    rows = [
        [
            str(release["version"]),
            str(release["round"]) if release["round"] else "-",
            release["digest"][:16],
            datetime.fromtimestamp(release["created"], UTC).isoformat(timespec="seconds"),
            str(release["agents"]),
            str(release["rejected"] + sum(release["refused"].values())),
            figure(release["measures"].get("kl_divergence")),
            figure(release["measures"].get("accuracy"), ".2%"),
            "" if release["restores"] is None else f"restores {release['restores']}",
        ]
        for release in releases
    ]
    columns = ["version", "round", "digest", "created (UTC)", "agents", "rejected", "KL", "accuracy", ""]
    output.table("", columns, rows)
