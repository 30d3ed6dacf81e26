"""Metrics of processes that share one port: each leaves its own in a folder, and whoever is scraped serves them all.

The kernel gives a request to any of the processes that serve one port, so that Prometheus cannot ask each of them.
The clerk also leaves what the swarm's actors have measured, which it alone can ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from federation.errors import SwarmError
from telemetry import Telemetry

EVERY_S = 5.0
"""Between two times that a process leaves its metrics."""

STALE_S = 60.0
"""Age at which what a process has left is no longer served: it has ended, and its gauges hold no longer."""

LARGEST = 16 * 2**20
"""Bytes above which what was left is not read."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SUFFIX = ".otlp"


class Snapshots:
    """A folder of what processes have measured, each in a file of its own.

    Args:
        folder: on this machine, shared by the processes of one federation; made when it is not there.
        clock: seconds since 1970.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def leave(self, instance: str, *snapshots: bytes) -> None:
        """Put what a process has measured in the place of what it had left before.

        Args:
            instance: name of the process, the same after a restart.
            snapshots: OTLP requests, as `telemetry.Telemetry.metrics` gives them; of one process, or of several that it
                speaks for.

        Raises:
            ValueError: for a name that is no name of a file.
            OSError: when the file cannot be written.
        """
        if not _NAME.fullmatch(instance):
            raise ValueError(f"{instance!r} is no name of a process; it needs letters, digits and the signs . _ -")
        made = self._folder / f".{instance}.{os.getpid()}"
        # Requests that follow each other in a file are one request: protobuf puts their repeated fields together.
        made.write_bytes(b"".join(snapshots))
        now = self._clock()
        os.utime(made, (now, now))
        made.replace(self._folder / f"{instance}{_SUFFIX}")

    def found(self, *, besides: str = "") -> list[bytes]:
        """What processes have left of late, by their names.

        Args:
            besides: a process that is left out, because it can be asked itself.
        """
        fresh = self._clock() - STALE_S
        found: list[bytes] = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            with contextlib.suppress(FileNotFoundError):
                about = path.stat()
                if path.stem != besides and about.st_mtime >= fresh and about.st_size <= LARGEST:
                    found.append(path.read_bytes())
        return found


async def leaving(
    snapshots: Snapshots,
    instance: str,
    telemetry: Telemetry,
    *,
    others: Callable[[], Awaitable[list[bytes]]] | None = None,
    every_s: float = EVERY_S,
) -> None:
    """Leave a process's metrics again and again, until the task is cancelled.

    A folder that cannot be written, and a swarm that does not answer, are tried again: metrics are missing then, and
    nothing else.

    Args:
        snapshots: where to.
        instance: name of the process.
        telemetry: of the process.
        others: what further processes have measured, for which this one speaks.
        every_s: seconds in between.
    """
    while True:
        theirs: list[bytes] = []
        with contextlib.suppress(OSError, SwarmError):
            theirs = await others() if others else []
        with contextlib.suppress(OSError):
            await asyncio.to_thread(_leave, snapshots, instance, telemetry, theirs)
        await asyncio.sleep(every_s)


def _leave(snapshots: Snapshots, instance: str, telemetry: Telemetry, others: list[bytes]) -> None:
    snapshots.leave(instance, telemetry.metrics(), *others)
