"""What reports say of a release: exact at the bound, and out of the reach of a tenth of the clients."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.error_rates import Comparison, ErrorBound, Finding, compare
from federation.errors import SettingError

BOUND = ErrorBound()
Figures = dict[str, tuple[int, int]]


def _alike(n: int, calls: int, errors: int) -> Figures:
    return {f"client-{number:03d}": (calls, errors) for number in range(n)}


def _finding(before: Figures, after: Figures, bound: ErrorBound = BOUND) -> Finding:
    return compare(before, after, bound).finding


def test_the_bound_is_exact_where_clients_are_alike() -> None:
    before = _alike(10, 10_000, 1_000)
    assert _finding(before, _alike(10, 10_000, 1_050)) is Finding.FINE
    assert _finding(before, _alike(10, 10_000, 1_051)) is Finding.WORSE


@settings(deadline=None, max_examples=60)
@given(n=st.integers(10, 25), calls=st.integers(20, 9_999), before=st.data())
def test_the_bound_is_exact_at_any_rate(n: int, calls: int, before: st.DataObject) -> None:
    old = before.draw(st.integers(0, calls), label="errors before")
    new = before.draw(st.integers(0, calls), label="errors after")
    above = Fraction(new, calls) > Fraction(old, calls) * Fraction(105, 100)
    expected = Finding.WORSE if above else Finding.FINE
    assert _finding(_alike(n, calls, old), _alike(n, calls, new)) is expected


@settings(deadline=None, max_examples=40)
@given(data=st.data(), honest=st.integers(10, 36), worse=st.booleans())
def test_a_tenth_of_liars_neither_brings_a_rollback_about_nor_prevents_it(
    data: st.DataObject, honest: int, worse: bool
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    liars = max(count for count in range(5) if count <= BOUND.tolerated(honest + count))
    assert liars == max(1, honest // 9)
    before, after = Figures(), Figures()
    for number in range(honest):
        calls_before, calls_after = (int(found) for found in rng.integers(20, 2_000, 2))
        errors = int(rng.integers(0, calls_before // 2 + 1))
        limit = math.floor(Fraction(errors, calls_before) * Fraction(105, 100) * calls_after)
        before[f"honest-{number}"] = (calls_before, errors)
        low, high = (limit + 1, calls_after) if worse else (0, limit)
        after[f"honest-{number}"] = (calls_after, int(rng.integers(low, high + 1)))
    for number in range(liars):
        calls = st.integers(-5, 10**9)
        figures = st.tuples(calls, calls)
        before[f"liar-{number}"] = data.draw(figures, label="before")
        after[f"liar-{number}"] = data.draw(figures, label="after")
    assert _finding(before, after) is (Finding.WORSE if worse else Finding.FINE)


@pytest.mark.parametrize("errors", [0, 5_000])
def test_the_worst_that_liars_can_say_changes_nothing(errors: int) -> None:
    for after in (_alike(20, 10_000, 1_049), _alike(20, 10_000, 1_052)):
        honest = _finding(_alike(20, 10_000, 1_000), after)
        lied = after | {"client-000": (10_000, errors), "client-019": (10**15, 0 if errors == 0 else 10**15)}
        assert _finding(_alike(20, 10_000, 1_000), lied) is honest


def test_more_liars_than_that_can() -> None:
    before, after = _alike(20, 1_000, 100), _alike(20, 1_000, 100)
    lies = dict.fromkeys(sorted(after)[:3], (1000, 1000))
    assert compare(before, after | lies, ErrorBound(sure=0)).finding is Finding.WORSE


def test_one_client_with_many_calls_weighs_no_more_than_the_cap() -> None:
    before = _alike(12, 500, 50)
    after = _alike(12, 500, 50) | {"client-005": (10**9, 55 * 10**6)}
    found = compare(before | {"client-005": (10**9, 5 * 10**7)}, after, BOUND)
    assert found.rate_after is not None
    assert found.rate_after < 0.104


def test_too_few_clients_say_nothing() -> None:
    enough, few = _alike(10, 100, 10), _alike(9, 100, 90)
    assert _finding(enough, few) is Finding.UNKNOWN
    assert _finding(enough, few | {"client-009": (19, 19)}) is Finding.UNKNOWN
    found = compare(enough, {}, BOUND)
    assert (found.rate_before, found.rate_after) == (0.1, None)
    assert (found.clients_before, found.clients_after, found.clients) == (10, 0, 0)


def test_what_may_be_chance_is_unsure() -> None:
    rng = np.random.default_rng(7)
    before = {f"{number:02d}": (200, int(rng.binomial(200, 0.1))) for number in range(30)}
    same = {client: (200, int(rng.binomial(200, 0.1))) for client in before}
    slightly = {client: (200, int(rng.binomial(200, 0.115))) for client in before}
    twice = {client: (200, int(rng.binomial(200, 0.2))) for client in before}
    assert _finding(before, same) in {Finding.FINE, Finding.UNSURE}
    assert _finding(before, slightly) is Finding.UNSURE
    assert _finding(before, twice) is Finding.WORSE
    assert _finding(before, slightly, ErrorBound(sure=0)) is Finding.WORSE


def test_a_release_that_changes_nothing_is_seldom_taken_back() -> None:
    rng = np.random.default_rng(11)
    taken = 0
    for _ in range(200):
        before = {f"{number:02d}": (300, int(rng.binomial(300, 0.1))) for number in range(20)}
        after = {client: (300, int(rng.binomial(300, 0.1))) for client in before}
        taken += _finding(before, after) is Finding.WORSE
    assert taken <= 2


def test_no_errors_before_is_no_licence() -> None:
    assert _finding(_alike(10, 1_000, 0), _alike(10, 1_000, 0)) is Finding.FINE
    assert _finding(_alike(10, 1_000, 0), _alike(10, 1_000, 1)) is Finding.WORSE


def test_the_order_of_the_reports_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    before = {f"{number:02d}": (100, int(rng.integers(0, 50))) for number in range(25)}
    after = {client: (100, int(rng.integers(0, 50))) for client in before}
    turned = {client: after[client] for client in reversed(after)}
    assert compare(before, after, BOUND) == compare(before, turned, BOUND)


def test_all_of_one_mind_are_believed_however_far_apart_they_are() -> None:
    before = _alike(10, 1_000, 0)
    after = {client: (1_000, 1 if number < 9 else 900) for number, client in enumerate(before)}
    found: Comparison = compare(before, after, BOUND)
    assert found.finding is Finding.WORSE
    assert found.left_out == 1


@pytest.mark.parametrize(
    "wrong",
    [{"worse": -0.1}, {"worse": math.inf}, {"liars": 0.5}, {"least_clients": 2}, {"least_calls": 0}, {"sure": -1.0}],
)
def test_bounds_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        ErrorBound(**wrong)  # pyright: ignore[reportArgumentType]
