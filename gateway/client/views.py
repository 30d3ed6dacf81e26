"""What the commands of an installation show: facts for programs, lines and tables for people, and a progress bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from federation.errors import SwarmError
from gateway.client.outbox import Pushed, Sent
from gateway.client.sync import Progress, Step, Synced
from gateway.output import Output, figure

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from gateway.client.delta import Delta
    from gateway.client.diary import Learned
    from gateway.client.memory import Swapped
    from gateway.client.reading import Read
    from gateway.client.releases import Pulled
    from gateway.client.reporting import Reported

WORDS = {
    Step.LEARN: "learning",
    Step.REGISTER: "registering",
    Step.FLUSH: "sending what waits",
    Step.PULL: "fetching the release",
    Step.APPLY: "applying it",
    Step.PUSH: "sending what is new",
    Step.REPORT: "reporting",
    Step.DONE: "done",
}
_STEPS = tuple(Step)


class Meter:
    """Shows how far a cycle is; silent without a bar."""

    def __init__(self, bar: Bar | None) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=len(_STEPS) - 1) if bar else None

    def step(self, progress: Progress) -> None:
        """Show a step, and how much of a download has come."""
        if self._bar is None or self._task is None:
            return
        words = WORDS[progress.step]
        if progress.done:
            whole = f" of {progress.total / 1024:.0f}" if progress.total else ""
            words += f" ({progress.done / 1024:.0f}{whole} KiB)"
        share = progress.done / progress.total if progress.total else 0.0
        self._bar.update(self._task, completed=_STEPS.index(progress.step) + min(share, 1.0), description=words)

    def arrived(self, done: int, total: int | None) -> None:
        """Show how much of a download has come."""
        self.step(Progress(step=Step.PULL, done=done, total=total))


@contextmanager
def meter(output: Output) -> Iterator[Meter]:
    """A bar on stderr where that is a terminal; else nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if output.as_json or not console.is_terminal:
        yield Meter(None)
        return
    with Bar(BarColumn(), TextColumn("{task.description}"), console=console, transient=True) as bar:
        yield Meter(bar)


def learned_facts(found: Learned, made: Read | None) -> dict[str, Any]:
    """For programs."""
    facts = {
        "experiences": found.experiences,
        "patterns": found.patterns,
        "waiting": found.waiting,
        "skipped": found.skipped,
    }
    if made is not None:
        facts |= {"lines": made.lines, "skipped_lines": made.skipped, "trajectories": made.trajectories}
    return facts


def learned_line(found: Learned, made: Read | None) -> str:
    """For people."""
    runs = f", {made.trajectories} trajectories among them" if made and made.trajectories else ""
    waiting = f"; {found.waiting} experiences wait for more of their kind" if found.waiting else ""
    return f"learned from {found.experiences} experiences{runs}: {found.patterns} patterns{waiting}"


def pushed_facts(found: Pushed) -> dict[str, Any]:
    """For programs."""
    return {
        "status": found.status.value,
        "nonce": found.nonce,
        "keys": found.keys,
        "round": found.round,
        "due_at": found.due_at,
        "dropped": found.dropped,
        "error": error_facts(found.error),
        "answer": found.answer,
    }


def pushed_line(found: Pushed) -> str:
    """For people."""
    if found.status is Sent.ACCEPTED:
        return f"sent {found.keys} patterns for round {found.round}"
    if found.status is Sent.NOTHING:
        return "nothing to send: no patterns, or none that the federation does not know already"
    if found.status is Sent.QUEUED:
        code = found.error.code if found.error else "queued"
        return f"{found.keys} patterns wait ({code}); next attempt {moment(found.due_at)}"
    return f"refused: {found.error}"


def pulled_facts(found: Pulled) -> dict[str, Any]:
    """For programs."""
    return {
        "status": found.status.value,
        "version": found.version,
        "offered": found.offered,
        "group": found.group,
        "fresh_start": found.fresh_start,
        "downloads": found.downloads,
    }


def pulled_line(found: Pulled) -> str:
    """For people."""
    words = {
        "new": f"release {found.version} fetched and verified",
        "current": f"release {found.version} is the newest",
        "older": f"the server offers {found.offered}, older than {found.version}: left alone",
        "none": "the federation has no release yet",
    }
    late = "; many versions were missed, so it weighs 0.9" if found.fresh_start else ""
    return words[found.status.value] + late


def swapped_facts(found: Swapped) -> dict[str, Any]:
    """For programs."""
    return {
        "previous": found.previous,
        "version": found.version,
        "own_share": found.ratio,
        "weights": found.weights,
        "changed": len(found.changed),
        "promoted": list(found.promoted),
        "demoted": list(found.demoted),
    }


def swapped_line(found: Swapped) -> str:
    """For people."""
    turnover = "".join(
        f"; {word} {', '.join(keys)}"
        for word, keys in (("promoted", found.promoted), ("demoted", found.demoted))
        if keys
    )
    return f"{found.weights} weights in force, {len(found.changed)} changed, own share {found.ratio:g}{turnover}"


def synced_facts(found: Synced) -> dict[str, Any]:
    """For programs."""
    return {
        "ok": found.ok,
        "learned": learned_facts(found.learned, None) if found.learned else None,
        "flushed": [pushed_facts(one) for one in found.flushed],
        "pulled": pulled_facts(found.pulled) if found.pulled else None,
        "swapped": swapped_facts(found.swapped) if found.swapped else None,
        "pushed": pushed_facts(found.pushed) if found.pushed else None,
        "reported": report_facts(found.reported) if found.reported else None,
        "problems": [error_facts(one) for one in found.problems],
        "skipped": error_facts(found.skipped),
    }


def show_synced(found: Synced, output: Output) -> None:
    """For people."""
    rows: list[tuple[str, str]] = []
    if found.learned:
        rows.append(("learned", learned_line(found.learned, None)))
    rows += [("waited", pushed_line(one)) for one in found.flushed]
    if found.pulled:
        rows.append(("pulled", pulled_line(found.pulled)))
    if found.swapped:
        rows.append(("applied", swapped_line(found.swapped)))
    if found.pushed:
        rows.append(("pushed", pushed_line(found.pushed)))
    if found.reported:
        rows.append(("reported", f"{found.reported.told} days and versions"))
    output.table("", ("", ""), rows)
    for one in found.problems[1:]:
        output.note(f"{one.code}: {one}")


def report_facts(found: Reported) -> dict[str, Any]:
    """For programs."""
    return {
        "version": found.version,
        "before": found.before,
        "after": found.after,
        "told": found.told,
        "versions": [
            {"version": version, "calls": calls, "errors": errors} for version, (calls, errors) in found.rates.items()
        ],
    }


def show_report(found: Reported, output: Output) -> None:
    """For people."""
    rows = [
        (version, str(calls), str(errors), figure(errors / calls if calls else None, ".2%"))
        for version, (calls, errors) in found.rates.items()
    ]
    output.table("", ("version", "calls", "errors", "error rate"), rows)
    output.text(
        f"before {figure(found.before, '.2%')}, under {found.version} {figure(found.after, '.2%')}; "
        f"{found.told} days and versions told"
    )


def show_delta(delta: Delta, output: Output) -> dict[str, Any]:
    """Print what would be sent, and return it for programs."""
    weights = {key: weight.plain() for key, weight in sorted(delta.weights.items())}
    rows = [
        (key, f"{one['confidence']:+.4f}", str(one["sampleSize"]), figure(one.get("toolSuccessRate"), "+.4f"))
        for key, one in weights.items()
    ]
    output.table(
        f"against {delta.base_version or 'no release'}", ("key", "confidence", "samples", "success rate"), rows
    )
    return {"baseVersion": delta.base_version, "totalExperiences": delta.experiences, "weights": weights}


def show_status(found: Mapping[str, Any], output: Output) -> None:
    """For people."""
    consent = found["consent"]
    rows = [
        (
            "consent",
            "none: nothing leaves this installation"
            if consent is None
            else f"to {consent['server']} since {consent['day']}",
        ),
        ("server", found["server"]),
        ("registered", f"as {found['client']}" if found["registered"] else "no"),
        ("server key", found["server_key"] or "-"),
        ("token", f"in the {found['token']}, until {moment(found['token_expires_at'])}" if found["token"] else "-"),
        ("release", f"{found['version']}, own share {figure(found['own_share'])}"),
        ("learned", f"{found['patterns']} patterns from {found['experiences']} experiences"),
        ("recorded", f"{found['recorded']} files wait for `learn`"),
        ("fast cache", ", ".join(found["fast"]) or "empty"),
        ("last sync", moment(found["synced_at"])),
    ]
    if found["quarantined"]:
        rows.append(("quarantined", "yes; `swarmlore client appeal` asks for a review"))
    if found["leaving"]:
        rows.append(("leaving", "the server could not be told yet; `swarmlore client deregister` tries again"))
    if found["damaged"]:
        rows.append(("damaged", "the last good copy is in use; the next sync fetches the release again"))
    output.table("", ("", ""), [(name, str(value)) for name, value in rows])
    if found["pending"]:
        waiting = [
            (one["nonce"][:8], str(one["keys"]), str(one["round"]), str(one["attempts"]), moment(one["due_at"]))
            for one in found["pending"]
        ]
        output.table("waiting", ("delta", "patterns", "round", "failed", "next attempt"), waiting)


def error_facts(error: SwarmError | None) -> dict[str, Any] | None:
    """An error for programs."""
    return None if error is None else error.to_dict()


def moment(seconds: float | None) -> str:
    """A Unix time for people, UTC."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
