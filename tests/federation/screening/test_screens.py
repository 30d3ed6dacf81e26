"""Screens: stated rate, no scale, at most f, and the attacks that each one is there for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError, UpdatesError
from federation.screening import DirectionScreen, DistanceScreen, Screen, Screens
from federation.verdict import Decision

ALL = [DistanceScreen(), DirectionScreen(), Screens((DistanceScreen(), DirectionScreen()))]


def swarm(n: int, d: int, *, seed: int = 0, signal: float = 0.5) -> np.ndarray:
    return (signal + np.random.default_rng(seed).standard_normal((n, d))).astype(np.float32)


def judged(screen: Screen, updates: np.ndarray, f: int):
    return screen.screen(updates, centre=np.median(updates, axis=0), f=f)


def measured_rate(screen: Screen, n: int, d: int, signal: float, trials: int) -> float:
    rng = np.random.default_rng(n * d)
    rejected = 0
    for _ in range(trials):
        updates = signal + rng.standard_normal((n, d))
        rejected += int(judged(screen, updates, n // 3).rejected.sum())
    return rejected / (n * trials)


@pytest.mark.parametrize("screen", ALL, ids=lambda screen: screen.name)
class TestEveryScreen:
    def test_is_a_screen_of_equal_value(self, screen: Screen) -> None:
        assert isinstance(screen, Screen)
        assert screen.name

    def test_one_verdict_a_row_in_order(self, screen: Screen) -> None:
        verdicts = judged(screen, swarm(40, 30), 13)
        assert len(verdicts) == 40
        assert verdicts.rule == screen.name
        assert verdicts.scores.shape == (40,)

    @pytest.mark.parametrize("factor", [1e6, 1e-6, 1e30, 1e-30])
    def test_the_scale_does_not_matter(self, screen: Screen, factor: float) -> None:
        updates = swarm(60, 50, signal=1.0)
        updates[:15] *= -8
        plain = judged(screen, updates, 19)
        scaled = judged(screen, (updates * np.float32(factor)).astype(np.float32), 19)
        assert plain.rejected[:15].sum() >= 10
        assert np.array_equal(plain.decisions, scaled.decisions)
        assert np.allclose(plain.scores, scaled.scores, rtol=1e-4)

    @pytest.mark.parametrize("factor", [1e300, 1e-300])
    def test_nor_at_the_limits_of_float64(self, screen: Screen, factor: float) -> None:
        updates = swarm(60, 50).astype(np.float64)
        updates[:15] *= -8
        plain = judged(screen, updates, 19)
        assert np.array_equal(plain.decisions, judged(screen, updates * factor, 19).decisions)

    def test_the_order_of_rows_does_not_matter(self, screen: Screen) -> None:
        updates = swarm(50, 20)
        updates[3] *= -30
        order = np.random.default_rng(1).permutation(50)
        plain, moved = judged(screen, updates, 16), judged(screen, updates[order], 16)
        assert np.array_equal(plain.decisions[order], moved.decisions)

    def test_at_most_f_and_those_the_worst(self, screen: Screen) -> None:
        updates = swarm(40, 100)
        updates[:10] = -updates[:10] * np.arange(20, 10, -1, dtype=np.float32)[:, None]
        all_ten = judged(screen, updates, 13)
        assert all_ten.rejected[:10].all()
        cut = judged(screen, updates, 4)
        assert cut.rejected.sum() == 4
        assert cut.scores[cut.rejected].min() >= cut.scores[~cut.rejected].max()
        assert not judged(screen, updates, 0).rejected.any()
        for f in (0, 4, 40):
            assert np.array_equal(judged(screen, updates, f).scores, all_ten.scores)
        assert judged(screen, updates, 40).rejected[:10].all()

    def test_equal_rows_are_all_accepted(self, screen: Screen) -> None:
        verdicts = judged(screen, np.full((12, 9), 0.3, np.float32), 3)
        assert not verdicts.rejected.any()
        zeros = judged(screen, np.zeros((12, 9), np.float32), 3)
        assert not zeros.rejected.any()
        assert not np.isinf(zeros.scores).any()

    def test_rounding_among_equal_rows_is_not_a_lie(self, screen: Screen) -> None:
        updates = np.full((12, 9), 0.3, np.float32)
        updates[5, 0] = np.nextafter(updates[5, 0], np.float32(1))
        assert not judged(screen, updates, 3).rejected.any()

    @pytest.mark.parametrize("n", [1, 2, 3, 4])
    def test_few_rows_are_judged_without_a_fault(self, screen: Screen, n: int) -> None:
        assert len(judged(screen, swarm(n, 6), (n - 1) // 3)) == n

    def test_inputs_are_read_only_and_not_kept(self, screen: Screen) -> None:
        updates = swarm(20, 20)
        centre = np.median(updates, axis=0)
        updates.flags.writeable = centre.flags.writeable = False
        verdicts = screen.screen(updates, centre=centre, f=6)
        assert not np.shares_memory(verdicts.scores, updates)

    def test_what_does_not_fit_is_refused(self, screen: Screen) -> None:
        with pytest.raises(UpdatesError):
            screen.screen(swarm(5, 4), centre=np.zeros(5), f=1)
        with pytest.raises(UpdatesError):
            screen.screen(np.zeros((0, 4)), centre=np.zeros(4), f=1)
        with pytest.raises(SettingError):
            screen.screen(swarm(5, 4), centre=np.zeros(4), f=-1)

    @given(
        n=st.integers(2, 12),
        d=st.integers(1, 6),
        seed=st.integers(0, 2**16),
        f=st.integers(0, 12),
        exponent=st.integers(-40, 30),
    )
    @settings(deadline=None, max_examples=60)
    def test_any_finite_rows_give_verdicts_within_the_cap(
        self, screen: Screen, n: int, d: int, seed: int, f: int, exponent: int
    ) -> None:
        rng = np.random.default_rng(seed)
        updates = (rng.standard_cauchy((n, d)) * 10.0**exponent).astype(np.float32)
        updates[rng.random((n, d)) < 0.3] = 0
        updates = np.nan_to_num(updates)
        verdicts = judged(screen, updates, f)
        assert verdicts.rejected.sum() <= f
        assert not np.isinf(verdicts.scores).any()
        named = verdicts.reason_index > 0
        assert np.array_equal(named, verdicts.decisions > 0)


class TestDistance:
    @pytest.mark.parametrize(("n", "d"), [(10, 100), (20, 3), (30, 1000), (100, 1), (100, 10), (100, 300), (1000, 30)])
    def test_the_stated_rate_is_the_measured_rate(self, n: int, d: int) -> None:
        trials = max(20, min(2000, 1_000_000 // (n * d), 20_000 // n))
        rate = measured_rate(DistanceScreen(false_positive_rate=1e-2), n, d, 0.5, trials)
        assert 0.5e-2 < rate < 2.5e-2

    def test_the_default_rate_at_a_thousandth(self) -> None:
        rate = measured_rate(DistanceScreen(), 200, 20, 0.0, 300)
        assert 0.4e-3 < rate < 2e-3

    def test_fault_of_the_seed_a_fixed_distance_of_thirty(self) -> None:
        """Liars at a distance below 30 are found; honest agents beyond 30 are left alone."""
        near = swarm(100, 1000) * np.float32(1e-3)
        near[:33] *= 20
        assert np.linalg.norm(near, axis=1).max() < 30
        assert np.array_equal(np.flatnonzero(judged(DistanceScreen(), near, 33).rejected), np.arange(33))
        far = swarm(100, 10_000)
        assert np.linalg.norm(far - np.median(far, axis=0), axis=1).min() > 30
        assert judged(DistanceScreen(), far, 33).rejected.sum() <= 2

    def test_a_third_of_gross_liars_among_equal_rows(self) -> None:
        updates = np.full((100, 1000), 0.5, np.float32)
        updates[:33] = 100
        verdicts = judged(DistanceScreen(), updates, 33)
        assert np.array_equal(np.flatnonzero(verdicts.rejected), np.arange(33))
        assert verdicts[0].decision is Decision.REJECTED
        assert verdicts[0].reason == "screen.distance"
        assert verdicts[0].score > verdicts.threshold

    def test_ten_agents_are_enough_to_tell_one(self) -> None:
        updates = swarm(10, 50)
        updates[4] *= 20
        assert np.flatnonzero(judged(DistanceScreen(), updates, 3).rejected).tolist() == [4]

    def test_only_the_upper_tail_counts(self) -> None:
        updates = swarm(50, 400)
        updates[7] = np.median(updates, axis=0)
        verdicts = judged(DistanceScreen(), updates, 16)
        assert verdicts.scores[7] < -10
        assert not verdicts.rejected[7]

    def test_a_small_spread_far_from_zero_is_measured_exactly(self) -> None:
        """Squares of differences, not differences of squares: float32 rows at 1,000 +- 0.01."""
        rng = np.random.default_rng(2)
        updates = (1000 + 0.01 * rng.standard_normal((60, 500))).astype(np.float32)
        updates[:10] += np.float32(0.05)
        verdicts = judged(DistanceScreen(), updates, 19)
        assert verdicts.rejected[:10].all()
        assert verdicts.rejected[10:].sum() <= 1

    @pytest.mark.parametrize("rate", [0, -1, 0.5, float("nan")])
    def test_the_rate_is_checked(self, rate: float) -> None:
        with pytest.raises(SettingError):
            DistanceScreen(false_positive_rate=rate)
        with pytest.raises(SettingError):
            DirectionScreen(false_positive_rate=rate)


class TestDirection:
    @pytest.mark.parametrize(("n", "d", "signal"), [(20, 100, 0.1), (100, 10, 1.0), (100, 300, 0.0)])
    def test_the_stated_rate_is_the_measured_rate(self, n: int, d: int, signal: float) -> None:
        trials = max(20, min(500, 1_000_000 // (n * d)))
        rate = measured_rate(DirectionScreen(false_positive_rate=1e-2), n, d, signal, trials)
        assert 0.5e-2 < rate < 2e-2

    def test_a_sign_flip_that_no_distance_tells(self) -> None:
        updates = swarm(100, 1000, signal=0.2)
        updates[:33] *= -1
        assert judged(DistanceScreen(), updates, 33).rejected[:33].sum() < 10
        verdicts = judged(DirectionScreen(), updates, 33)
        assert verdicts.rejected[:33].all()
        assert not verdicts.rejected[33:].any()
        assert verdicts[0].reason == "screen.direction"

    def test_length_does_not_matter(self) -> None:
        updates = swarm(60, 100)
        verdicts = judged(DirectionScreen(), updates, 19)
        lengths = np.random.default_rng(1).uniform(0.01, 100, (60, 1)).astype(np.float32)
        centre = np.median(updates, axis=0)
        longer = DirectionScreen().screen(updates * lengths, centre=centre, f=19)
        assert np.array_equal(verdicts.decisions, longer.decisions)

    def test_zeros_have_no_direction(self) -> None:
        updates = swarm(30, 10)
        updates[4] = 0
        verdicts = judged(DirectionScreen(), updates, 9)
        assert np.isnan(verdicts.scores[4])
        assert not verdicts.rejected[4]

    def test_too_few_dimensions_are_not_judged(self) -> None:
        verdicts = judged(DirectionScreen(), swarm(30, 3), 9)
        assert np.isnan(verdicts.scores).all()
        assert not verdicts.rejected.any()


class TestScreens:
    both = Screens((DistanceScreen(), DirectionScreen()))

    def test_each_finds_its_own_and_names_it(self) -> None:
        updates = swarm(60, 400, signal=0.3)
        updates[:5] *= -1
        updates[5:10] *= 10
        verdicts = judged(self.both, updates, 19)
        assert np.flatnonzero(verdicts.rejected).tolist() == list(range(10))
        assert [verdict.reason for verdict in verdicts][:10] == ["screen.direction"] * 5 + ["screen.distance"] * 5
        assert verdicts.threshold == 1.0
        assert (verdicts.scores[:10] > 1).all()
        assert verdicts[20].reason == ""

    def test_at_most_f_over_all_screens(self) -> None:
        updates = swarm(60, 400, signal=0.3)
        updates[:5] *= -1
        updates[5:10] *= 10
        verdicts = judged(self.both, updates, 7)
        assert verdicts.rejected.sum() == 7
        assert verdicts.scores[verdicts.rejected].min() >= verdicts.scores[~verdicts.rejected].max()

    def test_one_screen_alone_decides_as_it_does(self) -> None:
        updates = swarm(60, 400)
        updates[:5] *= 10
        alone = judged(DistanceScreen(), updates, 19)
        assert np.array_equal(judged(Screens((DistanceScreen(),)), updates, 19).decisions, alone.decisions)

    def test_no_screen_is_refused(self) -> None:
        with pytest.raises(SettingError):
            Screens(())
