"""What an installation says by OpenTelemetry, where its host has any; else nothing is said and nothing loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation.errors import SwarmError
from gateway.client.errors import UntrustedError

if TYPE_CHECKING:
    from telemetry import Telemetry


@dataclass(slots=True)
class Told:
    """What came of an exchange, filled in while it goes on.

    Attributes:
        code: that the server answered with.
        version: of the release that it gave.
    """

    code: str = ""
    version: str | None = None


class ClientTelling:
    """Tells of exchanges with the server: no id of the client, no token and nothing of what is exchanged.

    Args:
        telemetry: of the process that the client lives in; None for silence.
    """

    def __init__(self, telemetry: Telemetry | None) -> None:
        self._telemetry = telemetry

    @contextmanager
    def push(self) -> Iterator[Told]:
        """The span of a submission on its way."""
        told = Told()
        if self._telemetry is None:
            yield told
            return
        from telemetry import SpanKind, semconv

        known = {semconv.ATTR_SUBMISSIONS_COUNT: 1}
        with self._telemetry.span(semconv.SPAN_CLIENT_PUSH, known, kind=SpanKind.CLIENT) as span:
            try:
                yield told
            except SwarmError as error:
                told.code = str(error.fields.get("reason", error.code))
                raise
            finally:
                span.set(semconv.ATTR_ANSWER_CODE, told.code)

    @contextmanager
    def pull(self) -> Iterator[Told]:
        """The span of a look for a release, until it is verified; and the event of one that does not verify."""
        told = Told()
        if self._telemetry is None:
            yield told
            return
        from telemetry import Severity, SpanKind, semconv

        with self._telemetry.span(semconv.SPAN_CLIENT_PULL, kind=SpanKind.CLIENT) as span:
            outcome = semconv.Outcome.FAILURE
            try:
                yield told
                outcome = semconv.Outcome.SUCCESS
            except UntrustedError as error:
                outcome = semconv.Outcome.REFUSED
                about = {semconv.ATTR_ERROR_TYPE: error.code, semconv.ATTR_DETAIL: str(error)}
                version = error.fields.get("version")
                if isinstance(version, str):
                    told.version = about[semconv.ATTR_RELEASE_SEMANTIC_VERSION] = version
                self._telemetry.event(semconv.EVENT_RELEASE_REFUSED, about, severity=Severity.ERROR)
                raise
            finally:
                span.set(semconv.ATTR_OUTCOME, outcome)
                if told.version is not None:
                    span.set(semconv.ATTR_RELEASE_SEMANTIC_VERSION, told.version)
