"""The agent's MAPE-K: thresholds at their edges, the choice of an adaptation, ports that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.agent import (
    RETRAIN,
    Adaptation,
    AdaptationPort,
    AgentLoop,
    AgentSettings,
    Complaint,
    Observation,
    Policy,
    Reading,
    analyze,
    frequency,
    plan,
    reasons_to_retrain,
    state_of,
)
from actors.mape import Knowledge
from actors.watch import Grid, TaskFigures, Watch, jensen_shannon
from federation.errors import AdaptationError, SettingError, UpdatesError
from telemetry.semconv import ActorKind
from telemetry.testing import captured

FINE = TaskFigures(tasks=256, accuracy=0.95, shift=0.01, new_patterns=3)
SETTINGS = AgentSettings()
SLOW = Complaint(name="slow", severity=0.4, impact=0.2)
FAILING = Complaint(name="failing", severity=0.7, impact=0.5, detail="errors 31 %")


def always(action: int) -> Policy:
    return lambda states: np.full(len(states), action, np.intp)


def seen(**changes: Any) -> Observation:
    return replace(Observation(agent="a7", release=3), **changes)


class Recorder:
    """A port that does what it is told to, and remembers it."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.adapted: list[tuple[Adaptation, str]] = []
        self.retrained: list[tuple[str, str]] = []
        self.fault = fault

    def adapt(self, adaptation: Adaptation, *, symptom: str) -> str:
        if self.fault:
            raise self.fault
        self.adapted.append((adaptation, symptom))
        return "applied"

    async def retrain(self, *, agent: str, reason: str) -> str:
        if self.fault:
            raise self.fault
        self.retrained.append((agent, reason))
        return "round opened"


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"accuracy": 0.8}, 0),
        ({"accuracy": np.nextafter(0.8, 0)}, 1),
        ({"shift": 0.1}, 0),
        ({"shift": np.nextafter(0.1, 1)}, 1),
        ({"new_patterns": 100}, 0),
        ({"new_patterns": 101}, 1),
        ({"accuracy": float("nan"), "shift": float("nan")}, 0),
        ({"accuracy": 0.1, "shift": 0.6, "new_patterns": 500}, 3),
    ],
)
def test_the_thresholds_of_retraining_are_strict(changes: dict[str, Any], reasons: int) -> None:
    figures = replace(FINE, **changes)
    assert len(reasons_to_retrain(SETTINGS, figures)) == reasons
    found = analyze(SETTINGS, Knowledge[Observation](), seen(figures=figures))
    assert [symptom.name for symptom in found] == [RETRAIN] * (reasons > 0)
    assert all(symptom.subjects == ("a7",) for symptom in found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy_floor", 1.1),
        ("shift_ceiling", -0.1),
        ("shift_ceiling", float("nan")),
        ("pattern_ceiling", -1),
        ("patience", 0),
        ("frequency_span", 0),
        ("frequency_span", 65),
    ],
)
def test_settings_outside_their_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(SettingError):
        AgentSettings(**{name: value})


def test_complaints_become_symptoms_gravest_first() -> None:
    reading = Reading(features=(0.0,), complaints=(SLOW, FAILING))
    found = analyze(SETTINGS, Knowledge[Observation](), seen(figures=FINE, reading=reading))
    assert [(symptom.name, symptom.severity) for symptom in found] == [("failing", 0.7), ("slow", 0.4)]
    assert "errors 31 %" in found[0].detail
    with pytest.raises(SettingError):
        Complaint(name="slow", severity=1.2, impact=0.0)


def test_a_state_leads_with_severity_frequency_and_impact() -> None:
    knowledge = Knowledge[Observation]()
    quiet, loud = Reading(features=(0.25, 0.5)), Reading(features=(0.25, 0.5), complaints=(SLOW, FAILING))
    for reading in (loud, quiet, loud):
        knowledge.keep(seen(reading=reading), (), ())
    np.testing.assert_allclose(state_of(SETTINGS, knowledge, loud), [0.7, 3 / 8, 0.5, 0.25, 0.5])
    assert state_of(SETTINGS, knowledge, quiet).dtype == np.float32
    for _ in range(20):
        knowledge.keep(seen(reading=loud), (), ())
    assert frequency(SETTINGS, knowledge, loud) == 1.0
    assert frequency(SETTINGS, knowledge, quiet) == 7 / 8


@pytest.mark.parametrize("adaptation", list(Adaptation))
def test_the_policy_chooses_the_adaptation(adaptation: Adaptation) -> None:
    asked: list[NDArray[np.float32]] = []

    def policy(states: NDArray[np.float32]) -> NDArray[np.intp]:
        asked.append(states)
        return np.array([adaptation], np.intp)

    knowledge = Knowledge[Observation]()
    observation = seen(reading=Reading(features=(0.5,), complaints=(SLOW, FAILING)))
    actions = plan(SETTINGS, policy, knowledge, observation, analyze(SETTINGS, knowledge, observation))
    assert [(action.name, action.symptom) for action in actions] == [(adaptation.word, "failing")]
    assert len(asked) == 1
    np.testing.assert_array_equal(
        asked[0], state_of(SETTINGS, knowledge, observation.reading or Reading(features=()))[None]
    )


def test_nothing_is_done_without_a_policy_or_a_complaint() -> None:
    knowledge = Knowledge[Observation]()
    for policy, reading in ((None, Reading(features=(), complaints=(SLOW,))), (always(0), Reading(features=()))):
        observation = seen(figures=FINE, reading=reading)
        assert plan(SETTINGS, policy, knowledge, observation, analyze(SETTINGS, knowledge, observation)) == ()


@pytest.mark.parametrize("chosen", [-1, 4])
def test_a_policy_that_chooses_no_adaptation_is_refused(chosen: int) -> None:
    knowledge = Knowledge[Observation]()
    observation = seen(reading=Reading(features=(), complaints=(SLOW,)))
    with pytest.raises(AdaptationError, match="0 to 3"):
        plan(SETTINGS, always(chosen), knowledge, observation, analyze(SETTINGS, knowledge, observation))


async def test_a_granted_retraining_is_not_asked_for_again_before_its_patience_ends() -> None:
    port = Recorder()
    poor = replace(FINE, accuracy=0.5)
    with captured(actor_kind=ActorKind.AGENT) as capture:
        loop = AgentLoop("a7", telemetry=capture.telemetry, settings=AgentSettings(patience=3), retraining=port)
        for _ in range(3):
            assert [symptom.name for symptom in (await loop.turn(figures=poor)).cycle.symptoms] == [RETRAIN]
        assert port.retrained == [("a7", "accuracy 0.500 < 0.8")]
        await loop.turn(figures=poor)
        assert len(port.retrained) == 2
        loop.adopt(1, always(0))  # a new release that is no better may be retrained at once
        await loop.turn(figures=poor)
        assert len(port.retrained) == 3


@pytest.mark.parametrize(
    ("fault", "result"), [(OSError("no route"), "failure"), (SettingError(name="x", found=1, needed="2"), "refused")]
)
async def test_a_port_that_raises_is_an_outcome_and_the_loop_goes_on(fault: Exception, result: str) -> None:
    port = Recorder(fault)
    with captured(actor_kind=ActorKind.AGENT) as capture:
        loop = AgentLoop("a7", telemetry=capture.telemetry, adaptations=port, retraining=port)
        loop.adopt(1, always(Adaptation.ROLL_BACK))
        bad = Reading(features=(), complaints=(FAILING,))
        first = await loop.turn(figures=replace(FINE, accuracy=0.1), reading=bad)
        assert [(o.action.name, o.result) for o in first.cycle.outcomes] == [(RETRAIN, result), ("roll_back", result)]
        port.fault = None
        second = await loop.turn(figures=replace(FINE, accuracy=0.1), reading=bad)
        assert [o.result for o in second.cycle.outcomes] == ["success", "success"]
        assert second.lived is None  # what was not carried out is no experience
    assert port.adapted == [(Adaptation.ROLL_BACK, "failing")]
    assert len(port.retrained) == 1
    assert loop.knowledge.summary()["outcomes"][f"roll_back:{result}"] == 1


async def test_actions_without_a_port_are_refused() -> None:
    with captured(actor_kind=ActorKind.AGENT) as capture:
        loop = AgentLoop("a7", telemetry=capture.telemetry)
        loop.adopt(1, always(0))
        turn = await loop.turn(figures=replace(FINE, shift=0.5), reading=Reading(features=(), complaints=(SLOW,)))
    assert [outcome.result for outcome in turn.cycle.outcomes] == ["refused", "refused"]


async def test_an_adaptation_and_the_reading_after_it_make_an_experience() -> None:
    port: AdaptationPort = Recorder()
    with captured(actor_kind=ActorKind.AGENT) as capture:
        loop = AgentLoop("a7", telemetry=capture.telemetry, adaptations=port)
        loop.adopt(1, always(Adaptation.SCALE_OUT))
        assert (await loop.turn(reading=Reading(features=(0.5,), complaints=(SLOW,)))).lived is None
        lived = (await loop.turn(reading=Reading(features=(0.25,), reward=0.875, done=True))).lived
        assert lived is not None
        assert (lived.action, lived.reward, lived.done) == (2, 0.875, True)
        np.testing.assert_allclose(lived.state, [0.4, 1 / 8, 0.2, 0.5])
        np.testing.assert_allclose(lived.next_state, [0.0, 1 / 8, 0.0, 0.25])
        assert (await loop.turn(reading=Reading(features=(0.25,)))).lived is None


GRID = Grid(low=(0.0, -1.0), high=(1.0, 1.0), actions=4)


def feed(watch: Watch, states: NDArray[np.float32], *, row: int = 0, action: int = 1, good: float = 1.0) -> None:
    m = len(states)
    watch.observe(row, states, np.full(m, action), np.arange(m) < good * m)


def uniform(m: int, seed: int, high: float = 1.0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform((0.0, -1.0), (high, 1.0), (m, 2)).astype(np.float32)


def test_a_watch_judges_nothing_below_its_minimum() -> None:
    watch = Watch(2, GRID, minimum=32)
    feed(watch, uniform(31, 0), good=0.0)
    assert np.isnan(watch.figures(0).accuracy)
    feed(watch, uniform(1, 1), good=0.0)
    assert watch.figures(0).accuracy == 0.0
    assert np.isnan(watch.figures(0).shift)  # there is no release to compare with yet
    assert watch.figures(1).tasks == 0


def test_accuracy_is_that_of_the_last_tasks_only() -> None:
    watch = Watch(1, GRID, window=64)
    feed(watch, uniform(1000, 0), good=0.0)
    feed(watch, uniform(48, 1))
    assert watch.figures(0).tasks == 64
    assert watch.figures(0).accuracy == 48 / 64


def test_a_shift_is_seen_and_chance_is_not_taken_for_one() -> None:
    quiet: list[float] = []
    for seed in range(60):
        watch = Watch(1, GRID)
        feed(watch, uniform(256, seed))
        watch.adopt(0)
        feed(watch, uniform(32, 1000 + seed))
        quiet.append(watch.figures(0).shift)
    assert max(quiet) < SETTINGS.shift_ceiling
    assert np.median(quiet) < 0.02
    watch = Watch(1, GRID)
    feed(watch, uniform(256, 0))
    watch.adopt(0)
    feed(watch, uniform(64, 1, high=0.4))
    assert watch.figures(0).shift > SETTINGS.shift_ceiling
    watch.adopt(0)
    feed(watch, uniform(64, 2, high=0.4), action=3)
    assert watch.figures(0).shift == pytest.approx(np.log(2), abs=0.01)  # other actions altogether


def test_new_patterns_are_counted_once_and_from_the_release_on() -> None:
    watch = Watch(2, GRID)
    feed(watch, np.array([[0.1, 0.0], [0.1, 0.1], [0.9, 0.0], [5.0, 0.0]], np.float32))
    assert watch.figures(0).new_patterns == 2  # 5.0 is clipped to the highest level
    feed(watch, np.array([[0.1, 0.0], [0.9, 0.9]], np.float32))
    assert watch.figures(0).new_patterns == 3
    assert watch.figures(1).new_patterns == 0
    watch.adopt(0)
    feed(watch, np.array([[0.9, 0.9], [0.4, 0.9]], np.float32))
    assert watch.figures(0).new_patterns == 1


def test_few_of_many_new_patterns_are_missed() -> None:
    grid = Grid(low=(0.0,) * 3, high=(1.0,) * 3, actions=1, levels=10)
    cells = np.stack(np.meshgrid(*[np.arange(10)] * 3), -1).reshape(-1, 3)[::2]
    watch = Watch(1, grid)
    for part in np.array_split(((cells + 0.5) / 10).astype(np.float32), 50):
        feed(watch, part, action=0)
    assert 495 <= watch.figures(0).new_patterns <= 500


def test_memory_does_not_grow_and_a_full_filter_starts_again() -> None:
    grid = Grid(low=(0.0,) * 4, high=(1.0,) * 4, actions=1, levels=20)
    watch = Watch(1, grid)
    rng = np.random.default_rng(0)

    def size() -> int:
        return sum(a.nbytes for a in vars(watch).values() if isinstance(a, np.ndarray))

    before = size()
    for _ in range(20):
        feed(watch, rng.random((500, 4), np.float32), action=0)
    assert size() == before
    watch.adopt(0)
    feed(watch, rng.random((300, 4), np.float32), action=0)
    assert watch.figures(0).new_patterns > 280


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s, a, g: (np.where(s > 0.5, np.nan, s), a, g),
        lambda s, a, g: (s[:, :1], a, g),
        lambda s, a, g: (s, a + 4, g),
        lambda s, a, g: (s, a - 5, g),
        lambda s, a, g: (s, a, g[1:]),
    ],
)
def test_tasks_that_do_not_fit_change_nothing(spoil: Callable[..., tuple[np.ndarray, ...]]) -> None:
    watch = Watch(1, GRID)
    with pytest.raises(UpdatesError):
        watch.observe(0, *spoil(uniform(8, 0), np.ones(8, np.intp), np.ones(8, np.bool_)))
    assert watch.figures(0).tasks == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Grid(low=(1.0,), high=(1.0,), actions=2),
        lambda: Grid(low=(0.0,), high=(1.0,), actions=0),
        lambda: Grid(low=(0.0,), high=(1.0,), actions=2, levels=1),
        lambda: Grid(low=(0.0,), high=(1.0,), actions=2, pattern=(1,)),
        lambda: Watch(0, GRID),
        lambda: Watch(1, GRID, window=8, minimum=9),
    ],
)
def test_a_watch_that_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(SettingError):
        make()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8))
def test_jensen_shannon_is_symmetric_and_bounded(counts: list[tuple[int, int]]) -> None:
    table = np.array(counts, np.float32).T + np.float32(0.0)
    if (table.sum(1) == 0).any():
        return
    p, q = table / table.sum(1, keepdims=True)
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), abs=1e-12)
    assert -1e-7 <= jensen_shannon(p, q) <= np.log(2) + 1e-6
    assert jensen_shannon(p, p) == pytest.approx(0.0, abs=1e-12)
