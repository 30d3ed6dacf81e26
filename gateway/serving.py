"""The command that opens the gateway's HTTP door: serve."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.errors import SettingError, SwarmError
from gateway.connection import connected, marked, run
from gateway.control import GRACE_S
from gateway.options import Address, AsJson
from gateway.output import Output
from gateway.start import Start, begun, configuration, with_start

if TYPE_CHECKING:
    from fastapi import FastAPI

    from actors import Swarm
    from workloads.trajectories import Layout

TOKEN_VARIABLE = "SWARMLORE_TOKEN"  # noqa: S105 - its name, not its value
DRAIN_S = 10
"""How long requests that are under way may take when the gateway ends."""


class BindError(SwarmError):
    """An address that cannot be listened on."""

    code = "config.bind"

    def __init__(self, *, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"Cannot listen on {host}:{port}: {reason}. Choose another with --host and --port.",
            host=host,
            port=port,
            reason=reason,
        )


@with_start
def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes one that is free.")] = 8080,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help=f"A file with the token that requests must bring. Or set {TOKEN_VARIABLE}."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen for other machines without a token: anybody may run rounds.")
    ] = False,
    first: Annotated[
        bool, typer.Option("--start", help="Start a swarm first, with the options below, as `up` does.")
    ] = False,
    address: Address = "auto",
    layout: Annotated[
        Path | None,
        typer.Option(
            "--layout",
            help="Take agents' OTLP on /v1/traces and /v1/logs, by this layout, as `ingest --out` wrote it. With "
            "--start, the one beside --experiences is found by itself.",
            dir_okay=False,
        ),
    ] = None,
    *,
    start: Start,
    as_json: AsJson = False,
) -> None:
    """Serve page, REST and event stream of a running swarm, or with --start of a new one, until Ctrl-C.

    With --start, --address auto means a cluster of its own on this machine, which ends with the command; a swarm
    that it puts on a running cluster stays.
    """
    output = Output(as_json=as_json)

    async def work() -> None:
        from gateway.learning import layout_from, layout_of

        token = _token(token_file, host, insecure=insecure)
        if not first:
            chosen = None if layout is None else layout_from(layout)
            await listen(await connected(address, start.state_dir), host, port, token, output, layout=chosen)
            return
        chosen = layout_of(start.experiences or []) if layout is None else layout_from(layout)
        config, found = configuration(start, output)
        own = address in ("auto", "local")
        swarm = await begun(config, found, "local" if own else address, output)
        try:
            with marked(swarm.facts["address"], start.state_dir) if own else contextlib.nullcontext():
                if start.interval is not None:
                    await swarm.start_learning(start.interval)
                serving = listen(swarm, host, port, token, output, layout=chosen)
                await (_while_there(swarm, serving, output) if own else serving)
        finally:
            if own:
                await swarm.stop()

    run(work, output)


async def _while_there(swarm: Swarm, serving: Coroutine[Any, Any, None], output: Output) -> None:
    """Serve until cancelled, or until somebody ends the swarm, whose cluster is ours and has to end with it."""
    from actors.cluster import NoSwarmError

    async def gone() -> None:
        with contextlib.suppress(NoSwarmError):
            async for _ in swarm.watch():
                pass

    tasks = [asyncio.ensure_future(serving), asyncio.ensure_future(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            output.note("the swarm was ended by `swarmlore down`")
            await asyncio.sleep(GRACE_S)
    finally:
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, Exception):
                raise done


async def listen(
    swarm: Swarm, host: str, port: int, token: str | None, output: Output, *, layout: Layout | None = None
) -> None:
    """Serve a swarm until this is cancelled; then end the streams, let requests finish, and return.

    Raises:
        BindError: when the address cannot be listened on.
    """
    from gateway.guard import LOOPBACK_NAMES, is_loopback
    from gateway.service import service

    names = LOOPBACK_NAMES if token is None and is_loopback(host) else None
    app = service(swarm, token=token, names=names, layout=layout)
    server = server_of(app, host, port)
    where = f"http://{f'[{host}]' if ':' in host else host}:{server.config.port}/"
    facts = {**swarm.facts, "url": where, "token": token is not None, "otlp": layout is not None}
    serving = asyncio.ensure_future(server.serve(sockets=[server.config.bound]))
    try:
        output.event("serving", facts)
        output.text(f"{facts['agents']} agents of run {facts['run']} on {where}")
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await app.state.feed.close()  # streams never end by themselves, and would be waited for
        await serving


def server_of(app: FastAPI, host: str, port: int) -> Any:
    """A uvicorn server that is bound already, leaves signals to the command, and has the port in its configuration.

    Raises:
        BindError: when the address cannot be listened on.
    """
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # Ctrl-C and SIGTERM cancel the command, which sees to everything in order

    class Config(uvicorn.Config):
        bound: socket.socket

    config = Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=DRAIN_S, ws="none")
    try:
        config.bound = socket.create_server((host, port), family=_family(host), backlog=config.backlog)
    except OSError as error:
        raise BindError(host=host, port=port, reason=error.strerror or str(error)) from error
    config.port = config.bound.getsockname()[1]
    return Server(config)


def _family(host: str) -> Any:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _token(path: Path | None, host: str, *, insecure: bool) -> str | None:
    """The token that requests must bring, from the file, else from the environment.

    Raises:
        SettingError: when there is none and other machines could ask.
    """
    from gateway.guard import checked_token, is_loopback

    text = os.environ.get(TOKEN_VARIABLE)
    if path is not None:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(name="token-file", found=str(path), needed="a file that can be read") from error
    if text:
        return checked_token(text)
    if not insecure and not is_loopback(host):
        raise SettingError(
            name="host",
            found=host,
            needed="a loopback address, as others can be reached from other machines: give --token-file, or --insecure "
            "if everybody who can reach it may run rounds and roll back",
        )
    return None
