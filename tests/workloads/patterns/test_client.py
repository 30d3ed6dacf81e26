"""The client's side: deltas, blending, the fast cache."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from workloads.patterns import (
    BatchLearning,
    CacheSettings,
    FastCache,
    GivenExperiences,
    KeySpace,
    KeySpaceError,
    OlderReleaseError,
    Pattern,
    PatternError,
    PatternExperience,
    PatternsWorkload,
    PatternType,
    extracted,
    hot_swapped,
    own_ratio,
    recovered,
    row_of,
    weights_of,
)  # fmt: skip
from workloads.patterns.rows import columns, decoded, migrated
from workloads.patterns.schema import GlobalPatternWeight


def pattern(confidence: float = 0.8, *, samples: int = 20, streak: int = 5) -> Pattern:
    return Pattern(
        key="tool::Read", type=PatternType.TOOL, category="Read", confidence=confidence, best_composite=0.9,
        group_mean=0.6, sample_size=samples, consecutive_successes=streak, update_count=1, successes=9, calls=10,
        duration_s=0.05, timed_calls=10,
    )  # fmt: skip


def fleets(confidence: float = 0.4) -> dict[str, GlobalPatternWeight]:
    return {
        key: GlobalPatternWeight(
            type=PatternType.TOOL, category=key[6:], confidence=confidence, best_composite=0.5, group_mean=0.5,
            tool_success_rate=0.5, total_samples=100, contributor_count=7,
        )
        for key in ("tool::Read", "tool::Edit")
    }  # fmt: skip


def test_a_first_delta_is_whole_and_the_next_is_the_change(space: KeySpace) -> None:
    first = extracted({"tool::Read": pattern()}, space=space)
    assert first.weights["tool::Read"].confidence == 0.8
    second = extracted({"tool::Read": pattern(0.7, samples=21)}, space=space, last=first.submitted)
    assert second.weights["tool::Read"].confidence == -0.1
    assert second.weights["tool::Read"].sample_size == 21
    assert not extracted({"tool::Read": pattern()}, space=space, last=first.submitted).weights
    assert not extracted({"tool::secret": replace(pattern(), category="secret")}, space=space).weights


experiences = st.builds(
    PatternExperience, type=st.sampled_from(PatternType), success=st.floats(0, 1), team_size=st.integers(0, 20),
    category=st.sampled_from(["Read", "leader", "mia_li_3668", "/home/mia"]) | st.text(min_size=1, max_size=9),
    duration_s=st.none() | st.floats(0, 10),
)  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(st.lists(experiences, max_size=20), st.booleans())
def test_a_delta_holds_no_word_but_the_key_spaces(found: list[PatternExperience], named: bool) -> None:
    space = KeySpace.of(tools=["Read"], teams=["leader"])
    given_ = [one.within(space) for one in found] if named else found
    patterns = dict(BatchLearning(smallest_group=1, margin=0.0).learn(given_))
    patterns["tool::Read"] = replace(pattern(), category="mia")
    weights = extracted(patterns, space=space).weights
    categories = {key.partition("::")[2] for key in space.keys}
    assert set(weights) <= set(space.keys)
    for weight in weights.values():
        words = {value for value in weight.plain().values() if isinstance(value, str)}
        assert words <= categories | {*PatternType, "general", "fast", "medium", "slow"}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_deltas_add_up_to_the_newest_weights(confidences: list[float]) -> None:
    space, last, total = KeySpace.of(tools=["Read"]), None, 0.0
    for samples, confidence in enumerate(confidences, start=1):
        found = extracted({"tool::Read": pattern(confidence, samples=samples)}, space=space, last=last)
        total += found.weights["tool::Read"].confidence
        last = found.submitted
    assert total == pytest.approx(round(confidences[-1], 4), abs=1e-9)


def test_one_who_joins_later_adds_its_difference_and_not_its_weight(space: KeySpace) -> None:
    workload = PatternsWorkload(space=space)
    base = workload.genesis(0)
    first = row_of(
        extracted({"tool::Read": pattern(0.8)}, space=space, base=base).weights, base=base, space=space, round_number=1
    )
    assert first.unknown == 0
    round_one = workload.fold(base, workload.rule(np.tile(first.row, (10, 1)), f=0).value)  # pyright: ignore[reportArgumentType]
    assert decoded(round_one, space)["tool::Read"].values[0] == pytest.approx(0.8)
    late = extracted({"tool::Read": pattern(0.8)}, space=space, base=round_one)
    assert late.weights["tool::Read"].confidence == 0.0
    again = row_of(late.weights, base=round_one, space=space, round_number=1).row
    assert not columns(again, len(space.keys)).values.round(6).any()  # latency is a difference, too


def test_what_the_key_space_does_not_name_is_left_out_and_counted(space: KeySpace) -> None:
    found = extracted({"tool::Read": pattern()}, space=space).weights
    other = KeySpace.of()
    assert row_of(found, base=PatternsWorkload(space=other).genesis(0), space=other, round_number=1).unknown == 1


def test_rows_move_to_a_later_minor_version(space: KeySpace) -> None:
    later = space.extended(["tool::Bash"])
    assert later.version == "1.1"
    weights = extracted({"tool::Read": pattern()}, space=space).weights
    row = row_of(weights, base=PatternsWorkload(space=space).genesis(0), space=space, round_number=1).row
    moved = migrated(row, space, later)
    assert decoded(moved, later) == decoded(row, space)
    with pytest.raises(KeySpaceError):
        migrated(moved, later, space)


@pytest.mark.parametrize(("n", "ratio"), [(0, 0.1), (99, 0.1), (100, 0.3), (999, 0.3), (1000, 0.5), (10**6, 0.5)])
def test_blending_goes_by_experience(n: int, ratio: float) -> None:
    assert own_ratio(n) == ratio
    assert own_ratio(n, local_priority=True) == 0.7
    found = hot_swapped({"tool::Read": pattern()}, fleets(), version="1.0.0", experiences=n)
    assert found.weights["tool::Read"].confidence == pytest.approx(ratio * 0.8 + (1 - ratio) * 0.4)
    assert found.weights["tool::Edit"].confidence == 0.4
    with pytest.raises(SettingError):
        own_ratio(-1)


def test_applying_twice_is_applying_once_and_versions_go_forward() -> None:
    own = {"tool::Read": pattern()}
    once = hot_swapped(own, fleets(), version="1.0.10", experiences=500)
    assert hot_swapped(own, fleets(), version="1.0.10", experiences=500, installed=once) == once
    with pytest.raises(OlderReleaseError):
        hot_swapped(own, fleets(), version="1.0.9", experiences=500, installed=once)
    with pytest.raises(PatternError):
        hot_swapped(own, fleets(), version="latest", experiences=500)


def test_a_damaged_file_is_reset_to_the_last_good_one() -> None:
    installed = hot_swapped({"tool::Read": pattern()}, fleets(), version="1.0.0", experiences=5)
    good = installed.to_bytes()
    assert recovered(good, None) == (installed, False)
    for bad in (b"", b"{", good[:-9], good.replace(b"1.0.0", b"1.0.9"), b'{"body": 3, "sha256": ""}', b"[" * 5000):
        assert recovered(bad, good) == (installed, True)
        assert recovered(bad, bad) == (None, True)
    assert recovered(None, good) == (None, False)


def test_patterns_are_promoted_and_demoted_with_a_gap_between() -> None:
    def turn(cache: FastCache, confidence: float, mine: Pattern):
        installed = hot_swapped({}, fleets(confidence), version="1.0.0", experiences=0)
        return cache.updated(installed, {"tool::Read": mine})

    inside = turn(FastCache(), 0.9, pattern())
    assert inside.promoted == ("tool::Read",)  # Edit is nobody's own here
    assert turn(inside.cache, 0.9, pattern()).promoted == ()
    assert turn(inside.cache, 0.7, pattern()).cache == inside.cache
    assert not turn(FastCache(), 0.7, pattern()).promoted
    assert turn(inside.cache, 0.5, pattern()).demoted == ("tool::Read",)
    assert turn(inside.cache, 0.9, pattern(streak=0)).demoted == ("tool::Read",)
    assert not turn(FastCache(), 0.9, pattern(samples=9)).promoted
    assert not turn(FastCache(), 0.9, pattern(streak=2)).promoted
    with pytest.raises(SettingError):
        CacheSettings(promote_at=0.5, demote_below=0.6)


def test_the_cache_holds_the_best_only() -> None:
    patterns = {f"tool::t{i}": replace(pattern(), key=f"tool::t{i}") for i in range(5)}
    release = {key: next(iter(fleets(0.8 + i / 100).values())) for i, key in enumerate(patterns)}
    installed = hot_swapped({}, release, version="1.0.0", experiences=0)
    found = FastCache(settings=CacheSettings(capacity=2)).updated(installed, patterns)
    assert found.promoted == ("tool::t3", "tool::t4")


def test_what_nobody_can_act_on_is_not_promoted() -> None:
    patterns = {f"tool::{word}": replace(pattern(), key=f"tool::{word}") for word in ("Read", "other")}
    release = dict.fromkeys(patterns, next(iter(fleets(0.95).values())))
    installed = hot_swapped({}, release, version="1.0.0", experiences=0)
    assert FastCache().updated(installed, patterns).promoted == ("tool::Read",)
    assert FastCache(keys=frozenset({"tool::other"})).updated(installed, patterns).demoted == ("tool::other",)


def test_stability_falls_with_swings_and_domains_are_views() -> None:
    space = KeySpace.of(tools=["Read", "Edit"], domains={"tool::Edit": "backend"})
    workload = PatternsWorkload(space=space, data=GivenExperiences(), learning=BatchLearning())
    base, keys = workload.genesis(0), len(space.keys)
    for turn in range(12):
        change = workload.genesis(0)
        parts = columns(change, keys)
        for key, value in (("tool::Read", 0.5), ("tool::Edit", turn % 2)):
            place = space.places[key]
            parts.contributors[place] = 6
            parts.values[place, 0] = value - columns(base, keys).values[place, 0]
        base = workload.fold(base, change)
    found = weights_of(base, space)
    assert found["tool::Read"].stability == pytest.approx(1.0, abs=1e-3)
    assert found["tool::Edit"].stability < 0.2  # pyright: ignore[reportOptionalOperand]
    assert set(weights_of(base, space, domain=space.domain("tool::Edit"))) == {"tool::Read", "tool::Edit"}
    assert set(weights_of(base, space, domain=space.domain("tool::Read"))) == {"tool::Read"}
