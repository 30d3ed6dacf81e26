"""What a workload promises about its protected columns."""

from __future__ import annotations

import numpy as np
import pytest

from federation.errors import SettingError
from federation.protection import Protection
from federation.rules import Mean


def made(**changes: object) -> Protection:
    return Protection(
        **{
            "rule": Mean(),
            "columns": (slice(0, 2), slice(4, 6)),
            "values": slice(4, 6),
            "bound": 3.0,
            "share": 0.2,
            **changes,
        }
    )


def test_protected_columns_are_taken_out_and_put_back() -> None:
    row = np.arange(7, dtype=np.float32)
    protection = made()
    assert protection.sensitivity == pytest.approx(0.6)
    taken = protection.taken(row)
    assert taken.dtype == np.float64
    assert taken.tolist() == [0, 1, 4, 5]
    back = protection.put(row, -taken)
    assert back.tolist() == [0, -1, 2, 3, -4, -5, 6]
    assert row.tolist() == list(range(7))


@pytest.mark.parametrize(
    "changes", [{"columns": ()}, {"bound": 0.0}, {"bound": np.inf}, {"share": 0.0}, {"share": 1.1}]
)
def test_what_bounds_nothing_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        made(**changes)
