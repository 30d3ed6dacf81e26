"""stdout is for results, stderr for the rest; JSON is JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from federation.errors import SettingError
from gateway.output import Output, figure, plain


def test_plain_makes_json_of_what_records_hold() -> None:
    value = {
        "a": np.float32(0.5),
        "b": (1, float("nan")),
        "c": Path("x"),
        "d": np.int64(3),
        "e": float("inf"),
        "f": None,
        "g": np.bool_(True),
    }
    found = plain(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "a": 0.5, "b": [1, None], "c": "x", "d": 3, "e": None, "f": None, "g": True,
    }  # fmt: skip


def test_json_keeps_everything_else_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.text("for people")
    output.table("title", ["a"], [["b"]])
    with output.progress("working"):
        output.event("round", {"round": 1})
    out, err = capsys.readouterr()
    assert out == '{"event":"round","round":1}\n'
    assert err == ""


def test_without_json_there_is_no_json_and_no_colour_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.document({"a": 1})
    output.event("round", {"round": 1})
    output.text("[bold]as it is[/bold]", style="red")
    output.table("", ["name", "digest"], [["x" * 60, "y" * 60]])
    with output.progress("working"):
        pass
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "[bold]as it is[/bold]"
    assert "x" * 60 + "  " + "y" * 60 in out
    assert "\x1b" not in out + err
    assert err == "working\n"


def test_an_error_is_its_code_and_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    Output().fail(SettingError(name="agents", found=0, needed="1 or more"))
    Output().fail(ZeroDivisionError("division by zero"))
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first == "config.setting: agents is 0; it must be 1 or more."
    assert second.startswith("unexpected: ZeroDivisionError: division by zero. ")


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    assert [figure(None), figure(float("nan")), figure(0.125, ".1%")] == ["-", "-", "12.5%"]
