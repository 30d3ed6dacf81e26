"""One request and its answer, over bare ASGI: what the fast paths of the federation's door are made of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from gateway.federation.errors import InvalidSchemaError, MediaTypeError, PayloadError, RefusalError, SlowBodyError
from gateway.otlp import EncodingError, MalformedError, TooLargeError, inflated
from gateway.problems import MEDIA_TYPE

BODY_LIMIT = 256 * 1024
"""Bytes of a body, as it comes and inflated."""
BODY_S = 30.0
"""Within which a body has to be there."""
Model = TypeVar("Model", bound=BaseModel)
_SHOWN = 5
_ALWAYS = ((b"x-content-type-options", b"nosniff"),)


class Answer:
    """A whole answer: status, headers, body."""

    __slots__ = ("body", "code", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        *,
        kind: bytes = b"application/json",
        code: str = "",
    ) -> None:
        self.status, self.body, self.code = status, body, code
        bare = status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        about = () if bare else ((b"content-type", kind), (b"content-length", b"%d" % len(body)))
        self.headers = (*about, *headers, *_ALWAYS)


def told(value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A document as JSON, which is not kept unless ``headers`` say so."""
    found = {"Cache-Control": "no-store", **(headers or {})}
    raw = tuple((name.lower().encode(), text.encode("latin-1")) for name, text in found.items())
    return Answer(status, json.dumps(value, separators=(",", ":")).encode(), raw)


def refused(error: RefusalError, path: str) -> Answer:
    """The problem document (RFC 9457) of a refusal."""
    fields = {name: value for name, value in error.to_dict().items() if name not in ("code", "message")}
    document = {
        "type": f"urn:swarmlore:error:{error.code}",
        "title": (type(error).__doc__ or "").strip().partition("\n")[0],
        "status": int(error.status),
        "detail": str(error),
        "instance": path,
        "code": error.code,
        **fields,
    }
    headers = [(b"cache-control", b"no-store")]
    if error.later is not None:
        headers.append((b"retry-after", b"%d" % error.later))
    match error.status:
        case HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b'Bearer realm="federation"'))
        case HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append((b"allow", error.allowed.encode()))
    body = json.dumps(document).encode()
    return Answer(error.status, body, tuple(headers), kind=MEDIA_TYPE.encode(), code=error.code)


class Exchange:
    """A request.

    Attributes:
        scope: as ASGI gives it.
        headers: lower-case name -> value.
        arguments: what the path's pattern has found in it.
        attributes: what is told of it as telemetry, beside method, route and status.
    """

    __slots__ = ("_receive", "arguments", "attributes", "headers", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self._receive = scope, receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.arguments: tuple[str, ...] = ()
        self.attributes: dict[str, Any] = {}

    @property
    def path(self) -> str:
        return self.scope["path"]

    @property
    def address(self) -> str:
        """Where the request comes from; empty where that is not known."""
        client = self.scope.get("client")
        return client[0] if client else ""

    def check_size(self, limit: int = BODY_LIMIT) -> None:
        """Refuse a body that says that it is too large, before any of it is read.

        Raises:
            PayloadError: when it does.
        """
        length = self.headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > limit:
            raise PayloadError(limit=limit)

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """The body, inflated where it is compressed.

        Raises:
            PayloadError: above ``limit`` bytes; no more than that is ever read or inflated.
            MediaTypeError: when it does not say that it is JSON, or is compressed otherwise than by gzip.
            InvalidSchemaError: when it is not compressed as it says.
            SlowBodyError: when it does not come in time.
        """
        self.check_size(limit)
        if self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise MediaTypeError(header="Content-Type", needed="application/json")
        try:
            async with asyncio.timeout(BODY_S):
                body = await self._received(limit)
        except TimeoutError:
            raise SlowBodyError(within_s=BODY_S) from None
        if len(body) > limit:
            raise PayloadError(limit=limit)
        encoding = self.headers.get(b"content-encoding")
        if encoding is None:
            return body
        try:
            return inflated(body, encoding.decode("latin-1"), limit=limit)
        except TooLargeError:
            raise PayloadError(limit=limit) from None
        except MalformedError:
            raise InvalidSchemaError(found="The body is not compressed as Content-Encoding says.") from None
        except EncodingError:
            raise MediaTypeError(header="Content-Encoding", needed="gzip, or left out") from None

    async def _received(self, limit: int) -> bytes:
        """The body as it comes; it may be cut off once it is longer than the limit."""
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body
        parts = bytearray(body)
        while message.get("more_body") and len(parts) <= limit:
            message = await self._receive()
            parts += message.get("body", b"")
        return bytes(parts)


async def send(answer: Answer, send_message: Send, *, head: bool = False) -> None:
    """Send an answer; without its body if it is one to HEAD."""
    await send_message({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send_message({"type": "http.response.body", "body": b"" if head else answer.body})


def parsed(model: type[Model], body: bytes) -> Model:
    """The body as a model.

    Raises:
        InvalidSchemaError: when it does not fit. What was sent is not repeated: it may hold what must not be told on.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise unfit(error) from None


def unfit(error: ValidationError) -> InvalidSchemaError:
    """What a model refuses, as an answer."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[:_SHOWN]
    lines = tuple(f"{'.'.join(str(part)[:80] for part in one['loc']) or 'body'}: {one['msg'][:200]}" for one in found)
    return InvalidSchemaError(found=f"The body does not fit: {'; '.join(lines)}.", errors=lines)
