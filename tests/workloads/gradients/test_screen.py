from __future__ import annotations

import numpy as np
import pytest

from federation.errors import SettingError
from federation.screening import DirectionScreen, DistanceScreen, Screen
from workloads.gradients import CascadeScreen, TwinScreen


def rows_of(n: int, d: int = 100, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def judged(screen: Screen, rows: np.ndarray, f: int) -> np.ndarray:
    return screen.screen(rows, centre=np.median(rows, axis=0).astype(rows.dtype), f=f).rejected


@pytest.mark.parametrize("n", [100, 2500])
def test_of_a_group_of_copies_the_first_is_kept(n: int) -> None:
    rows = rows_of(n)
    rows[30:50] = rows[10]
    rows[60:70] = rows[5]
    found = TwinScreen().screen(rows, centre=rows.mean(axis=0), f=n)
    assert np.flatnonzero(found.rejected).tolist() == [*range(30, 50), *range(60, 70)]
    assert found[30].reason == "screen.twin"
    assert found.scores[30] > found.threshold


def test_copies_with_a_little_noise_are_copies_and_honest_rows_are_not() -> None:
    rows = rows_of(100)
    rows[67:] = rows_of(1, seed=9) + 0.2 * rows_of(33, seed=2)
    found = judged(TwinScreen(), rows, 33)
    assert not found[:68].any()
    assert found[68:].all()
    assert not judged(TwinScreen(), rows_of(200, seed=4), 66).any()


def test_no_more_than_f_are_rejected_and_few_rows_or_dimensions_are_not_judged() -> None:
    rows = np.tile(rows_of(1), (40, 1))
    rows[:25] = rows_of(25, seed=3)
    assert judged(TwinScreen(), rows, 4).sum() == 4
    assert judged(TwinScreen(), rows, 0).sum() == 0
    assert not judged(TwinScreen(), np.ones((5, 100), np.float32), 5).any()
    assert not judged(TwinScreen(), np.ones((50, 8), np.float32), 5).any()


def test_agents_with_nothing_left_to_learn_are_not_copies() -> None:
    rows = rows_of(60)
    rows[40:] = 0
    assert not judged(TwinScreen(), rows, 20).any()
    rows[40:] = 1e-3 * rows_of(20, seed=5)
    assert not judged(TwinScreen(), rows, 20).any()


def test_the_scale_of_updates_does_not_matter() -> None:
    rows = rows_of(50)
    rows[40:] = rows[0] + 0.1 * rows_of(10, seed=1)
    usual = judged(TwinScreen(), rows, 20)
    assert usual.sum() == 10
    assert np.array_equal(judged(TwinScreen(), rows * np.float32(2.0**-30), 20), usual)
    assert np.array_equal(judged(TwinScreen(), rows * np.float32(2.0**30), 20), usual)


def test_a_cascade_takes_copies_out_before_it_looks_for_what_is_far_or_turned() -> None:
    truth = np.zeros(200, np.float32)
    truth[:50] = 0.5
    rows = truth + rows_of(60, 200, seed=1)
    rows[40:55] = -0.3 * truth
    rows[55:] = 30 * rows_of(5, 200, seed=2)
    screen = CascadeScreen(stages=(TwinScreen(), DistanceScreen(), DirectionScreen()))
    assert isinstance(screen, Screen)
    found = screen.screen(rows, centre=np.median(rows, axis=0), f=20)
    assert set(np.flatnonzero(found.rejected)) >= {*range(41, 60)}
    assert not found.rejected[:40].any()
    assert found[45].reason == "screen.twin"
    assert found[57].reason == "screen.distance"
    assert found.threshold == 1.0
    assert (found.scores[found.rejected] > 1).all()
    assert screen.screen(rows, centre=np.median(rows, axis=0), f=3).rejected.sum() == 3


def test_a_cascade_without_stages_lets_everything_through() -> None:
    assert not judged(CascadeScreen(stages=()), rows_of(10), 3).any()
    with pytest.raises(SettingError):
        TwinScreen(ratio=1.0)
