"""What a host tells of one round's learning: spans, metrics and events."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from actors.config import SwarmConfig
from federation.terms import Terms
from federation.workload import Learned
from telemetry import Telemetry, semconv


class HostTelling:
    """Tells of the learning of one host.

    Args:
        host: its name.
        agents: ids, in the order of the rows.
        config: of the swarm.
        telemetry: of the host's process.
    """

    def __init__(self, host: str, agents: Sequence[str], config: SwarmConfig, telemetry: Telemetry) -> None:
        self._host, self._agents, self._config, self._telemetry = host, tuple(agents), config, telemetry

    def learned(self, terms: Terms, learned: Learned, seconds: float, parent: str, begun: int, ended: int) -> None:
        """One round's learning took ``seconds``, between two times in nanoseconds since the epoch."""
        telemetry = self._telemetry
        if not telemetry.enabled:
            return
        labels = {semconv.ATTR_WORKLOAD: terms.kind}
        common = {**labels, semconv.ATTR_ROUND: terms.round}
        known = learned.losses[np.isfinite(learned.losses)]
        kind = {semconv.ATTR_ACTOR_KIND: semconv.ActorKind.HOST.value}
        telemetry.observe(semconv.METRIC_LOCAL_TRAINING_DURATION, seconds, {**labels, **kind})
        norms = np.sqrt(np.einsum("ij,ij->i", learned.rows, learned.rows))  # cheaper than linalg.norm
        broken = ~learned.idle & ~(np.isfinite(norms) & np.isfinite(learned.losses))
        for row in np.flatnonzero(broken)[: self._config.telemetry.agent_span_limit].tolist():
            told = {**common, semconv.ATTR_AGENT_ID: self._agents[row], semconv.ATTR_HOST_ID: self._host}
            telemetry.event(semconv.EVENT_TRAINING_NOT_FINITE, told)
        if len(known):
            telemetry.gauge(semconv.METRIC_LOCAL_LOSS, float(known.mean()), labels)
        if "heterogeneity" in learned.measures:
            telemetry.gauge(semconv.METRIC_HETEROGENEITY, learned.measures["heterogeneity"], labels)
        telemetry.event(
            semconv.EVENT_LOCAL_TRAINING_COMPLETED,
            {
                **common,
                semconv.ATTR_HOST_ID: self._host,
                semconv.ATTR_AGENTS_COUNT: len(learned.losses),
                semconv.ATTR_BATCH_SIZE: learned.batch_size,
                semconv.ATTR_NUM_EPOCHS: learned.epochs,
                semconv.ATTR_DURATION: seconds,
                semconv.ATTR_LOSS: float(known.mean()) if len(known) else float("nan"),
            },
        )
        sound = norms[~learned.idle & ~broken]
        telemetry.event(
            semconv.EVENT_GRADIENTS_COMPUTED,
            {
                **common,
                semconv.ATTR_HOST_ID: self._host,
                semconv.ATTR_GRADIENT_DIMENSION: learned.rows.shape[1],
                semconv.ATTR_GRADIENT_NORM: median(sound.tolist()) if len(sound) else float("nan"),
            },
        )
        if not telemetry.detailed(len(terms.roster)):
            return
        # All agents are trained in one batched step, so they share its start and its end.
        rows: list[int] = np.flatnonzero(~learned.idle).tolist()
        telemetry.record_spans(
            semconv.SPAN_AGENT_TRAINING,
            begun,
            ended,
            {**common, semconv.ATTR_BATCH_SIZE: learned.batch_size, semconv.ATTR_NUM_EPOCHS: learned.epochs},
            {
                semconv.ATTR_AGENT_ID: [self._agents[row] for row in rows],
                semconv.ATTR_LOSS: learned.losses[rows].tolist(),
                **self._marks(rows),
            },
            parent=parent,
        )

    def _marks(self, rows: Sequence[int]) -> dict[str, list[str]]:
        """In a simulation, whether each row's agent is a marked one."""
        adversary = self._config.adversary
        if adversary is None:
            return {}
        clean, poisoned = semconv.GradientByzantine.CLEAN.value, semconv.GradientByzantine.POISONED.value
        marks = [poisoned if self._agents[row] in adversary.agents else clean for row in rows]
        return {semconv.ATTR_GRADIENT_BYZANTINE: marks}
