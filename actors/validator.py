"""The convergence validator: measures how far a candidate is from the release before it, and judges the trend.

It keeps nothing between rounds: the history of the run comes with each question, so a restarted
validator answers as the old one would. Its loop sees stall, oscillation, divergence and convergence,
and plans more local epochs, a smaller learning rate, a rollback, or "converged"; the coordinator acts.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.config import SwarmConfig, validator_name
from actors.mape import Action, Knowledge, Loop, Symptom
from actors.messages import Measurement
from federation.convergence import ConvergenceCriterion, ConvergenceTracker, gaussian_kl
from telemetry import Telemetry, semconv


def analyze(knowledge: Knowledge[ConvergenceTracker], tracker: ConvergenceTracker) -> list[Symptom]:
    """Symptoms from the divergences so far, this round's included."""
    del knowledge
    status, last = tracker.status, tracker.recent[-1]
    detail = f"KL {last:.3g} after {tracker.rounds} rounds"
    if status == "diverging":
        return [Symptom(name="divergence", severity=1.0, detail=detail)]
    if tracker.oscillating:
        return [Symptom(name="oscillation", severity=0.6, detail=detail)]
    if status == "stalled":
        return [Symptom(name="stall", severity=0.5, detail=detail)]
    if status == "training" and (tracker.remaining_rounds or 0) > SLOW:
        return [Symptom(name="slow", severity=0.3, detail=f"{detail}, about {tracker.remaining_rounds} to go")]
    if status == "converged":
        return [Symptom(name="convergence", severity=0.1, detail=detail)]
    return []


def plan(knowledge: Knowledge[ConvergenceTracker], symptoms: Sequence[Symptom]) -> list[Action]:
    """What to do about them. After a change the window has to fill again before the next one."""
    answers = {
        "divergence": Action(name="rollback", symptom="divergence", parameters={"learning_rate_scale": 0.5}),
        "oscillation": Action(
            name="decay_learning_rate", symptom="oscillation", parameters={"learning_rate_scale": 0.5}
        ),
        # A divergence that no longer falls is the noise of steps that are too long, not too few of them.
        "stall": Action(name="decay_learning_rate", symptom="stall", parameters={"learning_rate_scale": 0.7}),
        "slow": Action(name="more_epochs", symptom="slow", parameters={"epochs_scale": 1.5}),
        "convergence": Action(name="converged", symptom="convergence"),
    }
    rested = knowledge.facts.get("rested", math.inf) >= REST
    return [answers[symptom.name] for symptom in symptoms if symptom.name == "convergence" or rested]


SLOW = 200
"""Rounds to go above which learning is called slow."""

REST = 10
"""Rounds that a change of tuning is given to take effect."""


class ConvergenceValidator:
    """The actor. See the module.

    Args:
        number: which probe set it uses.
        config: of the swarm.
        telemetry: of this process; made from the config when not given.
    """

    def __init__(self, number: int, config: SwarmConfig, telemetry: Telemetry | None = None) -> None:
        self.name = validator_name(number)
        self._number = number
        self._workload = config.workload
        self._criterion = ConvergenceCriterion(
            threshold=config.threshold, min_rounds=config.min_rounds, patience=config.patience
        )
        self._telemetry = telemetry or Telemetry.start(
            config.telemetry, actor_kind=semconv.ActorKind.VALIDATOR, instance=self.name
        )
        self._loop: Loop[ConvergenceTracker] = Loop(
            kind=semconv.ActorKind.VALIDATOR, analyze=analyze, plan=plan, telemetry=self._telemetry
        )

    async def measure(
        self,
        old: NDArray[np.float32],
        new: NDArray[np.float32],
        variance: NDArray[np.float64],
        round_number: int,
        history: Mapping[str, Any],
        traceparent: str = "",
    ) -> Measurement:
        """The measurement of candidate ``new`` against ``old``, given the history of the run."""
        labels = {semconv.ATTR_WORKLOAD: self._workload.kind}
        with self._telemetry.phase(
            semconv.Phase.VALIDATE,
            attributes={semconv.ATTR_ROUND: round_number, **labels},
            parent=traceparent or None,
            measures=labels,
        ) as span:
            (kl, parameter_kl, kl_s), (evaluation, evaluation_s) = await asyncio.to_thread(
                lambda: (self._divergences(old, new, variance), self._evaluated(new))
            )
            tracker = ConvergenceTracker.from_dict(history, criterion=self._criterion).observe(kl)
            asked: list[tuple[str, dict[str, Any]]] = []

            def execute(action: Action) -> str:
                asked.append((action.name, dict(action.parameters)))
                return "asked the coordinator"

            self._loop.knowledge.facts["rested"] = history.get("rested", math.inf)
            await self._loop.turn(tracker, execute)
            span.set(semconv.ATTR_CONVERGENCE_KL_DIVERGENCE, kl)
            span.set(semconv.ATTR_CONVERGENCE_STATUS, tracker.status)
            span.set(semconv.ATTR_THRESHOLD, self._criterion.threshold)
        return Measurement(
            validator=self.name,
            kl=kl,
            parameter_kl=parameter_kl,
            status=tracker.status,
            remaining=tracker.remaining_rounds,
            evaluation=evaluation,
            kl_s=kl_s,
            evaluation_s=evaluation_s,
            actions=tuple(asked),
        )

    async def status(self) -> dict[str, Any]:
        """What its loop has done, as plain data."""
        return {
            "name": self.name,
            "process": os.getpid(),
            "mape": self._loop.knowledge.summary(),
            "telemetry_dropped": dict(self._telemetry.dropped),
        }

    async def metrics(self) -> bytes:
        """This process's metrics as they are now, for `telemetry.prometheus`."""
        return await asyncio.to_thread(self._telemetry.metrics)

    async def drain(self) -> bool:
        """Send what telemetry is still waiting."""
        return await asyncio.to_thread(self._telemetry.drain, 2.0)

    def _divergences(
        self, old: NDArray[np.float32], new: NDArray[np.float32], variance: NDArray[np.float64]
    ) -> tuple[float, float, float]:
        """Policy KL, parameter KL, and the seconds they took."""
        started = time.perf_counter()
        kl = self._workload.divergence(old, new, probe=self._number)
        # Both parameter vectors are known as well as the mean of the counted updates scatters.
        parameters = gaussian_kl(old, new, variance, variance) if len(variance) else math.nan
        return kl, parameters, time.perf_counter() - started

    def _evaluated(self, new: NDArray[np.float32]) -> tuple[dict[str, float], float]:
        started = time.perf_counter()
        return dict(self._workload.evaluate(new)), time.perf_counter() - started
