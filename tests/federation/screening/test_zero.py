from __future__ import annotations

import numpy as np
import pytest

from federation.errors import UpdatesError
from federation.screening import Screen, ZeroScreen


def rows_of(n: int, zeros: int, d: int = 50) -> np.ndarray:
    rows = np.random.default_rng(n).standard_normal((n, d)).astype(np.float32)
    rows[n - zeros :] = 0
    return rows


def rejected(rows: np.ndarray, f: int) -> list[int]:
    verdicts = ZeroScreen().screen(rows, centre=np.zeros(rows.shape[1], rows.dtype), f=f)
    return np.flatnonzero(verdicts.rejected).tolist()


def test_exact_zeros_are_named_and_a_single_number_spares() -> None:
    rows = rows_of(10, 3)
    rows[1, 1:] = 0
    rows[8, 49] = 1e-40
    rows[9] = -0.0
    assert isinstance(ZeroScreen(), Screen)
    assert rejected(rows, 3) == [7, 9]
    verdicts = ZeroScreen().screen(rows, centre=rows[0], f=3)
    assert verdicts[7].reason == "screen.zero"
    assert (verdicts.scores > verdicts.threshold).tolist() == verdicts.rejected.tolist()


@pytest.mark.parametrize(
    ("n", "zeros", "named"), [(10, 4, 4), (10, 5, 0), (11, 5, 5), (10, 10, 0), (1, 1, 0), (1, 0, 0)]
)
def test_where_half_are_zero_nobody_is_named(n: int, zeros: int, named: int) -> None:
    assert len(rejected(rows_of(n, zeros), n)) == named


def test_no_more_than_f_are_rejected_and_shapes_are_checked() -> None:
    assert rejected(rows_of(10, 4), 2) == [6, 7]
    assert rejected(rows_of(10, 4), 0) == []
    with pytest.raises(UpdatesError):
        ZeroScreen().screen(rows_of(10, 4), centre=np.zeros(3, np.float32), f=1)
