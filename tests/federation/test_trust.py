"""The trust ledger: reputation, quarantine, the way back, the cap, and its record."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from federation.trust import Outcome, Standing, TrustLedger, TrustPolicy

A, F, E = Outcome.ACCEPTED, Outcome.FLAGGED, Outcome.EQUIVOCATED
NAMES = tuple(f"agent-{i}" for i in range(10))


def history(ledger: TrustLedger, agent: str, letters: str) -> TrustLedger:
    """The ledger after one round a letter for one agent: a, f, e, or . for absent."""
    for letter in letters:
        ledger = ledger.after_round({} if letter == "." else {agent: {"a": A, "f": F, "e": E}[letter]})
    return ledger


def of(ledger: TrustLedger, agent: str) -> tuple[float, Standing]:
    row = ledger.agents.index(agent)
    return float(ledger.reputation[row]), Standing(int(ledger.standing[row]))


@pytest.fixture
def ledger() -> TrustLedger:
    return TrustLedger.start(NAMES)


class TestReputation:
    def test_starts_at_one_for_all_in_order_of_id(self) -> None:
        ledger = TrustLedger.start(["b", "a", "b"])
        assert ledger.agents == ("a", "b")
        assert ledger.reputation.tolist() == [1, 1]
        assert ledger.trusted.all()

    def test_follows_the_formula(self, ledger: TrustLedger) -> None:
        assert of(history(ledger, "agent-3", "f"), "agent-3")[0] == pytest.approx(0.9)
        assert of(history(ledger, "agent-3", "fa"), "agent-3")[0] == pytest.approx(0.91)
        assert of(history(ledger, "agent-3", "a" * 50), "agent-3")[0] == pytest.approx(1)

    def test_absence_neither_rewards_nor_punishes(self, ledger: TrustLedger) -> None:
        with_gaps = history(ledger, "agent-3", "f..a...f.")
        assert of(with_gaps, "agent-3")[0] == pytest.approx(of(history(ledger, "agent-3", "faf"), "agent-3")[0])
        assert with_gaps.reputation[0] == 1

    def test_below_the_floor_an_update_does_not_count_and_can_count_again(self, ledger: TrustLedger) -> None:
        low = history(ledger, "agent-3", "ffa" * 12)
        reputation, standing = of(low, "agent-3")
        assert standing is Standing.ACTIVE
        assert reputation > 0.3  # two of three flagged settle at a third: above the floor
        lower = history(ledger, "agent-3", "f" * 2 + "a" + "f" * 2 + "a")
        assert lower.trusted[3]
        strict = TrustLedger.start(NAMES, policy=TrustPolicy(floor=0.5))
        low = history(strict, "agent-3", "ffa" * 12)
        assert low.names(~low.trusted) == ("agent-3",)
        assert not low.quarantined.any()
        assert history(low, "agent-3", "aaaa").trusted[3]


class TestQuarantine:
    def test_three_flagged_in_a_row(self, ledger: TrustLedger) -> None:
        assert of(history(ledger, "agent-3", "ff"), "agent-3")[1] is Standing.ACTIVE
        assert of(history(ledger, "agent-3", "ffaff"), "agent-3")[1] is Standing.ACTIVE
        out = history(ledger, "agent-3", "ff..f")
        assert out.names(out.quarantined) == ("agent-3",)
        assert out.names(~out.trusted) == ("agent-3",)

    def test_equivocation_at_once(self, ledger: TrustLedger) -> None:
        assert of(history(ledger, "agent-3", "e"), "agent-3") == (0, Standing.QUARANTINED)

    def test_ten_rounds_then_probation_then_three_clean_rounds(self, ledger: TrustLedger) -> None:
        out = history(ledger, "agent-3", "fff")
        assert of(history(out, "agent-3", "." * 9), "agent-3")[1] is Standing.QUARANTINED
        probation = history(out, "agent-3", "." * 10)
        assert probation.names(probation.on_probation) == ("agent-3",)
        assert not probation.trusted[3]
        nearly = history(probation, "agent-3", "aa.")
        assert not nearly.trusted[3]
        back = history(nearly, "agent-3", "a")
        reputation, standing = of(back, "agent-3")
        assert standing is Standing.ACTIVE
        assert reputation == pytest.approx(0.4)
        assert back.trusted[3]

    def test_a_flag_on_probation_begins_the_clean_rounds_anew(self, ledger: TrustLedger) -> None:
        probation = history(ledger, "agent-3", "fff" + "." * 10)
        assert of(history(probation, "agent-3", "aafaa"), "agent-3")[1] is Standing.PROBATION
        assert of(history(probation, "agent-3", "aafaaa"), "agent-3")[1] is Standing.ACTIVE

    @pytest.mark.parametrize("again", ["fff", "e"])
    def test_each_further_quarantine_doubles_the_wait(self, ledger: TrustLedger, again: str) -> None:
        ledger = history(ledger, "agent-3", "fff")
        for wait in (10, 20, 40):
            assert of(history(ledger, "agent-3", "." * (wait - 1)), "agent-3")[1] is Standing.QUARANTINED
            ledger = history(ledger, "agent-3", "." * wait)
            assert of(ledger, "agent-3")[1] is Standing.PROBATION
            ledger = history(ledger, "agent-3", again)
            assert of(ledger, "agent-3")[1] is Standing.QUARANTINED

    def test_it_remembers_after_a_good_time(self, ledger: TrustLedger) -> None:
        back = history(ledger, "agent-3", "fff" + "." * 10 + "a" * 50)
        again = history(back, "agent-3", "fff")
        assert again.wait[3] == 20

    def test_outcomes_in_quarantine_change_nothing_but_a_proof_does(self, ledger: TrustLedger) -> None:
        out = history(ledger, "agent-3", "fff")
        assert history(out, "agent-3", "afa").to_dict() == history(out, "agent-3", "...").to_dict()
        assert history(out, "agent-3", "..e").wait[3] == 20

    def test_the_wait_is_bounded(self, ledger: TrustLedger) -> None:
        assert history(ledger, "agent-3", "e" * 80).wait[3] == 10 * 2**10

    def test_changes_are_named(self, ledger: TrustLedger) -> None:
        out = history(ledger, "agent-3", "e")
        assert out.changes(ledger) == {"agent-3": (Standing.ACTIVE, Standing.QUARANTINED)}
        assert out.changes(out) == {}
        assert Standing.QUARANTINED.word == "quarantined"


class TestCap:
    def test_at_most_f_and_the_worst_reputations_first(self, ledger: TrustLedger) -> None:
        ledger = history(ledger, "agent-9", "faf")
        for _ in range(3):
            ledger = ledger.after_round(dict.fromkeys(NAMES[4:], F))
        assert ledger.f == 3
        assert ledger.names(ledger.quarantined) == ("agent-4", "agent-5", "agent-9")
        assert ledger.trusted.sum() == 7

    def test_who_was_left_in_goes_when_a_place_is_free(self, ledger: TrustLedger) -> None:
        ledger = ledger.after_round(dict.fromkeys(NAMES[:4], E))
        assert ledger.names(ledger.quarantined) == NAMES[:3]
        for _ in range(9):
            ledger = ledger.after_round({"agent-3": A})
        assert of(ledger, "agent-3")[1] is Standing.ACTIVE
        for _ in range(4):
            ledger = ledger.after_round(dict.fromkeys(NAMES[:4], A))
        assert ledger.names(ledger.quarantined) == ("agent-3",)

    def test_low_reputations_do_not_break_the_quorum_either(self) -> None:
        ledger = TrustLedger.start(NAMES, policy=TrustPolicy(floor=0.95, quarantine_after=99, readmission=0.0))
        ledger = ledger.after_round(dict.fromkeys(NAMES, F))
        assert (ledger.reputation < 0.95).all()
        assert ledger.trusted.sum() == 7

    def test_the_bound_can_be_set(self) -> None:
        assert TrustLedger.start(NAMES, fault_bound=1).after_round(dict.fromkeys(NAMES, E)).quarantined.sum() == 1
        assert not TrustLedger.start(NAMES, fault_bound=0).after_round(dict.fromkeys(NAMES, E)).quarantined.any()
        with pytest.raises(SettingError):
            TrustLedger.start(NAMES, fault_bound=-1)


rounds = st.lists(st.dictionaries(st.sampled_from(NAMES), st.sampled_from([A, F, F, E]), max_size=10), max_size=40)


class TestProperties:
    @given(rounds)
    @settings(deadline=None, max_examples=60)
    def test_what_always_holds(self, history: list[dict[str, Outcome]]) -> None:
        ledger = TrustLedger.start(NAMES)
        for outcomes in history:
            before = ledger
            ledger = before.after_round(outcomes)
            assert ((ledger.reputation >= 0) & (ledger.reputation <= 1)).all()
            assert (ledger.standing != Standing.ACTIVE).sum() <= ledger.f
            assert ledger.trusted.sum() >= 10 - ledger.f
            assert not (ledger.trusted & (ledger.quarantined | ledger.on_probation)).any()
            assert (ledger.quarantined == (ledger.wait > 0)).all()
            for row, agent in enumerate(NAMES):
                if agent not in outcomes:
                    assert ledger.reputation[row] == before.reputation[row]
                if outcomes.get(agent) is A and not before.quarantined[row]:
                    assert ledger.standing[row] != Standing.QUARANTINED or before.unserved[row]

    @given(rounds)
    @settings(deadline=None, max_examples=30)
    def test_it_survives_json_and_goes_on_alike(self, history: list[dict[str, Outcome]]) -> None:
        ledger = TrustLedger.start(NAMES)
        for outcomes in history:
            ledger = ledger.after_round(outcomes)
        again = TrustLedger.from_dict(json.loads(json.dumps(ledger.to_dict(), allow_nan=False)))
        assert again.to_dict() == ledger.to_dict()
        following = dict.fromkeys(NAMES[::2], F)
        assert again.after_round(following).to_dict() == ledger.after_round(following).to_dict()

    @given(rounds)
    @settings(deadline=None, max_examples=30)
    def test_the_order_of_outcomes_does_not_matter(self, history: list[dict[str, Outcome]]) -> None:
        one = other = TrustLedger.start(NAMES)
        for outcomes in history:
            one = one.after_round(outcomes)
            other = other.after_round(dict(reversed(outcomes.items())))
        assert one.to_dict() == other.to_dict()


class TestRecord:
    def test_a_round_leaves_the_ledger_before_as_it_was(self, ledger: TrustLedger) -> None:
        before = ledger.to_dict()
        ledger.after_round(dict.fromkeys(NAMES, E))
        assert ledger.to_dict() == before
        with pytest.raises(ValueError, match="read-only"):
            ledger.reputation[0] = 0

    def test_enrolment_keeps_records(self, ledger: TrustLedger) -> None:
        out = history(ledger, "agent-3", "e")
        grown = out.enrol(["agent-00", "agent-3", "zoe"])
        assert len(grown.agents) == 12
        assert of(grown, "agent-3") == (0, Standing.QUARANTINED)
        assert of(grown, "zoe") == (1, Standing.ACTIVE)
        assert grown.changes(out) == {}
        assert history(grown, "zoe", "f").reputation[-1] == pytest.approx(0.9)

    def test_strangers_are_refused(self, ledger: TrustLedger) -> None:
        with pytest.raises(SettingError, match="mallory"):
            ledger.after_round({"mallory": A})

    def test_damaged_records_are_refused(self, ledger: TrustLedger) -> None:
        good = ledger.to_dict()
        for damage in (
            {"reputation": [2.0] * 10},
            {"reputation": [1.0]},
            {"reputation": [float("nan")] * 10},
            {"standing": [3] * 10},
            {"wait": [-1] * 10},
            {"wait": ["x"] * 10},
            {"agents": list(reversed(NAMES))},
            {"policy": {"nonsense": 1}},
        ):
            with pytest.raises(SettingError):
                TrustLedger.from_dict({**good, **damage})
        with pytest.raises(SettingError):
            TrustLedger.from_dict({"agents": []})

    @pytest.mark.parametrize(
        "setting",
        [
            {"decay": 0},
            {"decay": 1},
            {"floor": -0.1},
            {"quarantine_after": 0},
            {"probation_rounds": 0},
            {"clean_rounds": 0},
            {"readmission": 0.8},
        ],
    )
    def test_settings_are_checked(self, setting: dict[str, float]) -> None:
        with pytest.raises(SettingError):
            TrustPolicy(**setting)  # type: ignore[arg-type]

    def test_ten_thousand_agents_take_milliseconds(self) -> None:
        names = [f"agent-{i:05d}" for i in range(10_000)]
        ledger = TrustLedger.start(names)
        outcomes = {name: F if i % 3 == 0 else A for i, name in enumerate(names)}
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            ledger = ledger.after_round(outcomes)
            best = min(best, time.perf_counter() - start)
        assert best < 0.02
        assert np.count_nonzero(ledger.quarantined) == 3333


class TestByHand:
    def test_among_is_the_ledger_of_these_alone(self, ledger: TrustLedger) -> None:
        whole = history(ledger, NAMES[3], "fff")
        part = whole.among([NAMES[7], NAMES[3], "stranger"])
        assert part.agents == (NAMES[3], NAMES[7])
        assert of(part, NAMES[3]) == of(whole, NAMES[3])
        assert part.f == 0
        assert part.after_round({NAMES[7]: A}).names(part.quarantined) == (NAMES[3],)
        assert ledger.among([]).agents == ()

    def test_an_operator_quarantines_for_longer_each_time_and_the_way_back_is_the_usual_one(
        self, ledger: TrustLedger
    ) -> None:
        out = ledger.quarantine(NAMES[0])
        assert of(out, NAMES[0]) == (1.0, Standing.QUARANTINED)
        assert out.changes(ledger) == {NAMES[0]: (Standing.ACTIVE, Standing.QUARANTINED)}
        assert of(history(out, NAMES[0], "." * 10), NAMES[0])[1] is Standing.PROBATION
        again = out.quarantine(NAMES[0])
        assert int(again.wait[0]) == 20
        assert TrustLedger.from_dict(json.loads(json.dumps(again.to_dict()))).to_dict() == again.to_dict()

    def test_a_reinstated_agent_begins_anew(self, ledger: TrustLedger) -> None:
        back = history(ledger, NAMES[0], "fff").reinstate(NAMES[0])
        assert back.to_dict() == ledger.to_dict()
        assert of(history(back, NAMES[0], "ff"), NAMES[0])[1] is Standing.ACTIVE

    def test_nobody_gets_out_of_quarantine_by_being_forgotten(self, ledger: TrustLedger) -> None:
        out = history(ledger, NAMES[0], "fff")
        left = out.forget([NAMES[0], NAMES[1], "stranger"])
        assert left.agents == (NAMES[0], *NAMES[2:])
        assert of(left.enrol([NAMES[1]]), NAMES[0])[1] is Standing.QUARANTINED

    @pytest.mark.parametrize("change", [TrustLedger.quarantine, TrustLedger.reinstate])
    def test_strangers_have_no_standing(self, ledger: TrustLedger, change: object) -> None:
        with pytest.raises(SettingError, match="enrolled"):
            change(ledger, "stranger")  # pyright: ignore[reportCallIssue]
