"""The OTLP/gRPC receiver: traces, metrics and logs, plain, gzip or deflate.

gRPC's own decompression is off: it makes the whole message before it compares it with the limit. Bodies are
decompressed here, up to the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures

import grpc

from telemetry.checker.intake import GZIP, ZLIB, ClosedError, Intake, TooLargeError, inflated
from telemetry.checker.otlp import OtlpError, OtlpSignal

THREADS = 4
WAITING = 100
"""Calls that may be under way at a time; more are told to come back. As many as Weaver's queue holds."""

_SERVICES = {
    OtlpSignal.TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    OtlpSignal.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
    OtlpSignal.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
}


class PortError(OSError):
    """An address that cannot be listened on."""


class GrpcReceiver:
    """Listens for OTLP/gRPC.

    Args:
        intake: where requests go.
        address: to listen on, e.g. 127.0.0.1.
        port: 0 for any free one.
        complain: told of each request that was refused.

    Raises:
        PortError: when the port is taken.
    """

    def __init__(self, intake: Intake, address: str, port: int, complain: Callable[[str], None]) -> None:
        self._intake = intake
        self._complain = complain
        self._server = grpc.server(
            futures.ThreadPoolExecutor(THREADS, thread_name_prefix="otlp-grpc"),
            maximum_concurrent_rpcs=WAITING,
            options=[
                ("grpc.max_receive_message_length", intake.limit),
                ("grpc.per_message_decompression", 0),
                ("grpc.so_reuseport", 0),  # else a second receiver takes half of the calls and nobody is told
            ],
        )
        for signal, service in _SERVICES.items():
            handler = grpc.unary_unary_rpc_method_handler(self._export(signal))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
        host = f"[{address}]" if ":" in address else address
        try:
            self.port = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise PortError(f"cannot listen on {host}:{port} for OTLP/gRPC: {error}") from None
        if self.port == 0:
            raise PortError(f"cannot listen on {host}:{port} for OTLP/gRPC")
        self._server.start()

    def stop(self) -> None:
        """Take no more calls; those under way get a second."""
        self._server.stop(1.0).wait()

    def _export(self, signal: OtlpSignal) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        answer = signal.response().SerializeToString()

        def export(data: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                self._intake.take_protobuf(signal, self._plain(data))
            except ClosedError as error:
                context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            except OtlpError as error:
                if isinstance(error, TooLargeError):
                    self._intake.refuse()
                self._complain(f"refused a request of {signal.value}: {error}")
                too_large = isinstance(error, TooLargeError)
                code = grpc.StatusCode.RESOURCE_EXHAUSTED if too_large else grpc.StatusCode.INVALID_ARGUMENT
                context.abort(code, str(error))
            return answer

        return export

    def _plain(self, data: bytes) -> bytes:
        """The message without compression. No export request begins as gzip or zlib do."""
        if data[:2] == b"\x1f\x8b":
            return inflated(data, GZIP, self._intake.limit)
        if data[:1] == b"\x78" and len(data) > 1 and int.from_bytes(data[:2], "big") % 31 == 0:
            return inflated(data, ZLIB, self._intake.limit)
        return data
