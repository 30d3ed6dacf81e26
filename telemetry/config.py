"""Where telemetry goes and how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field

SCOPE = "swarmlore"
"""Name of the instrumentation scope of all our telemetry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """Settings of one swarm's telemetry; the same in all of its processes.

    Attributes:
        endpoint: base URL of an OTLP/HTTP receiver, e.g. ``"http://collector:4318"``; None for no telemetry.
        headers: sent with each export, e.g. for authorisation; kept out of ``repr``.
        service_name: ``service.name`` of every process.
        service_namespace: ``service.namespace``: which swarm it is.
        environment: ``deployment.environment.name``.
        sample_ratio: share of traces that are recorded; the root of a trace decides.
        agent_span_limit: with more agents than this in a round, hosts make no span for each agent.
        metric_interval_s: seconds between two exports of metrics.
        timeout_s: seconds that one export may take, retries included.
        queue_size: spans, and events, that may wait for their export in one process.
    """

    endpoint: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    service_name: str = "swarmlore"
    service_namespace: str = "swarmlore"
    environment: str = "development"
    sample_ratio: float = 1.0
    agent_span_limit: int = 200
    metric_interval_s: float = 5.0
    timeout_s: float = 1.0
    queue_size: int = 16_384

    def __post_init__(self) -> None:
        if self.endpoint is not None and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError(
                f"telemetry.endpoint is {self.endpoint!r}; it must be the base URL of an OTLP/HTTP receiver, "
                "such as http://127.0.0.1:4318, or None."
            )
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
