from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.arena import END, START, Cell, main, replaced, table
from federation.errors import SettingError


def cell(attack: str, rule: str, accuracy: float | None, refused: str = "") -> Cell:
    return Cell(
        attack=attack,
        rule=rule,
        accuracy=accuracy,
        accuracies=() if accuracy is None else (accuracy,),
        converged_at=(),
        accuracy_then=None,
        kl=None,
        precision=None,
        recall=None,
        false_positive_rate=None,
        refused=refused,
    )


def test_the_table_says_where_a_cell_fails() -> None:
    shown = table(
        [
            cell("clean", "mean", 95.0),
            cell("alie", "mean", 91.9),
            cell("zero", "mean", 92.1),
            cell("mimic", "mean", None, "rule.bound in round 1"),
        ]
    )
    assert shown.splitlines() == [
        "| attack | mean |",
        "|---|---|",
        "| clean | 95.0 |",
        "| alie | 91.9 (-3.1) FAIL |",
        "| zero | 92.1 (-2.9) |",
        "| mimic | refused: rule.bound in round 1 |",
    ]


def test_one_command_runs_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--agents", "12", "--byzantine", "3", "--rounds", "3", "--runs", "2"]
    code = main([*size, "--rules", "default,mean", "--attacks", "zero", "--json", "--out", str(tmp_path / "a.json")])
    assert code in (0, 1)
    found = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "a.json").read_text()) == found
    assert [(one["rule"], one["attack"]) for one in found["cells"]] == [
        ("default", "clean"),
        ("default", "zero"),
        ("mean", "clean"),
        ("mean", "zero"),
    ]
    for one in found["cells"]:
        assert len(one["accuracies"]) == 2
        assert one["accuracy"] == pytest.approx(sum(one["accuracies"]) / 2)
    with pytest.raises(SettingError, match="median"):
        main([*size, "--rules", "medium"])


def test_the_readme_keeps_everything_around_the_table() -> None:
    once = replaced(f"before {START}\nold\n{END} after", "| new |")
    assert once == f"before {START}\n| new |\n{END} after"
    assert replaced(once, "| new |") == once
    with pytest.raises(SettingError):
        replaced("no marks", "| new |")
