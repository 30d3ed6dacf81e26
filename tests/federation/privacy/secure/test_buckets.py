"""Buckets: how many f liars spoil, what the rule bears, over random draws; and the whole way with liars in it."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import RuleBoundError, SettingError
from federation.identity import Secret
from federation.privacy.errors import SecureParametersError
from federation.privacy.secure import SecurePlan, aggregate_buckets, bucket_bound, bucket_sizes
from federation.rules import Bulyan, Krum, Mean, Median
from tests.federation.privacy.secure.session import Session


@given(n=st.integers(1, 200), size=st.integers(1, 30))
@settings(deadline=None)
def test_sizes_are_even_and_none_is_small(n: int, size: int) -> None:
    sizes = bucket_sizes(n, size)
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(size, n)


@pytest.mark.parametrize(("n", "f", "size"), [(7, 2, 2), (8, 3, 3), (9, 4, 3), (6, 0, 2), (5, 5, 2)])
def test_chances_are_those_of_every_draw_counted(n: int, f: int, size: int) -> None:
    bucket_of = [place for place, members in enumerate(bucket_sizes(n, size)) for _ in range(members)]
    counted = Counter(len({bucket_of[liar] for liar in liars}) for liars in itertools.combinations(range(n), f))
    bound = bucket_bound(n, f=f, size=size, rule=Median())
    total = sum(counted.values())
    assert bound.chances == pytest.approx([counted[spoilt] / total for spoilt in range(bound.worst + 1)])
    assert bound.expected == pytest.approx(sum(spoilt * times for spoilt, times in counted.items()) / total)


@given(n=st.integers(4, 60), data=st.data())
@settings(deadline=None, max_examples=40)
def test_f_liars_never_spoil_more_than_f_buckets(n: int, data: st.DataObject) -> None:
    f, size = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    bound = bucket_bound(n, f=f, size=size, rule=Median())
    assert sum(bound.chances) == pytest.approx(1.0)
    assert bound.worst == min(f, bound.buckets)
    assert bound.borne == (bound.buckets - 1) // 2
    # The bound of the docstring: f < n / (2 size) is borne whatever the draw, where size divides n.
    if n % size == 0 and 2 * size * f < n:
        assert bound.certain
        assert bound.chance_lost == 0.0
    # At least as many are spoilt as it takes to hold them.
    assert bound.chance_beyond(-(-f // max(bucket_sizes(n, size))) - 1) == pytest.approx(1.0)


def test_the_rule_says_what_is_borne() -> None:
    assert [bucket_bound(100, f=4, size=5, rule=rule).borne for rule in (Median(), Krum(), Bulyan())] == [9, 8, 4]
    random = bucket_bound(100, f=12, size=5, rule=Median())
    assert not random.certain
    assert 0 < random.chance_lost < 1
    assert random.expected < 12


def test_many_draws_spoil_as_often_as_is_said() -> None:
    bound, seen = bucket_bound(40, f=8, size=4, rule=Median()), Counter[int]()
    rng = np.random.default_rng(0)
    for _ in range(4000):
        seen[len(set((rng.permutation(40)[:8] // 4).tolist()))] += 1
    for spoilt, chance in enumerate(bound.chances):
        assert seen[spoilt] / 4000 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 4000) ** 0.5 + 1e-9)


PLAN = SecurePlan(size=5, dimension=4, limit=2.0, liars=1, dropped=1)


def test_the_seed_decides_who_is_where() -> None:
    roster = [f"a{place:02d}" for place in range(23)]
    one, two = (PLAN.sessions(names, run="r", round=1, seed=Secret(b"s" * 32)) for names in (roster, roster[::-1]))
    assert one == two
    assert sorted(name for terms in one for name in terms.circle) == roster
    assert [len(terms.circle) for terms in one] == [6, 6, 6, 5]
    assert len({terms.session for terms in one}) == 4
    for changed in ({"round": 2}, {"seed": Secret(b"t" * 32)}):
        other = PLAN.sessions(roster, **{"run": "r", "round": 1, "seed": Secret(b"s" * 32)} | changed)  # type: ignore[arg-type]
        assert [terms.circle for terms in other] != [terms.circle for terms in one]
    with pytest.raises(SettingError):
        PLAN.sessions(["a", "a"], run="r", round=1, seed=Secret(b"s" * 32))
    with pytest.raises(SecureParametersError):
        PLAN.sessions(["a", "b", "c"], run="r", round=1, seed=Secret(b"s" * 32))


def test_liars_are_out_voted_though_nobody_sees_a_row() -> None:
    rng = np.random.default_rng(4)
    roster = [f"a{place:02d}" for place in range(45)]
    truth = np.array([1.0, -0.5, 0.25, 0.0])
    liars = set(roster[:4])
    honest = {name: truth + rng.normal(0, 0.1, 4) for name in roster}
    rows = {name: np.full(4, -2.0) if name in liars else row for name, row in honest.items()}
    bound = bucket_bound(45, f=4, size=5, rule=Median())
    assert bound.certain
    sums = []
    for terms in PLAN.sessions(roster, run="r", round=1, seed=Secret(b"s" * 32)):
        lost = {"rows": [terms.circle[0]]} if terms.bucket == "3" else {}
        result = Session(terms, {name: rows[name] for name in terms.circle}, lost=lost).run().result
        assert result is not None
        sums.append(result)
    robust = aggregate_buckets(sums[::-1], rule=Median(), spoilt=bound.worst).value
    plain = aggregate_buckets(sums, rule=Mean(), spoilt=0).value
    # Five of nine buckets are clean at worst, so each coordinate lies within the clean ones' range there.
    clean = np.stack([one.mean for one in sums if not liars & set(one.members)])
    assert (robust >= clean.min(axis=0) - 1e-9).all()
    assert (robust <= clean.max(axis=0) + 1e-9).all()
    assert np.abs(robust - truth).max() < 0.25 < np.abs(plain - truth).max()


def test_too_few_buckets_are_refused_with_the_numbers() -> None:
    terms = PLAN.sessions([f"a{place}" for place in range(10)], run="r", round=1, seed=Secret(b"s" * 32))
    sums = [Session(one, {name: np.zeros(4) for name in one.circle}).run().result for one in terms]
    with pytest.raises(RuleBoundError) as caught:
        aggregate_buckets([one for one in sums if one is not None], rule=Median(), spoilt=1)
    assert (caught.value.n, caught.value.needed) == (2, 3)
    with pytest.raises(SettingError):
        aggregate_buckets([], rule=Median(), spoilt=0)
