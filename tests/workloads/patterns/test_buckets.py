"""What members add and what their sums amount to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.privacy.secure import FixedPoint
from federation.rules import Median
from workloads.patterns import KeySpace, PatternError, PatternRule
from workloads.patterns.buckets import ADDEND_LIMIT, addend, addend_dimension, sum_row
from workloads.patterns.rows import Weights, columns, encoded

SPACE = KeySpace.of(tools=("Edit", "Grep", "Read"))
KEYS = len(SPACE.keys)


def update(values: dict[str, float], samples: int = 100) -> np.ndarray:
    weights = {
        key: Weights(samples=samples, values=(value, 0.1, 0.1, value, 0.0, 0.0)) for key, value in values.items()
    }
    return encoded(weights, SPACE, round_number=3).row


values = st.dictionaries(st.sampled_from(SPACE.keys), st.floats(-1, 1, width=32), min_size=1)


@settings(max_examples=40, deadline=None)
@given(st.lists(values, min_size=1, max_size=9))
def test_a_sum_is_the_mean_of_those_who_have_the_key(members: list[dict[str, float]]) -> None:
    form = FixedPoint(limit=ADDEND_LIMIT, members=len(members))
    words = np.sum([form.encode(addend(update(one), keys=KEYS)).astype(np.uint64) for one in members], axis=0)
    total = form.decode((words & form.mask).astype(np.uint32), count=len(members))
    parts = columns(sum_row(total, members=len(members), keys=KEYS, round_number=3), KEYS)
    for place, key in enumerate(SPACE.keys):
        theirs = [one[key] for one in members if key in one]
        assert round(float(parts.variance[place]) * (1 << 24)) == len(theirs)
        assert parts.mean[place] == parts.variance[place]  # everybody weighs the same
        assert (parts.contributors[place] >= 1) == bool(theirs)
        if theirs:
            assert parts.values[place, 0] == pytest.approx(np.mean(theirs), abs=1e-5)
            assert parts.samples[place] == pytest.approx(1e-4, rel=1e-3)


def test_a_row_of_a_bucket_is_marked_and_moved_with_its_base() -> None:
    total = addend(update({"tool::Edit": 0.25}), keys=KEYS)
    one, other = (sum_row(total, members=1, keys=KEYS, round_number=number) for number in (3, 4))
    assert not np.array_equal(one, other)
    shift = update({"tool::Edit": 0.5})
    moved = columns(sum_row(total, members=1, keys=KEYS, round_number=3, shift=shift), KEYS)
    assert moved.values[SPACE.places["tool::Edit"], 0] == pytest.approx(0.75)
    assert not moved.values[SPACE.places["tool::Read"]].any()


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 0.5), (0, -1.0), (0, 4.0), (KEYS, 3.5), (KEYS, -0.1), (2 * KEYS, 3.1), (2 * KEYS, -3.1), (0, np.nan)],
)
def test_a_sum_that_no_rows_make_is_refused(place: int, value: float) -> None:
    total = np.zeros(addend_dimension(KEYS))
    total[:KEYS] = 3
    sum_row(total, members=3, keys=KEYS, round_number=1)
    total[place] = value
    with pytest.raises(PatternError):
        sum_row(total, members=3, keys=KEYS, round_number=1)
    with pytest.raises(PatternError):
        sum_row(total[1:], members=3, keys=KEYS, round_number=1)


def test_buckets_with_a_liar_in_each_do_not_move_the_median_of_the_others() -> None:
    honest = [addend(update({"tool::Edit": 0.1 + 0.01 * number}), keys=KEYS) for number in range(7)]
    liar = addend(update({"tool::Edit": -1.0}, samples=10**6), keys=KEYS)
    sums = [7 * honest[number] for number in range(5)] + [6 * honest[5] + liar, liar * 7]
    rows = np.stack([sum_row(total, members=7, keys=KEYS, round_number=1) for total in sums])
    rule = PatternRule(keys=KEYS, inner=Median(), grouped=True)
    aggregate = rule(rows, f=2, weights=np.full(7, 7.0)).value
    found = columns(aggregate.astype(np.float32), KEYS)
    assert 0.1 <= found.values[SPACE.places["tool::Edit"], 0] <= 0.14
    assert found.contributors[SPACE.places["tool::Edit"]] == 49
