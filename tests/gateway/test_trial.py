"""The figures of a run, from its records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gateway.demo import _summary
from gateway.plots import ACCEPTED, CLIPPED, NO_RELEASE, REJECTED, draw, verdict_grid
from gateway.reports import HEADING, round_line
from gateway.trial import Course

Maker = Callable[..., dict[str, Any]]
NAMES = ("a", "b", "c", "d")


def test_detection_counts_updates_over_all_rounds(record: Maker) -> None:
    course = Course(
        records=(record(1, rejected=("a", "b")), record(2, rejected=("a",)), record(3)), liars=frozenset({"a", "c"})
    )
    assert course.precision == pytest.approx(2 / 3)
    assert course.recall == pytest.approx(2 / 6)


def test_without_liars_there_is_no_recall_and_without_rejections_no_precision(record: Maker) -> None:
    course = Course(records=(record(1),))
    assert (course.precision, course.recall) == (None, None)
    assert Course(records=()).summary() == {
        "accuracy": None, "rounds": 0, "aborted": 0, "converged": False, "kl_divergence": None,
    }  # fmt: skip


def test_phases_are_medians_and_aborted_rounds_count(record: Maker) -> None:
    failed = {"round": 2, "status": "aborted", "release": None, "error": {"code": "round.quorum", "message": "few"}}
    course = Course(records=(record(1), record(3), record(9, converged=True)), failures=(failed,))
    assert course.phases["gate_ms"] == 3.0
    assert (course.rounds, course.converged) == (4, True)
    assert round_line(failed) == "    2  aborted: round.quorum: few"


def test_a_round_is_one_line_under_its_heading(record: Maker) -> None:
    line = round_line(record(12, rejected=("a",), clipped=("b",)))
    assert line.split() == ["12", "50.00%", "4.17e-02", "0.2500", "3", "1", "12.0", "training"]
    assert line.index("training") == HEADING.index("status")


def test_the_grid_shows_liars_last_and_leaves_out_what_has_no_verdict(record: Maker) -> None:
    course = Course(records=(record(1, rejected=("b",), clipped=("a",)), record(3)), liars=frozenset({"b"}))
    order, grid = verdict_grid(NAMES, ("b",), course)
    assert order == ["a", "c", "d", "b"]
    assert grid[:, 0].tolist() == [CLIPPED, ACCEPTED, ACCEPTED, REJECTED]
    assert (grid[:, 1] == NO_RELEASE).all()
    assert (grid[:, 2] == ACCEPTED).all()


def test_points_lost_are_against_the_run_without_liars(record: Maker) -> None:
    courses = {
        "attacked": Course(records=(record(1, evaluation={"accuracy": 0.90}),)),
        "clean": Course(records=(record(1, evaluation={"accuracy": 0.925}),)),
        "mean": Course(records=()),
    }
    found = _summary(courses)
    assert found["points_lost"] == pytest.approx(2.5)
    assert found["mean"]["accuracy"] is None
    assert "further swarms" in found["compared_by"]


def test_plots_are_pictures(record: Maker, tmp_path: Any) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    course = Course(records=(record(1, rejected=("b",)), record(2)), liars=frozenset({"b"}))
    files = draw(tmp_path, NAMES, ("b",), {"attacked": course, "clean": Course(records=())})
    assert [file.name for file in files] == ["accuracy.png", "kl.png", "verdicts.png"]
    heat = pyplot.imread(files[2])
    # The liar's rejection is there, in its own colour.
    assert np.isclose(heat[..., :3], np.array([0xB5, 0x30, 0x3C]) / 255, atol=0.02).all(-1).sum() > 100
