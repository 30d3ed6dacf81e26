"""Which exceptions mean that an actor, and not its answer, was lost."""

from __future__ import annotations

from ray import exceptions

from federation.errors import SwarmError

LOST = (
    exceptions.RayActorError,
    exceptions.ObjectLostError,
    exceptions.WorkerCrashedError,
    exceptions.NodeDiedError,
    exceptions.RaySystemError,
)
"""Raised by a call whose actor died, is restarting, or whose result went down with its node."""

LOST_ARGUMENT = exceptions.ObjectLostError
"""One of `LOST` that is not the called actor's: what it was to be given is gone, and has to be made again."""

RETRY_S = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Pauses between attempts to reach an actor that is down; the last one repeats."""


def pause_s(attempt: int) -> float:
    """Seconds to wait after an attempt, counted from 0, to reach an actor that is down."""
    return RETRY_S[min(attempt, len(RETRY_S) - 1)]


def itself(error: SwarmError) -> SwarmError:
    """The error without the wrapper that Ray puts around what an actor raised."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, SwarmError) else error
