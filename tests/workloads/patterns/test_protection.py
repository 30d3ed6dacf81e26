"""Sums of pattern weights with a bounded member, held against neighbours that an adversary chooses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import RuleBoundError, SettingError, UpdatesError
from federation.privacy import UnboundedRuleError
from federation.protection import Protectable, Protection
from federation.rules import Krum, Mean, Median
from workloads.patterns import KeySpace, PatternsWorkload, RoundSettings
from workloads.patterns.protection import COUNTED, PatternSum
from workloads.patterns.rows import dimension, value_columns

KEYS = 6
WORKLOAD = PatternsWorkload(
    space=KeySpace.of(tools=["Edit", "Read"]), rounds=RoundSettings(min_contributors=5, min_participants=5)
)


def fleet(n: int, seed: int, *, scale: float = 1.0) -> np.ndarray:
    """Updates in which everybody has some of the keys."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, dimension(KEYS)), np.float32)
    rows[:, :KEYS] = rng.random((n, KEYS)) < 0.7
    rows[:, KEYS : 2 * KEYS] = rng.random((n, KEYS))
    present = np.repeat(rows[:, :KEYS] > 0, 6, axis=1)
    rows[:, value_columns(KEYS)] = np.where(present, scale * rng.normal(size=(n, 6 * KEYS)), 0)
    return rows


def protection(radius: float = 1.0) -> Protection:
    return WORKLOAD.protection(radius=radius)


def moved(protection: Protection, one: np.ndarray, two: np.ndarray) -> float:
    """How far the protected columns of two aggregates lie apart; nothing else may differ."""
    f = 0
    a, b = (protection.rule(rows, f=f).value for rows in (one, two))
    rest = np.ones(len(a), np.bool_)
    for part in protection.columns:
        rest[part] = False
    assert np.array_equal(a[rest], b[rest])
    return float(np.linalg.norm(protection.taken(a) - protection.taken(b)))


def test_the_workload_says_how_it_is_protected() -> None:
    assert isinstance(WORKLOAD, Protectable)
    found = protection(2.0)
    assert found.share == 1 / 5
    assert found.sensitivity == pytest.approx(2.0 * np.sqrt(1 + COUNTED**2) / 5)
    assert found.values == value_columns(KEYS)


@pytest.mark.parametrize("inner", [Median(), Krum()], ids=lambda rule: rule.name)
def test_rules_that_bound_no_share_are_refused(inner: object) -> None:
    with pytest.raises(UnboundedRuleError, match=inner.name):  # pyright: ignore[reportAttributeAccessIssue]
        replace(WORKLOAD, inner=inner).protection(radius=1.0)
    assert replace(WORKLOAD, inner=Mean(share_cap=1.0)).protection(radius=1.0).share == 1 / 5


@given(
    n=st.integers(5, 12),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1e-3, 0.1, 1.0, 1e30]),
    radius=st.sampled_from([0.01, 1.0, 7.0]),
)
@settings(deadline=None, max_examples=40)
def test_no_member_moves_the_sum_by_more_than_the_sensitivity(n: int, seed: int, scale: float, radius: float) -> None:
    rows = fleet(n, seed, scale=scale)
    without = rows.copy()
    without[seed % n] = 0
    assert moved(protection(radius), rows, without) <= protection(radius).sensitivity


def test_the_member_that_moves_the_most_moves_it_by_just_the_sensitivity() -> None:
    rows = fleet(9, 3)
    rows[4, :KEYS] = 1  # has every key, and is long
    rows[4, value_columns(KEYS)] = 1e6
    without = rows.copy()
    without[4] = 0
    found = protection()
    assert found.sensitivity * (1 - 1e-6) < moved(found, rows, without) <= found.sensitivity


def test_a_member_that_leaves_a_key_of_five_moves_no_more() -> None:
    # A mean over contributors with a least number of them falls from its value to nothing here.
    rows = np.zeros((6, dimension(KEYS)), np.float32)
    rows[:, :KEYS] = 1
    rows[5, 0] = 0  # the first key has five contributors
    rows[:, value_columns(KEYS)] = 0.2
    without = rows.copy()
    without[0] = 0
    assert WORKLOAD.rule(rows, f=0).value[value_columns(KEYS)][:6].max() > 0.19
    assert not WORKLOAD.rule(without, f=0).value[value_columns(KEYS)][:6].any()
    assert moved(protection(), rows, without) <= protection().sensitivity


def test_declared_weights_and_samples_count_for_nothing() -> None:
    rows, weights = fleet(8, 1), np.full(8, 1.0)
    rule = protection().rule
    plain = rule(rows, f=0, weights=weights).value
    weights[3] = 1e6
    rows[3, KEYS : 2 * KEYS] = 1
    assert np.array_equal(plain, rule(rows, f=0, weights=weights).value)


def test_the_sum_is_exact_in_whatever_order_rows_come() -> None:
    rows = fleet(5000, 2)  # more than one chunk
    rule = protection(3.0).rule
    once = rule(rows, f=0).value
    assert once.dtype == np.float64
    assert np.array_equal(once, rule(rows[np.random.default_rng(0).permutation(len(rows))], f=0).value)


def test_without_noise_means_are_those_of_the_contributors() -> None:
    rows = fleet(40, 5, scale=0.05)
    rows[:, 2] = 0
    rows[:4, 2] = 1  # four contributors are too few
    found = protection(10.0)
    row = WORKLOAD.settled(found.rule(rows, f=0).value, protection=found, sigma=0.0)
    counts = (rows[:, :KEYS] > 0).sum(axis=0)
    assert row[:KEYS].tolist() == [count if count >= 5 else 0 for count in counts.tolist()]
    for key in range(KEYS):
        mine = rows[rows[:, key] > 0, 2 * KEYS + 6 * key : 2 * KEYS + 6 * key + 6]
        wanted = mine.mean(axis=0) if len(mine) >= 5 else np.zeros(6)
        assert row[value_columns(KEYS)].reshape(KEYS, 6)[key] == pytest.approx(wanted, abs=1e-6)
    assert not row[KEYS : 2 * KEYS].any()


def test_a_count_within_its_noise_is_nobody() -> None:
    rows = fleet(40, 5, scale=0.05)
    found = protection(1.0)
    aggregate = found.rule(rows, f=0).value
    unit = COUNTED / np.sqrt(KEYS) / 5
    assert WORKLOAD.settled(aggregate, protection=found, sigma=10 * unit)[:KEYS].all()
    assert not WORKLOAD.settled(aggregate, protection=found, sigma=30 * unit).any()


def test_verdicts_name_those_that_were_clipped() -> None:
    rows = fleet(6, 8, scale=0.01)
    rows[2, value_columns(KEYS)] *= 1000
    verdicts = protection().rule(rows, f=0).verdicts
    assert np.flatnonzero(verdicts.decisions).tolist() == [2]


def test_bad_input_is_refused() -> None:
    rule = protection().rule
    with pytest.raises(RuleBoundError, match="5"):
        rule(fleet(4, 0), f=0)
    with pytest.raises(UpdatesError):
        rule(np.zeros((6, 5), np.float32), f=0)
    rows = fleet(6, 0)
    rows[0, 3 * KEYS] = np.nan
    with pytest.raises(UpdatesError):
        rule(rows, f=0)
    with pytest.raises(SettingError):
        rule(fleet(6, 0), f=-1)
    for changes in ({"keys": 0}, {"radius": 0.0}, {"radius": np.inf}, {"min_contributors": 0}):
        with pytest.raises(SettingError):
            PatternSum(**{"keys": 2, "radius": 1.0, "min_contributors": 5, **changes})
