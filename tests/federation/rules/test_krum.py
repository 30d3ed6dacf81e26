"""Krum and Multi-Krum: the contract, the paper's scores, who is selected."""

from __future__ import annotations

import numpy as np
import pytest

from federation.errors import SettingError
from federation.rules import Krum, MultiKrum
from federation.verdict import Decision
from tests.federation.rules.contract import RuleContract, attacked, gaussian
from tests.oracles import rules as oracle


class TestKrum(RuleContract):
    rule = Krum()

    @pytest.mark.parametrize("seed", range(5))
    def test_equals_the_paper(self, seed: int) -> None:
        updates = gaussian(15, 30, seed=seed)
        made = Krum()(updates, f=4)
        chosen = oracle.krum(updates, 4)
        np.testing.assert_array_equal(made.value, updates[chosen])
        expected = oracle.krum_scores(updates, 4)
        np.testing.assert_allclose(made.verdicts.scores, [expected[i] for i in range(15)], rtol=1e-10)
        assert made.verdicts[chosen].decision is Decision.ACCEPTED
        assert made.verdicts.rejected.sum() == 14
        assert made.verdicts.threshold == made.verdicts.scores[chosen]
        assert {v.reason for v in made.verdicts if v.reason} == {"krum.not_selected"}

    def test_a_tie_does_not_depend_on_the_order_of_rows(self) -> None:
        # With n = 3 and f = 0 the two nearest rows always have equal scores.
        updates = np.array([[2.0, 0.0], [9.0, 9.0], [1.0, 0.0]])
        for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
            np.testing.assert_array_equal(Krum()(updates[order], f=0).value, [1.0, 0.0])


class TestMultiKrum(RuleContract):
    rule = MultiKrum()

    @pytest.mark.parametrize("keep", [None, 1, 5])
    def test_equals_the_paper(self, keep: int | None) -> None:
        updates = gaussian(15, 30)
        made = MultiKrum(keep=keep)(updates, f=4)
        value, kept = oracle.multi_krum(updates, 4, keep or 11)
        np.testing.assert_allclose(made.value, value, rtol=1e-12, atol=1e-14)
        assert set(np.flatnonzero(~made.verdicts.rejected).tolist()) == kept
        assert made.verdicts.threshold == max(made.verdicts.scores[i] for i in kept)

    def test_liars_are_rejected(self) -> None:
        verdicts = MultiKrum()(attacked(15, 30, 4, far=50.0), f=4).verdicts
        np.testing.assert_array_equal(np.flatnonzero(verdicts.rejected), [11, 12, 13, 14])

    def test_cannot_keep_more_than_the_honest(self) -> None:
        with pytest.raises(SettingError, match="n - f = 11"):
            MultiKrum(keep=12)(gaussian(15, 3), f=4)
        with pytest.raises(SettingError):
            MultiKrum(keep=0)
