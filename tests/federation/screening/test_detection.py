"""Detection against the truth, with NaN where a quotient has no denominator."""

from __future__ import annotations

import math

import numpy as np
import pytest

from federation.errors import SettingError
from federation.screening import detection


def flags(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


def test_counts_and_quotients() -> None:
    found = detection(flags("xx.x......"), flags("xxx......."))
    assert (found.true_positives, found.false_positives) == (2, 1)
    assert (found.false_negatives, found.true_negatives) == (1, 6)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.false_positive_rate == pytest.approx(1 / 7)


def test_undefined_is_nan() -> None:
    silent = detection(flags("...."), flags("x..."))
    assert math.isnan(silent.precision)
    assert silent.recall == 0
    honest = detection(flags("x..."), flags("...."))
    assert math.isnan(honest.recall)
    assert honest.precision == 0
    assert math.isnan(detection(flags("xx"), flags("xx")).false_positive_rate)


def test_rounds_add_up() -> None:
    total = detection(flags("x."), flags("x.")) + detection(flags(".x"), flags("x."))
    assert total.precision == 0.5
    assert total.recall == 0.5


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SettingError):
        detection(flags("x."), flags("x.."))
    with pytest.raises(SettingError):
        detection(np.array([1, 0]), flags("x."))
