"""Errors over HTTP: problem documents (RFC 9457) with the stable code and the numbers of a `SwarmError`.

``type`` is a URN made from the code, ``title`` says what every error of this type means, ``detail`` what
was found, what was needed and what to do; the error's fields are further members.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.faults import LOST
from federation.errors import SwarmError
from gateway.output import plain

MEDIA_TYPE = "application/problem+json"
_RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "message"})
_log = logging.getLogger("swarmlore.gateway")

# The whole code first, then its part before the dot.
_STATUS_OF: Mapping[str, HTTPStatus] = {
    "release.unknown": HTTPStatus.NOT_FOUND,
    "round.unknown": HTTPStatus.NOT_FOUND,
    "agent.unknown": HTTPStatus.NOT_FOUND,
    "request.unknown": HTTPStatus.NOT_FOUND,
    "request.busy": HTTPStatus.TOO_MANY_REQUESTS,
    "request.listeners": HTTPStatus.TOO_MANY_REQUESTS,
    "request": HTTPStatus.BAD_REQUEST,
    "round": HTTPStatus.CONFLICT,
    "rule": HTTPStatus.CONFLICT,
    "privacy": HTTPStatus.CONFLICT,
    "cluster": HTTPStatus.SERVICE_UNAVAILABLE,
    "swarm.silent": HTTPStatus.SERVICE_UNAVAILABLE,
    "config": HTTPStatus.UNPROCESSABLE_ENTITY,
    "access.token": HTTPStatus.UNAUTHORIZED,
    "access": HTTPStatus.FORBIDDEN,
}
_LATER: Mapping[int, str] = {HTTPStatus.SERVICE_UNAVAILABLE: "5", HTTPStatus.TOO_MANY_REQUESTS: "1"}


class SilentError(SwarmError):
    """A swarm that does not answer in time."""

    code = "swarm.silent"

    def __init__(self, *, waited_s: float) -> None:
        super().__init__(
            f"The coordinator did not answer within {waited_s:g} s. It may be restarting: ask again, and look at "
            "`swarmlore status` if it stays silent.",
            waited_s=waited_s,
        )


def status_of(code: str) -> HTTPStatus:
    """The HTTP status of an error code."""
    found = _STATUS_OF.get(code) or _STATUS_OF.get(code.partition(".")[0])
    return found or HTTPStatus.INTERNAL_SERVER_ERROR


def problem(
    code: str,
    detail: str,
    *,
    status: int,
    title: str,
    instance: str = "",
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """A response that holds one problem document."""
    document = {
        "type": f"urn:swarmlore:error:{code}",
        "title": title,
        "status": int(status),
        "detail": detail,
        **({"instance": instance} if instance else {}),
        "code": code,
        **{name: plain(value) for name, value in (members or {}).items() if name not in _RESERVED},
    }
    further = {"Retry-After": _LATER[status]} if status in _LATER else {}
    return Response(json.dumps(document), int(status), {**further, **(headers or {})}, media_type=MEDIA_TYPE)


def of_error(error: SwarmError, instance: str = "", *, headers: Mapping[str, str] | None = None) -> Response:
    """The problem document of an error."""
    title = (type(error).__doc__ or "").strip().partition("\n")[0]
    status = status_of(error.code)
    return problem(
        error.code,
        str(error),
        status=status,
        title=title,
        instance=instance,
        headers=headers,
        members=error.to_dict(),
    )


def answer_with_problems(app: FastAPI) -> None:
    """Have every error of an application leave it as a problem document."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, SwarmError)
        return of_error(error, request.url.path)

    async def lost(request: Request, _: Exception) -> Response:
        return of_error(SilentError(waited_s=0.0), request.url.path)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        phrase = HTTPStatus(error.status_code).phrase
        code = f"http.{phrase.lower().replace(' ', '_').replace('-', '_')}"
        return problem(
            code,
            str(error.detail),
            status=error.status_code,
            title=phrase,
            instance=request.url.path,
            headers=error.headers,
        )

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # What was sent is not repeated: it may hold what must not be in a log.
        found = [
            {"where": [str(part) for part in one["loc"]], "needed": one["msg"], "kind": one["type"]}
            for one in error.errors()
        ]
        where = "; ".join(f"{'.'.join(one['where'])}: {one['needed']}" for one in found[:5])
        return problem(
            "request.invalid",
            f"The request does not fit: {where}. /openapi.json says what this operation takes.",
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            title="A request that does not fit the operation.",
            instance=request.url.path,
            members={"errors": found},
        )

    async def unforeseen(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(
            "unexpected",
            "swarmlore did not foresee this error. The log of the gateway says where it happened.",
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
            title="An error that was not foreseen.",
            instance=request.url.path,
        )

    app.add_exception_handler(SwarmError, known)
    for kind in LOST:
        app.add_exception_handler(kind, lost)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unforeseen)


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an operation in OpenAPI: for each code the status and an example."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status = status_of(code)
        example = {
            "type": f"urn:swarmlore:error:{code}",
            "title": "What every error of this type means.",
            "status": int(status),
            "detail": "What was found, what was needed, and what to do.",
            "code": code,
        }
        entry = found.setdefault(int(status), {"description": status.phrase, "content": {MEDIA_TYPE: {"examples": {}}}})
        entry["content"][MEDIA_TYPE]["schema"] = {"$ref": "#/components/schemas/Problem"}
        entry["content"][MEDIA_TYPE]["examples"][code] = {"value": example}
    return found


SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457). Further members carry the numbers of the error.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable; never given to another meaning."},
    },
    "additionalProperties": True,
}
"""Schema of a problem document, for OpenAPI."""


class TooLarge:
    """ASGI middleware: the 413 that Starlette answers in text, before any handler is asked, as a problem document."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                kind = Headers(scope=message).get("content-type", "")
                replaced = not kind.startswith(MEDIA_TYPE)
                if replaced:
                    answer = problem(
                        "http.content_too_large",
                        "The body is larger than this operation takes. Send less at a time.",
                        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        title="Content Too Large",
                        instance=scope["path"],
                    )
                    await answer(scope, receive, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, send_problem if scope["type"] == "http" else send)
