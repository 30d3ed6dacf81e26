"""Pipelines: bounds of every part, verdicts on the original rows, and how configuration names them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from federation.errors import RuleBoundError, SettingError, UpdatesError
from federation.rules import (
    ALL_PRE_AGGREGATORS,
    ALL_RULES,
    Bucketing,
    CenteredClipping,
    Krum,
    Mean,
    Median,
    MultiKrum,
    NearestNeighborMixing,
    NormClipping,
    Pipeline,
    Rule,
    rule_from,
)
from tests.federation.rules.contract import attacked, check_verdicts, gaussian

STEPS = [step() for step in ALL_PRE_AGGREGATORS]
RULES = [rule() for rule in ALL_RULES]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_step_goes_before_every_rule(step: Any, rule: Any) -> None:
    pipeline = Pipeline(steps=(step,), rule=rule)
    updates = attacked(24, 30, 2, far=100.0).astype(np.float32)
    updates.setflags(write=False)
    made = pipeline(updates, f=2)
    assert isinstance(pipeline, Rule)
    assert made.value.shape == (30,)
    assert made.value.dtype == np.float32
    check_verdicts(made.verdicts, 24)
    if rule.name != "mean":
        assert np.linalg.norm(made.value) < 12


def test_without_steps_it_is_the_rule() -> None:
    updates = gaussian(9, 5)
    np.testing.assert_array_equal(Pipeline(rule=Median())(updates, f=4).value, Median()(updates, f=4).value)


def test_the_bound_is_checked_on_the_rows_that_reach_each_part() -> None:
    pipeline = Pipeline(steps=(Bucketing(s=2),), rule=Median())
    pipeline.requires(9, 2)
    with pytest.raises(RuleBoundError) as caught:
        pipeline(gaussian(8, 3), f=2)
    assert (caught.value.rule, caught.value.n, caught.value.needed) == ("median", 4, 5)
    with pytest.raises(RuleBoundError) as caught:
        Pipeline(steps=(NearestNeighborMixing(),), rule=Mean()).requires(4, 2)
    assert caught.value.rule == "nearest_neighbor_mixing"


def test_a_verdict_on_a_bucket_falls_on_its_members() -> None:
    updates = attacked(20, 10, 2, far=100.0)
    groups = Bucketing(s=2).mix(updates, f=2).groups
    verdicts = Pipeline(steps=(Bucketing(s=2),), rule=MultiKrum())(updates, f=2).verdicts
    spoiled = np.isin(groups, groups[18:])
    assert verdicts.rejected[spoiled].all()
    for bucket in range(10):
        assert len(set(verdicts.decisions[groups == bucket].tolist())) == 1


def test_the_most_severe_verdict_wins() -> None:
    updates = attacked(12, 10, 3, far=1e3)
    verdicts = Pipeline(steps=(NormClipping(radius=0.5),), rule=Krum())(updates, f=3).verdicts
    assert verdicts.rule == "norm_clipping+krum"
    assert (verdicts.decisions == 2).sum() == 11  # rejected by krum, although clipped before
    assert (verdicts.decisions == 1).sum() == 1  # selected by krum, but clipped
    assert {v.reason for v in verdicts} == {"krum.not_selected", "norm_clipping.norm"}
    kept = Pipeline(steps=(NormClipping(radius=0.5),), rule=Median())(updates, f=3).verdicts
    assert {v.reason for v in kept} == {"norm_clipping.norm"}
    assert kept.threshold == 0.5


def test_two_steps_compose_their_groups() -> None:
    updates = gaussian(24, 10)
    both = Pipeline(steps=(Bucketing(s=2), Bucketing(s=3)), rule=Krum())(updates, f=0)
    assert (~both.verdicts.rejected).sum() == 6


def test_what_is_no_matrix_is_refused() -> None:
    with pytest.raises(UpdatesError):
        Pipeline(steps=(NearestNeighborMixing(),), rule=Median())([[1.0]], f=0)  # pyright: ignore[reportArgumentType]


def test_configuration() -> None:
    assert rule_from("median") == Median()
    assert rule_from({"name": "centered_clipping", "radius": 2.0}) == CenteredClipping(radius=2.0)
    assert rule_from(["median"]) == Median()
    assert rule_from(("nearest_neighbor_mixing", {"name": "bucketing", "s": 4}, "krum")) == Pipeline(
        steps=(NearestNeighborMixing(), Bucketing(s=4)), rule=Krum()
    )
    rule = MultiKrum(keep=3)
    assert rule_from(rule) is rule
    assert rule_from([NormClipping(), rule]) == Pipeline(steps=(NormClipping(),), rule=rule)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("medain", "nearest: 'median'"),
        ("multi-krum", "nearest: 'multi_krum'"),
        ("zzz", "one of mean, median"),
        ({"name": "multi_krum", "kep": 3}, "nearest: 'keep'"),
        ({"name": "krum", "keep": 3}, "no parameters"),
        ({"name": "mean", "share_cap": "x"}, "right type"),
        ({"radius": 3}, "a mapping with a name"),
        ({"name": 3}, "one of mean, median"),
        (["median", "krum"], "last in its list"),
        (["bucketing"], "ends with a rule"),
        ("bucketing", "only prepares"),
        ([], "ends with a rule"),
        (3, "a name, or a mapping"),
    ],
)
def test_configuration_errors_say_what_to_write(description: Any, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        rule_from(description)
