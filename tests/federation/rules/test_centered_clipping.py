"""Centred clipping: the contract, the paper's step, the derived radius."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from federation.errors import SettingError, UpdatesError
from federation.rules import CenteredClipping
from tests.federation.rules.contract import RuleContract, attacked, gaussian
from tests.oracles import rules as oracle


class TestCenteredClipping(RuleContract):
    rule = CenteredClipping()

    @pytest.mark.parametrize("steps", [1, 4])
    def test_equals_the_paper(self, steps: int) -> None:
        updates = attacked(12, 20, 3, far=5.0)
        start = gaussian(1, 20, seed=4)[0]
        value = CenteredClipping(start=start, radius=2.0, steps=steps)(updates, f=3).value
        np.testing.assert_allclose(value, oracle.centered_clipping(updates, start, 2.0, steps), rtol=1e-10, atol=1e-12)

    def test_radius_is_the_median_distance_to_the_start(self) -> None:
        updates = attacked(12, 20, 3, far=1e6)
        verdicts = CenteredClipping()(updates, f=3).verdicts
        middle = oracle.median(updates)
        assert verdicts.threshold == pytest.approx(np.median(np.linalg.norm(updates - middle, axis=1)))
        assert {v.reason for v in list(verdicts)[9:]} == {"centered_clipping.radius"}
        np.testing.assert_array_equal(verdicts.decisions == 1, verdicts.scores > verdicts.threshold)

    def test_a_swarm_that_agrees_by_majority_stays_there(self) -> None:
        updates = np.zeros((9, 4))
        updates[:4] = 7.0
        np.testing.assert_array_equal(CenteredClipping()(updates, f=4).value, np.zeros(4))

    def test_the_start_is_copied_and_compared(self) -> None:
        start = np.zeros(4)
        rule = CenteredClipping(start=start)
        start[0] = 9.0
        assert rule.start is not None
        assert rule.start[0] == 0.0
        assert rule == CenteredClipping(start=np.zeros(4))
        assert hash(rule) == hash(CenteredClipping(start=np.zeros(4)))
        assert rule != CenteredClipping(start=np.ones(4))
        assert rule != CenteredClipping()

    def test_settings_are_checked(self) -> None:
        wrong: list[dict[str, Any]] = [{"radius": 0.0}, {"radius": np.nan}, {"steps": 0}, {"start": np.array([np.nan])}]
        for settings in wrong:
            with pytest.raises(SettingError):
                CenteredClipping(**settings)
        with pytest.raises(UpdatesError, match=r"\(4,\)"):
            CenteredClipping(start=np.zeros(3))(gaussian(9, 4), f=2)
