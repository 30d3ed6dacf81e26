"""What the validators say of a candidate: each one is asked, and one that is down is not waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.cast import INLINE, Cast
from actors.faults import LOST, pause_s
from actors.messages import Measurement
from federation.errors import RoundAbortedError
from federation.workload import Row

MOST_ATTEMPTS = 15
"""About as long as a restart takes."""


async def opinions(
    cast: Cast,
    round_number: int,
    old: Row,
    new: Row,
    variance: NDArray[np.float64],
    history: Mapping[str, Any],
    traceparent: str,
) -> list[Measurement]:
    """What those validators measured that answer, in the order of the cast.

    Args:
        cast: who plays.
        round_number: of the round.
        old, new: values of the base and of the candidate.
        variance: of the counted updates.
        history: divergences of the run so far.
        traceparent: of the round's span.

    Raises:
        RoundAbortedError: when none answers.
    """
    sent: tuple[Any, Any] = (cast.put(old), cast.put(new)) if old.nbytes > INLINE else (old, new)

    async def measure(name: str) -> Measurement:
        attempt = 0
        while True:
            try:
                asked = cast.find(name).measure
                return await asked.remote(*sent, variance, round_number, history, traceparent)
            except LOST:
                if attempt >= MOST_ATTEMPTS:
                    raise
                await asyncio.sleep(pause_s(attempt))
                attempt += 1

    answers = await asyncio.gather(*(measure(name) for name in cast.validators), return_exceptions=True)
    found = [answer for answer in answers if isinstance(answer, Measurement)]
    if not found:
        raise RoundAbortedError(
            round=round_number, reason=f"none of {len(answers)} validators answered: {answers[0]!r}"
        )
    return found
