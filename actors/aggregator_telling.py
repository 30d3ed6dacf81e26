"""What the aggregator tells of batches and of rounds: metrics and events."""

from __future__ import annotations

import numpy as np

from actors.config import SwarmConfig
from actors.messages import Aggregation, Receipt
from federation.gate import GateReport
from federation.terms import Terms
from federation.update import UpdateBatch
from federation.verdict import Decision
from telemetry import Telemetry, semconv


class AggregatorTelling:
    """Tells of what the aggregator did.

    Args:
        config: of the swarm.
        telemetry: of the aggregator's process.
    """

    def __init__(self, config: SwarmConfig, telemetry: Telemetry) -> None:
        self._telemetry, self._screen = telemetry, config.used_screen.name
        self._labels = {semconv.ATTR_WORKLOAD: config.workload.kind}

    def judged(self, found: object, report: GateReport, receipt: Receipt, number: int, traceparent: str) -> None:
        """Metrics and events of one batch."""
        telemetry, labels, parent = self._telemetry, self._labels, traceparent or None
        if isinstance(found, UpdateBatch) and isinstance(found.payload, np.ndarray):
            telemetry.count(semconv.METRIC_TRANSMITTED, found.payload.nbytes, labels)
        for agent in telemetry.few(tuple(report.refused)):
            telemetry.event(
                semconv.EVENT_UPDATE_REFUSED,
                {
                    **labels,
                    semconv.ATTR_ROUND: number,
                    semconv.ATTR_AGENT_ID: agent,
                    semconv.ATTR_REFUSAL_CODE: report.refused[agent].value,
                },
                parent=parent,
            )
        for code, count in receipt.counts.items():
            self._telemetry.count(
                semconv.METRIC_UPDATES,
                count,
                {**self._labels, semconv.ATTR_VERDICT: semconv.Verdict.REJECTED, semconv.ATTR_REFUSAL_CODE: code},
            )
        for proof in report.proofs:
            self._telemetry.count(semconv.METRIC_EQUIVOCATIONS, 1, self._labels)
            self._telemetry.event(
                semconv.EVENT_EQUIVOCATION_PROVED,
                {
                    **labels,
                    semconv.ATTR_AGENT_ID: proof.agent,
                    semconv.ATTR_ROUND: number,
                    semconv.ATTR_FIRST_DIGEST: proof.digests[0].hex(),
                    semconv.ATTR_SECOND_DIGEST: proof.digests[1].hex(),
                },
                parent=parent,
            )

    def aggregated(self, terms: Terms, result: Aggregation, traceparent: str) -> None:
        """Verdicts and detection of one round."""
        telemetry = self._telemetry
        if not telemetry.enabled:
            return
        for decision in Decision:
            count = int((result.decisions == decision).sum())
            if count:
                telemetry.count(semconv.METRIC_UPDATES, count, {**self._labels, semconv.ATTR_VERDICT: decision.word})
        telemetry.count(semconv.METRIC_GRADIENT_TRANSMISSION_COUNT, len(result.agents), self._labels)
        if result.flagged:
            method = {semconv.ATTR_DETECTION_METHOD: self._screen}
            telemetry.count(semconv.METRIC_BYZANTINE_DETECTION_COUNT, len(result.flagged), {**self._labels, **method})
            telemetry.event(
                semconv.EVENT_BYZANTINE_DETECTED,
                {
                    semconv.ATTR_ROUND: terms.round,
                    semconv.ATTR_BYZANTINE_AGENT_IDS: list(telemetry.few(result.flagged)),
                    semconv.ATTR_BYZANTINE_COUNT: len(result.flagged),
                    semconv.ATTR_GRADIENT_BYZANTINE: semconv.GradientByzantine.DETECTED_AND_REJECTED.value,
                    **self._labels,
                    **method,
                },
                parent=traceparent or None,
            )


def payload_bytes(found: object) -> int:
    """Bytes of the payloads in a batch, or in several; anything else has none."""
    if isinstance(found, list | tuple):
        return sum(map(payload_bytes, found))
    return found.payload.nbytes if isinstance(found, UpdateBatch) and isinstance(found.payload, np.ndarray) else 0
