"""Commands of a federation: serve, and for operators status, round, approve, rollback, releases, clients and more.

All but ``serve`` ask a running federation over its operations, with the operator's token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.connection import run
from gateway.federation.serving import serve
from gateway.options import AsJson
from gateway.output import Output, figure
from gateway.reports import budget_line
from gateway.spreading import spread

if TYPE_CHECKING:
    from gateway.federation.office import Office

ROUND_S = 900.0
"""How long `round` waits: longer than a round and its second try may take."""

app = typer.Typer(
    name="federation",
    help="A federation of installations: serve it, and run it as its operator.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Url = Annotated[
    str,
    typer.Option("--url", envvar="SWARMLORE_FEDERATION_URL", help="Where the federation is served."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--operator-token-file",
        envvar="SWARMLORE_OPERATOR_TOKEN_FILE",
        help="A file with the operator's token. Or set SWARMLORE_OPERATOR_TOKEN.",
        dir_okay=False,
    ),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--ca", envvar="SWARMLORE_FEDERATION_CA", help="Certificate authority to trust, in PEM.", dir_okay=False
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        envvar="SWARMLORE_OPERATOR_CERTIFICATE",
        help="Certificate to show where the server asks for one, in PEM, with its key or beside --certificate-key.",
        dir_okay=False,
    ),
]
CertificateKey = Annotated[
    Path | None,
    typer.Option(
        "--certificate-key", envvar="SWARMLORE_OPERATOR_CERTIFICATE_KEY", help="Its key, in PEM.", dir_okay=False
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")]
Wait = Annotated[float, typer.Option("--wait", min=0.0, help="Seconds to wait until it is carried out.")]
Client = Annotated[str, typer.Argument(help="Id of a client: 64 hex digits.")]
Version = Annotated[str, typer.Argument(help="A semantic version, such as 1.2.47.")]
DEFAULT_URL = "http://127.0.0.1:8470"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The options by which every command reaches a federation, and says what it found."""

    context: typer.Context
    url: Url = DEFAULT_URL
    token: TokenFile = None
    ca: Authority = None
    as_json: AsJson = False


reaching = spread(Reach, "reach")


def showing(context: typer.Context, certificate: Certificate = None, certificate_key: CertificateKey = None) -> None:
    """A federation of installations: serve it, and run it as its operator."""
    for name, path in (("certificate", certificate), ("certificate-key", certificate_key)):
        if path is not None and not path.is_file():
            raise typer.BadParameter(f"{path} is no file", param_hint=f"--{name}")
    if certificate_key is not None and certificate is None:
        raise typer.BadParameter("a key without --certificate", param_hint="--certificate-key")
    context.obj = None if certificate is None else (certificate, certificate_key)


@reaching
def status(*, reach: Reach) -> None:
    """Show what the federation is doing: window, rollout, pauses, clients."""

    def work(office: Office, output: Output) -> None:
        found = office.read("status")
        output.document(found)
        output.table("", ["", ""], _status(found))

    _asked(work, reach)


@reaching
def round_(*, wait: Wait = ROUND_S, reach: Reach) -> None:
    """Run a round now, with the submissions that are there."""

    def work(office: Office, output: Output) -> None:
        with output.progress("running a round"):
            found = office.carry_out("round", wait_s=wait)
        output.document(found)
        output.text(
            f"{found['version']} from window {found['window']}: {found['participants']} clients, epsilon "
            f"{figure(found['epsilon'])}, {found['quarantined']} quarantined"
        )

    _asked(work, reach)


@reaching
def approve(*, version: Version, reach: Reach) -> None:
    """Agree to the next stage of a release's rollout."""

    def work(office: Office, output: Output) -> None:
        found = office.act("approve", version=version)
        output.document(found)
        output.text(f"{version} may go on after {found.get('stage', 'this stage')}")

    _asked(work, reach)


@reaching
def rollback(
    *,
    version: Version,
    wait: Wait = 120.0,
    reach: Reach,
) -> None:
    """Bring back an earlier release for everybody, as a new version; those after it are withdrawn."""

    def work(office: Office, output: Output) -> None:
        with output.progress(f"bringing back {version}"):
            found = office.carry_out("rollback", wait_s=wait, version=version)
        output.document(found)
        output.text(f"{found['version']} brings back {found['restores']}, for everybody")

    _asked(work, reach)


@reaching
def pause(
    *,
    detail: Annotated[str, typer.Option("--detail", help="Why; shown by status.")] = "",
    wait: Wait = 60.0,
    reach: Reach,
) -> None:
    """Run no rounds until `resume`. Submissions are still taken."""
    _carried_out("pause", "no rounds until `resume`", wait, reach, detail=detail)


@reaching
def resume(
    *,
    discard: Annotated[
        bool, typer.Option("--discard", help="Erase the submissions that wait, as after a mass anomaly.")
    ] = False,
    wait: Wait = 60.0,
    reach: Reach,
) -> None:
    """Go on after a pause: mass anomaly, a spent budget, failed writes, or an operator's own."""
    _carried_out("resume", "rounds go on", wait, reach, discard=discard)


@reaching
def reinstate(
    *,
    client: Client,
    wait: Wait = 60.0,
    reach: Reach,
) -> None:
    """End a client's quarantine; its appeal is closed."""
    _carried_out("reinstate", f"{client} takes part again", wait, reach, client=client)


@reaching
def quarantine(
    *,
    client: Client,
    wait: Wait = 60.0,
    reach: Reach,
) -> None:
    """Put a client into quarantine: its submissions are refused."""
    _carried_out("quarantine", f"{client} takes no part", wait, reach, client=client)


@reaching
def releases(*, limit: Limit = 20, reach: Reach) -> None:
    """List the newest releases, newest first."""
    columns = ["version", "number", "window", "made (UTC)", "clients", "patterns", "epsilon", "state", ""]

    def row(one: Mapping[str, Any]) -> list[str]:
        counts = [str(one["number"]), str(one["window"]), _time(one["createdAt"]), str(one["participants"])]
        rest = [str(one["patterns"]), figure(one["epsilon"]), str(one["state"])]
        return [one["version"], *counts, *rest, f"restores {one['restores']}" if one.get("restores") else ""]

    _listed("releases", columns, row, reach, limit=limit)


@reaching
def clients(
    *,
    state: Annotated[str | None, typer.Option("--state", help="active, quarantined or deregistered.")] = None,
    after: Annotated[str, typer.Option("--after", help="Only ids above this one.")] = "",
    limit: Limit = 100,
    reach: Reach,
) -> None:
    """List clients by id, without keys and tokens."""
    columns = ["client", "state", "region", "platform", "version", "registered (UTC)", "seen (day)"]

    def row(one: Mapping[str, Any]) -> list[str]:
        words = [str(one[name]) for name in ("id", "state", "region", "platform", "pluginVersion")]
        return [*words, _time(one["registeredAt"]), _time(one["seenAt"])[:10]]

    _listed("clients", columns, row, reach, limit=limit, after=after or None, state=state)


@reaching
def appeals(*, limit: Limit = 100, reach: Reach) -> None:
    """List what quarantined clients say for themselves. `reinstate` ends an appeal."""

    def row(one: Mapping[str, Any]) -> list[str]:
        return [one["client"], _time(one["at"]), _harmless(one["statement"])]

    _listed("appeals", ["client", "at (UTC)", "says"], row, reach, limit=limit)


@reaching
def audit(*, limit: Limit = 50, reach: Reach) -> None:
    """Show who did what, newest first; never what was sent."""

    def row(one: Mapping[str, Any]) -> list[str]:
        return [
            str(one["sequence"]),
            _time(one["at"]),
            *(str(one[name]) for name in ("actor", "name", "action", "code")),
        ]

    columns = ["", "at (UTC)", "who", "name", "did", "outcome"]
    _listed("audit", columns, row, reach, key="entries", limit=limit)


app.callback()(showing)
app.command("serve")(serve)
app.command("status")(status)
app.command("round")(round_)
app.command("approve")(approve)
app.command("rollback")(rollback)
app.command("pause")(pause)
app.command("resume")(resume)
app.command("releases")(releases)
app.command("clients")(clients)
app.command("reinstate")(reinstate)
app.command("quarantine")(quarantine)
app.command("appeals")(appeals)
app.command("audit")(audit)


def _asked(work: Callable[[Office, Output], None], reach: Reach) -> None:
    output = Output(as_json=reach.as_json)
    certificate = reach.context.obj  # as `showing` has left it

    async def asking() -> None:
        from gateway.federation.office import Office, operator_token

        office = Office(reach.url, operator_token(reach.token), ca=reach.ca, certificate=certificate)
        await asyncio.to_thread(work, office, output)

    run(asking, output)


def _carried_out(what: str, done: str, wait: float, reach: Reach, **body: Any) -> None:
    def work(office: Office, output: Output) -> None:
        found = office.carry_out(what, wait_s=wait, **body)
        output.document(found)
        output.text(done)

    _asked(work, reach)


def _listed(
    what: str,
    columns: Sequence[str],
    row: Callable[[Mapping[str, Any]], list[str]],
    reach: Reach,
    *,
    key: str = "",
    **query: Any,
) -> None:
    def work(office: Office, output: Output) -> None:
        found = office.read(what, **query)
        output.document(found)
        output.table("", columns, [row(one) for one in found[key or what]])
        if found.get("next"):
            output.note("there are more: raise --limit")

    _asked(work, reach)


def _status(found: Mapping[str, Any]) -> list[list[str]]:
    window, rollout, last = found["window"], found["rollout"], found["lastRound"]
    clients = found["clients"]
    rows = [
        ["window", f"{window['number']}, closes {_time(window['closesAt'])} UTC; {found['pending']} submissions wait"],
        ["clients", ", ".join(f"{count} {state}" for state, count in clients.items())],
    ]
    if found.get("clerk"):
        clerk = found["clerk"]
        rows.append(["clerk", f"{clerk['holder']} since {_time(clerk['since'])} UTC"])
    if found["short"]:
        short = found["short"]
        rows.append(["extended", f"{short['extended']} times: {short['found']} of {short['needed']} took part"])
    for name in ("paused", "publishing"):
        if found[name]:
            pause = found[name]
            until = f", until {_time(pause['until'])} UTC" if pause.get("until") else ""
            label = "paused" if name == "paused" else "not publishing"
            rows.append([label, f"{pause['code']} since {_time(pause['since'])} UTC{until}: {pause['detail']}"])
    if found.get("privacy"):
        rows.append(["privacy", budget_line(found["privacy"])])
    if rollout:
        after = f" after {rollout['parent']}" if rollout["parent"] else ""
        approved = f", approved by {rollout['approvedBy']}" if rollout.get("approvedBy") else ""
        stage = f"{rollout['stage']}, {rollout['share']:.0%} of the clients, since {_time(rollout['enteredAt'])} UTC"
        rows.append(["rollout", f"{rollout['version']}{after}: {stage}{approved}"])
    if last:
        what = last.get("version") or f"{last['code']}: {last.get('detail', '')}"
        rows.append(["last round", f"window {last['window']}, {last['participants']} clients: {what}"])
    return rows


def _time(at: float | None) -> str:
    return "-" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").removesuffix("+00:00")


def _harmless(text: str) -> str:
    """The text without what a terminal would act on."""
    return "".join(one if one.isprintable() else " " for one in text)
