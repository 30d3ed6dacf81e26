"""The screen of `watch`: a function of a status and records, read as the text that it prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from gateway.terminal import BARS, MARKS, health, phase_bar, phases, screen, sparkline

Maker = Callable[..., dict[str, Any]]


def status(**fields: Any) -> dict[str, Any]:
    loop = {
        "cycles": 4,
        "symptoms": {"mass_anomaly": 1},
        "last": {
            "cycle": 3,
            "symptoms": [{"name": "mass_anomaly", "detail": "4 of 9 stand out"}],
            "outcomes": [{"action": "watch", "result": "success", "detail": ""}],
        },
    }
    host = {"agents": 4, "idle": 0, "release": 3}
    made: dict[str, Any] = {
        "run": "swarm",
        "kind": "gradients",
        "agents": 8,
        "idle": 0,
        "fault_bound": 2,
        "round": 4,
        "phase": "collecting",
        "rounds": 4,
        "learning": False,
        "interval_s": 0.0,
        "release": {"version": 3, "digest": "5f1c" * 16},
        "convergence": {"status": "training", "rounds_remaining": 9, "threshold": 0.01, "kl_divergence": 0.1},
        "quarantined": ["agent-007"],
        "mape": {"cycles": 4, "symptoms": {}, "last": {}},
        "actors": {"swarmlore-host-0": host, "swarmlore-host-1": host, "swarmlore-aggregator": {"mape": loop}},
    }
    return made | fields


def text(drawn: Any, width: int = 120) -> str:
    console = Console(width=width, record=True, file=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get()


def test_everything_is_on_the_screen(record: Maker) -> None:
    rounds = [record(1), record(2, rejected=("agent-007",)), record(3)]
    shown = text(screen(status(), rounds, width=120))
    for words in (
        "Healthy: 8 agents, 2 liars tolerated, 1 in quarantine.",
        "collecting in round 4",
        "release 3 5f1c5f1c5f",
        "training, about 9 rounds to go",
        "50.0%",
        "L learning",
        "mass anomaly: 4 of 9 stand out → watch (success)",
        "nothing wrong",
        "4 agents, release 3",
    ):
        assert words in shown, words
    assert "LLL" in shown


def test_before_the_first_round_it_says_what_to_do() -> None:
    assert "`swarmlore round` runs one" in text(screen(status(round=None, phase="idle", rounds=0), []))


SPENT = {"epsilon_spent": 7.91, "epsilon_budget": 8.0, "paused": True, "rounds_left": 0, "renews_at": 1826820921.8}


@pytest.mark.parametrize(
    ("fields", "last", "colour", "words"),
    [
        ({}, {}, "green", "Healthy"),
        ({"error": "gone"}, {}, "red", "does not answer: gone"),
        (
            {"actors": {"swarmlore-host-0": {"agents": 4}, "swarmlore-host-1": None}},
            {},
            "red",
            "4 agents can be reached, 6",
        ),
        (
            {"actors": {"swarmlore-host-0": {"agents": 8}, "swarmlore-validator-0": None}},
            {},
            "yellow",
            "Silent: validator-0",
        ),
        ({}, {"release": None, "error": {"message": "no quorum"}}, "red", "without a release: no quorum"),
        ({"convergence": {"status": "diverging"}}, {}, "yellow", "diverging"),
        ({}, {"validators_disagree": True}, "yellow", "disagree"),
        ({"privacy": SPENT}, {}, "yellow", "Paused: epsilon 7.91 of 8 spent: no rounds until 2027-11-21"),
    ],
)
def test_the_worst_that_is_true_comes_first(
    record: Maker, fields: dict[str, Any], last: dict[str, Any], colour: str, words: str
) -> None:
    found = health(status(**fields), record(4, **last))
    assert found[0] == colour
    assert words in found[1]


def test_a_round_without_a_release_has_a_line(record: Maker) -> None:
    lost = {"round": 2, "status": "aborted", "release": None, "error": {"code": "round.quorum", "message": "m"}}
    assert "aborted: round.quorum" in text(screen(status(), [record(1), lost]))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 40), (200, 60)])
def test_it_fits_the_terminal(record: Maker, width: int, height: int) -> None:
    rounds = [record(number) for number in range(1, 100)]
    shown = text(screen(status(), rounds, width=width, height=height), width).splitlines()
    assert len(shown) <= height
    assert any(line.lstrip().startswith("99 ") for line in shown), "the newest round is always there"


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=30), st.booleans())
@settings(deadline=None, max_examples=60)
def test_a_sparkline_has_a_place_for_each_value(values: list[float | None], logarithmic: bool) -> None:
    found = sparkline(values, logarithmic=logarithmic)
    assert len(found) in (0, len(values))
    assert set(found) <= {*BARS, " "}


def test_a_sparkline_rises_with_its_values() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([1e-4, 1e-2, 1.0], logarithmic=True) == "▁▅█"
    assert sparkline([1.0, None, 1.0]) == "▁ ▁"


@given(st.lists(st.floats(0, 1e4), min_size=8, max_size=8), st.integers(1, 120))
@settings(deadline=None, max_examples=60)
def test_a_bar_is_never_longer_than_its_room_and_keeps_the_order(parts: list[float], width: int) -> None:
    fields = ("local_training_ms", "gate_ms", "screen_ms", "aggregation_ms", "validation_ms", "release_ms")
    record = dict(zip((*fields, "distribution_ms"), parts[:7], strict=True)) | {"total_duration_ms": sum(parts)}
    bar = phase_bar(record, max(sum(phases(record)), 1e-9), width).plain
    assert len(bar) <= width
    assert [MARKS.index(letter) for letter in bar] == sorted(MARKS.index(letter) for letter in bar)
