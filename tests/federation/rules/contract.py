"""What every rule and every pre-aggregator must do, inherited by the tests of each."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields
from typing import Any, ClassVar

import numpy as np
import pytest

from federation.errors import RuleBoundError, SettingError, SwarmError, UpdatesError
from federation.rules import PreAggregator, Rule, rule_from
from federation.verdict import Decision, Verdicts


def gaussian(n: int, d: int, *, seed: int = 0, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def attacked(n: int, d: int, f: int, *, far: float, seed: int = 0) -> Any:
    """Honest rows around 0, and the last f rows ``far`` away in every coordinate."""
    updates = gaussian(n, d, seed=seed)
    updates[n - f :] += far
    return updates


BAD_UPDATES: list[Any] = [
    [[1.0, 2.0]] * 15,
    np.ones((15, 4), np.int64),
    np.ones((15, 4), np.float16),
    np.ones(15),
    np.ones((15, 4, 1)),
    np.empty((0, 4)),
    np.empty((15, 0)),
]


def check_verdicts(verdicts: Verdicts, n: int) -> None:
    assert len(verdicts) == len(verdicts.scores) == len(verdicts.reason_index) == n
    for verdict in verdicts:
        accepted = verdict.decision is Decision.ACCEPTED
        assert (verdict.reason == "") == accepted
        assert accepted or "." in verdict.reason


class RuleContract:
    """Subclasses set `rule` and say which of the optional promises it keeps."""

    rule: ClassVar[Any]
    f: ClassVar[int] = 3
    n: ClassVar[int] = 17
    bounded: ClassVar[bool] = True  # refuses too few updates, and resists f liars
    in_honest_box: ClassVar[bool] = False
    exact: ClassVar[bool] = False  # the same bytes for any order of rows
    uses_weights: ClassVar[bool] = False

    def value(self, updates: Any, **settings: Any) -> Any:
        return self.rule(updates, f=self.f, **settings).value

    def test_is_a_rule_that_pickles_and_cannot_change(self) -> None:
        assert isinstance(self.rule, Rule)
        assert not isinstance(self.rule, PreAggregator)
        assert pickle.loads(pickle.dumps(self.rule)) == self.rule
        for field in fields(type(self.rule)):  # pyright: ignore[reportArgumentType]
            with pytest.raises(FrozenInstanceError):
                setattr(self.rule, field.name, None)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("d", [1, 2, 700])
    def test_shape_dtype_and_verdicts(self, dtype: Any, d: int) -> None:
        made = self.rule(gaussian(self.n, d, dtype=dtype), f=self.f)
        assert made.value.shape == (d,)
        assert made.value.dtype == dtype
        check_verdicts(made.verdicts, self.n)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_equal_updates_return_themselves(self, dtype: Any) -> None:
        row = gaussian(1, 50, dtype=dtype)[0] * 100
        value = self.value(np.tile(row, (self.n, 1)))
        np.testing.assert_allclose(value, row, rtol=1e-6 if dtype == np.float32 else 1e-14)
        if self.exact:
            assert value.tobytes() == row.tobytes()

    @pytest.mark.parametrize("seed", range(5))
    def test_order_of_rows_does_not_matter(self, seed: int) -> None:
        updates = gaussian(self.n, 40, seed=seed)
        order = np.random.default_rng(seed).permutation(self.n)
        plain, permuted = self.rule(updates, f=self.f), self.rule(updates[order], f=self.f)
        np.testing.assert_allclose(permuted.value, plain.value, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(permuted.verdicts.decisions, plain.verdicts.decisions[order])
        np.testing.assert_allclose(permuted.verdicts.scores, plain.verdicts.scores[order], rtol=1e-9)
        if self.exact:
            assert permuted.value.tobytes() == plain.value.tobytes()

    def test_moves_with_the_updates(self) -> None:
        updates = gaussian(self.n, 40)
        shift = gaussian(1, 40, seed=9)[0] * 1000
        np.testing.assert_allclose(self.value(updates + shift), self.value(updates) + shift, atol=1e-8)

    @pytest.mark.parametrize("factor", [0.25, 3.0, -2.0])
    def test_scales_with_the_updates(self, factor: float) -> None:
        updates = gaussian(self.n, 40)
        np.testing.assert_allclose(self.value(updates * factor), self.value(updates) * factor, rtol=1e-7, atol=1e-10)

    def test_stays_within_the_range_of_the_updates(self) -> None:
        for seed in range(5):
            updates = gaussian(self.n, 60, seed=seed, dtype=np.float32)
            value = self.value(updates)
            assert (value >= updates.min(axis=0)).all()
            assert (value <= updates.max(axis=0)).all()

    @pytest.mark.parametrize("far", [3.0, 1e3, 1e9])
    def test_liars_do_not_move_it_far(self, far: float) -> None:
        if not self.bounded:
            pytest.skip("promises nothing about liars")
        updates = attacked(self.n, 60, self.f, far=far)
        honest = updates[: self.n - self.f]
        value = self.value(updates)
        assert (
            np.linalg.norm(value - honest.mean(axis=0)) < 2 * np.linalg.norm(honest - honest.mean(axis=0), axis=1).max()
        )
        if self.in_honest_box:
            assert (value >= honest.min(axis=0)).all()
            assert (value <= honest.max(axis=0)).all()

    def test_neither_changes_nor_aliases_its_input(self) -> None:
        updates = gaussian(self.n, 40)
        before = updates.copy()
        updates.setflags(write=False)
        made = self.rule(updates, f=self.f)
        assert not np.shares_memory(made.value, updates)
        assert made.value.flags.writeable
        np.testing.assert_array_equal(updates, before)

    def test_same_bytes_every_time_and_for_every_layout(self) -> None:
        updates = gaussian(self.n, 500, dtype=np.float32)
        wide = np.zeros((2 * self.n, 1000), np.float32)
        wide[::2, ::2] = updates
        first = self.rule(updates, f=self.f)
        again = self.rule(updates.copy(), f=self.f)
        assert first.value.tobytes() == again.value.tobytes()
        assert first.verdicts.scores.tobytes() == again.verdicts.scores.tobytes()
        for layout in (np.asfortranarray(updates), wide[::2, ::2]):
            np.testing.assert_allclose(self.value(layout), first.value, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("bad", BAD_UPDATES, ids=lambda bad: str(getattr(bad, "shape", "list")))
    def test_refuses_what_is_no_matrix_of_floats(self, bad: Any) -> None:
        with pytest.raises(UpdatesError):
            self.value(bad)

    @pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("n", [17, 40])
    @pytest.mark.parametrize("d", [3, 3000])
    def test_refuses_nan_and_inf_by_row(self, poison: float, n: int, d: int) -> None:
        for dtype in (np.float32, np.float64):
            updates = gaussian(n, d, dtype=dtype)
            updates[2, d - 1] = poison
            with pytest.raises(UpdatesError, match=r"\[2\]"):
                self.value(updates)

    def test_takes_large_finite_values(self) -> None:
        updates = gaussian(self.n, 40, dtype=np.float32)
        with np.errstate(all="raise"):
            value = self.value(updates * np.float32(2.0**120))
        np.testing.assert_allclose(value * 2.0**-120, self.value(updates), rtol=1e-4, atol=1e-5)

    def test_bound_is_refused_with_its_numbers(self) -> None:
        with pytest.raises(SettingError):
            self.rule.requires(10, -1)
        if not self.bounded:
            self.rule.requires(1, 5)
            return
        for f in range(4):
            needed = self.rule.minimum(f)
            self.rule.requires(needed, f)
            assert self.rule(gaussian(needed, 5), f=f).value.shape == (5,)
            if needed == 1:
                continue
            with pytest.raises(RuleBoundError) as caught:
                self.rule(gaussian(needed - 1, 5), f=f)
            error = caught.value
            assert (error.n, error.f, error.needed, error.rule) == (needed - 1, f, needed, self.rule.name)
            assert isinstance(error, SwarmError)

    def test_weights_matter_only_where_it_says_so(self) -> None:
        updates = gaussian(self.n, 20)
        weights = np.linspace(1, 2, self.n)
        same = np.array_equal(self.value(updates, weights=weights), self.value(updates))
        assert same != self.uses_weights

    def test_configuration_can_name_it(self) -> None:
        assert isinstance(rule_from(self.rule.name), type(self.rule))


class PreAggregatorContract:
    """Subclasses set `step`."""

    step: ClassVar[Any]
    f: ClassVar[int] = 3
    n: ClassVar[int] = 17

    def mix(self, updates: Any, **settings: Any) -> Any:
        return self.step.mix(updates, f=self.f, **settings)

    def test_is_a_pre_aggregator_that_pickles(self) -> None:
        assert isinstance(self.step, PreAggregator)
        assert not isinstance(self.step, Rule)
        assert pickle.loads(pickle.dumps(self.step)) == self.step

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("n", [7, 16, 17])
    def test_shapes(self, dtype: Any, n: int) -> None:
        mixed = self.mix(gaussian(n, 30, dtype=dtype))
        assert mixed.updates.shape == (self.step.size(n), 30)
        assert mixed.updates.dtype == dtype
        assert mixed.f == self.f
        assert mixed.groups.shape == (n,)
        assert set(mixed.groups.tolist()) == set(range(self.step.size(n)))
        check_verdicts(mixed.verdicts, n)

    def test_neither_changes_nor_aliases_its_input(self) -> None:
        updates = gaussian(self.n, 40)
        before = updates.copy()
        updates.setflags(write=False)
        mixed = self.mix(updates)
        assert not np.shares_memory(mixed.updates, updates)
        np.testing.assert_array_equal(updates, before)

    def test_equal_updates_stay_as_they_are(self) -> None:
        updates = np.tile(gaussian(1, 20), (self.n, 1))
        np.testing.assert_allclose(self.mix(updates).updates, updates[: self.step.size(self.n)], rtol=1e-14)

    def test_same_bytes_every_time(self) -> None:
        updates = gaussian(self.n, 300, dtype=np.float32)
        assert self.mix(updates).updates.tobytes() == self.mix(updates.copy()).updates.tobytes()

    @pytest.mark.parametrize("bad", BAD_UPDATES, ids=lambda bad: str(getattr(bad, "shape", "list")))
    def test_refuses_what_is_no_matrix_of_floats(self, bad: Any) -> None:
        with pytest.raises(UpdatesError):
            self.mix(bad)

    @pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
    def test_refuses_nan_and_inf(self, poison: float) -> None:
        updates = gaussian(self.n, 30)
        updates[2, 5] = poison
        with pytest.raises(UpdatesError):
            self.mix(updates)
