"""The geometric median: the contract, and Weiszfeld on the vectors themselves."""

from __future__ import annotations

import numpy as np
import pytest

from federation.errors import SettingError
from federation.rules import GeometricMedian
from tests.federation.rules.contract import RuleContract, attacked, gaussian
from tests.oracles import rules as oracle


class TestGeometricMedian(RuleContract):
    rule = GeometricMedian()

    @pytest.mark.parametrize("seed", range(3))
    def test_equals_weiszfeld(self, seed: int) -> None:
        updates = attacked(12, 20, 3, far=5.0, seed=seed)
        expected = oracle.geometric_median(updates)
        np.testing.assert_allclose(GeometricMedian(tolerance=1e-9)(updates, f=3).value, expected, atol=1e-5)

    def test_finds_the_row_that_is_the_median(self) -> None:
        updates = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        np.testing.assert_allclose(GeometricMedian()(updates, f=1).value, [0.0, 0.0], atol=1e-9)

    def test_scores_are_shares_and_small_for_the_far(self) -> None:
        scores = GeometricMedian()(attacked(12, 20, 3, far=1e3), f=3).verdicts.scores
        assert scores.sum() == pytest.approx(1)
        assert scores[9:].max() < 0.01 * scores[:9].min()

    def test_float32_follows_float64_under_a_common_offset(self) -> None:
        updates = (gaussian(20, 2000) * 1e-3 + 10).astype(np.float32)
        value = GeometricMedian()(updates, f=3).value
        np.testing.assert_allclose(value, oracle.geometric_median(updates, 100), atol=2e-6)

    @pytest.mark.parametrize("settings", [{"steps": 0}, {"tolerance": -1.0}, {"smoothing": 0.0}])
    def test_settings_are_checked(self, settings: dict[str, float]) -> None:
        with pytest.raises(SettingError):
            GeometricMedian(**settings)  # pyright: ignore[reportArgumentType]
