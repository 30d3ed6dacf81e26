"""The ledger: it says no with the numbers, before anything is drawn; it survives; it cannot be made to forget."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from federation.privacy import (
    Charge,
    PrivacyBudget,
    PrivacyBudgetError,
    PrivacyLedger,
    PrivacyLedgerError,
    PrivacyReplayError,
    RdpAccountant,
    analytic_sigma,
    rounds_within,
)
from federation.privacy.ledger import REMEMBERED

DAY = 86_400.0
BUDGET = PrivacyBudget(epsilon_round=1.0, epsilon_period=3.0, delta=1e-5, period_s=365 * DAY)
NOISE = analytic_sigma(1.0, 1e-5)


def charge(place: int, **changes: object) -> Charge:
    return replace(Charge(name=f"patterns/{place}", noise_multiplier=NOISE), **changes)  # type: ignore[arg-type]


def spent_out() -> tuple[PrivacyLedger, int]:
    ledger, place = PrivacyLedger(budget=BUDGET, started_at=1000.0), 0
    while ledger.paused(charge(place), now=2000.0) is None:
        ledger, _ = ledger.grant(charge(place), now=2000.0)
        place += 1
    return ledger, place


def test_noise_made_for_a_rounds_budget_is_granted() -> None:
    ledger, grant = PrivacyLedger(budget=BUDGET, started_at=0.0).grant(charge(1), now=1.0)
    assert grant.epsilon == pytest.approx(1.0)
    assert grant.epsilon_spent == ledger.epsilon_spent == pytest.approx(1.0)
    assert grant.renews_at == 365 * DAY
    assert json.loads(json.dumps(grant.to_dict()))["epsilon_spent"] == grant.epsilon_spent


def test_an_exhausted_budget_pauses_until_it_renews() -> None:
    ledger, granted = spent_out()
    assert granted == rounds_within(3.0, 1e-5, noise_multiplier=NOISE)
    with pytest.raises(PrivacyBudgetError) as caught:
        ledger.grant(charge(granted), now=ledger.renews_at - 1)
    error = caught.value
    assert (error.limit, error.budget, error.renews_at) == ("period", 3.0, 1000.0 + 365 * DAY)
    assert error.spent == pytest.approx(ledger.epsilon_spent)
    assert error.spent <= 3.0 < error.total
    assert error.asked == pytest.approx(1.0)
    after, grant = ledger.grant(charge(granted), now=ledger.renews_at)
    assert grant.epsilon_spent == pytest.approx(1.0)
    assert grant.epsilon_lifetime > 3.0
    assert after.started_at == ledger.renews_at


def test_less_noise_than_a_round_may_have_is_refused() -> None:
    ledger = PrivacyLedger(budget=BUDGET, started_at=0.0)
    with pytest.raises(PrivacyBudgetError) as caught:
        ledger.grant(charge(1, noise_multiplier=NOISE * 0.99), now=0.0)
    assert caught.value.limit == "round"
    ledger.grant(charge(1, noise_multiplier=NOISE * 0.5, rate=0.05), now=0.0)


def test_what_is_affordable_is_what_is_granted() -> None:
    ledger, granted = PrivacyLedger(budget=BUDGET, started_at=0.0), 0
    while True:
        left = ledger.affordable(noise_multiplier=NOISE, now=0.0)
        try:
            ledger, _ = ledger.grant(charge(granted), now=0.0)
        except PrivacyBudgetError:
            assert left == 0
            break
        granted += 1
        assert ledger.affordable(noise_multiplier=NOISE, now=0.0) == left - 1
    assert granted > 3
    assert ledger.affordable(noise_multiplier=NOISE, now=ledger.renews_at) == granted
    assert ledger.affordable(noise_multiplier=NOISE * 0.5, now=ledger.renews_at) == 0


def test_a_refusal_changes_nothing_and_a_clock_that_goes_back_renews_nothing() -> None:
    ledger, granted = spent_out()
    before = ledger.to_dict()
    for now in (2000.0, 0.0, -1e9):
        assert ledger.paused(charge(granted), now=now) is not None
    assert ledger.to_dict() == before
    with pytest.raises(SettingError):
        ledger.at(math.nan)


def test_after_a_long_pause_the_period_begins_at_the_last_boundary() -> None:
    ledger = PrivacyLedger(budget=BUDGET, started_at=0.0).at(3.5 * 365 * DAY)
    assert ledger.started_at == 3 * 365 * DAY
    assert ledger.at(0.0) is ledger


def test_the_same_release_is_paid_for_once_and_another_under_its_name_never() -> None:
    once, grant = PrivacyLedger(budget=BUDGET, started_at=0.0).grant(charge(1, contents="aa"), now=1.0)
    assert once.grant(charge(1, contents="aa"), now=2.0) == (once, grant)
    for other in (charge(1, contents="bb"), charge(1), charge(1, contents="aa", noise_multiplier=NOISE * 2)):
        with pytest.raises(PrivacyReplayError):
            once.grant(other, now=2.0)
    bare, _ = PrivacyLedger(budget=BUDGET, started_at=0.0).grant(charge(1), now=1.0)
    with pytest.raises(PrivacyReplayError):
        bare.grant(charge(1), now=2.0)


@given(
    asks=st.lists(
        st.tuples(
            st.integers(0, 6), st.sampled_from([NOISE, 8.0, 20.0]), st.sampled_from([1.0, 0.1]), st.floats(0, 900)
        ),
        max_size=8,
    )
)
@settings(deadline=None, max_examples=15)
def test_a_ledger_that_is_written_and_read_after_every_step_is_the_same(
    asks: list[tuple[int, float, float, float]],
) -> None:
    kept = read = PrivacyLedger(budget=BUDGET, started_at=0.0)
    paid = RdpAccountant()
    for place, noise, rate, day in asks:
        ask = Charge(name=str(place), noise_multiplier=noise, rate=rate, contents="aa")
        try:
            after, _ = kept.grant(ask, now=day * DAY)
        except (PrivacyBudgetError, PrivacyReplayError) as error:
            with pytest.raises(type(error)):
                read.grant(ask, now=day * DAY)
            continue
        if after is not kept:
            paid = paid.compose(noise_multiplier=noise, rate=rate)
        kept, read = after, PrivacyLedger.from_dict(json.loads(json.dumps(read.grant(ask, now=day * DAY)[0].to_dict())))
        assert kept == read
        assert kept.epsilon_spent <= BUDGET.epsilon_period * (1 + 1e-9)
    assert kept.lifetime == paid


def test_memory_is_bounded() -> None:
    ledger = PrivacyLedger(budget=PrivacyBudget(epsilon_period=50.0), started_at=0.0)
    for place in range(REMEMBERED + 5):
        ledger, _ = ledger.grant(charge(place, noise_multiplier=50.0), now=0.0)
    assert len(ledger.grants) == REMEMBERED
    assert ledger.releases == REMEMBERED + 5
    assert PrivacyLedger.from_dict(ledger.to_dict()) == ledger


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"budget": {}},
        {"budget": {"epsilon_round": -1}},
        {"started_at": "soon"},
        {"period": {"rdp": [0.0], "precision": 0.0, "sampled": False}},
        {"lifetime": RdpAccountant().__class__},
        {"releases": 0},
        {"grants": [{}]},
        {"lifetime": {"rdp": [0.0] * 156, "precision": 0.0, "sampled": False}},
    ],
)
def test_what_was_not_written_is_not_read(change: dict[str, object]) -> None:
    ledger, _ = PrivacyLedger(budget=BUDGET, started_at=0.0).grant(charge(1), now=1.0)
    with pytest.raises(PrivacyLedgerError):
        PrivacyLedger.from_dict(ledger.to_dict() | change)
    for name in ledger.to_dict():
        with pytest.raises(PrivacyLedgerError):
            PrivacyLedger.from_dict({key: value for key, value in ledger.to_dict().items() if key != name})


@pytest.mark.parametrize("bad", [{"name": ""}, {"noise_multiplier": 0.0}, {"rate": 0.0}, {"rate": 1.5}])
def test_what_is_no_charge(bad: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        charge(1, **bad)
