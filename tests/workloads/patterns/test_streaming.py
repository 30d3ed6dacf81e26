"""Streaming: folded windows against the rule on all rows, bounds for liars, bytes, and what arrives in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError, UpdatesError
from federation.identity import Secret
from federation.rules import Mean, Median, TrimmedMean
from federation.rules.base import Rule
from federation.rules.mean import capped_shares
from workloads.patterns import MassAnomalyError, PatternError, PatternRule, PatternScreen, Streaming, group_bound
from workloads.patterns.group_rows import Group
from workloads.patterns.rows import VALUES, columns, dimension
from workloads.patterns.shares import CLASSES, class_shares, classes_of
from workloads.patterns.window import Window

FIELDS = len(VALUES)
SECRET = Secret(bytes(range(32)))
LENIENT = 1e9


def streaming(keys: int, **given: Any) -> Streaming:
    """Settings whose screen lets everything through, unless told otherwise."""
    screen = given.pop("screen", PatternScreen(keys=keys, outlier=LENIENT, agreement=1.0, resolution=1.0))
    return Streaming(screen=screen, **given)


def deltas(n: int, keys: int, *, seed: int = 0, share: float = 0.7, noise: float = 0.3) -> Any:
    """Rows of n clients who agree up to noise, each with a share of the keys."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, dimension(keys)), np.float32)
    present = rng.random((n, keys)) < share
    present[~present.any(axis=1), 0] = True
    truth = np.random.default_rng(99).uniform(-0.5, 0.5, (keys, FIELDS))
    rows[:, :keys] = present
    rows[:, keys : 2 * keys] = present * np.round(rng.random((n, keys)) * 1000) / 1e6
    values = np.clip(truth + noise * rng.standard_normal((n, keys, FIELDS)), -1, 1) * present[:, :, None]
    rows[:, 2 * keys : 8 * keys] = values.reshape(n, -1)
    return rows


def names(n: int) -> list[str]:
    return [f"{number:064x}" for number in range(n)]


def folded(made: Streaming, rows: Any, weights: Any, *, cuts: int = 3, order: Any = None, number: int = 1) -> Window:
    """The window of these rows, which arrive in an order and in so many batches."""
    window = made.start(run="run", region="eu", number=number, base=0)
    clients = names(len(rows))
    order = np.arange(len(rows)) if order is None else order
    for part in np.array_split(order, cuts):
        found = made.fold(window, rows[part], clients=[clients[i] for i in part], weights=weights[part], secret=SECRET)
        window = found.window
    return window


def together(groups: tuple[Group, ...], *, keys: int, inner: Rule, f: int = 0, **given: Any) -> Any:
    """What the round's rule makes of groups."""
    rule = PatternRule(keys=keys, inner=inner, grouped=True, **given)
    rows = np.stack([group.row for group in groups])
    weights = np.array([group.members for group in groups], np.float64)
    return columns(rule(rows, f=f, weights=weights).value, keys)  # pyright: ignore[reportArgumentType]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(10, 60), keys=st.integers(1, 5), groups=st.integers(1, 9))
def test_across_groups_the_mean_is_that_of_all_clients_with_each_capped(
    seed: int, n: int, keys: int, groups: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = deltas(n, keys, seed=seed)
    weights = np.floor(2.0 ** rng.uniform(0, rng.choice([0.5, 4, 19.9]), n))
    made = streaming(keys, groups=groups)
    found = together(made.closed(folded(made, rows, weights), round_number=7), keys=keys, inner=Mean())
    rounded = 2.0 ** np.floor(np.log2(weights))
    expected = columns(PatternRule(keys=keys)(rows, f=0, weights=rounded).value, keys)  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(found.contributors, expected.contributors)
    np.testing.assert_allclose(found.values, expected.values, atol=2e-6)
    np.testing.assert_allclose(found.samples, expected.samples, rtol=1e-4, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(counts=st.lists(st.integers(0, 6), min_size=CLASSES, max_size=CLASSES), cap=st.sampled_from([0.05, 0.2, 1.0]))
def test_shares_by_class_are_the_water_filling_of_all_clients(counts: list[int], cap: float) -> None:
    number = np.array(counts)
    found = class_shares(number[:, None], cap=cap)[:, 0]
    weights = np.repeat(2.0 ** np.arange(CLASSES), number)
    if not len(weights):
        assert not found.any()
        return
    expected = capped_shares(weights / weights.sum(), max(cap, 1 / len(weights)))
    np.testing.assert_allclose(np.repeat(found, number), expected, rtol=1e-9)
    assert found @ number == pytest.approx(1.0)


def test_classes_are_powers_of_two_rounded_down() -> None:
    assert classes_of(np.array([0.3, 1, 1.9, 2, 1023, 1024, 524_288, 1e6, 1e12])).tolist() == [
        0, 0, 0, 1, 9, 10, 19, 19, 19,
    ]  # fmt: skip


def test_neither_order_nor_batches_change_what_a_window_comes_to() -> None:
    rows, weights = deltas(60, 3), np.arange(1.0, 61.0)
    made = streaming(3, groups=4, sample=16)
    plain = folded(made, rows, weights, cuts=1)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(60)
        assert folded(made, rows, weights, cuts=5 + seed, order=order).to_bytes() == plain.to_bytes()
    first, again = made.closed(plain, round_number=1), made.closed(plain, round_number=2)
    assert [group.members for group in first] == plain.members[plain.members > 0].tolist()
    assert all(one.row.tobytes() != two.row.tobytes() for one, two in zip(first, again, strict=True))
    assert sum(group.members for group in first) == plain.clients == 60


def test_memory_does_not_grow_with_clients() -> None:
    made = streaming(4, groups=4, sample=32)
    sizes = [folded(made, deltas(n, 4), np.full(n, 5.0), cuts=2) for n in (40, 400)]
    assert sizes[0].nbytes == sizes[1].nbytes
    assert len(sizes[1].to_bytes()) <= len(sizes[0].to_bytes()) * 1.1


def test_the_hash_is_keyed_and_changes_with_window_and_region() -> None:
    made = streaming(1, groups=8)
    window = made.start(run="run", region="eu", number=1, base=0)
    clients = names(4000)
    mine = made.groups_of(window, clients, SECRET)
    assert np.array_equal(mine, made.groups_of(window, clients, SECRET))
    others = [
        made.groups_of(replace(window, number=2), clients, SECRET),
        made.groups_of(replace(window, region="us"), clients, SECRET),
        made.groups_of(window, clients, Secret(bytes(32))),
    ]
    for other in others:
        assert abs(float((mine == other).mean()) - 1 / 8) < 0.03
    counts = np.bincount(mine, minlength=8)
    assert ((counts - 500) ** 2 / 500).sum() < 30  # chi squared, 7 degrees of freedom


@pytest.mark.parametrize("inner", [Median(), TrimmedMean()])
@pytest.mark.parametrize("f", [1, 3, 5])
def test_f_liars_spoil_at_most_f_groups_and_do_not_leave_the_range_of_the_others(inner: Rule, f: int) -> None:
    n, keys, groups = 160, 3, 16
    rows, weights = deltas(n, keys, share=2.0), np.full(n, 8.0)
    made = streaming(keys, groups=groups)
    honest = made.closed(folded(made, rows, weights), round_number=1)
    rows[:f, 2 * keys : 8 * keys] = 1.0
    weights[:f] = 1e6
    lied = made.closed(folded(made, rows, weights), round_number=1)
    spoilt = [one.number for one, two in zip(honest, lied, strict=True) if not np.array_equal(one.row, two.row)]
    bound = group_bound(f=f, groups=len(lied), rule=inner)
    # The others' rows change too where shares are worked out anew; so the liars' groups are known by the hash.
    window = made.start(run="run", region="eu", number=1, base=0)
    theirs = set(made.groups_of(window, names(n)[:f], SECRET).tolist())
    assert theirs <= set(spoilt)
    assert len(theirs) <= bound.worst <= f <= bound.borne
    assert bound.certain
    clean = np.stack([columns(group.row, keys).values for group in lied if group.number not in theirs])
    found = together(lied, keys=keys, inner=inner, f=f).values
    assert (found >= clean.min(axis=0) - 1e-7).all()
    assert (found <= clean.max(axis=0) + 1e-7).all()


def test_liars_in_every_group_move_a_median_by_no_more_than_their_share() -> None:
    n, keys, groups, f = 800, 2, 16, 80  # ten for each hundred: hardly a group without
    rows, weights = deltas(n, keys, share=2.0), np.full(n, 8.0)
    made = streaming(keys, groups=groups)
    before = made.closed(folded(made, rows, weights), round_number=1)
    rows[:f, 2 * keys : 8 * keys] = 1.0
    after = made.closed(folded(made, rows, weights), round_number=1)
    window = made.start(run="run", region="eu", number=1, base=0)
    where = made.groups_of(window, names(n), SECRET)
    assert len(set(where[:f].tolist())) > groups // 2
    share = max(float((where[:f] == group.number).sum()) / group.members for group in after)
    gap = np.abs(together(after, keys=keys, inner=Median()).values - together(before, keys=keys, inner=Median()).values)
    assert gap.max() <= 2 * share
    assert gap.max() > 0


def test_the_bound_is_that_of_throwing_liars_into_groups() -> None:
    bound = group_bound(f=9, groups=16, rule=Median())
    rng = np.random.default_rng(0)
    drawn = np.array([len(set(rng.integers(0, 16, 9).tolist())) for _ in range(4000)])
    assert (bound.worst, bound.borne, bound.certain) == (9, 7, False)
    assert bound.expected == pytest.approx(drawn.mean(), abs=0.1)
    assert bound.expected == pytest.approx(16 * (1 - (15 / 16) ** 9))
    assert bound.chance_lost == pytest.approx((drawn > 7).mean(), abs=0.03)
    assert sum(bound.chances) == pytest.approx(1)
    assert group_bound(f=3, groups=4, rule=Mean()).certain  # it bears nothing, and says so of itself
    with pytest.raises(SettingError):
        group_bound(f=-1, groups=4, rule=Mean())


def test_no_client_is_above_its_cap_of_a_key_in_one_window_and_over_several() -> None:
    keys = 1
    rows, weights = deltas(12, keys, share=2.0, noise=0.0), np.ones(12)
    weights[0] = 1e6
    moved = rows.copy()
    moved[0, 2:8] = 1.0
    made = streaming(keys, groups=4)

    def released(given: Any) -> Any:
        both = [
            group
            for region in (given[:7], given[7:])
            for group in made.closed(folded(made, region, weights[: len(region)]), round_number=1)
        ]
        return together(tuple(both), keys=keys, inner=Mean()).values

    gap = np.abs(released(moved) - released(rows)).max() / np.abs(moved - rows).max()
    assert gap <= 0.2
    assert gap == pytest.approx(0.2 * 7 / 12, rel=1e-3)


def test_an_arriving_liar_is_screened_against_the_window_s_sample() -> None:
    keys = 8
    screen = PatternScreen(keys=keys, resolution=0.05)
    made = streaming(keys, screen=screen, sample=64, warmup=20)
    rows = deltas(61, keys, share=2.0, noise=0.02)
    rows[60, 2 * keys : 8 * keys] += 0.9
    window = made.start(run="run", region="eu", number=1, base=0)
    assert not made.ready(window, 19)
    assert made.ready(window, 20)
    window = made.fold(window, rows[:60], clients=names(60), weights=np.ones(60), secret=SECRET).window
    assert made.ready(window, 0)
    late = made.fold(window, rows[60:], clients=["f" * 64], weights=np.ones(1), secret=SECRET)
    assert late.verdicts[0].reason == "patterns.outliers"
    assert late.window.flagged == 1
    assert np.array_equal(late.window.counts, window.counts)
    alone = made.start(run="run", region="eu", number=1, base=0)
    unseen = made.fold(alone, rows[60:], clients=["f" * 64], weights=np.ones(1), secret=SECRET)
    assert not unseen.verdicts.rejected.any()  # nobody to hold it against: that is what the warm-up is for


def test_a_window_in_which_many_are_flagged_is_not_closed() -> None:
    keys = 8
    made = streaming(keys, screen=PatternScreen(keys=keys, resolution=0.05))
    rows = deltas(30, keys, share=2.0, noise=0.02)
    rows[:10, 2 * keys : 8 * keys] += 0.9
    window = folded(made, rows, np.ones(30), cuts=1)
    assert (window.flagged, window.judged) == (10, 30)
    with pytest.raises(MassAnomalyError) as caught:
        made.closed(window, round_number=1)
    assert (caught.value.flagged, caught.value.judged) == (10, 30)


def test_long_submissions_are_shortened_and_said_to_be() -> None:
    made = streaming(2, max_norm=0.5, groups=1)
    rows = deltas(12, 2, share=2.0, noise=0.0) * np.float32(0.1)
    rows[:, :2] = 1
    rows[3, 4:16] = 1.0
    found = made.fold(
        made.start(run="run", region="eu", number=1, base=0), rows, clients=names(12), weights=np.ones(12),
        secret=SECRET,
    )  # fmt: skip
    assert found.verdicts[3].reason == "patterns.norm_clipped"
    assert np.flatnonzero(found.verdicts.decisions).tolist() == [3]
    assert found.window.clipped == 1
    [group] = made.closed(found.window, round_number=1)
    assert np.abs(columns(group.row, 2).values).max() < 0.1


def test_a_mean_of_changes_moves_with_its_base() -> None:
    made, keys = streaming(3, groups=2), 3
    rows, weights = deltas(20, keys, noise=0.05), np.ones(20)
    shift = np.zeros(dimension(keys), np.float32)
    shift[2 * keys : 8 * keys] = 0.1
    moved = rows.copy()
    moved[:, 2 * keys : 8 * keys] += 0.1 * np.repeat(rows[:, :keys], FIELDS, axis=1)
    shifted = made.closed(folded(made, rows, weights), round_number=1, shift=shift)
    direct = made.closed(folded(made, moved, weights), round_number=1)
    for one, two in zip(shifted, direct, strict=True):
        np.testing.assert_allclose(one.row, two.row, atol=1e-6)


def test_bytes_bring_the_window_back_and_nothing_else_does() -> None:
    made = streaming(3, groups=4, sample=8)
    window = folded(made, deltas(20, 3), np.arange(20.0))
    data = window.to_bytes()
    back = Window.from_bytes(data)
    assert back.to_bytes() == data
    assert (back.clients, back.judged, back.base, back.region) == (19, 20, 0, "eu")  # one has a weight of zero
    more = made.fold(back, deltas(5, 3, seed=2), clients=["a", "b", "c", "d", "e"], weights=np.ones(5), secret=SECRET)
    assert more.window.clients == 24
    assert window.clients == 19
    empty = made.start(run="run", region="eu", number=1, base=0)
    assert Window.from_bytes(empty.to_bytes()).clients == 0
    assert made.closed(empty, round_number=1) == ()
    for bad in (
        b"",
        b"x" * 40,
        data[:-1],
        data.replace(b'\\"form\\": 1', b'\\"form\\": 2'),
        data[:9] + b"[" + data[10:],
    ):
        with pytest.raises(PatternError):
            Window.from_bytes(bad)


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    made = streaming(2, groups=2)
    window = made.start(run="run", region="eu", number=1, base=0)
    rows = deltas(3, 2)
    nan = rows.copy()
    nan[1, 5] = np.nan
    cases: list[tuple[Any, Any, Any]] = [
        (rows[:, :-1], names(3), np.ones(3)),
        (rows, ["a", "a", "b"], np.ones(3)),
        (rows, names(3), np.ones(2)),
        (rows, names(3), np.array([1.0, -1.0, 1.0])),
        (nan, names(3), np.ones(3)),
    ]
    for given_rows, clients, weights in cases:
        with pytest.raises(UpdatesError):
            made.fold(window, given_rows, clients=clients, weights=weights, secret=SECRET)
    assert window.judged == 0
    for bad in ({"groups": 0}, {"sample": -1}, {"share_cap": 0.0}, {"most_flagged": 0.0}, {"max_norm": 0.0}):
        with pytest.raises(SettingError):
            streaming(2, **bad)
    with pytest.raises(SettingError):
        streaming(0)
    with pytest.raises(SettingError):
        streaming(2, groups=3).closed(window, round_number=1)
    nobody = made.fold(window, rows[:0], clients=[], weights=np.ones(0), secret=SECRET)
    assert (len(nobody.verdicts), nobody.window.judged) == (0, 0)
