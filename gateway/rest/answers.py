"""How operations answer: JSON without NaN, entity tags, and cursors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from gateway.output import plain

MOST = 200
"""How much of a list one answer holds at most."""

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
After = Annotated[int, Query(ge=0, description="Only those of rounds above this one: `next` of the page before.")]


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The value as JSON. Answers change from call to call, so they are not kept unless ``headers`` say so."""
    body = json.dumps(plain(value), separators=(",", ":"))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json")


def tagged(request: Request, value: Any, tag: str) -> Response:
    """The value with an entity tag; 304 without a body for who has it already."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return answer(value, headers=headers)


def is_known(request: Request, tag: str) -> bool:
    """Whether the request's If-None-Match names the tag."""
    known = request.headers.get("if-none-match", "")
    return any(one.strip().removeprefix("W/") in (f'"{tag}"', "*") for one in known.split(","))


def example(value: Any, description: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an operation in OpenAPI: its answer, by example."""
    return {200: {"description": description, "content": {"application/json": {"example": value}}}}
