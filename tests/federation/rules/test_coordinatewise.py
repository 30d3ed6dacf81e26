"""Median, trimmed mean and mean around the median: the contract, and the papers' definitions."""

from __future__ import annotations

import numpy as np
import pytest

from federation.rules import Meamed, Median, TrimmedMean
from tests.federation.rules.contract import RuleContract, attacked, gaussian
from tests.oracles import rules as oracle


class TestMedian(RuleContract):
    rule = Median()
    in_honest_box = True
    exact = True

    @pytest.mark.parametrize("n", [1, 2, 3, 10, 33, 40])
    def test_equals_its_definition(self, n: int) -> None:
        updates = gaussian(n, 30)
        np.testing.assert_array_equal(Median()(updates, f=0).value, oracle.median(updates))

    def test_even_n_takes_the_mean_of_the_middle_two(self) -> None:
        updates = np.array([[1.0], [2.0], [10.0], [50.0]])
        assert Median()(updates, f=1).value == [6.0]

    def test_all_are_accepted_without_scores(self) -> None:
        verdicts = Median()(gaussian(9, 4), f=4).verdicts
        assert not verdicts.decisions.any()
        assert np.isnan(verdicts.scores).all()


class TestTrimmedMean(RuleContract):
    rule = TrimmedMean()
    in_honest_box = True
    exact = True

    @pytest.mark.parametrize(("n", "f"), [(1, 0), (5, 2), (20, 0), (20, 6), (40, 13)])
    @pytest.mark.parametrize("d", [7, 4000])
    def test_equals_its_definition(self, n: int, f: int, d: int) -> None:
        updates = gaussian(n, d)
        np.testing.assert_allclose(
            TrimmedMean()(updates, f=f).value, oracle.trimmed_mean(updates, f), rtol=1e-9, atol=1e-14
        )


class TestMeamed(RuleContract):
    rule = Meamed()
    exact = True

    @pytest.mark.parametrize(("n", "f"), [(1, 0), (2, 0), (5, 2), (20, 0), (20, 6), (41, 20)])
    def test_equals_its_definition(self, n: int, f: int) -> None:
        updates = gaussian(n, 50)
        np.testing.assert_allclose(
            Meamed()(updates, f=f).value, oracle.mean_around_median(updates, n - f), rtol=1e-9, atol=1e-14
        )

    def test_huge_liars_leave_no_rounding_behind(self) -> None:
        quiet = attacked(20, 50, 5, far=1e3)
        loud = attacked(20, 50, 5, far=1e200)
        np.testing.assert_array_equal(Meamed()(quiet, f=5).value, Meamed()(loud, f=5).value)
