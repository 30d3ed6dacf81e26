"""A release goes out by stages, to the same clients and more; it waits for consent, and comes back when it is bad."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.error_rates import ErrorBound
from federation.errors import SettingError
from federation.rollout import HOUR_S, STAGES, Decision, Rollout, Stage

Figures = dict[str, tuple[int, int]]
CLIENTS = [f"{number * 2654435761 % 2**64:016x}" for number in range(6_000)]
BEGUN = Rollout(version="1.0.2", parent="1.0.1", entered_at=0.0)


def _at(stage: str, rollout: Rollout = BEGUN) -> Rollout:
    return replace(rollout, stage=stage)


def _reports(rollout: Rollout, errors: int, *, calls: int = 1_000, served: bool = True) -> Figures:
    return {client: (calls, errors) for client in CLIENTS if (rollout.served(client) == rollout.version) is served}


def _reported(rollout: Rollout, errors: int) -> tuple[Figures, Figures]:
    return dict.fromkeys(CLIENTS, (1_000, 100)), _reports(rollout, errors)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_share_that_is_served_is_the_stage_s(stage: Stage) -> None:
    served = sum(_at(stage.name).served(client) == "1.0.2" for client in CLIENTS)
    n, share = len(CLIENTS), stage.share
    assert abs(served / n - share) <= NormalDist().inv_cdf(0.9999) * (share * (1 - share) / n) ** 0.5


@settings(deadline=None, max_examples=50)
@given(client=st.text(min_size=1, max_size=64), version=st.from_regex(r"\A1\.\d\.\d{1,3}\Z"))
def test_a_client_that_is_served_a_release_keeps_it_and_is_told_the_same_each_time(client: str, version: str) -> None:
    rollout = Rollout(version=version, parent="0.9.9", entered_at=0.0)
    served = [_at(stage.name, rollout).served(client) == version for stage in STAGES]
    assert served == sorted(served)
    assert served[-1]
    assert STAGES[served.index(True)].name == rollout.group(client)
    assert rollout.served(client) == Rollout.from_dict(rollout.to_dict()).served(client)


def test_who_is_early_changes_from_release_to_release() -> None:
    early = [set(_reports(replace(BEGUN, version=version), 0)) for version in ("1.0.2", "1.0.3")]
    assert len(early[0] & early[1]) < min(map(len, early)) / 5


def test_the_first_release_is_everybody_s() -> None:
    first = Rollout(version="1.0.0", parent=None, entered_at=0.0)
    assert first.is_full
    assert all(first.served(client) == "1.0.0" for client in CLIENTS[:100])
    assert first.step(1e9, {}, {})[1].word == "wait"
    with pytest.raises(SettingError, match="go back to"):
        first.roll_back()


def test_a_good_release_reaches_everybody_with_one_consent() -> None:
    rollout, now, words = BEGUN, 0.0, list[tuple[str, str]]()
    for _ in range(24):
        rollout, decision = rollout.step(now, *_reported(rollout, 100))
        if decision.word != "wait":
            words.append((decision.word, decision.reason))
        if decision.word == "await_approval":
            rollout = rollout.approve(by="olga", now=now)
        if rollout.is_full:
            break
        now += HOUR_S
    assert words == [("promote", "fine"), ("await_approval", "approval"), ("promote", "approval"), ("promote", "fine")]
    # canary 2 h, staged 6 h and the hour until the consent was seen, general 12 h
    assert now == (2 + 6 + 1 + 12) * HOUR_S
    assert rollout.step(now + 1, *_reported(rollout, 100))[1] == replace(
        rollout.step(now, *_reported(rollout, 100))[1], word="wait", reason="full"
    )


@pytest.mark.parametrize("stage", ["canary", "staged", "general"])
def test_above_five_percent_it_is_taken_back_at_once_and_at_five_percent_not(stage: str) -> None:
    rollout = _at(stage).approve(by="olga", now=0.0)
    kept, decision = rollout.step(60.0, *_reported(rollout, 105))
    assert (kept, decision.word) == (rollout, "wait")
    back, decision = rollout.step(60.0, *_reported(rollout, 106))
    assert (decision.word, decision.reason) == ("roll_back", "worse")
    assert (decision.rate_before, decision.rate_after) == (pytest.approx(0.1), pytest.approx(0.106))
    assert decision.clients == decision.clients_after == len(_reports(rollout, 0))
    assert {back.served(client) for client in CLIENTS[:500]} == {"1.0.1"}
    assert back.step(1e9, *_reported(rollout, 0))[1].word == "wait"


def test_reports_of_clients_that_were_not_served_the_release_do_not_count() -> None:
    before, after = _reported(BEGUN, 100)
    outside = _reports(BEGUN, 1_000, served=False)
    assert BEGUN.step(0.0, before, after | outside)[1] == BEGUN.step(0.0, before, after)[1]


@pytest.mark.parametrize("stage", ["canary", "staged", "general"])
def test_without_reports_nothing_goes_on_by_itself(stage: str) -> None:
    rollout = _at(stage)
    kept, decision = rollout.step(1e6, {}, {})
    assert kept == rollout
    assert (decision.word, decision.reason) == (
        "await_approval",
        "unknown",
    )
    assert decision.due_at == rollout.stages[rollout.place].lasts_s
    ahead, decision = rollout.approve(by="olga", now=2e6).step(2e6, {}, {})
    assert decision.word == "promote"
    assert (ahead.place, ahead.entered_at, ahead.approved_by) == (rollout.place + 1, 2e6, "")


def test_consent_shortens_no_stage_and_saves_no_bad_release() -> None:
    agreed = _at("staged").approve(by="olga", now=0.0)
    assert agreed.step(6 * HOUR_S - 1, *_reported(agreed, 100))[1].word == "wait"
    assert agreed.step(6 * HOUR_S, *_reported(agreed, 200))[1].word == "roll_back"
    assert agreed.approve(by="otto", now=9.0) == agreed


@pytest.mark.parametrize("rollout", [_at("full"), BEGUN.roll_back()], ids=["full", "rolled back"])
def test_there_is_nothing_to_approve_at_the_end(rollout: Rollout) -> None:
    with pytest.raises(SettingError, match="next stage"):
        rollout.approve(by="olga", now=0.0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 30 * HOUR_S), st.integers(0, 105), st.booleans()), max_size=12))
def test_whatever_happens_the_share_only_grows_and_a_good_release_stays(
    events: list[tuple[float, int, bool]],
) -> None:
    rollout, now = replace(BEGUN, bound=ErrorBound(least_clients=3, least_calls=1)), 0.0
    before = dict.fromkeys(CLIENTS[:400], (1_000, 100))
    for elapsed, errors, approves in events:
        now += elapsed
        if approves and not rollout.is_full:
            rollout = rollout.approve(by="olga", now=now)
        stepped, decision = rollout.step(now, before, dict.fromkeys(before, (1000, errors)))
        assert stepped.place - rollout.place == (decision.word == "promote")
        assert decision.word != "roll_back"
        if rollout.stage == "staged" and decision.word == "promote":
            assert rollout.approved_by
        if decision.word == "promote":
            assert now >= rollout.entered_at + rollout.stages[rollout.place].lasts_s
        rollout = stepped


def test_a_rollout_survives_json() -> None:
    rollout = replace(_at("staged").approve(by="olga", now=5.0), bound=ErrorBound(worse=0.1))
    assert Rollout.from_dict(json.loads(json.dumps(rollout.to_dict()))) == rollout
    assert isinstance(rollout.step(0.0, {}, {})[1], Decision)


@pytest.mark.parametrize(
    "stages",
    [
        (),
        STAGES[:3],
        (STAGES[1], STAGES[0], STAGES[3]),
        (STAGES[0], replace(STAGES[3], name="canary")),
    ],
)
def test_stages_have_to_lead_to_everybody(stages: tuple[Stage, ...]) -> None:
    with pytest.raises(SettingError):
        Rollout(version="1.0.1", parent="1.0.0", entered_at=0.0, stages=stages)


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.1}, {"lasts_s": -1.0}, {"lasts_s": float("inf")}])
def test_stages_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        replace(STAGES[0], **wrong)  # pyright: ignore[reportArgumentType]
