"""Rounds: run one, list them, read one with the verdict on everybody."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path
from starlette.responses import Response

from actors import Swarm
from actors.columns import LETTERS
from federation.errors import SwarmError
from gateway.problems import documented
from gateway.rest.answers import After, Limit, answer, example

MOST_WAITING = 32
"""Requests for a round that may wait at the same time; rounds run one after the other."""
WAIT_S = 60.0
"""How long a request waits for its round, unless it prefers otherwise."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

RECORD: dict[str, Any] = {
    "round": 12,
    "status": "training",
    "converged": False,
    "kl_divergence": 0.0213,
    "avg_local_loss": 0.41,
    "evaluation": {"accuracy": 0.93},
    "total_duration_ms": 88.1,
    "local_training_ms": 31.0,
    "gate_ms": 9.4,
    "screen_ms": 2.1,
    "aggregation_ms": 1.3,
    "convergence_ms": 1.1,
    "validation_ms": 7.7,
    "release_ms": 6.0,
    "distribution_ms": 8.5,
    "agents_count": 100,
    "byzantine_count": 33,
    "quorum": 67,
    "fault_bound": 33,
    "verdicts": {"accepted": 66, "clipped": 1, "rejected": 33},
    "release": {"version": 12, "digest": "5f1c...", "parent": "09ab...", "artefact": "77de...", "restores": None},
}
VERDICT: dict[str, Any] = {
    "round": 12,
    "agent": "agent-007",
    "decision": "rejected",
    "judge": "distance",
    "reason": "distance.far",
    "score": 8.4,
    "threshold": 3.5,
}


class UnknownRoundError(SwarmError):
    """A round that was never run, or that has not ended."""

    code = "round.unknown"

    def __init__(self, *, round: int) -> None:
        super().__init__(
            f"There is no round {round} that has ended. GET /v1/rounds lists those that have.", round=round
        )


class UnknownRequestError(SwarmError):
    """A request id under which no round was asked for, or too long ago."""

    code = "request.unknown"

    def __init__(self, *, request: str) -> None:
        super().__init__(f"No round was asked for under the id {request!r}.", request=request)


class KeyFormError(SwarmError):
    """An Idempotency-Key that is none."""

    code = "request.key"

    def __init__(self, *, found: int) -> None:
        super().__init__(
            f"An Idempotency-Key has 1 to 255 visible ASCII characters; this one, of {found}, does not fit. "
            "A UUID will do.",
            found=found,
        )


class BusyError(SwarmError):
    """More requests for a round than may wait at the same time."""

    code = "request.busy"

    def __init__(self, *, waiting: int) -> None:
        super().__init__(f"{waiting} requests for a round are waiting already. Ask again later.", waiting=waiting)


class Requests:
    """Requests for a round that are under way here. Those that ended are in the coordinator's journal.

    Args:
        swarm: that runs the rounds.
    """

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._tasks: dict[str, asyncio.Task[dict[str, Any]]] = {}

    def ask(self, request: str) -> asyncio.Task[dict[str, Any]]:
        """The round for a request; the same task for the same id. It runs on when nobody waits any more.

        Raises:
            BusyError: when too many wait.
        """
        task = self._tasks.get(request)
        if task is None:
            if len(self._tasks) >= MOST_WAITING:
                raise BusyError(waiting=len(self._tasks))
            task = self._tasks[request] = asyncio.create_task(self._swarm.run_round(request))
            task.add_done_callback(lambda done: self._end(request, done))
        return task

    def waits(self, request: str) -> bool:
        """Whether a request is under way."""
        return request in self._tasks

    def _end(self, request: str, done: asyncio.Task[dict[str, Any]]) -> None:
        del self._tasks[request]
        _ = done.cancelled() or done.exception()  # whoever waited has it; a round's end is in the journal too


def router(swarm: Swarm) -> APIRouter:
    """The operations on rounds."""
    routes = APIRouter(prefix="/v1", tags=["rounds"])
    requests = Requests(swarm)

    @routes.post(
        "/rounds",
        summary="Run a round",
        responses={
            **example(RECORD, "The round has ended with a release; `Location` is its address."),
            202: {"description": "It is under way; `Location` is the request's address."},
            **documented(
                "request.key",
                "round.quorum",
                "rule.bound",
                "round.aborted",
                "round.mass_anomaly",
                "request.busy",
                "swarm.silent",
            ),
        },
    )
    async def run(
        idempotency_key: Annotated[
            str | None,
            Header(
                description="The same key is answered with the same round, also after a restart of gateway or swarm."
            ),
        ] = None,
        prefer: Annotated[
            str | None, Header(description="`respond-async`, or `wait=SECONDS` (RFC 7240); by default `wait=60`.")
        ] = None,
    ) -> Response:
        """Runs one round, waits for it, and answers with its record; 202 when it takes longer than is waited for.

        A round that ends without a release is a 409 with the code and the numbers of what was missing.
        """
        key = uuid.uuid4().hex if idempotency_key is None else idempotency_key
        if not _KEY.fullmatch(key):
            raise KeyFormError(found=len(key))
        task, wait_s = requests.ask(key), _wait_s(prefer)
        await asyncio.wait((task,), timeout=wait_s)
        applied = {"Preference-Applied": "respond-async" if wait_s == 0 else f"wait={wait_s:g}"} if prefer else {}
        if not task.done():
            return answer({"request": key, "state": "running"}, 202, {"Location": _address(key), **applied})
        record = task.result()
        return answer(record, headers={"Location": f"/v1/rounds/{record['round']}", **applied})

    @routes.get(
        "/requests/{request}",
        summary="What became of a request for a round",
        responses={
            **example({"request": "3f0c", "state": "ended", "round": 12, "location": "/v1/rounds/12"}, "Its state."),
            **documented("request.unknown"),
        },
    )
    async def state(request: Annotated[str, Path(max_length=255)]) -> Response:
        """`running`, or `ended` with the address of the round."""
        number = await swarm.round_of(request)
        if number is not None and (record := await _record(swarm, number)) is not None:
            return answer(
                {"request": request, "state": "ended", "round": number, "location": f"/v1/rounds/{number}"}
                | ({"error": record["error"]} if record.get("error") else {})
            )
        if number is None and not requests.waits(request):
            raise UnknownRequestError(request=request)
        return answer({"request": request, "state": "running", "round": number})

    @routes.get(
        "/rounds",
        summary="List rounds",
        responses=example({"rounds": [RECORD], "next": 12}, "Records, oldest first; `next` is null on the last page."),
    )
    async def listed(after: After = 0, limit: Limit = 50) -> Response:
        """Records of ended rounds, oldest first, with verdicts counted and not named."""
        found = await swarm.records(after, limit=limit, brief=True)
        return answer({"rounds": found, "next": found[-1]["round"] if len(found) == limit else None})

    @routes.get(
        "/rounds/{number}",
        summary="Read a round",
        responses={
            **example({**RECORD, "verdicts": {**RECORD["verdicts"], "agents": [VERDICT]}}, "Its record and verdicts."),
            **documented("round.unknown"),
        },
    )
    async def one(number: Annotated[int, Path(ge=0)]) -> Response:
        """The record of a round, and the verdict on every agent that was judged, with score and threshold."""
        record = await _record(swarm, number)
        if record is None:
            raise UnknownRoundError(round=number)
        rows = await swarm.verdicts(number)
        return answer({**record, "verdicts": {**record.get("verdicts", {}), "agents": rows}})

    @routes.get(
        "/verdicts",
        summary="Verdicts as columns",
        responses=example(
            {"agents": ["a", "b"], "letters": LETTERS, "columns": [{"round": 12, "column": "ar"}], "next": None},
            "One letter an agent, in the order of `agents`; one column a round.",
        ),
    )
    async def columns(after: After = 0, limit: Limit = 50) -> Response:
        """What a heat map of agents by rounds is drawn from."""
        records = await swarm.records(after, limit=limit, brief=True)
        numbers = [record["round"] for record in records]
        found = await swarm.columns(numbers)
        agents = [known["agent"] for known in await swarm.agents()]
        return answer(
            {
                "agents": agents,
                "letters": LETTERS,
                "columns": [{"round": number, "column": found[number]} for number in numbers],
                "next": numbers[-1] if len(numbers) == limit else None,
            }
        )

    return routes


async def _record(swarm: Swarm, number: int) -> dict[str, Any] | None:
    found = await swarm.records(number - 1, limit=1, brief=True) if number > 0 else []
    return found[0] if found and found[0]["round"] == number else None


def _wait_s(prefer: str | None) -> float:
    """The seconds that a Prefer header asks to wait; what it does not understand is left out of account."""
    if prefer is None:
        return WAIT_S
    for part in prefer.split(","):
        name, _, value = part.strip().lower().partition("=")
        if name.strip() == "respond-async":
            return 0.0
        if name.strip() == "wait" and value.strip('" ').isdecimal():
            return min(float(value.strip('" ')), 600.0)
    return WAIT_S


def _address(key: str) -> str:
    from urllib.parse import quote

    return f"/v1/requests/{quote(key, safe='')}"
