"""The OTLP/HTTP receiver, protobuf and JSON, plain, gzip or deflate. Weaver has none, so it has to be asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToJson
from google.rpc.status_pb2 import Status

from telemetry.checker.intake import GZIP, ZLIB, ClosedError, Intake, TooLargeError, inflated
from telemetry.checker.otlp import OtlpError, OtlpSignal
from telemetry.checker.server import Handler, Server

READERS = 8
"""Bodies that are held at a time; other clients wait."""

_PATHS = {f"/v1/{signal.value}": signal for signal in OtlpSignal}
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_ENCODINGS = {"gzip": GZIP, "deflate": ZLIB}


def http_receiver(intake: Intake, address: str, port: int, complain: Callable[[str], None]) -> Server:
    """A running receiver; port 0 is any free one.

    Raises:
        PortError: when the port is taken.
    """

    class Bound(_Receiving):
        pass

    Bound.intake, Bound.complain = intake, staticmethod(complain)
    Bound.readers = threading.BoundedSemaphore(READERS)
    return Server("OTLP/HTTP", address, port, Bound)


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Receiving(Handler):
    intake: Intake
    complain: Callable[[str], None]
    readers: threading.BoundedSemaphore

    def do_POST(self) -> None:  # noqa: N802 - named by http.server
        """Take an export request."""
        kind = self.headers.get_content_type()
        try:
            signal = self._signal(kind)
            with self.readers:
                body = self._body()
                if kind == _JSON:
                    self.intake.take_json(signal, body)
                else:
                    self.intake.take_protobuf(signal, body)
        except _Refused as refusal:
            self.intake.refuse()
            self._fail(refusal.code, kind, f"refused a request: {refusal}")
        except ClosedError as error:
            self._fail(503, kind, str(error))
        except OtlpError as error:
            self._fail(400, kind, f"refused a request: {error}")
        except Exception as error:  # noqa: BLE001 - the client is told, and the run ends by what the intake keeps
            self._fail(500, kind, f"{type(error).__name__}: {error}")
        else:
            self.answer(200, _encoded(signal.response(), kind), content_type=kind)

    def _signal(self, kind: str) -> OtlpSignal:
        path = self.path.partition("?")[0]
        if path not in _PATHS:
            raise _Refused(404, f"there is no signal at {path[:80]}; there are {', '.join(_PATHS)}")
        if kind not in {_PROTOBUF, _JSON}:
            raise _Refused(415, f"Content-Type is {kind[:80]}; it must be {_PROTOBUF} or {_JSON}")
        return _PATHS[path]

    def _body(self) -> bytes:
        limit = self.intake.limit
        length = self.headers.get("Content-Length")
        if length is None or not length.isascii() or not length.isdecimal():
            raise _Refused(411, "Content-Length is missing; bodies in chunks are not taken")
        if len(length) > 15 or int(length) > limit:
            raise _Refused(413, f"the body has {length[:15]} bytes; at most {limit} are taken")
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "", *_ENCODINGS}:
            raise _Refused(415, f"Content-Encoding is {encoding[:40]}; it must be gzip, deflate or identity")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _Refused(400, f"the body ends after {len(body)} of {length} bytes")
        if encoding not in _ENCODINGS:
            return body
        try:
            return inflated(body, _ENCODINGS[encoding], limit)
        except TooLargeError as error:
            raise _Refused(413, str(error)) from None
        except OtlpError as error:
            raise _Refused(400, str(error)) from None

    def _fail(self, code: int, kind: str, message: str) -> None:
        # What is left of the body would be read as the next request.
        self.close_connection = True
        self.complain(message)
        kind = kind if kind in {_PROTOBUF, _JSON} else _JSON
        try:
            self.answer(code, _encoded(Status(message=message), kind), content_type=kind)
            self.discard()
        except OSError:
            return  # the client has gone


def _encoded(message: Any, kind: str) -> bytes:
    return MessageToJson(message, indent=0).encode() if kind == _JSON else message.SerializeToString()
