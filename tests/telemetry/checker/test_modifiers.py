"""Rules that change levels or leave findings out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from telemetry.checker.findings import Finding, FindingLevel
from telemetry.checker.live_check import LiveCheck
from telemetry.checker.modifiers import FindingFilter, LevelOverride, Modifier
from telemetry.checker.sample_reader import sample_of

V, N = FindingLevel.VIOLATION, FindingLevel.INFORMATION


def finding(**more: Any) -> Finding:
    fields: dict[str, Any] = {
        "id": "missing_attribute", "level": V, "message": "", "context": None, "signal_type": "span",
        "signal_name": "s",
    }  # fmt: skip
    return Finding(**(fields | more))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (FindingFilter(), True),
        (FindingFilter(exclude=("missing_attribute",)), False),
        (FindingFilter(exclude=("deprecated",)), True),
        (FindingFilter(exclude=("missing_attribute",), signal_type="metric"), True),
        (FindingFilter(exclude=("missing_attribute",), sample_names=("a.*",)), False),
        (FindingFilter(exclude=("missing_attribute",), sample_names=("b.*",)), True),
        (FindingFilter(exclude_samples=("a.{b,c}",)), False),
        (FindingFilter(exclude_samples=("a.[xyz]",)), True),
        (FindingFilter(min_level=V), True),
    ],
)
def test_filters(rule: FindingFilter, kept: bool) -> None:
    assert (Modifier([rule]).apply(finding(), "a.b") is not None) is kept


def test_filters_by_level_and_samples_without_names() -> None:
    assert Modifier([FindingFilter(min_level=V)]).apply(finding(level=N), "a") is None
    assert Modifier([FindingFilter(exclude_samples=("*",))]).apply(finding(), None) is not None
    assert Modifier([FindingFilter(exclude=("missing_attribute",), sample_names=("*",))]).apply(finding(), None)


def test_the_first_override_wins_and_comes_before_filters() -> None:
    rules = [
        LevelOverride(level=FindingLevel.IMPROVEMENT, ids=("deprecated",)),
        LevelOverride(level=N, ids=("missing_attribute",), sample_names=("a.*",)),
        LevelOverride(level=FindingLevel.IMPROVEMENT),
    ]
    changed = Modifier(overrides=rules).apply(finding(), "a.b")
    assert changed is not None
    assert changed.level is N
    other = Modifier(overrides=rules).apply(finding(), "b")
    assert other is not None
    assert other.level is FindingLevel.IMPROVEMENT
    assert Modifier([FindingFilter(min_level=V)], rules).apply(finding(), "a.b") is None


def test_what_is_left_out_is_not_counted(live: Callable[..., LiveCheck]) -> None:
    check = live(Modifier([FindingFilter(exclude=("missing_attribute", "missing_namespace"))]))
    node = check.check(sample_of({"attribute": {"name": "x", "value": 1}}))
    assert node["attribute"]["live_check_result"] == {"all_advice": [], "highest_advice_level": None}
    assert check.statistics.as_node()["no_advice_count"] == 1
    assert check.highest is None
