"""Where telemetry goes and how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import urlsplit

SCOPE = "swarmlore"
"""Name of the instrumentation scope of all our telemetry."""

TRACES, METRICS, LOGS = "traces", "metrics", "logs"
SIGNALS = (TRACES, METRICS, LOGS)
"""OTLP's signals; our events are its logs."""

HTTP, GRPC = "http/protobuf", "grpc"
PROTOCOLS = (HTTP, GRPC)
COMPRESSIONS = ("none", "gzip")
TEMPORALITIES = ("cumulative", "delta", "lowmemory")
SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)

Headers = tuple[tuple[str, str], ...]


class MissingGrpcError(ImportError):
    """OTLP over gRPC without the extra that brings it."""

    code = "install.extra"

    def __init__(self) -> None:
        super().__init__(
            "OTLP over gRPC needs a package that is not installed. Install the extra, `pip install 'swarmlore[grpc]'`, "
            "or send over HTTP: OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, port 4318."
        )

    def __reduce__(self) -> tuple[type[MissingGrpcError], tuple[()]]:
        return type(self), ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one signal goes.

    Attributes:
        url: over HTTP the whole URL, over gRPC the receiver's; kept out of ``repr``, as it may hold a password.
        protocol: ``"http/protobuf"`` or ``"grpc"``.
        headers: sent with each export, e.g. for authorisation; kept out of ``repr``.
        timeout_s: seconds that one export may take.
        compression: ``"none"`` or ``"gzip"``.
        certificate: file of the certificates that are trusted; None for the system's.
        client_certificate, client_key: files that we show ourselves with; None for none.
    """

    url: str = field(repr=False)
    protocol: str = HTTP
    headers: Headers = field(default=(), repr=False)
    timeout_s: float = 1.0
    compression: str = "none"
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def __post_init__(self) -> None:
        _check_url("telemetry.target.url", self.url)
        _check_way("telemetry.target", self.protocol, self.compression)
        if not self.timeout_s > 0:
            raise ValueError(f"telemetry.target.timeout_s is {self.timeout_s}; it must be above 0.")

    @property
    def place(self) -> str:
        """The URL without user, password and query: for messages."""
        return shown(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """Settings of one swarm's telemetry; the same in all of its processes.

    `telemetry.environment.configured` makes one from OpenTelemetry's own environment variables.

    Attributes:
        endpoint: URL of an OTLP receiver, e.g. ``"http://collector:4318"``; None to send nothing.
        protocol: ``"http/protobuf"``, or ``"grpc"``, which needs the extra of that name and port 4317.
        headers: sent with each export, e.g. for authorisation; kept out of ``repr``.
        compression: ``"none"`` or ``"gzip"``.
        traces, metrics, logs: where one signal goes, in place of the endpoint.
        withheld: signals that are not sent, whatever the endpoint.
        prometheus: keep metrics at hand for a scrape of the gateway's ``/metrics``, with an endpoint or without.
        temporality: of exported sums: ``"cumulative"``, which Prometheus needs, ``"delta"`` or ``"lowmemory"``.
        service_name: ``service.name`` of every process.
        service_namespace: ``service.namespace``: which swarm it is.
        environment: ``deployment.environment.name``.
        resource: further resource attributes.
        sampler: one of OpenTelemetry's names; the share that the ratios mean is ``sample_ratio``.
        sample_ratio: share of traces that are recorded; the root of a trace decides.
        agent_span_limit: with more agents than this in a round, hosts make no span for each agent.
        metric_interval_s: seconds between two exports of metrics.
        timeout_s: seconds that one export may take, retries included.
        queue_size: spans, and events, that may wait for their export in one process.
    """

    endpoint: str | None = field(default=None, repr=False)
    protocol: str = HTTP
    headers: Headers = field(default=(), repr=False)
    compression: str = "none"
    traces: Target | None = None
    metrics: Target | None = None
    logs: Target | None = None
    withheld: tuple[str, ...] = ()
    prometheus: bool = False
    temporality: str = "cumulative"
    service_name: str = "swarmlore"
    service_namespace: str = "swarmlore"
    environment: str = "development"
    resource: tuple[tuple[str, str], ...] = ()
    sampler: str = "parentbased_traceidratio"
    sample_ratio: float = 1.0
    agent_span_limit: int = 200
    metric_interval_s: float = 5.0
    timeout_s: float = 1.0
    queue_size: int = 16_384

    def __post_init__(self) -> None:
        if self.endpoint is not None:
            _check_url("telemetry.endpoint", self.endpoint)
        _check_way("telemetry", self.protocol, self.compression)
        for name, allowed in (("temporality", TEMPORALITIES), ("sampler", SAMPLERS)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"telemetry.{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}."
                )
        unknown = sorted(set(self.withheld) - set(SIGNALS))
        if unknown:
            raise ValueError(f"telemetry.withheld names {unknown[0]!r}; the signals are {', '.join(SIGNALS)}.")
        if not 0.0 <= self.sample_ratio <= 1.0:
            raise ValueError(f"telemetry.sample_ratio is {self.sample_ratio}; it must be between 0 and 1.")
        if self.agent_span_limit < 0:
            raise ValueError(f"telemetry.agent_span_limit is {self.agent_span_limit}; it must be 0 or more.")
        for name in ("metric_interval_s", "timeout_s", "queue_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"telemetry.{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("service_name", "service_namespace", "environment"):
            if not getattr(self, name):
                raise ValueError(f"telemetry.{name} is empty; name the service, the swarm and the environment.")

    def target(self, signal: str) -> Target | None:
        """Where one of `SIGNALS` goes; None when it is not sent."""
        if signal in self.withheld:
            return None
        own: Target | None = getattr(self, signal)
        if own is not None or self.endpoint is None:
            return own
        return Target(
            url=self.endpoint if self.protocol == GRPC else f"{self.endpoint.rstrip('/')}/v1/{signal}",
            protocol=self.protocol,
            headers=self.headers,
            timeout_s=self.timeout_s,
            compression=self.compression,
        )

    @property
    def speaks(self) -> bool:
        """Whether anything is recorded at all."""
        return self.prometheus or any(self.target(signal) is not None for signal in SIGNALS)


def shown(url: str) -> str:
    """A URL without user, password and query."""
    if "://" not in url:
        return url.rpartition("@")[2]
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _check_url(name: str, url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError(
            f"{name} is {shown(url)!r}; it must be the base URL of an OTLP/HTTP receiver, such as "
            "http://127.0.0.1:4318, or of an OTLP/gRPC one, or None."
        )


def _check_way(name: str, protocol: str, compression: str) -> None:
    if protocol not in PROTOCOLS:
        raise ValueError(f"{name}.protocol is {protocol!r}; it must be one of {', '.join(PROTOCOLS)}.")
    if compression not in COMPRESSIONS:
        raise ValueError(f"{name}.compression is {compression!r}; it must be one of {', '.join(COMPRESSIONS)}.")
    if protocol == GRPC and find_spec("opentelemetry.exporter.otlp.proto.grpc") is None:
        raise MissingGrpcError
