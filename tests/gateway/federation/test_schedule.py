"""What the clerk does next, as lists of states: no storage, no swarm, no clock."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from gateway.federation import clerk_state
from gateway.federation.clerk_state import (
    BUDGET,
    MASS_ANOMALY,
    TOO_SLOW,
    UNPUBLISHED,
    ClerkSettings,
    Pause,
    Recall,
    State,
)
from gateway.federation.schedule import (
    Attend,
    Extend,
    Judge,
    Launch,
    List,
    Publish,
    Renew,
    Request,
    Restore,
    RunRound,
    Seal,
    Seen,
    Settle,
    Step,
    Tidy,
    Wait,
    Withdraw,
    next_step,
)

FIGURES = ClerkSettings(interval_s=100.0, min_participants=10)
HOUR = 3600.0


def begun() -> State:
    return clerk_state.opened(0.0, settings=FIGURES)


def step(state: State, now: float, **seen: object) -> Step:
    return next_step(state, Seen(**seen), now=now, settings=FIGURES)  # type: ignore[arg-type]


def sealed(participants: int = 12, asked: str = "") -> State:
    return clerk_state.sealed(begun(), 100.0, participants=participants, settings=FIGURES, asked=asked)


def recall(**changes: object) -> State:
    back = Recall(target=3, newest=5, bad="1.0.5", reason="federation.error_rate", window=1)
    return replace(begun(), recall=replace(back, **changes))  # type: ignore[arg-type]


def test_the_figures_are_the_documents() -> None:
    found = ClerkSettings()
    assert (found.interval_s, found.min_participants, found.staleness_s) == (6 * HOUR, 10, 72 * HOUR)
    assert (found.aggregation_s, len(found.write_again_s)) == (300.0, 3)
    assert [(stage.name, stage.share, stage.lasts_s, stage.approval) for stage in found.stages] == [
        ("canary", 0.01, 2 * HOUR, False),
        ("staged", 0.1, 6 * HOUR, True),
        ("general", 0.5, 12 * HOUR, False),
        ("full", 1.0, 0.0, False),
    ]
    assert found.judge_s == 60.0


@pytest.mark.parametrize(
    "name", ["interval_s", "staleness_s", "aggregation_s", "tidy_s", "pulse_s", "min_participants"]
)
def test_figures_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(SettingError, match=name):
        ClerkSettings(**cast("Any", {name: 0}))


def test_a_window_is_open_until_its_end() -> None:
    assert step(begun(), 99.9, pending=50) == Wait()
    assert step(begun(), 100.0, pending=10) == Seal(participants=10)


def test_too_few_participants_put_the_end_off_by_one_interval() -> None:
    assert step(begun(), 100.0, pending=9) == Extend(code="federation.participants", found=9, needed=10)
    after = clerk_state.extended(begun(), 130.0, settings=FIGURES)
    assert (after.window.number, after.window.opened_at, after.window.closes_at, after.window.extended) == (
        1,
        0,
        230,
        1,
    )
    assert step(after, 229.0, pending=9) == Wait()


def test_sealing_opens_the_next_window_and_names_the_round() -> None:
    found = sealed()
    assert (found.window.number, found.window.opened_at, found.window.closes_at) == (2, 100.0, 200.0)
    assert found.sealed is not None
    assert (found.sealed.window, found.sealed.request) == (1, "window-1-1")
    assert step(found, 101.0) == RunRound(sealed=found.sealed)


def test_a_round_is_run_then_published_then_settled() -> None:
    made = clerk_state.released(sealed(), 7)
    assert made.sealed is not None
    assert step(made, 101.0, published=6) == Publish()
    assert step(made, 101.0, published=7) == Settle(sealed=made.sealed)
    assert step(replace(made, sealed=None), 101.0, published=7) == Wait()


def test_lists_are_brought_up_to_date_before_anything_else_is_begun() -> None:
    made = clerk_state.released(sealed(), 7)
    assert step(made, 101.0, published=7, listed=False) == List()
    stuck = replace(begun(), unpublished=Pause(code=UNPUBLISHED, detail="disk", since=1.0))
    assert step(stuck, 10.0, listed=False) == Wait()


def test_a_round_that_took_too_long_is_tried_once_more_with_half() -> None:
    once = clerk_state.failed(sealed(50), 401.0, code=TOO_SLOW, detail="slow", settings=FIGURES)
    assert once.sealed is not None
    assert (once.sealed.request, once.sealed.limit) == ("window-1-2", 25)
    assert clerk_state.failed(once, 701.0, code=TOO_SLOW, detail="slow", settings=FIGURES).sealed is None


def test_the_smaller_batch_is_never_below_what_a_round_needs() -> None:
    once = clerk_state.failed(sealed(12), 401.0, code=TOO_SLOW, detail="slow", settings=FIGURES)
    assert once.sealed is not None
    assert once.sealed.limit == 10


@pytest.mark.parametrize("code", ["federation.absent_doors", "round.aborted", "storage.unavailable"])
def test_a_round_that_reached_nobody_is_tried_once_more_with_all(code: str) -> None:
    once = clerk_state.failed(sealed(50), 110.0, code=code, detail="down", settings=FIGURES)
    assert once.sealed is not None
    assert (once.sealed.request, once.sealed.limit) == ("window-1-2", None)
    assert clerk_state.failed(once, 120.0, code=code, detail="down", settings=FIGURES).sealed is None


@pytest.mark.parametrize("code", ["rule.bound", "round.quorum", "federation.participants"])
def test_other_failures_leave_the_submissions_to_the_next_window(code: str) -> None:
    after = clerk_state.failed(sealed(), 401.0, code=code, detail="no", settings=FIGURES)
    assert after == replace(sealed(), sealed=None)
    assert step(after, 401.0, pending=12) == Seal(participants=12)


def test_mass_anomaly_pauses_until_an_operator_goes_on() -> None:
    paused = clerk_state.failed(sealed(), 401.0, code=MASS_ANOMALY, detail="5 of 12", settings=FIGURES)
    assert paused.paused == Pause(code=MASS_ANOMALY, detail="5 of 12", since=401.0, review=True)
    assert step(paused, 1e9, pending=100) == Extend(code=MASS_ANOMALY, found=100, needed=10)


def test_a_spent_budget_pauses_until_it_is_renewed() -> None:
    paused = clerk_state.failed(sealed(), 150.0, code=BUDGET, detail="8 of 8", settings=FIGURES, renews_at=900.0)
    assert paused.paused is not None
    assert (paused.paused.until, paused.paused.review) == (900.0, False)
    assert step(paused, 250.0, pending=12) == Extend(code=BUDGET, found=12, needed=10)
    assert step(paused, 900.0, pending=12) == Renew()


def test_while_nothing_can_be_published_no_round_is_begun() -> None:
    stuck = replace(clerk_state.released(sealed(), 7), unpublished=Pause(code=UNPUBLISHED, detail="disk", since=105.0))
    assert step(stuck, 150.0, published=6) == Wait()
    assert step(stuck, 200.0, published=6, pending=30) == Extend(code=UNPUBLISHED, found=30, needed=10)
    assert step(replace(stuck, unpublished=None), 201.0, published=6) == Publish()


def test_a_release_waits_for_the_rollout_before_it() -> None:
    assert step(begun(), 10.0, rolled_out=False, waiting=None) == Wait()
    assert step(begun(), 10.0, rolled_out=False, waiting="1.0.3", judge=True) == Judge()
    assert step(begun(), 10.0, rolled_out=True, waiting="1.0.3", judge=True) == Launch(version="1.0.3")


def test_a_rollback_restores_publishes_and_withdraws() -> None:
    assert isinstance(step(recall(), 10.0, published=5), Restore)
    assert step(recall(restored=6), 10.0, published=5) == Publish()
    assert isinstance(step(recall(restored=6), 10.0, published=6), Withdraw)
    stuck = replace(recall(restored=6), unpublished=Pause(code=UNPUBLISHED, detail="disk", since=1.0))
    assert step(stuck, 10.0, published=5, rolled_out=False, judge=True) == Wait()


def test_operators_come_first_and_are_not_served_twice() -> None:
    ask = Request(id="a", what="resume", by="ops", at=1.0)
    assert step(sealed(), 101.0, requests=(ask,)) == Attend(request=ask)
    round_ = Request(id="b", what="round", by="ops", at=2.0)
    under_way = sealed(asked="b")
    assert under_way.sealed is not None
    assert step(under_way, 101.0, requests=(round_,)) == RunRound(sealed=under_way.sealed)


@pytest.mark.parametrize("what", ["round", "rollback"])
def test_a_round_and_a_rollback_wait_for_what_is_under_way(what: str) -> None:
    ask = Request(id="c", what=what, by="ops", at=1.0)
    assert isinstance(step(sealed(), 101.0, requests=(ask,)), RunRound)
    assert isinstance(step(recall(), 10.0, requests=(ask,)), Restore)
    assert step(begun(), 10.0, requests=(ask,)) == Attend(request=ask)


def test_what_is_stale_is_cleared_when_nothing_else_is_to_do() -> None:
    assert step(begun(), 10.0, tidy=True) == Tidy()
    assert step(begun(), 100.0, tidy=True, pending=12) == Seal(participants=12)


def test_the_state_survives_json() -> None:
    whole = replace(
        clerk_state.released(sealed(asked="x"), 7),
        recall=recall().recall,
        paused=Pause(code=BUDGET, detail="spent", since=1.0, until=2.0),
        unpublished=Pause(code=UNPUBLISHED, detail="disk", since=1.0),
    )
    assert State.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole
    with pytest.raises(SettingError, match="clerk's state"):
        State.from_dict({"window": {"number": 1}})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["ok", "rule.bound", TOO_SLOW, MASS_ANOMALY, BUDGET])),
        max_size=30,
    )
)
def test_no_window_is_lost_or_run_under_one_name_twice(rounds: list[tuple[int, str]]) -> None:
    """Whatever comes of rounds: windows count up by one, and each try has an id of its own."""
    state, now, asked, published = begun(), 0.0, list[str](), 0
    for pending, outcome in rounds:
        now = max(now, state.window.closes_at)
        before = state.window.number
        match step(state, now, pending=pending, published=published):
            case Seal(participants=found):
                assert found >= FIGURES.min_participants
                state = clerk_state.sealed(state, now, participants=found, settings=FIGURES)
                assert state.window.number == before + 1
            case Extend():
                state = clerk_state.extended(state, now, settings=FIGURES)
                assert state.window.number == before
            case RunRound(sealed=at) if outcome == "ok":
                asked.append(at.request)
                state = clerk_state.released(state, published + 1)
            case RunRound(sealed=at):
                asked.append(at.request)
                state = clerk_state.failed(state, now, code=outcome, detail="", settings=FIGURES, renews_at=now + 150)
            case Publish():
                published += 1
            case Settle():
                state = replace(state, sealed=None)
            case Renew():
                state = replace(state, paused=None)
            case other:
                pytest.fail(f"{other} is not due")
    assert len(set(asked)) == len(asked)
