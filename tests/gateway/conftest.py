"""Runs commands in this process, in a folder of their own, without what the environment says about clusters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``command("round", "--count", "0")`` runs that and returns its result."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "SWARMLORE_ADDRESS", "SWARMLORE_STATE_DIR", "SWARMLORE_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    runner = CliRunner()

    def invoke(*arguments: Any) -> Result:
        return runner.invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    """A maker of records of rounds, with the fields that the gateway reads."""

    def make(number: int, *, rejected: tuple[str, ...] = (), clipped: tuple[str, ...] = (), **fields: Any) -> Any:
        verdicts = {
            **{agent: {"decision": "rejected"} for agent in rejected},
            **{agent: {"decision": "clipped"} for agent in clipped},
        }
        found: dict[str, Any] = {
            "round": number,
            "status": "training",
            "converged": False,
            "kl_divergence": 0.5 / number,
            "avg_local_loss": 0.25,
            "evaluation": {"accuracy": 0.5},
            "release": {"version": number},
            "verdicts": {
                "accepted": 4 - len(verdicts),
                "clipped": len(clipped),
                "rejected": len(rejected),
                "agents": verdicts,
            },
            **dict.fromkeys(
                (
                    "local_training_ms",
                    "gate_ms",
                    "screen_ms",
                    "aggregation_ms",
                    "convergence_ms",
                    "validation_ms",
                    "release_ms",
                    "distribution_ms",
                    "total_duration_ms",
                ),
                float(number),
            ),
        }
        return found | fields

    return make
