"""Bulyan: the contract, and the paper's picks one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from federation.kernels import squared_distances
from federation.rules import Bulyan
from federation.rules.bulyan import bulyan_picks
from tests.federation.rules.contract import RuleContract, attacked, gaussian
from tests.oracles import rules as oracle


class TestBulyan(RuleContract):
    rule = Bulyan()

    @pytest.mark.parametrize(("n", "f"), [(3, 0), (7, 1), (11, 2), (20, 4), (25, 3)])
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_the_paper(self, n: int, f: int, seed: int) -> None:
        # Small f leaves the last picks with one neighbour and hence exact ties; the picks are a set by then.
        updates = gaussian(n, 30, seed=seed)
        made = Bulyan()(updates, f=f)
        picks, _ = bulyan_picks(squared_distances(updates), updates, f=f)
        value, expected = oracle.bulyan(updates, f)
        certain = n - 2 * f - (f + 3)
        assert picks[:certain].tolist() == expected[:certain]
        if set(picks.tolist()) == set(expected):
            np.testing.assert_allclose(made.value, value, rtol=1e-9, atol=1e-12)
        assert made.verdicts.rejected.sum() == 2 * f
        assert not made.verdicts.rejected[picks].any()

    def test_a_liar_can_only_be_the_last_pick(self) -> None:
        # Of the last 2f + 1 a score sums f - 1 distances, which f liars who stand together can keep small.
        updates = attacked(19, 30, 4, far=50.0)
        picks, _ = bulyan_picks(squared_distances(updates), updates, f=4)
        assert (picks[:-1] < 15).all()
        made = Bulyan()(updates, f=4)
        assert made.verdicts.rejected[15:].sum() >= 3
        assert np.abs(made.value).max() < 3
