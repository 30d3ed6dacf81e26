"""Commands of an installation: consent, register, learn, push, pull, sync, status, report, appeal, deregister.

They do what `FederationClient` does, in the same state folder as the plugin that holds one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.client.options import (
    DEFAULT_URL,
    Agent,
    Authority,
    Certificate,
    CertificateKey,
    Experiences,
    Folder,
    LocalPriority,
    Pin,
    ServerKey,
    TaskType,
    Url,
)
from gateway.connection import run
from gateway.options import AsJson, KeyFile, Strict
from gateway.output import Output

if TYPE_CHECKING:
    from gateway.client import FederationClient
    from gateway.client.reading import Read

app = typer.Typer(
    name="client",
    help="An installation in a federation: nothing leaves it without consent, and what leaves it is numbers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _shared(
    context: typer.Context,
    url: Url = None,
    state_dir: Folder = None,
    ca: Authority = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    pin: Pin = None,
    server_key: ServerKey = None,
    local_priority: LocalPriority = False,
    keys: KeyFile = None,
) -> None:
    context.obj = {
        "keys": keys,
        "url": url,
        "state_dir": state_dir,
        "ca_file": ca,
        "certificate": certificate,
        "certificate_key": certificate_key,
        "pins": tuple(pin or ()),
        "server_key": server_key,
        "local_priority": local_priority,
    }


def consent(
    context: typer.Context,
    on: Annotated[
        bool | None, typer.Option("--on/--off", help="Give it, or take it back and leave the federation.")
    ] = None,
    analytics: Annotated[bool, typer.Option("--analytics", help="Agree to analytics, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show whether this installation may take part, or change it. It is off until it is given."""

    def work(client: FederationClient, output: Output) -> None:
        told = True
        if on:
            client.give_consent(analytics=analytics)
        elif on is False:
            told = client.revoke_consent()
        found = client.consent
        output.document(
            {
                "federation": found is not None,
                "server": found.server if found else None,
                "analytics": found is not None and found.analytics,
                "day": found.day if found else None,
                "server_told": told,
            }
        )
        if found is None:
            output.text("no consent: nothing leaves this installation")
            if not told:
                output.text("the server could not be told yet; `swarmlore client deregister` tries again")
        else:
            output.text(f"consent to {found.server} since {found.day}{', and to analytics' if found.analytics else ''}")

    _with_client(context, work, as_json)


def register(
    context: typer.Context,
    enrolment_code: Annotated[
        str | None,
        typer.Option("--enrolment-code", envvar="SWARMLORE_ENROLMENT_CODE", help="Where the federation asks for one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register with the federation, or renew the token. Needs consent."""

    def work(client: FederationClient, output: Output) -> None:
        found = client.register(enrolment_code)
        token = client.status()["token"]
        output.document(
            {
                "client": found.client,
                "server": found.server,
                "server_key": found.server_key,
                "token": token,
                "token_expires_at": found.expires_at,
            }
        )
        output.text(f"registered as {found.client} at {found.server}")
        output.text(f"pinned {found.server_key}; the token is in the {token}")

    _with_client(context, work, as_json)


def learn(
    context: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", dir_okay=False)] = None,
    agent: Agent = None,
    task_type: TaskType = "other",
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Learn from files and from what was recorded. Nothing is sent."""

    def work(client: FederationClient, output: Output) -> None:
        from gateway.client.views import learned_facts, learned_line

        made = _read(client, files, agent, task_type, strict=strict, output=output)
        found = client.learn(made.experiences if made else ())
        output.document(learned_facts(found, made))
        output.text(learned_line(found, made))

    _with_client(context, work, as_json)


def push(
    context: typer.Context,
    experiences: Experiences = None,
    agent: Agent = None,
    task_type: TaskType = "other",
    strict: Strict = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="Take part in the secret sums of the open round; it takes until its end.")
    ] = False,
    members: Annotated[
        int, typer.Option("--members", min=4, help="With --secure: take part in buckets of so many, or more.")
    ] = 8,
    as_json: AsJson = False,
) -> None:
    """Send what differs from the release, and what waits and is due."""

    def work(client: FederationClient, output: Output) -> None:
        from gateway.client.views import pushed_facts, pushed_line, show_delta

        made = _read(client, experiences, agent, task_type, strict=strict, output=output)
        client.learn(made.experiences if made else ())
        delta = client.extract_delta()
        if dry_run:
            output.document(show_delta(delta, output))
            return
        if secure:
            _participate(client, members, output)
            return
        flushed = client.flush()
        found = client.push(delta)
        output.document({"flushed": [pushed_facts(one) for one in flushed], "pushed": pushed_facts(found)})
        for one in (*flushed, found):
            output.text(pushed_line(one))
        if found.error is not None:
            raise found.error

    _with_client(context, work, as_json)


def _participate(client: FederationClient, members: int, output: Output) -> None:
    from dataclasses import asdict

    from gateway.client.errors import ParticipationError
    from gateway.client.participation import ParticipationSettings

    wanted = ParticipationSettings(members=members, rows=members // 2 + 1)
    with output.progress("taking part in the round's secret sums"):
        found = client.participate(wanted)
    output.document({"participated": asdict(found)})
    if found.status == "failed":
        raise ParticipationError(round=found.round or 0, found=f"its bucket gave no sum ({found.code})")
    if found.drawn is False:
        output.note("the server did not draw the buckets as it had committed itself to: tell who runs the federation")
    output.text(
        "nothing new to tell"
        if found.status == "nothing"
        else f"{found.keys} patterns are in the sum of {found.members} members, in round {found.round}"
    )


def pull(context: typer.Context, as_json: AsJson = False) -> None:
    """Fetch the release, verify it, and put it into force."""

    def work(client: FederationClient, output: Output) -> None:
        from gateway.client.views import meter, pulled_facts, pulled_line, swapped_facts, swapped_line

        with meter(output) as shown:
            found = client.pull(progress=shown.arrived)
        swapped = client.hot_swap()
        output.document({"pulled": pulled_facts(found), "swapped": swapped_facts(swapped)})
        output.text(pulled_line(found))
        output.text(swapped_line(swapped))

    _with_client(context, work, as_json)


def sync(
    context: typer.Context,
    experiences: Experiences = None,
    agent: Agent = None,
    task_type: TaskType = "other",
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Go through the whole cycle: learn, send what waits, pull, apply, send what is new, report."""

    def work(client: FederationClient, output: Output) -> None:
        from gateway.client.views import meter, show_synced, synced_facts

        made = _read(client, experiences, agent, task_type, strict=strict, output=output)
        if made:
            client.learn(made.experiences)
        with meter(output) as shown:
            found = client.sync(shown.step)
        output.document(synced_facts(found))
        show_synced(found, output)
        problem = found.skipped or next(iter(found.problems), None)
        if problem is not None:
            raise problem

    _with_client(context, work, as_json)


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show where this installation stands. Asks nobody."""

    def work(client: FederationClient, output: Output) -> None:
        from gateway.client.views import show_status

        found = client.status()
        output.document(found)
        show_status(found, output)

    _with_client(context, work, as_json)


def report(
    context: typer.Context,
    send: Annotated[bool, typer.Option("--send/--show", help="Tell the federation, or only show.")] = True,
    as_json: AsJson = False,
) -> None:
    """Tell how often tools failed under each release: by this a bad one is rolled back."""

    def work(client: FederationClient, output: Output) -> None:
        from gateway.client.views import report_facts, show_report

        found = client.report(send=send)
        output.document(report_facts(found))
        show_report(found, output)

    _with_client(context, work, as_json)


def appeal(
    context: typer.Context,
    statement: Annotated[str, typer.Argument(help="What the operator shall read. It is sent as it is.")],
    as_json: AsJson = False,
) -> None:
    """Ask who runs the federation to review a quarantine."""

    def work(client: FederationClient, output: Output) -> None:
        client.appeal(statement)
        output.document({"status": "recorded"})
        output.text("the appeal is recorded; an operator decides")

    _with_client(context, work, as_json)


def deregister(context: typer.Context, as_json: AsJson = False) -> None:
    """Leave the federation: the server forgets this installation, and what came from it goes."""

    def work(client: FederationClient, output: Output) -> None:
        client.deregister()
        output.document({"status": "deregistered"})
        output.text("deregistered; the server forgets this installation within a day, and own patterns stay")

    _with_client(context, work, as_json)


for _command in (consent, register, learn, push, pull, sync, status, report, appeal, deregister):
    app.command(_command.__name__)(_command)


def _with_client(context: typer.Context, work: Callable[[FederationClient, Output], None], as_json: bool) -> None:
    output = Output(as_json=as_json)

    async def job() -> None:
        await _in_thread(lambda: work(_client(context.obj), output))

    run(job, output)


async def _in_thread(work: Callable[[], None]) -> None:
    """Work that waits for the network, in a thread that an interrupt need not wait for: all writes are whole."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def target() -> None:
        found: Exception | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            found = error
        with contextlib.suppress(RuntimeError):  # interrupted: nobody waits any more
            loop.call_soon_threadsafe(finish, found)

    threading.Thread(target=target, daemon=True).start()
    await done


def _client(found: dict[str, Any]) -> FederationClient:
    from gateway.client import ClientSettings, FederationClient
    from gateway.client.folder import Folder as StateFolder
    from gateway.client.settings import default_state_dir
    from gateway.client.standing import standing_in

    given = dict(found)
    url, state_dir, keys = given.pop("url"), given.pop("state_dir") or default_state_dir(), given.pop("keys")
    if keys is not None:
        from gateway.patterns import key_space

        given["space"] = key_space(keys)
    standing = standing_in(StateFolder(state_dir))
    server = url or standing.server or (standing.consent and standing.consent.server) or DEFAULT_URL
    keychain = False if os.environ.get("SWARMLORE_KEYCHAIN") == "0" else None
    return FederationClient(ClientSettings.of(server, state_dir=state_dir, keychain=keychain, **given))


def _read(
    client: FederationClient,
    files: list[Path] | None,
    agent: str | None,
    task_type: str,
    *,
    strict: bool,
    output: Output,
) -> Read | None:
    if not files:
        return None
    from gateway.client.reading import read

    with output.progress(f"reading {len(files)} files"):
        found = read(files, space=client.space, agent=agent, task_type=task_type, strict=strict, note=output.note)
    if found.skipped:
        output.note(f"{found.skipped} of {found.lines} lines were no experiences and are left out")
    return found
