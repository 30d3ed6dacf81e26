"""What the aggregator's, the validator's and the coordinator's loops see, and what they plan."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors import aggregator, health, validator
from actors.health import Health
from actors.mape import Action, Knowledge, Loop, Symptom
from actors.standing import raised_quorum
from federation.convergence import ConvergenceCriterion, ConvergenceTracker
from federation.errors import SettingError
from telemetry.semconv import ActorKind
from telemetry.testing import captured


def now(**changes: Any) -> Health:
    return Health(**{"duration_s": 0.1, "budget_s": 0.2, "interval_s": 1.0, **changes})


@pytest.mark.parametrize(
    ("durations", "found"),
    [
        ([0.3] * 4, []),
        ([0.3] * 5, ["over_budget"]),
        ([0.1, 0.1, 0.3, 0.3, 0.3], ["over_budget"]),
        ([0.3, 0.3, 0.1, 0.1, 0.1], []),
        ([0.3, 0.3, math.nan, 0.3, 0.3], []),
    ],
)
def test_one_slow_round_is_noise(durations: list[float], found: list[str]) -> None:
    knowledge = Knowledge[Health]()
    for duration in durations[:-1]:
        knowledge.keep(now(duration_s=duration), (), ())
    symptoms = health.analyze(knowledge, now(duration_s=durations[-1]))
    assert [symptom.name for symptom in symptoms] == found
    actions = health.plan(knowledge, symptoms)
    assert [action.name for action in actions] == ["lengthen_interval"] * len(found)


def test_hosts_that_are_down_are_revived_and_disagreement_is_noted() -> None:
    symptoms = health.analyze(Knowledge(), now(lost=("host-1",), split=True))
    assert [(symptom.name, symptom.subjects) for symptom in symptoms] == [
        ("host_down", ("host-1",)),
        ("validators_disagree", ()),
    ]
    [action] = health.plan(Knowledge(), symptoms)
    assert (action.name, action.parameters) == ("revive_hosts", {"hosts": ("host-1",)})


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"valid": 4, "age": 0.79}, []),
        ({"valid": 4, "age": 0.8}, ["extend_window"]),
        ({"valid": 5, "age": 0.9}, []),
        ({"valid": 7, "screened": 10, "standing_out": 1, "fault_bound": 3}, []),
        ({"valid": 7, "screened": 10, "standing_out": 2, "fault_bound": 3}, ["raise_quorum"]),
        ({"valid": 7, "screened": 10, "standing_out": 3, "fault_bound": 3}, ["raise_quorum"]),
        ({"valid": 7, "screened": 10, "standing_out": 4, "fault_bound": 4}, ["watch", "raise_quorum"]),
        ({"valid": 7, "screened": 10, "standing_out": 4, "fault_bound": 3}, ["stricter_rule", "raise_quorum"]),
        ({"valid": 7, "screened": 10, "standing_out": 2, "fault_bound": 0}, []),
    ],
)
def test_the_aggregator_sees_stragglers_and_liars(changes: dict[str, Any], found: list[str]) -> None:
    standing = aggregator.Standing(**{"n": 7, "quorum": 5, "age": 0.0, **changes})
    symptoms = aggregator.analyze(Knowledge(), standing)
    assert [action.name for action in aggregator.plan(Knowledge(), symptoms)] == found
    assert all(0 <= symptom.severity <= 1 for symptom in symptoms)


@pytest.mark.parametrize(
    ("standing_out", "kept_out", "newly", "wanted"),
    [
        (0, 0, 0, 67),  # all 33 faults may be silent
        (20, 0, 0, 87),  # 20 of them have spoken: 13 may be silent
        (33, 0, 0, 100),  # all have spoken: everybody answers
        (40, 0, 0, 100),  # more than the bound: every honest answer is needed
        (33, 33, 33, 67),  # all of them are kept out since, and nothing is left to wait for
        (33, 10, 10, 90),
        (3, 30, 0, 70),  # 30 were kept out before, and are silent as far as this goes
        (33, 20, 0, 80),  # no more than can count
        (2, 10, 10, 67),  # never below n - f
    ],
)
def test_liars_who_speak_are_not_silent(standing_out: int, kept_out: int, newly: int, wanted: int) -> None:
    found = raised_quorum(n=100, f=33, standing_out=standing_out, kept_out=kept_out, newly_kept_out=newly)
    assert found == wanted


@pytest.mark.parametrize(
    ("figures", "action"),
    [
        ([0.5] * 5, None),
        ([0.5, math.inf], "rollback"),
        ([0.5 + 0.01 * (3 * number % 7) for number in range(20)], "decay_learning_rate"),
        ([0.5 * 0.99**number for number in range(20)], "more_epochs"),
        ([0.1, 1.0] * 10, "decay_learning_rate"),
        ([0.001] * 12, "converged"),
    ],
)
def test_the_validator_sees_the_trend(figures: list[float], action: str | None) -> None:
    tracker = ConvergenceTracker(criterion=ConvergenceCriterion())
    for figure in figures:
        tracker = tracker.observe(figure)
    symptoms = validator.analyze(Knowledge(), tracker)
    knowledge = Knowledge[ConvergenceTracker]()
    assert [step.name for step in validator.plan(knowledge, symptoms)] == [action] * (action is not None)
    knowledge.facts["rested"] = validator.REST - 1
    rested = [step.name for step in validator.plan(knowledge, symptoms)]
    assert rested == (["converged"] if action == "converged" else [])


async def test_an_action_that_fails_is_an_outcome_and_the_others_are_carried_out() -> None:
    actions = [Action(name=name, symptom="s") for name in ("refused", "failing", "fine", "waited")]

    def execute(action: Action) -> Any:
        if action.name == "refused":
            raise SettingError(name="x", found=1, needed="2")
        if action.name == "failing":
            raise OSError("no route")

        async def later() -> str:
            return "later"

        return later() if action.name == "waited" else None

    with captured(actor_kind=ActorKind.COORDINATOR) as capture:
        loop: Loop[int] = Loop(
            kind=ActorKind.COORDINATOR,
            analyze=lambda _, seen: [Symptom(name="s", severity=1.0, detail=str(seen))],
            plan=lambda *_: actions,
            telemetry=capture.telemetry,
        )
        cycle = await loop.turn(7, execute)
    assert [outcome.result for outcome in cycle.outcomes] == ["refused", "failure", "success", "success"]
    assert cycle.outcomes[3].detail == "later"
    assert loop.knowledge.summary()["outcomes"] == {
        "refused:refused": 1, "failing:failure": 1, "fine:success": 1, "waited:success": 1,
    }  # fmt: skip
    assert list(loop.knowledge.history) == [7]


def test_knowledge_is_bounded() -> None:
    knowledge = Knowledge[int]()
    for number in range(1000):
        knowledge.keep(number, (), ())
    assert (len(knowledge.history), knowledge.cycles) == (64, 1000)
