"""The registry's enums know every word that the federation says, and no other place spells a telemetry name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from actors.storage import ClientState
from federation.convergence.divergence import Measure
from federation.convergence.tracker import Status
from federation.rollout import STAGES, Word
from federation.verdict import Decision
from telemetry import semconv
from telemetry.conventions import ROOT
from telemetry.promnames import label_name, metric_name
from workloads.trajectories.assembler import Drop
from workloads.trajectories.trajectory import Ending

HOME = Path(__file__).resolve().parents[2]
SPEAKERS = ("actors", "federation", "gateway", "telemetry", "workloads")
GENERATED = HOME / "telemetry/semconv.py"
RULES = {HOME / "telemetry/conventions.py", HOME / "telemetry/generator.py"}
"""What has to know the root of our names, and nothing below it."""
FOREIGN = HOME / "workloads/trajectories/conventions.py"
"""The names of what agents send to us, which are other people's."""

_SPEECH = {"span", "phase", "record_span", "record_spans", "event", "count", "observe", "gauge"}


def test_verdicts() -> None:
    assert {decision.word for decision in Decision} <= set(semconv.Verdict)


def test_convergence() -> None:
    assert set(get_args(Status)) == set(semconv.ConvergenceStatus)
    assert set(get_args(Measure)) == set(semconv.ConvergenceMeasure)


def test_federation() -> None:
    assert set(ClientState) == set(semconv.ClientState)
    assert set(get_args(Word)) == set(semconv.RolloutDecision)
    assert [stage.name for stage in STAGES] == list(semconv.RolloutStage)


def test_ingestion() -> None:
    assert set(Drop) == set(semconv.DropReason)
    assert set(Ending) == set(semconv.TrajectoryEnding)


def sources() -> list[Path]:
    return [path for folder in SPEAKERS for path in sorted((HOME / folder).rglob("*.py")) if path != GENERATED]


def names() -> set[str]:
    """Every name of the registry, also as Prometheus spells it."""
    metrics = semconv.METRICS.values()
    flat = {metric_name(metric.name, unit=metric.unit, instrument=metric.instrument) for metric in metrics}
    flat |= {label_name(key) for key in semconv.ATTRIBUTES if key.startswith(ROOT)}
    return {*semconv.ATTRIBUTES, *semconv.SPANS, *semconv.EVENTS, *semconv.METRICS} | flat


def spelled(tree: ast.AST, known: set[str]) -> Iterator[tuple[int, str]]:
    """Lines where a name stands as a string, or where telemetry is called with a name that is no constant."""
    roots = (f"{ROOT}.", f"{ROOT.replace('.', '_')}_")
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if text in known or any(root in text for root in roots):
                yield node.lineno, text
            case ast.Call(func=ast.Attribute(attr=attr, value=receiver), args=[first, *_]) if (
                attr in _SPEECH
                and ast.unparse(receiver).endswith("telemetry")
                and isinstance(first, ast.Constant | ast.JoinedStr | ast.BinOp)
            ):
                yield node.lineno, ast.unparse(first)
            case _:
                pass


@pytest.mark.parametrize("folder", SPEAKERS)
def test_no_name_is_spelled_by_hand(folder: str) -> None:
    known = names()
    guilty = [
        f"{path.relative_to(HOME)}:{line}: {text}"
        for path in sources()
        if path.is_relative_to(HOME / folder) and path != FOREIGN
        for line, text in spelled(ast.parse(path.read_text("utf-8")), known)
        if path not in RULES
    ]
    assert guilty == []


def test_foreign_names_are_of_the_conventions_and_not_ours() -> None:
    found = list(spelled(ast.parse(FOREIGN.read_text("utf-8")), names()))
    assert {text for _, text in found} <= {semconv.ATTR_ERROR_TYPE, semconv.ATTR_SERVICE_NAME}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = 'federated.learning.round'", "federated.learning.round"),
        ("x = 'rate(federated_learning_rounds_total[5m])'", "rate(federated_learning_rounds_total[5m])"),
        ("x = {'service.name': 'a'}", "service.name"),
        ("self._telemetry.count('rounds')", "'rounds'"),
        ("telemetry.span(f'round-{n}')", "f'round-{n}'"),
        ("telemetry.event('made.' + name)", "'made.' + name"),
        ("telemetry.span(semconv.SPAN_ROUND)", None),
        ("output.event('round', record)", None),
        ("x = 'service_name'", None),
    ],
)
def test_the_search_finds_what_it_is_for(code: str, found: str | None) -> None:
    assert [text for _, text in spelled(ast.parse(code), names())] == ([] if found is None else [found])
