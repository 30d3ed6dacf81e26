"""Which path leads where, and what OpenAPI says of it: one table for both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from gateway.federation.errors import RefusalError
from gateway.federation.exchange import Answer, Exchange
from gateway.federation.settings import PREFIX

Handler = Callable[[Exchange], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    Attributes:
        method: GET, POST or DELETE.
        path: below the prefix; its last part may be a variable in braces.
        handler: that answers it.
        name: of the operation in OpenAPI.
        summary: a line that says what it does.
        asked_by: whose token it needs.
        takes: the body.
        parameters: of the query, as in OpenAPI.
        status: of the answer.
        answers: the body of the answer; None where it has none.
        further: statuses besides -> what they mean.
        headers: of the answer -> what they mean.
        refuses: with what.
        span: name of the span that it is told as; None for none.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    handler: Handler
    name: str
    summary: str
    asked_by: Literal["client", "operator", "anybody"] = "client"
    takes: type[BaseModel] | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()
    status: int = 200
    answers: type[BaseModel] | None = None
    further: Mapping[int, str] = field(default_factory=dict[int, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    refuses: tuple[type[RefusalError], ...] = ()
    span: str | None = None

    @property
    def template(self) -> str:
        """The whole path, with its variable."""
        return f"{PREFIX}/{self.path}"


class Table:
    """Finds the route of a request.

    Args:
        routes: all there are.
    """

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._exact: dict[str, dict[str, Route]] = {}
        self._below: dict[str, dict[str, Route]] = {}
        for route in routes:
            folder, _, last = route.template.rpartition("/")
            place = (
                self._below.setdefault(folder, {})
                if last.startswith("{")
                else self._exact.setdefault(route.template, {})
            )
            place[route.method] = route
            if route.method == "GET":
                place["HEAD"] = route

    def find(self, path: str) -> tuple[dict[str, Route] | None, tuple[str, ...]]:
        """method -> route of a path, and what its variable is; None for a path that is none."""
        found = self._exact.get(path)
        if found is not None:
            return found, ()
        folder, _, last = path.rpartition("/")
        return (self._below.get(folder), (last,)) if last else (None, ())
