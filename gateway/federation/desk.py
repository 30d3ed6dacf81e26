"""Where operators' requests lie until the clerk has seen to them, and its answers until somebody has read them.

Both are facts of the storage: ``request.ID`` is written by whoever takes the request in, ``answer.ID`` by the clerk,
in the same transaction in which the request goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.storage import Lease, Storage
from gateway.federation.schedule import Request

REQUEST = "request."
ANSWER = "answer."
_OWN = ("id", "what", "by", "at")


class Desk:
    """The requests and answers of one federation.

    Args:
        storage: that they are in.
        keep: answers that are kept, the newest.
    """

    def __init__(self, storage: Storage, *, keep: int = 100) -> None:
        self._storage, self._keep = storage, keep

    def waiting(self) -> tuple[Request, ...]:
        """The requests that nobody has answered, oldest first."""
        found = [_request(value) for value in self._facts(REQUEST).values()]
        return tuple(sorted(found, key=lambda request: (request.at, request.id)))

    def answer(
        self,
        request: Request,
        now: float,
        *,
        code: str = "ok",
        detail: str = "",
        result: Mapping[str, Any] | None = None,
        under: Lease | None = None,
    ) -> None:
        """Answer a request; it is no longer waiting then. The audit log has what came of it.

        Raises:
            LeaseError: when the lease that it is done under is somebody else's by now: that one answers.
        """
        answers = self._facts(ANSWER)
        old = sorted(answers, key=lambda name: answers[name].get("done_at", 0.0))[
            : max(len(answers) + 1 - self._keep, 0)
        ]
        told = {
            "id": request.id,
            "what": request.what,
            "by": request.by,
            "at": request.at,
            "done_at": now,
            "ok": code == "ok",
            "code": code,
            "detail": detail,
            "result": dict(result or {}),
        }
        self._storage.audit.add(request.what, code=code, now=now, operator=request.by)
        self._storage.facts.put_many(
            {**dict.fromkeys(old), f"{ANSWER}{request.id}": told, f"{REQUEST}{request.id}": None}, under=under
        )

    def request(self, request_id: str) -> Request | None:
        """The request of this id, while it waits."""
        found = self._storage.facts.get(f"{REQUEST}{request_id}")
        return None if found is None else _request(found)

    def _facts(self, prefix: str) -> dict[str, Any]:
        return {name: value for name, value in self._storage.facts.all().items() if name.startswith(prefix)}


def _request(value: Mapping[str, Any]) -> Request:
    return Request(
        id=str(value["id"]),
        what=str(value["what"]),
        by=str(value.get("by", "")),
        at=float(value.get("at", 0.0)),
        arguments={name: part for name, part in value.items() if name not in _OWN},
    )
