"""A live check from its start to its exit code."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from telemetry.checker.admin import Contract, Control, admin_server
from telemetry.checker.intake import Intake
from telemetry.checker.live_check import LiveCheck
from telemetry.checker.modifiers import Modifier
from telemetry.checker.registry import Registry
from telemetry.checker.report import Format, Report, Spool, Stream
from telemetry.checker.samples import Sample
from telemetry.checker.server import Server
from telemetry.checker.settings import Settings
from telemetry.checker.sources import SourceError, json_samples, otlp_samples, text_samples

POLL_S = 0.25
PARTING_S = 5.0
"""Seconds that a client of the admin port gets to read its answer."""

PASSED, FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Where a session reads from and writes to.

    Attributes:
        note: says something about the run to whoever watches; not part of the report.
        colour: escape codes in reports for people.
    """

    stdin: BinaryIO
    stdout: TextIO
    note: Callable[[str], None]
    colour: bool = False


class Session:
    """One live check.

    Args:
        settings: what was asked for.
        registry: what samples are held against.
        streams: where to read and write.
    """

    def __init__(self, settings: Settings, registry: Registry, streams: Streams) -> None:
        rules = settings.finding_filters or settings.finding_level_overrides
        modifier = Modifier(settings.finding_filters, settings.finding_level_overrides) if rules else None
        self.check = LiveCheck(registry, modifier=modifier, extensions=settings.extensions)
        self.control = Control(contract=settings.contract, with_report=settings.output == "http", form=settings.form)
        self.ports: dict[str, int] = {}
        self.listening = threading.Event()
        self._admin: Server | None = None
        self._settings = settings
        self._streams = streams
        self._spool = Spool(settings.form, limit=settings.report_limit) if settings.one_document else None

    def run(self) -> int:
        """Check until the input ends or the check is stopped; the exit code.

        0 when nothing failed, 1 when findings reach the threshold, when the input could not be read, and when there
        was no sample at all: Weaver passes then, and a check that saw nothing has checked nothing.

        Raises:
            PortError: when a port is taken.
            OSError: when the report cannot be written.
        """
        settings, note = self._settings, self._streams.note
        if settings.no_stats and settings.threshold is not None:
            note(
                f"--no-stats turns statistics off, so --fail-on={settings.fail_on} cannot be enforced; "
                "findings will not change the exit code"
            )
        report = self._spool or self._stream()
        try:
            if settings.from_otlp:
                self._receive(report)
            else:
                self._read(report)
            report.end(self._statistics())
            self._hand_over()
        except SourceError as error:
            note(f"{settings.input_source}: {error}")
            return FAILED
        except BaseException as error:
            self.control.fail(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._end()
        return self._judged()

    def _read(self, report: Report) -> None:
        """Check what is in a file or in standard input."""
        settings = self._settings
        if settings.input_source in {"stdin", "s"}:
            self._feed(report, self._samples(self._streams.stdin, is_file=False))
            return
        try:
            file = Path(settings.input_source).open("rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise SourceError(f"cannot be opened: {error.strerror}") from None
        with file:
            self._feed(report, self._samples(file, is_file=True))

    def _feed(self, report: Report, samples: Iterator[Sample]) -> None:
        for sample in samples:
            report.sample(self.check.check(sample))

    def _samples(self, stream: BinaryIO, *, is_file: bool) -> Iterator[Sample]:
        match self._settings.input_format:
            case "json" | "js":
                return json_samples(stream)
            case "otlp":
                return otlp_samples(stream)
            case _:
                return text_samples(stream, ends_at_blank=not is_file)

    def _receive(self, report: Report) -> None:
        """Check what comes over the network, until somebody or something stops it."""
        from telemetry.checker.http_receiver import http_receiver
        from telemetry.checker.receiver import GrpcReceiver  # gRPC takes long to load

        settings, note, control = self._settings, self._streams.note, self.control
        intake = Intake(self.check, report, limit=settings.request_limit)
        address = settings.otlp_grpc_address
        with _signals(control.stop), contextlib.ExitStack() as closing:
            # The admin port last: whoever sees it healthy may send.
            grpc = GrpcReceiver(intake, address, settings.otlp_grpc_port, note)
            closing.callback(grpc.stop)
            self.ports["grpc"] = grpc.port
            if settings.http_port is not None:
                http = http_receiver(intake, address, settings.http_port, note)
                closing.callback(http.stop)
                self.ports["http"] = http.port
            self._admin = admin_server(control, address, settings.admin_port)
            self.ports["admin"] = self._admin.port
            note(
                f"listening on {address}: "
                + ", ".join(f"{what} {port}" for what, port in self.ports.items())
                + f"; POST /stop to the admin port, Ctrl-C or SIGHUP ends it{self._patience()}"
            )
            self.listening.set()
            self._wait(intake)
        intake.close()
        if intake.refused:
            note(f"{intake.refused} requests were refused, {intake.requests} were checked")
        if intake.failure is not None:
            raise intake.failure

    def _wait(self, intake: Intake) -> None:
        limit = self._idle_limit()
        while not self.control.stopped.wait(POLL_S) and not intake.failed.is_set():
            if limit and intake.idle_s >= limit:
                self._streams.note(f"no request for {limit} s")
                self.control.stop()

    def _idle_limit(self) -> int:
        settings = self._settings
        ignored = settings.contract is Contract.STATE and settings.output == "http"
        return 0 if ignored else settings.inactivity_timeout

    def _patience(self) -> str:
        limit = self._idle_limit()
        return f", and so do {limit} s without a request" if limit else ""

    def _stream(self) -> Stream:
        form = Format.MUTE if self._settings.output == "none" else self._settings.form
        return Stream(self._streams.stdout, form, colour=self._streams.colour)

    def _statistics(self) -> dict[str, Any] | None:
        if self._settings.no_stats:
            return None
        node = self.check.statistics.as_node()
        extensions = self.check.extension_node()
        return node if extensions is None else {**node, "extensions": extensions}

    def _hand_over(self) -> None:
        """Give the finished report to whoever is to have it."""
        spool, settings, note = self._spool, self._settings, self._streams.note
        if spool is None:
            return
        if spool.left_out:
            note(
                f"the report is full at {settings.report_limit} bytes: {spool.left_out} samples are counted in its "
                "statistics and left out of its list"
            )
        if settings.folder is not None:
            path = spool.save(settings.folder)
            if path is not None:
                note(f"wrote {path}")
        elif settings.output == "http" and self.control.asked:
            self.control.deliver(spool)
            self.control.linger(None if settings.contract is Contract.STATE else 2 * PARTING_S + 60)
        elif settings.output != "none":
            self._streams.stdout.flush()
            spool.copy_to(getattr(self._streams.stdout, "buffer", None) or _Encoded(self._streams.stdout))
            self._streams.stdout.flush()

    def _judged(self) -> int:
        settings, note = self._settings, self._streams.note
        if not self.check.roots:
            note("there was no sample, so nothing was checked; that is no pass")
            return FAILED
        highest, threshold = self.check.highest, settings.threshold
        failed = not settings.no_stats and highest and threshold and highest.rank >= threshold.rank
        return FAILED if failed else PASSED

    def _end(self) -> None:
        if self._admin is not None:
            if self.control.asked:
                self.control.linger(PARTING_S)
            self._admin.stop()
        if self._spool is not None:
            with self.control.exclusively():
                self._spool.close()


class _Encoded:
    """Bytes of UTF-8 written to a text stream that has no bytes of its own, such as one in memory."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        """Write the bytes; reports hold nothing but whole characters of ASCII, or lines of YAML."""
        self._out.write(data.decode("utf-8", "replace"))
        return len(data)


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGHUP stop the check; in the main thread only, because signals arrive there."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = [found for name in ("SIGINT", "SIGHUP") if (found := getattr(signal, name, None)) is not None]
    before = {number: signal.signal(number, lambda *_: stop()) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
