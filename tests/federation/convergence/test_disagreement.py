"""Several validators: one figure for the record, and who would have decided otherwise."""

from __future__ import annotations

import math

import pytest

from federation.convergence import disagreement
from federation.errors import SettingError


def test_agreement() -> None:
    found = disagreement({"a": 0.001, "b": 0.002, "c": 0.004}, threshold=0.01)
    assert found.median == 0.002
    assert found.spread == pytest.approx(0.003)
    assert (found.below, found.above) == (3, 0)
    assert not found.split
    assert found.deviant == ()


def test_one_validator_who_lies_is_named_and_does_not_move_the_figure() -> None:
    found = disagreement({"a": 0.001, "b": 0.002, "c": 50.0}, threshold=0.01)
    assert found.median == 0.002
    assert found.split
    assert found.deviant == ("c",)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.5])
def test_what_is_no_divergence_is_never_below(bad: float) -> None:
    found = disagreement({"a": 0.001, "b": 0.002, "c": bad}, threshold=0.01)
    assert found.median == 0.002
    assert found.spread == pytest.approx(0.001)
    assert found.deviant == ("c",)
    alone = disagreement({"c": bad}, threshold=0.01)
    assert alone.median == math.inf
    assert alone.spread == math.inf
    assert not alone.split


def test_an_even_split_is_not_quiet() -> None:
    found = disagreement({"a": 0.001, "b": 0.1}, threshold=0.01)
    assert found.split
    assert found.median > 0.01
    assert found.deviant == ("a",)


def test_no_figures_are_refused() -> None:
    with pytest.raises(SettingError):
        disagreement({}, threshold=0.01)
