"""What is committed is what the registry says, and names stand nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from telemetry import generator, semconv
from telemetry.checker.model import Event, Level, Metric, Span
from telemetry.conventions import ROOT, definitions, read, signals

HOME = Path(__file__).resolve().parents[2]


def test_committed_files_are_generated(capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.main(["--check"]) == 0, capsys.readouterr().err


def test_check_finds_a_difference_and_writing_mends_it(tmp_path: Path) -> None:
    shutil.copytree(HOME / "registry", tmp_path / "registry")
    assert generator.main(["--check", "--home", str(tmp_path)]) == 1
    assert generator.main(["--home", str(tmp_path)]) == 0
    assert generator.main(["--check", "--home", str(tmp_path)]) == 0
    (tmp_path / "docs/telemetry.md").write_text("by hand", "utf-8")
    assert generator.main(["--check", "--home", str(tmp_path)]) == 1


def test_a_faulty_registry_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(HOME / "registry", tmp_path / "registry")
    path = tmp_path / "registry/spans.yaml"
    path.write_text(path.read_text("utf-8").replace("span_kind: producer", "span_kind: maker"), "utf-8")
    assert generator.main(["--home", str(tmp_path)]) == 1
    assert "maker" in capsys.readouterr().err
    assert not (tmp_path / "telemetry").exists()


def test_tables_hold_the_registry() -> None:
    registry = read(HOME / "registry")
    assert list(semconv.ATTRIBUTES) == list(definitions(registry))
    for table, kind in ((semconv.SPANS, Span), (semconv.EVENTS, Event), (semconv.METRICS, Metric)):
        groups = {group.name: group for group in signals(registry, kind)}
        assert list(table) == list(groups)
        for name, spec in table.items():
            assert spec.required | spec.optional == set(groups[name].levels)
            assert spec.required == set(groups[name].at(Level.REQUIRED))
    round_duration = semconv.METRICS[semconv.METRIC_ROUND_DURATION]
    assert (round_duration.unit, round_duration.instrument) == ("s", "histogram")
    assert 0.03 in round_duration.buckets
    assert 0.15 in round_duration.buckets


def test_enums_are_their_words() -> None:
    assert semconv.GradientByzantine.DETECTED_AND_REJECTED == "detected_and_rejected"
    assert semconv.ATTRIBUTES[semconv.ATTR_CONVERGENCE_STATUS].values[:2] == ("training", "converged")
    assert not semconv.ATTRIBUTES[semconv.ATTR_AGENT_ID].bounded


def test_names_stand_only_in_the_generated_module() -> None:
    allowed = {HOME / "telemetry/semconv.py", HOME / "telemetry/conventions.py", HOME / "telemetry/generator.py"}
    folders = (
        "actors",
        "benchmarks",
        "dashboards",
        "deploy",
        "examples",
        "federation",
        "gateway",
        "telemetry",
        "workloads",
    )
    guilty = [
        str(path.relative_to(HOME))
        for folder in folders
        for path in (HOME / folder).rglob("*.py")
        if path not in allowed and ROOT in path.read_text("utf-8")
    ]
    assert guilty == []
