"""The command that runs a federation: swarm and clerk in this process, the door in processes of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.connection import STATE_DIR, marked, quiet, run
from gateway.options import AsJson, Clip, KeyFile, Otlp, RunId, Seed, StateDir, Unscreened
from gateway.output import Output
from gateway.reports import budget_outlook

if TYPE_CHECKING:
    from actors import Swarm
    from actors.storage import Storage
    from gateway.federation.clerk import Clerk
    from gateway.federation.opening import Opening
    from gateway.federation.settings import DoorSettings
    from gateway.federation.sorting import Sorter
    from gateway.federation.tenure import Tenure
    from gateway.federation.transport import Tls
    from telemetry import Telemetry

CLERK = "federation-clerk"
"""Name of this process in telemetry."""


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes one that is free.")] = 8470,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes that serve the door.")] = 2,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            envvar="SWARMLORE_STORAGE",
            help="sqlite:///PATH or postgresql://...; by default a file in the state directory.",
            show_envvar=True,
        ),
    ] = None,
    releases: Annotated[
        str | None,
        typer.Option("--releases", help="file:///FOLDER or s3://BUCKET/PREFIX; by default in the state directory."),
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", help="A region, with a door of its own; once for each.")
    ] = None,
    streaming: Annotated[
        bool,
        typer.Option("--streaming", help="Sum submissions as they come, for very many clients. Needs --epsilon 0."),
    ] = False,
    groups: Annotated[
        int, typer.Option("--groups", min=1, help="Groups that a region's clients are summed in, with --streaming.")
    ] = 16,
    secure: Annotated[
        bool,
        typer.Option(
            "--secure",
            help="Sum clients in secret, in random buckets: no single update is seen. Needs --epsilon 0, and "
            "--min-participants of three buckets or more to bear liars.",
        ),
    ] = False,
    bucket_size: Annotated[
        int, typer.Option("--bucket-size", min=4, max=1024, help="Members of a bucket, at least, with --secure.")
    ] = 16,
    bucket_liars: Annotated[
        int, typer.Option("--bucket-liars", min=0, help="Liars in a bucket that its members are hidden from.")
    ] = 2,
    bucket_dropped: Annotated[int, typer.Option("--bucket-dropped", min=0, help="Drop-outs that a bucket bears.")] = 3,
    bucket_stage: Annotated[
        float,
        typer.Option("--bucket-stage", min=0.1, max=3600, help="Seconds that members have for each of four answers."),
    ] = 60.0,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM. TLS 1.3 only.", dir_okay=False)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key, PEM.", dir_okay=False)] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option("--client-ca", help="Clients must show a certificate of this authority, PEM.", dir_okay=False),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Plain HTTP for other machines: behind a proxy that speaks TLS.")
    ] = False,
    proxies: Annotated[
        str, typer.Option("--proxy", help="Addresses of proxies whose X-Forwarded-For is believed, by commas.")
    ] = "",
    operator_token_file: Annotated[
        Path | None,
        typer.Option(
            "--operator-token-file",
            help="A file with the operators' token. Or set SWARMLORE_OPERATOR_TOKEN. Without one, no operations.",
            dir_okay=False,
        ),
    ] = None,
    enrolment_code_file: Annotated[
        Path | None,
        typer.Option(
            "--enrolment-code-file",
            help="A file with a code that new installations must send. Or set SWARMLORE_ENROLMENT_CODE.",
            dir_okay=False,
        ),
    ] = None,
    enrolments: Annotated[
        int, typer.Option("--enrolments", min=1, help="New installations that an address may register in a day.")
    ] = 20,
    keys: KeyFile = None,
    interval: Annotated[float, typer.Option("--interval", min=0.1, help="Seconds that a window is open.")] = 21_600.0,
    min_participants: Annotated[
        int, typer.Option("--min-participants", min=1, help="Clients that a round needs; else its window is extended.")
    ] = 10,
    min_contributors: Annotated[
        int, typer.Option("--min-contributors", min=1, help="Clients that a key needs, to change.")
    ] = 5,
    staleness: Annotated[
        float, typer.Option("--staleness", min=1, help="Seconds after which a submission is dropped.")
    ] = 259_200.0,
    aggregation_timeout: Annotated[
        float, typer.Option("--aggregation-timeout", min=1, help="Seconds that a round may take.")
    ] = 300.0,
    deadline: Annotated[float, typer.Option("--deadline", min=0.001, help="Seconds until a round closes.")] = 30.0,
    rollout: Annotated[
        str | None,
        typer.Option(
            "--rollout",
            help="Stages as name:share:seconds[:approve], by commas. By default "
            "canary:0.01:7200,staged:0.1:21600:approve,general:0.5:43200,full:1:0.",
        ),
    ] = None,
    epsilon: Annotated[
        float, typer.Option("--epsilon", min=0.0, help="Of a round's differential privacy; 0 for none.")
    ] = 1.0,
    epsilon_year: Annotated[
        float, typer.Option("--epsilon-year", min=0.0, help="Of a year; when it is spent, rounds pause.")
    ] = 8.0,
    clip: Clip = None,
    unscreened: Unscreened = False,
    stand_by: Annotated[
        bool,
        typer.Option(
            "--stand-by/--no-stand-by", help="Where another one runs this federation: wait until it ends, or give up."
        ),
    ] = True,
    address: Annotated[
        str,
        typer.Option("--address", help="Ray: local for a cluster of its own that ends with the command, or HOST:PORT."),
    ] = "local",
    seed: Seed = 0,
    run_id: RunId = "swarm",
    otlp: Otlp = None,
    state_dir: StateDir = STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """Run a federation: its door over HTTP, its rounds and its releases, until Ctrl-C."""
    output = Output(as_json=as_json)

    async def work() -> None:
        from gateway.federation.opening import Opening

        opening = Opening(
            host=host,
            port=port,
            workers=workers,
            state_dir=state_dir,
            storage=storage,
            releases=releases,
            regions=tuple(region or ("global",)),
            streaming=streaming,
            groups=groups,
            secure=secure,
            bucket_size=bucket_size,
            bucket_liars=bucket_liars,
            bucket_dropped=bucket_dropped,
            stage_s=bucket_stage,
            tls_cert=tls_cert,
            tls_key=tls_key,
            client_ca=client_ca,
            insecure=insecure,
            proxies=proxies,
            operator_token_file=operator_token_file,
            enrolment_code_file=enrolment_code_file,
            enrolments=enrolments,
            keys=keys,
            interval_s=interval,
            min_participants=min_participants,
            min_contributors=min_contributors,
            staleness_s=staleness,
            aggregation_s=aggregation_timeout,
            deadline_s=deadline,
            rollout=rollout,
            epsilon=epsilon,
            epsilon_year=epsilon_year,
            clip=clip,
            unscreened=unscreened,
            seed=seed,
            run_id=run_id,
            stand_by=stand_by,
            otlp=otlp,
        )
        await federate(opening, address, output)

    run(work, output)


async def federate(opening: Opening, address: str, output: Output) -> None:
    """Run a federation until this is cancelled, or something in it ends that must not.

    Raises:
        SettingError, ExtraError: for options that do not go together.
        BindError: when the address cannot be listened on.
        LeaseError: when another one runs this federation, and it is not waited for, or has taken over.
        WorkerError: when the processes that serve the door do not come up, or do not stay.
    """
    from actors.cluster import stored_secret
    from actors.storage import ReleaseStore, Storage
    from gateway.federation.clerk import Clerk
    from gateway.federation.publishing import federation_key
    from gateway.federation.tenure import Tenure
    from gateway.federation.transport import reserved
    from telemetry import Telemetry, semconv

    told = opening.telemetry()
    config, hours, tls = opening.swarm(told), opening.clerk(), opening.tls
    if tls is not None:
        tls.context()  # what is wrong with the files is said now, and once
    async with contextlib.AsyncExitStack() as held:
        bound = held.enter_context(reserved(opening.host, opening.port))
        door = opening.door(told)
        storage = held.enter_context(Storage.open(opening.storage_url))
        files = ReleaseStore(opening.releases_url)
        tenure = Tenure(storage)
        await tenure.begin(wait=opening.stand_by, told=lambda error: output.note(f"waiting: {error}"))
        held.push_async_callback(tenure.end)
        telemetry = Telemetry.start(told, actor_kind=semconv.ActorKind.CLERK, instance=CLERK)
        held.callback(telemetry.stop)
        swarm = await _begun(config, address, output)
        try:
            with marked(swarm.facts["address"], opening.state_dir) if address == "local" else contextlib.nullcontext():
                clerk = Clerk(
                    swarm,
                    storage,
                    files,
                    federation_key(stored_secret(opening.state_dir)),
                    space=opening.space,
                    regions=opening.regions,
                    settings=hours,
                    sorter=_sorter(opening, storage, telemetry),
                    tenure=tenure,
                    telemetry=telemetry,
                )
                await clerk.start()
                await _served(
                    opening, door, bound.getsockname()[1], tls, swarm, storage, clerk, tenure, telemetry, output
                )
        finally:
            await swarm.stop()


def _sorter(opening: Opening, storage: Storage, telemetry: Telemetry) -> Sorter | None:
    """Who has clients summed in secret; None where they submit."""
    from gateway.federation.sorting import Sorter

    sums = opening.sums
    if sums is None:
        return None
    keys = len(opening.space.keys)
    return Sorter(storage, sums, run=opening.run_id, keys=keys, regions=opening.regions, telemetry=telemetry)


def _bound(opening: Opening, output: Output) -> dict[str, Any]:
    """What secret sums bear, told and as facts; nothing without them."""
    from federation.rules import Median

    sums, least = opening.sums, opening.min_participants
    if sums is None:
        return {}
    borne = sums.borne(least, rule=Median())
    found = sums.bound(least, liars=borne + 1, rule=Median())
    output.text(
        f"summed in secret: {least} clients are {found.buckets} buckets of {sums.size} or more, whose medians bear "
        f"{borne} lying clients for certain; {borne + 1} are too many with a chance of {found.chance_lost:.1%}"
    )
    if borne < 1:
        output.note(
            f"{found.buckets} buckets bear no lying client at all: raise --min-participants to {3 * sums.size} or more"
        )
    return {"secure": {"buckets": found.buckets, "size": sums.size, "borne": borne, "lost": found.chance_lost}}


async def _begun(config: Any, address: str, output: Output) -> Swarm:
    quiet()
    from actors import Swarm

    with output.progress("starting the swarm behind the door"):
        return await Swarm.start(config, address=address)


async def _served(
    opening: Opening,
    door: DoorSettings,
    port: int,
    tls: Tls | None,
    swarm: Swarm,
    storage: Storage,
    clerk: Clerk,
    tenure: Tenure,
    telemetry: Telemetry,
    output: Output,
) -> None:
    """Serve the door and keep the hours, until one of them ends or this is cancelled."""
    from gateway.federation.registration import key_text
    from gateway.federation.scrape import Snapshots, leaving
    from gateway.federation.workers import Workers, WorkerSettings

    def settings(number: int) -> WorkerSettings:
        return WorkerSettings(number=number, host=opening.host, port=port, door=door, tls=tls, proxies=opening.proxies)

    async def measured() -> list[bytes]:
        return [found for found in (await swarm.metrics()).values() if found]

    workers = Workers(settings, opening.workers, noted=output.note)
    try:
        await workers.start()
        name = f"[{opening.host}]" if ":" in opening.host else opening.host
        url = f"{'http' if tls is None else 'https'}://{name}:{port}"
        rollout = await asyncio.to_thread(storage.rollouts.get)
        facts = {
            "url": url,
            "workers": opening.workers,
            "server_public_key": key_text(door.public_key),
            "version": None if rollout is None else rollout.version,
            "window": clerk.state.window.number,
            "address": swarm.facts["address"],
            "state_dir": str(opening.state_dir),
        }
        privacy = (await swarm.status()).get("privacy")
        output.event("serving", facts | _bound(opening, output) | ({"privacy": privacy} if privacy else {}))
        output.text(
            f"federation of run {opening.run_id} on {url}, release {facts['version']}, window {facts['window']}"
        )
        output.text(f"clients pin {facts['server_public_key']}", style="dim")
        if privacy:
            output.note(budget_outlook(privacy, interval_s=opening.interval_s, now=time.time()))
        if door.operator_token is None:
            output.note("there is no operators' token, so there are no operations: give --operator-token-file")
        await _until_one_ends(
            clerk.run(),
            tenure.keep(),
            workers.watch(),
            leaving(Snapshots(door.scrapes or opening.state_dir / "scrapes"), CLERK, telemetry, others=measured),
        )
    finally:
        await workers.close()
        await clerk.close()


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of it, until one raises or this is cancelled; then end the others."""
    tasks = [asyncio.ensure_future(one) for one in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, Exception):
                raise done
