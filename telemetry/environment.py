"""Settings from OpenTelemetry's own environment variables.

They are read once, where a swarm is started, and travel with its configuration: the actors' processes may
be on other machines, started long before, and Ray's own processes would read the same variables.

What is honoured: ``OTEL_SDK_DISABLED``; ``OTEL_EXPORTER_OTLP_`` with or without ``TRACES_``, ``METRICS_`` or
``LOGS_`` before ``ENDPOINT``, ``PROTOCOL``, ``HEADERS``, ``TIMEOUT``, ``COMPRESSION``, ``CERTIFICATE``,
``CLIENT_CERTIFICATE`` and ``CLIENT_KEY``; ``OTEL_TRACES_EXPORTER`` and its like (``otlp``, ``none``, for metrics
``prometheus``); ``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``; ``OTEL_TRACES_SAMPLER`` and its ``_ARG``;
``OTEL_METRIC_EXPORT_INTERVAL``, ``OTEL_BSP_MAX_QUEUE_SIZE``, and the preference of temporality.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from telemetry.config import (
    GRPC,
    HTTP,
    LOGS,
    METRICS,
    SAMPLERS,
    SIGNALS,
    TEMPORALITIES,
    TRACES,
    Headers,
    Target,
    TelemetryConfig,
)
from telemetry.semconv import (
    ATTR_DEPLOYMENT_ENVIRONMENT_NAME,
    ATTR_SERVICE_INSTANCE_ID,
    ATTR_SERVICE_NAME,
    ATTR_SERVICE_NAMESPACE,
)

OTLP = "OTEL_EXPORTER_OTLP_"
MILLISECONDS_FROM = 100.0
"""A timeout below this is in seconds: the specification says milliseconds, OpenTelemetry's Python SDK reads seconds."""

_RESOURCE_FIELDS = {
    ATTR_SERVICE_NAME: "service_name",
    ATTR_SERVICE_NAMESPACE: "service_namespace",
    ATTR_DEPLOYMENT_ENVIRONMENT_NAME: "environment",
    "deployment.environment": "environment",
}
_EXPORTERS = {TRACES: ("otlp",), METRICS: ("otlp", "prometheus"), LOGS: ("otlp",)}


class VariableError(ValueError):
    """An environment variable that cannot be.

    Attributes:
        name: of the variable.
        found: what it holds, or which part of it where the whole is secret.
        needed: what it must be.
    """

    def __init__(self, name: str, found: str, needed: str) -> None:
        super().__init__(f"{name} is {found!r}; it must be {needed}.")
        self.name, self.found, self.needed = name, found, needed

    def __reduce__(self) -> tuple[type[VariableError], tuple[str, str, str]]:
        return type(self), (self.name, self.found, self.needed)


def configured(
    environment: Mapping[str, str], *, endpoint: str | None = None, prometheus: bool | None = None, **settings: Any
) -> TelemetryConfig:
    """The settings that the variables ask for; what is given here wins over them.

    Without an endpoint, here or in the variables, nothing is sent: there is no default one.

    Args:
        environment: names and values, e.g. ``os.environ``.
        endpoint: base URL of an OTLP receiver, for all signals, in place of those in the variables.
        prometheus: see `TelemetryConfig`; None for what ``OTEL_METRICS_EXPORTER`` says.
        settings: further fields of `TelemetryConfig`.

    Raises:
        VariableError: for a variable that cannot be.
        ValueError: for another value that cannot be, with its name.
        MissingGrpcError: for gRPC without the extra.
    """
    if _flag(environment, "OTEL_SDK_DISABLED"):
        return TelemetryConfig()
    wanted = {signal: _exporters(environment, signal) for signal in SIGNALS}
    found: dict[str, Any] = {**_identity(environment), **_amounts(environment)}
    found["withheld"] = tuple(signal for signal in SIGNALS if "otlp" not in wanted[signal])
    found["prometheus"] = "prometheus" in wanted[METRICS] if prometheus is None else prometheus
    common = _way(environment, "")
    base = endpoint or environment.get(f"{OTLP}ENDPOINT")
    if base:
        ours = ("protocol", "headers", "timeout_s", "compression")
        found |= {"endpoint": _with_scheme(base, common["protocol"]), **{name: common[name] for name in ours}}
    for signal in SIGNALS:
        way = _way(environment, signal)
        own = "" if endpoint else environment.get(f"{OTLP}{signal.upper()}_ENDPOINT", "")
        if not (own or base):
            continue
        url = own or (base if way["protocol"] == GRPC else f"{str(base).rstrip('/')}/v1/{signal}")
        found[signal] = Target(url=_with_scheme(str(url), way["protocol"]), **way)
    return TelemetryConfig(**{**found, **settings})


def _way(environment: Mapping[str, str], signal: str) -> dict[str, Any]:
    """How a signal is sent: its own variable, else the common one, else the default."""

    def value(name: str) -> tuple[str, str]:
        own = f"{OTLP}{signal.upper()}_{name}"
        found = own if signal and environment.get(own) else f"{OTLP}{name}"
        return found, environment.get(found, "")

    name, protocol = value("PROTOCOL")
    if protocol not in ("", HTTP, GRPC):
        raise VariableError(name, protocol, f"{HTTP} or {GRPC}")
    name, compression = value("COMPRESSION")
    if compression not in ("", "none", "gzip"):
        raise VariableError(name, compression, "none or gzip")
    return {
        "protocol": protocol or HTTP,
        "headers": _headers(*value("HEADERS")),
        "timeout_s": _seconds(*value("TIMEOUT")),
        "compression": compression or "none",
        "certificate": value("CERTIFICATE")[1] or None,
        "client_certificate": value("CLIENT_CERTIFICATE")[1] or None,
        "client_key": value("CLIENT_KEY")[1] or None,
    }


def _headers(name: str, text: str) -> Headers:
    """``key=value,key=value``, percent-encoded. A fault is told without the text, which is secret."""
    found: list[tuple[str, str]] = []
    for number, pair in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise VariableError(name, f"part {number} of it", "a key=value pair")
        found.append((unquote(key).strip().lower(), unquote(value).strip()))
    return tuple(found)


def _seconds(name: str, text: str) -> float:
    if not text:
        return TelemetryConfig.__dataclass_fields__["timeout_s"].default
    number = _number(name, text)
    if not number > 0:
        raise VariableError(name, text, "above 0")
    return number / 1e3 if number >= MILLISECONDS_FROM else number


def _identity(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    further: list[tuple[str, str]] = []
    for pair in filter(None, (part.strip() for part in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))):
        key, separator, value = (unquote(part).strip() for part in pair.partition("="))
        if not separator or not key:
            raise VariableError("OTEL_RESOURCE_ATTRIBUTES", pair[:40], "key=value pairs")
        if key in _RESOURCE_FIELDS:
            found[_RESOURCE_FIELDS[key]] = value
        elif key != ATTR_SERVICE_INSTANCE_ID:  # each actor has its own
            further.append((key, value))
    if environment.get("OTEL_SERVICE_NAME"):
        found["service_name"] = environment["OTEL_SERVICE_NAME"]
    return {**found, "resource": tuple(further)}


def _amounts(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if sampler := environment.get("OTEL_TRACES_SAMPLER"):
        if sampler not in SAMPLERS:
            raise VariableError("OTEL_TRACES_SAMPLER", sampler, f"one of {', '.join(SAMPLERS)}")
        found["sampler"] = sampler
    if ratio := environment.get("OTEL_TRACES_SAMPLER_ARG"):
        found["sample_ratio"] = _number("OTEL_TRACES_SAMPLER_ARG", ratio)
        if not 0 <= found["sample_ratio"] <= 1:
            raise VariableError("OTEL_TRACES_SAMPLER_ARG", ratio, "between 0 and 1")
    if interval := environment.get("OTEL_METRIC_EXPORT_INTERVAL"):
        found["metric_interval_s"] = _number("OTEL_METRIC_EXPORT_INTERVAL", interval) / 1e3
    if queue := environment.get("OTEL_BSP_MAX_QUEUE_SIZE"):
        found["queue_size"] = int(_number("OTEL_BSP_MAX_QUEUE_SIZE", queue))
    if temporality := environment.get(f"{OTLP}METRICS_TEMPORALITY_PREFERENCE"):
        found["temporality"] = temporality.lower()
        if found["temporality"] not in TEMPORALITIES:
            raise VariableError(
                f"{OTLP}METRICS_TEMPORALITY_PREFERENCE", temporality, f"one of {', '.join(TEMPORALITIES)}"
            )
    return found


def _exporters(environment: Mapping[str, str], signal: str) -> tuple[str, ...]:
    name = f"OTEL_{signal.upper()}_EXPORTER"
    asked = tuple(part.strip() for part in environment.get(name, "otlp").split(",") if part.strip()) or ("otlp",)
    for exporter in asked:
        if exporter not in (*_EXPORTERS[signal], "none"):
            raise VariableError(name, exporter, f"one of {', '.join(_EXPORTERS[signal])} and none")
    return asked


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise VariableError(name, text, "a number") from None


def _flag(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").strip().lower() == "true"


def _with_scheme(url: str, protocol: str) -> str:
    """gRPC's receivers are often named without a scheme; then they are spoken to without TLS, as other SDKs do."""
    return f"http://{url}" if protocol == GRPC and "://" not in url else url
