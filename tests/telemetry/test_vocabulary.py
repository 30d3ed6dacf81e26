"""The registry's enums know every word that the federation says."""

from __future__ import annotations

from typing import get_args

from federation.convergence.divergence import Measure
from federation.convergence.tracker import Status
from federation.verdict import Decision
from telemetry import semconv


def test_verdicts() -> None:
    assert {decision.word for decision in Decision} <= set(semconv.Verdict)


def test_convergence() -> None:
    assert set(get_args(Status)) == set(semconv.ConvergenceStatus)
    assert set(get_args(Measure)) == set(semconv.ConvergenceMeasure)
