"""The anomaly filter: every screen's promises, and the document's three layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError, UpdatesError
from federation.screening import Screen
from tests.federation.screening import test_screens as shared
from workloads.patterns import PatternScreen
from workloads.patterns.rows import VALUES, dimension
from workloads.patterns.screen import _medians

FIELDS = len(VALUES)
PROMISES = shared.TestEveryScreen()


def test_it_keeps_every_screens_promises() -> None:
    screen = PatternScreen(keys=0)
    for factor in (1e6, 1e-6, 1e30, 1e-30):
        PROMISES.test_the_scale_does_not_matter(screen, factor)
    for factor in (1e300, 1e-300):
        PROMISES.test_nor_at_the_limits_of_float64(screen, factor)
    for n in (1, 2, 3, 4):
        PROMISES.test_few_rows_are_judged_without_a_fault(screen, n)
    PROMISES.test_is_a_screen_of_equal_value(screen)
    PROMISES.test_one_verdict_a_row_in_order(screen)
    PROMISES.test_the_order_of_rows_does_not_matter(screen)
    PROMISES.test_at_most_f_and_those_the_worst(screen)
    PROMISES.test_equal_rows_are_all_accepted(screen)
    PROMISES.test_rounding_among_equal_rows_is_not_a_lie(screen)
    PROMISES.test_inputs_are_read_only_and_not_kept(screen)
    PROMISES.test_what_does_not_fit_is_refused(screen)


def deltas(n: int, keys: int, *, seed: int = 0, signal: float = 0.5, noise: float = 0.05) -> Any:
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, dimension(keys)), np.float32)
    rows[:, : 2 * keys] = 1
    truth = signal * rng.uniform(0.5, 1.0, keys * FIELDS)
    rows[:, 2 * keys : 2 * keys + keys * FIELDS] = truth + noise * rng.standard_normal((n, keys * FIELDS))
    return rows


def judged(rows: Any, f: int = 99, **settings: Any) -> Any:
    keys = rows.shape[1] // 10
    return PatternScreen(keys=keys, **settings).screen(rows, centre=np.median(rows, axis=0), f=f)


def test_ten_participants_are_enough_to_find_an_outlier() -> None:
    rows = deltas(10, 8)
    rows[3, 16 : 16 + 24] += 1.0  # half of its weights
    assert np.flatnonzero(judged(rows).rejected).tolist() == [3]
    assert judged(rows)[3].reason == "patterns.outliers"
    one = rows[:, 16]
    assert np.abs((one - one.mean()) / one.std()).max() < 3  # the z-score finds nothing


def test_more_than_thirty_percent_and_not_fewer() -> None:
    rows = deltas(20, 10, noise=0.0)
    rows[2, 20 : 20 + 18] += 1.0  # 18 of 60
    rows[5, 20 : 20 + 19] += 1.0  # 19 of 60
    found = judged(rows, agreement=1.0, resolution=0.05)
    assert np.flatnonzero(found.rejected).tolist() == [5]


def test_a_reversed_delta_is_flagged_by_its_direction() -> None:
    rows = deltas(12, 6, signal=0.05, noise=0.04)
    rows[1, 12:48] *= -1
    found = judged(rows, resolution=0.02)
    assert np.flatnonzero(found.rejected).tolist() == [1]
    assert found[1].reason == "patterns.direction"
    assert found.scores[1] > 1


def test_where_nobody_agrees_no_direction_is_judged() -> None:
    assert not judged(deltas(30, 20, signal=0.0), resolution=0.05).rejected.any()


def test_nor_at_rest_where_all_scores_of_a_client_are_a_little_high_or_low() -> None:
    rows = deltas(10, 2, signal=0.0, noise=0.0)
    rows[:, 4:16] = np.array([0.03] * 6 + [-0.04] * 4)[:, None]
    assert not judged(rows, resolution=0.05).rejected.any()
    rows[:, 4:16] *= 10
    assert judged(rows, resolution=0.05).rejected[6:].all()


def test_honest_clients_with_few_keys_pass() -> None:
    rows = deltas(20, 10)
    gone = np.random.default_rng(3).random((20, 10)) < 0.5
    rows[:, :10][gone] = 0
    rows[:, 20:80].reshape(20, 10, FIELDS)[gone] = 0
    assert not judged(rows, resolution=0.05).rejected.any()


@pytest.mark.parametrize("said", [-5.0, 5.0, 0.5, 1e30])
def test_a_row_that_no_client_can_have_made_is_rejected(said: float) -> None:
    rows = deltas(12, 4)
    rows[2, 1] = said
    rows[6, :4] = 0
    found = judged(rows, resolution=0.05)
    assert np.flatnonzero(found.rejected).tolist() == [2, 6]
    assert {found[2].reason, found[6].reason} == {"patterns.malformed"}


def test_nobody_is_judged_by_fewer_than_five() -> None:
    rows = deltas(4, 2)
    rows[0, 4:] = 50
    found = judged(rows)
    assert not found.rejected.any()
    assert np.isnan(found.scores).all()


def test_settings_and_shapes_are_checked() -> None:
    assert isinstance(PatternScreen(keys=3), Screen)
    for bad in ({"keys": -1}, {"outlier": 0}, {"outlier_share": 1.0}, {"cosine": 1.0}, {"resolution": -1.0}):
        with pytest.raises(SettingError):
            PatternScreen(**{"keys": 1, **bad})
    with pytest.raises(UpdatesError):
        PatternScreen(keys=3).screen(np.zeros((4, 7), np.float32), centre=np.zeros(7, np.float32), f=1)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
def test_medians_are_numpys(seed: int, n: int) -> None:
    values = np.random.default_rng(seed).standard_normal((3, n)).round(1)
    np.testing.assert_array_equal(_medians(values), np.median(values, axis=1))


def test_how_columns_are_brought_together_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = deltas(40, 6)
    whole = judged(rows)
    monkeypatch.setattr("workloads.patterns.screen._BLOCK_ELEMENTS", 300)
    assert judged(rows).scores.tobytes() == whole.scores.tobytes()
