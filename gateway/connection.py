"""How a command reaches a swarm, how it runs, and how it ends.

`up --address local` writes where its cluster is into the state directory, so that the other commands, called
from the same folder, find it without being told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import traceback
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from federation.errors import SettingError
from gateway.exits import Exit, exit_of
from gateway.output import Output

if TYPE_CHECKING:
    from actors import Swarm

STATE_DIR = Path(".swarmlore")
_MARK = "cluster.json"


class Terminated(BaseException):
    """SIGTERM was received."""


def run(work: Callable[[], Coroutine[Any, Any, int | None]], output: Output) -> None:
    """Run a command's coroutine, and end with its exit code.

    Ctrl-C and SIGTERM cancel it, so that what it has begun is ended in order; a second Ctrl-C ends it at once.
    """
    code: int = Exit.OK
    try:
        code = asyncio.run(_cancellable(work)) or Exit.OK
    except KeyboardInterrupt as error:
        code = _ended(error, output, "interrupted")
    except Terminated:
        code = Exit.TERMINATED
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Exception as error:  # noqa: BLE001 - the last place: whatever it is becomes a message and a code
        if os.environ.get("SWARMLORE_TRACEBACK"):
            traceback.print_exc()
        found = _usage(error) or error
        output.fail(found)
        code = exit_of(found)
    finally:
        _leave()
    raise typer.Exit(int(code))


async def _cancellable(work: Callable[[], Coroutine[Any, Any, int | None]]) -> int | None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    with contextlib.suppress(NotImplementedError, ValueError):  # not in the main thread, or not on this system
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        raise


def _ended(error: BaseException, output: Output, word: str) -> int:
    output.note(word)
    return exit_of(error)


def _usage(error: Exception) -> SettingError | None:
    """A configuration that pydantic refuses, as the error of its first bad setting."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return None
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "config"
    return SettingError(name=name, found=_short(first.get("input")), needed=first["msg"].removeprefix("Value error, "))


def _short(value: object) -> object:
    text = repr(value)
    return value if len(text) <= 80 else text[:80] + "..."


def _leave() -> None:
    """Leave the cluster, if this process is in one; a second Ctrl-C is not listened to meanwhile."""
    import sys

    if "ray" in sys.modules:
        from actors import cluster

        if cluster.joined():
            cluster.leave()


def quiet() -> None:
    """Keep Ray's own log lines off the terminal."""
    logging.getLogger("ray").setLevel(logging.ERROR)


def resolved(address: str, state_dir: Path) -> str:
    """The address to join: what was given, else ``RAY_ADDRESS``, else the swarm that runs in the state directory."""
    if address != "auto" or os.environ.get("RAY_ADDRESS"):
        return address
    mark = _read(state_dir / _MARK)
    if mark is None or not _alive(int(mark["pid"])):
        return address
    # It is a cluster of our own on this machine, and those have no token.
    os.environ["RAY_AUTH_MODE"] = "disabled"
    return str(mark["address"])


async def connected(address: str, state_dir: Path) -> Swarm:
    """The swarm at an address.

    Raises:
        ClusterError: when the cluster cannot be reached.
        NoSwarmError: when no swarm runs on it.
    """
    quiet()
    where = resolved(address, state_dir)
    from actors import Swarm

    return await Swarm.connect(where)


@contextlib.contextmanager
def marked(address: str, state_dir: Path) -> Iterator[None]:
    """Leave word in the state directory of where the cluster of this process is, while it is there."""
    path = state_dir / _MARK
    path.write_text(json.dumps({"address": address, "pid": os.getpid()}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def marked_process(state_dir: Path) -> int | None:
    """The process that runs a foreground swarm in this state directory, if there is one."""
    mark = _read(state_dir / _MARK)
    return int(mark["pid"]) if mark is not None and _alive(int(mark["pid"])) else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"address", "pid"} <= found.keys() else None  # pyright: ignore[reportUnknownVariableType]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
