"""Scores and patterns against the document's formulas."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from workloads.patterns import (
    BatchLearning,
    KeySpace,
    PatternError,
    PatternExperience,
    PatternType,
    Scoring,
    experience_of,
)
from workloads.patterns.learning import wilson

share = st.floats(0, 1)
experiences = st.builds(
    PatternExperience, type=st.sampled_from(PatternType), category=st.sampled_from(["Read", "Edit"]), success=share,
    errors=share, duration_s=st.none() | st.floats(0, 1e6), resources=st.none() | st.floats(0, 1e6),
    count=st.integers(1, 100), team_size=st.integers(0, 20),
)  # fmt: skip


def tool(success: float, **fields: Any) -> PatternExperience:
    return PatternExperience(type=PatternType.TOOL, category="Read", success=success, errors=1 - success, **fields)


def test_the_composite_is_weighted_as_the_document_says() -> None:
    one = tool(0.8, duration_s=1.0, resources=15.0)
    assert Scoring().composite(one) == pytest.approx(0.35 * 0.8 + 0.25 * 0.5 + 0.25 * 0.8 + 0.15 * 0.25)
    assert Scoring().composite(tool(1.0)) == pytest.approx(0.35 + 0.125 + 0.25 + 0.075)
    with pytest.raises(SettingError):
        Scoring(success=0.5)


@settings(deadline=None, max_examples=100)
@given(st.lists(experiences, max_size=30))
def test_patterns_stay_within_their_ranges(found: list[PatternExperience]) -> None:
    for key, pattern in BatchLearning(smallest_group=1, margin=0.0).learn(found).items():
        group = [one for one in found if one.key == key]
        assert pattern.sample_size == len(group)
        assert 0 <= pattern.confidence <= pattern.success_rate + 1e-9
        assert 0 <= pattern.group_mean <= pattern.best_composite <= 1
        assert pattern.best_composite == max(Scoring().composite(one) for one in group)
        assert 0 <= pattern.consecutive_successes <= len(group)
        assert pattern.update_count == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(experiences, min_size=2, max_size=20), st.integers(1, 19))
def test_two_batches_count_what_one_does(found: list[PatternExperience], cut: int) -> None:
    learning = BatchLearning(smallest_group=1, margin=0.0)
    whole = learning.learn(found)
    parts = learning.learn(found[cut:], learning.learn(found[:cut]))
    assert whole.keys() == parts.keys()
    for key, one in whole.items():
        other = parts[key]
        assert (one.sample_size, one.calls, one.consecutive_successes) == (
            other.sample_size,
            other.calls,
            other.consecutive_successes,
        )
        assert one.best_composite == other.best_composite
        assert one.group_mean == pytest.approx(other.group_mean)
        assert one.confidence == pytest.approx(other.confidence)


def test_a_group_whose_best_hardly_beats_its_mean_is_no_pattern() -> None:
    level = [tool(1.0, duration_s=1.0)] * 10
    assert not BatchLearning().learn(level)
    assert not BatchLearning().learn([tool(1.0, duration_s=0.0), tool(0.0)])  # two are no group
    found = BatchLearning().learn([*level, tool(1.0, duration_s=0.0)])
    assert list(found) == ["tool::Read"]
    assert found["tool::Read"].consecutive_successes == 11
    after = BatchLearning().learn([tool(0.0)], found)["tool::Read"]
    assert (after.consecutive_successes, after.update_count, after.sample_size) == (0, 2, 12)


def test_confidence_is_wilsons_lower_end() -> None:
    assert wilson(0, 10) == pytest.approx(0.0, abs=1e-12)
    assert wilson(10, 10) == pytest.approx(0.7224672, abs=1e-6)
    assert wilson(81, 263) == pytest.approx(0.2553, abs=1e-4)  # Newcombe, 1998, table I


def test_a_sessions_log_is_read_and_nothing_private_in_it() -> None:
    log = {"type": "tool", "category": "Read", "data": {"calls": 120, "successes": 114, "totalMs": 5400}, "user": "mia"}
    one = experience_of(log)
    assert (one.success, one.count, one.duration_s) == (0.95, 120, 0.045)
    error = {"type": "error", "category": "ENOENT", "data": {"message": "/home/mia", "recoverable": True}}
    assert "mia" not in repr(experience_of(error))
    team = experience_of(
        {"type": "team", "category": "leader", "data": {"size": 3, "successRate": 0.5, "domain": "backend"}}
    )
    assert (team.team_size, team.domain) == (3, "backend")
    done = experience_of(
        {"type": "success", "category": "bugfix", "data": {"filesModified": ["a", "b"], "testsPass": False}}
    )
    assert (done.success, done.resources) == (0.0, 2.0)
    assert experience_of({**log, "category": "mcp__secret"}).within(KeySpace.of()).key == "tool::other"


@pytest.mark.parametrize(
    "bad",
    [
        None, {}, {"type": "tool"}, {"type": "mia", "category": "x", "success": 1},
        {"type": "tool", "category": "x" * 65, "success": 1},
        {"type": "tool", "category": "x", "success": 2}, {"type": "tool", "category": "x", "success": float("nan")},
        {"type": "tool", "category": "x", "data": {"calls": 0, "successes": 0}},
        {"type": "tool", "category": "x", "data": 3},
        {"type": "team", "category": "x", "data": {"size": 99, "successRate": 1}},
        {"type": [], "category": "x", "data": {}},
        {"type": "tool", "category": "x", "data": {"calls": float("inf"), "successes": 1}},
    ],
)  # fmt: skip
def test_what_is_no_experience_is_refused_without_repeating_it(bad: Any) -> None:
    with pytest.raises(PatternError) as caught:
        experience_of(bad)
    assert "mia" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("size", [3, 7, 11, 113])
def test_equal_scores_are_a_pattern_where_no_margin_is_asked_for(size: int) -> None:
    same = [PatternExperience(type=PatternType.TOOL, category="Read", success=1.0, duration_s=0.5)] * size
    assert BatchLearning(margin=0.0).learn(same)["tool::Read"].sample_size == size
    assert not BatchLearning().learn(same)
