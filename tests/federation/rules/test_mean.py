"""The capped weighted mean: the contract, and what a declared weight can and cannot do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError, WeightsError
from federation.rules import Mean
from federation.rules.mean import capped_shares
from tests.federation.rules.contract import RuleContract, gaussian
from tests.oracles import rules as oracle


class TestMean(RuleContract):
    rule = Mean()
    bounded = False
    uses_weights = True

    def test_equals_the_weighted_mean_below_the_cap(self) -> None:
        updates, weights = gaussian(10, 30), np.linspace(1, 2, 10)
        expected = np.average(updates, axis=0, weights=weights)
        np.testing.assert_allclose(Mean()(updates, f=0, weights=weights).value, expected, rtol=1e-12, atol=1e-15)

    def test_a_huge_weight_gets_the_cap_and_a_verdict(self) -> None:
        updates = np.zeros((11, 3))
        updates[4] = 1.0
        weights = np.ones(11)
        weights[4] = 1e300
        made = Mean(share_cap=0.2)(updates, f=0, weights=weights)
        np.testing.assert_allclose(made.value, 0.2)
        assert np.flatnonzero(made.verdicts.decisions).tolist() == [4]
        assert made.verdicts[4].reason == "mean.share_capped"

    def test_few_updates_share_equally_when_the_cap_is_too_small_for_them(self) -> None:
        updates = np.array([[0.0], [3.0], [9.0]])
        assert Mean(share_cap=0.1)(updates, f=0, weights=np.array([1.0, 5.0, 100.0])).value == pytest.approx([4.0])

    def test_a_weight_of_zero_stays_zero(self) -> None:
        updates = np.array([[0.0], [3.0], [9.0]])
        assert Mean()(updates, f=0, weights=np.array([0.0, 1.0, 0.0])).value == [3.0]

    @pytest.mark.parametrize(
        "weights", [[1.0, -1.0, 1.0], [1.0, np.nan, 1.0], [np.inf, 1.0, 1.0], [0.0] * 3, [1.0] * 2]
    )
    def test_weights_that_make_no_sense_are_refused(self, weights: list[float]) -> None:
        with pytest.raises(WeightsError):
            Mean()(gaussian(3, 2), f=0, weights=np.array(weights))

    @pytest.mark.parametrize("cap", [0.0, -1.0, 1.5, np.nan])
    def test_cap_is_checked(self, cap: float) -> None:
        with pytest.raises(SettingError):
            Mean(share_cap=cap)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=12), st.floats(0.01, 1.0))
def test_capped_shares_are_the_slow_ones(weights: list[float], share_cap: float) -> None:
    cap = max(share_cap, 1 / len(weights))
    shares = capped_shares(np.array(weights) / sum(weights), cap)
    assert shares.sum() == pytest.approx(1, abs=1e-8)
    assert shares.max() <= cap * (1 + 1e-9)
    np.testing.assert_allclose(shares, oracle.capped_shares(weights, cap), rtol=1e-6, atol=1e-9)
