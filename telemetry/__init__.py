"""What the swarm says about itself: spans, metrics and events, with names from the registry."""

from telemetry import semconv
from telemetry.config import TelemetryConfig
from telemetry.setup import Severity, SpanKind, Telemetry
from telemetry.span import Span

__all__ = ["Severity", "Span", "SpanKind", "Telemetry", "TelemetryConfig", "semconv"]
