"""The pattern rule: the contract around two inner rules, and the document's formula as oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import RuleBoundError, SettingError, UpdatesError
from federation.rules import Mean, Median
from tests.federation.rules.contract import RuleContract
from workloads.patterns import PatternRule
from workloads.patterns.group_rows import group_row
from workloads.patterns.rows import VALUES, columns, dimension

FIELDS = len(VALUES)


class TestAroundTheMean(RuleContract):
    rule = PatternRule(keys=0, min_participants=1)
    bounded = False
    uses_weights = True

    def test_configuration_can_name_it(self) -> None:
        assert self.rule.name == "patterns"  # the workload makes it; configuration chooses the inner rule


class TestAroundTheMedian(RuleContract):
    rule = PatternRule(keys=0, min_participants=1, inner=Median())
    in_honest_box = True

    def test_configuration_can_name_it(self) -> None:
        assert PatternRule(keys=3, inner=Median()).inner.name == "median"


def updates_of(n: int, keys: int, *, seed: int = 0, share: float = 0.7) -> Any:
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, dimension(keys)), np.float32)
    for row in rows:
        parts = columns(row, keys)
        parts.contributors[:] = rng.random(keys) < share
        parts.samples[:] = parts.contributors * rng.random(keys)
        parts.values[:] = parts.contributors[:, None] * rng.uniform(-1, 1, (keys, FIELDS))
    return rows


def slow_average(rows: Any, weights: Any, keys: int, *, least: int, cap: float) -> Any:
    """Section 4.1 as it is written, key by key and client by client, with shares cut and spread until none is over."""
    out = np.zeros((keys, FIELDS))
    for key in range(keys):
        who = [i for i in range(len(rows)) if rows[i, key] >= 0.5]
        if len(who) < least:
            continue
        shares = {i: weights[i] / sum(weights[j] for j in who) for i in who}
        capped: set[int] = set()
        while any(shares[i] > cap + 1e-12 for i in who):
            capped |= {i for i in who if shares[i] > cap + 1e-12}
            free = [i for i in who if i not in capped]
            left = 1 - cap * len(capped)
            total = sum(weights[i] for i in free)
            shares = {i: cap if i in capped else left * weights[i] / total for i in who}
        at = 2 * keys + key * FIELDS
        for i in who:
            out[key] += shares[i] * rows[i, at : at + FIELDS].astype(np.float64)
    return out


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n=st.integers(10, 20), keys=st.integers(1, 5), power=st.integers(0, 3))
def test_it_is_the_documents_average(seed: int, n: int, keys: int, power: int) -> None:
    rows = updates_of(n, keys, seed=seed)
    weights = np.random.default_rng(seed).integers(1, 100, n).astype(np.float64) ** power
    found = columns(PatternRule(keys=keys)(rows, f=0, weights=weights).value, keys)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(found.values, slow_average(rows, weights, keys, least=5, cap=0.2), atol=1e-6)
    counts = (rows[:, :keys] >= 0.5).sum(axis=0)
    assert found.contributors.tolist() == np.where(counts >= 5, counts, 0).tolist()
    expected = np.where(counts >= 5, rows[:, keys : 2 * keys].sum(axis=0), 0)
    np.testing.assert_allclose(found.samples, expected, rtol=1e-5, atol=1e-6)


def test_fewer_than_ten_are_refused_with_the_numbers() -> None:
    with pytest.raises(RuleBoundError) as caught:
        PatternRule(keys=2)(updates_of(9, 2), f=0)
    assert (caught.value.n, caught.value.needed) == (9, 10)


def test_one_client_moves_no_key_by_more_than_its_share() -> None:
    rows = updates_of(12, 3, share=2.0)
    moved = rows.copy()
    moved[4, 6 : 6 + 3 * FIELDS] = 1.0
    weights = np.ones(12)
    weights[4] = 1e12
    rule = PatternRule(keys=3)
    gap = np.abs(rule(moved, f=0, weights=weights).value - rule(rows, f=0, weights=weights).value)
    assert gap.max() <= 0.2 * np.abs(moved - rows).max() + 1e-6
    verdicts = rule(moved, f=0, weights=weights).verdicts
    assert verdicts[4].reason == "mean.share_capped"
    assert np.flatnonzero(verdicts.decisions).tolist() == [4]


def test_long_updates_are_clipped_and_said_to_be() -> None:
    rows = updates_of(12, 3, share=2.0) * np.float32(0.1)
    rows[:, :3] = 1
    rows[7, 6 : 6 + 3 * FIELDS] = 1e6
    made = PatternRule(keys=3, max_norm=2.0)(rows, f=0)
    assert made.verdicts[7].reason == "patterns.norm_clipped"
    assert np.linalg.norm(made.value[6:]) <= 2.0
    assert np.flatnonzero(made.verdicts.decisions).tolist() == [7]


def test_what_is_said_of_a_key_that_was_not_sent_does_not_count() -> None:
    rows = updates_of(12, 2, share=2.0)
    rows[0, 0] = 0
    loud = rows.copy()
    loud[0, 4 : 4 + FIELDS] = 100
    rule = PatternRule(keys=2)
    assert np.array_equal(rule(rows, f=0).value, rule(loud, f=0).value)


def test_a_robust_rule_needs_its_bound_among_the_contributors_of_each_key() -> None:
    rows = updates_of(12, 2, share=2.0)
    rows[6:, 1] = 0
    found = columns(PatternRule(keys=2, inner=Median())(rows, f=3).value, 2)  # pyright: ignore[reportArgumentType]
    assert found.contributors.tolist() == [12, 0]  # 6 contributors are not more than 2 f
    liars = rows.copy()
    liars[:3, 4 : 4 + FIELDS] = 1.0
    values = columns(PatternRule(keys=2, inner=Median())(liars, f=3).value, 2).values[0]  # pyright: ignore[reportArgumentType]
    honest = liars[3:, 4 : 4 + FIELDS]
    assert ((values >= honest.min(axis=0)) & (values <= honest.max(axis=0))).all()
    assert Mean.name == "mean"


def test_settings_and_shapes_are_checked() -> None:
    for bad in ({"keys": -1}, {"keys": 1, "min_contributors": 0}, {"keys": 1, "max_norm": 0.0}):
        with pytest.raises(SettingError):
            PatternRule(**bad)  # pyright: ignore[reportArgumentType]
    for place in (0, 2, 5):
        rows = updates_of(12, 2, share=2.0)
        rows[3, place] = np.nan
        with pytest.raises(UpdatesError):
            PatternRule(keys=2)(rows, f=0)
    with pytest.raises(UpdatesError):
        PatternRule(keys=3)(np.zeros((12, 7), np.float32), f=0)


@pytest.mark.parametrize("inner", [Mean(), Median()])
def test_each_key_comes_to_what_the_inner_rule_makes_of_it_alone_bit_for_bit(inner: Any) -> None:
    rows, weights = updates_of(400, 7, seed=3), np.random.default_rng(3).integers(0, 999, 400).astype(np.float64)
    found = columns(PatternRule(keys=7, inner=inner)(rows, f=2, weights=weights).value, 7)  # pyright: ignore[reportArgumentType]
    for key in range(7):
        who = (rows[:, key] >= 0.5) & (weights > 0)
        at = 14 + key * FIELDS
        alone = inner(np.ascontiguousarray(rows[who, at : at + FIELDS]), f=2, weights=weights[who]).value
        assert found.values[key].tobytes() == alone.tobytes()


def test_how_columns_are_brought_together_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = updates_of(60, 6, seed=5)
    rule = PatternRule(keys=6, max_norm=1.5)
    whole = rule(rows, f=0)
    monkeypatch.setattr("workloads.patterns.rule._BLOCK_ELEMENTS", 500)
    parts = rule(rows, f=0)
    assert parts.value.tobytes() == whole.value.tobytes()
    assert parts.verdicts.scores.tobytes() == whole.verdicts.scores.tobytes()


def grouped(counts: list[list[int]], values: list[float]) -> Any:
    """Rows of groups over two keys: contributors of each, one value for all, masses as the contributors."""
    return np.stack(
        [
            group_row(
                values=np.full((2, FIELDS), value) * (np.array(count) > 0)[:, None],
                contributors=np.array(count),
                samples=0.001 * np.array(count),
                mass=np.array(count, np.float64),
                round_number=3,
            )
            for count, value in zip(counts, values, strict=True)
        ]
    )


def test_groups_are_summed_and_weighed_by_their_clients() -> None:
    rows = grouped([[30, 2], [10, 2], [0, 0]], [0.2, 0.6, 0.9])
    members = np.array([30.0, 10.0, 4.0])
    found = columns(PatternRule(keys=2, grouped=True)(rows, f=0, weights=members).value, 2)  # pyright: ignore[reportArgumentType]
    assert found.contributors.tolist() == [40, 0]  # four clients are too few for the second key
    np.testing.assert_allclose(found.values[0], 0.3, rtol=1e-6)
    np.testing.assert_allclose(found.samples, [0.04, 0], rtol=1e-5)
    assert not found.mean.any()
    assert not found.variance.any()
    rule = PatternRule(keys=2, grouped=True, inner=Median(), min_contributors=4)
    found = columns(rule(rows, f=0, weights=members).value, 2)  # pyright: ignore[reportArgumentType]
    assert found.contributors.tolist() == [40, 4]
    np.testing.assert_allclose(found.values, 0.4, rtol=1e-6)


def test_groups_stand_for_as_many_participants_as_they_declare() -> None:
    rows = grouped([[5, 5], [4, 4]], [0.1, 0.1])
    rule = PatternRule(keys=2, grouped=True)
    rule.requires(1, 0)
    with pytest.raises(RuleBoundError) as caught:
        rule(rows, f=0, weights=np.array([5.0, 4.0]))
    assert (caught.value.n, caught.value.needed) == (9, 10)
    for column in (16, 18):
        for bad in (-0.1, np.nan):
            broken = rows.copy()
            broken[0, column] = bad
            with pytest.raises(UpdatesError):
                rule(broken, f=0, weights=np.array([9.0, 9.0]))
    with pytest.raises(SettingError):
        PatternRule(keys=0, grouped=True)
