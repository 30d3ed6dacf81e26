"""The admin port: is it ready, stop, the report. Both of Weaver's contracts.

Up to 0.26, ``POST /stop`` is answered with an empty body, or with the report under ``--output http``, and the
process ends. Later it is answered with ``{"state": "stopped", "report": true}``; the report is at ``GET /report``
and ``POST /shutdown`` ends the process. ``/report`` and ``/shutdown`` are there under both.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from enum import StrEnum

from telemetry.checker.report import Format, Spool
from telemetry.checker.server import Handler, Server

REPORT_WAIT_S = 60.0


class Contract(StrEnum):
    """What ``POST /stop`` means."""

    BODY = "0.26"
    STATE = "next"


class Control:
    """What the admin port and the command tell each other.

    Args:
        contract: what ``POST /stop`` means.
        with_report: the report is asked for over HTTP.
        form: of the report.
    """

    def __init__(self, *, contract: Contract = Contract.BODY, with_report: bool = False, form: Format = Format.JSON):
        self.contract = contract
        self.with_report = with_report
        self.form = form
        self.stopped = threading.Event()
        self.asked = False
        self._ready = threading.Event()
        self._spool: Spool | None = None
        self._failure: str | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()

    def stop(self, *, asked: bool = False) -> None:
        """End the live check; ``asked`` when it was a client of the admin port."""
        self.asked = self.asked or asked
        self.stopped.set()

    def deliver(self, spool: Spool) -> None:
        """Hand the finished report over."""
        self._spool = spool
        self._ready.set()

    def fail(self, message: str) -> None:
        """Say that there will be no report."""
        self._failure = message
        self._ready.set()

    def report(self, wait_s: float = 0.0) -> Spool | None:
        """The report, when it is there in time.

        Raises:
            RuntimeError: when there will be none.
        """
        self._ready.wait(wait_s)
        if self._failure is not None:
            raise RuntimeError(self._failure)
        return self._spool

    def over(self) -> None:
        """The client has what it wanted; the process may end."""
        self._over.set()

    def linger(self, wait_s: float | None) -> None:
        """Wait until the client has what it wanted."""
        self._over.wait(wait_s)

    def exclusively(self) -> threading.Lock:
        """Held while the report is read: there is one file position."""
        return self._lock


def admin_server(control: Control, address: str, port: int) -> Server:
    """The running admin server; port 0 is any free one.

    Raises:
        PortError: when the port is taken. Weaver then ends with success and no samples; we do not.
    """

    class Bound(_Administering):
        pass

    Bound.control = control
    return Server("admin", address, port, Bound)


class _Administering(Handler):
    control: Control

    def do_GET(self) -> None:  # noqa: N802 - named by http.server
        """Health, or the report."""
        match self.path:
            case "/health":
                self._say(200, {"status": "ready"})
            case "/report" if self.control.stopped.is_set() and self.control.with_report:
                self._report(0.0, missing=409)
            case "/report":
                self._say(409, {"error": "there is no report: POST /stop comes first, and --output http asks for one"})
            case "/stop" | "/shutdown":
                self._say(405, {"error": "use POST"})
            case _:
                self._say(404, {"error": "there are /health, /report, /stop and /shutdown"})

    def do_POST(self) -> None:  # noqa: N802 - named by http.server
        """Stop, or shut down."""
        control = self.control
        self.close_connection = True
        match self.path:
            case "/stop":
                control.stop(asked=True)
                if control.contract is Contract.STATE:
                    self._stopped()
                elif control.with_report:
                    self._finally(lambda: self._report(REPORT_WAIT_S, missing=504))
                else:
                    self._finally(lambda: self.answer(200))
            case "/shutdown":
                control.stop(asked=True)
                self._finally(lambda: self._say(200, {"state": "shutting_down"}))
            case "/health" | "/report":
                self._say(405, {"error": "use GET"})
            case _:
                self._say(404, {"error": "there are /health, /report, /stop and /shutdown"})

    def _finally(self, answer: Callable[[], None]) -> None:
        """Answer, and let the process end, also when the client has gone meanwhile."""
        try:
            answer()
        finally:
            self.control.over()

    def _stopped(self) -> None:
        control = self.control
        try:
            if control.with_report and control.report(REPORT_WAIT_S) is None:
                self._say(504, {"error": f"the report took longer than {REPORT_WAIT_S:.0f} s"})
                return
        except RuntimeError as error:
            message = str(error)
            self._finally(lambda: self._say(500, {"error": message}))
            return
        self._say(200, {"state": "stopped", "report": control.with_report})
        if not control.with_report:
            control.over()

    def _report(self, wait_s: float, *, missing: int) -> None:
        try:
            spool = self.control.report(wait_s)
        except RuntimeError as error:
            self._say(500, {"error": str(error)})
            return
        if spool is None:
            self._say(missing, {"error": "the report is not ready"})
            return
        with self.control.exclusively():
            self.send_response(200)
            self.send_header("Content-Type", self.control.form.content_type)
            self.send_header("Content-Length", str(spool.size))
            self.end_headers()
            spool.copy_to(self.wfile)

    def _say(self, code: int, body: object) -> None:
        self.answer(code, json.dumps(body, separators=(",", ":")).encode())
