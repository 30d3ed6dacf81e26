from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import RuleBoundError, SettingError, UpdatesError
from federation.rules import Median
from federation.rules.base import Rule
from federation.verdict import Decision
from workloads.gradients import AgreementClipping


def honest(n: int, d: int, *, seed: int = 0, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(d)
    truth /= np.linalg.norm(truth)
    return truth, (truth + noise * rng.standard_normal((n, d))).astype(np.float32)


@given(seed=st.integers(0, 1000), n=st.integers(1, 12), power=st.integers(-60, 60))
@settings(max_examples=40, deadline=None)
def test_order_does_not_matter_and_scale_passes_through(seed: int, n: int, power: int) -> None:
    _, rows = honest(n, 5, seed=seed)
    rule = AgreementClipping()
    f = (n - 1) // 2
    found = rule(rows, f=f).value
    shuffled = np.random.default_rng(seed).permutation(n)
    assert rule(rows[shuffled], f=f).value == pytest.approx(found, abs=1e-5)
    scale = np.float32(2.0**power)
    assert rule(rows * scale, f=f).value / scale == pytest.approx(found, rel=1e-4, abs=1e-5)


def test_it_is_a_rule_with_a_bound() -> None:
    rule = AgreementClipping()
    assert isinstance(rule, Rule)
    rule.requires(7, 3)
    with pytest.raises(RuleBoundError):
        rule(np.ones((6, 2), np.float32), f=3)
    with pytest.raises(UpdatesError):
        rule(np.full((7, 2), np.nan, np.float32), f=3)
    with pytest.raises(SettingError):
        AgreementClipping(steps=0)


def test_equal_updates_come_out_as_they_are_and_zeros_as_zeros() -> None:
    row = np.array([1.0, -2.0, 3.0], np.float32)
    assert AgreementClipping()(np.tile(row, (5, 1)), f=2).value == pytest.approx(row)
    silence = AgreementClipping()(np.zeros((5, 3), np.float32), f=2)
    assert not silence.value.any()
    assert not silence.verdicts.decisions.any()


def test_reversed_updates_are_rejected_and_hardly_move_the_result() -> None:
    truth, rows = honest(67, 400, noise=0.15)
    liars = -honest(33, 400, seed=1, noise=0.15)[1]
    liars = (liars - np.mean(liars, axis=0) - truth).astype(np.float32)
    everybody = np.concatenate([rows, liars])
    found = AgreementClipping()(everybody, f=33)
    assert found.verdicts.rejected[67:].mean() > 0.4
    assert found.verdicts.rejected[:67].mean() < 0.05
    along = float(found.value @ truth)
    # A third reversed leaves a third of the mean; the median loses most of its length as well.
    assert along > 1.5 * float(Median()(everybody, f=33).value @ truth)
    assert along > 0.2


def test_long_updates_count_no_more_than_typical_ones() -> None:
    truth, rows = honest(21, 50)
    rows[0] *= 1e6
    found = AgreementClipping()(rows, f=7)
    assert found.verdicts[0].decision is Decision.CLIPPED
    assert found.verdicts[0].reason == "agreement.norm"
    assert np.linalg.norm(found.value) <= np.median(np.linalg.norm(rows, axis=1))
    assert float(found.value @ truth) > 0


def test_the_result_is_new_and_of_the_updates_dtype() -> None:
    for dtype in (np.float32, np.float64):
        rows: Any = honest(5, 4)[1].astype(dtype)
        before = rows.copy()
        rows.setflags(write=False)
        found = AgreementClipping()(rows, f=2)
        assert found.value.dtype == dtype
        assert not np.shares_memory(found.value, rows)
        assert np.array_equal(rows, before)
