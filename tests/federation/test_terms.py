"""Terms: what cannot be agreed on is refused; what is agreed on survives the journal."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from federation.errors import FaultBoundError, SettingError
from federation.terms import Terms, Tuning, fault_bound


@pytest.mark.parametrize(("n", "f"), [(1, 0), (3, 0), (4, 1), (6, 1), (7, 2), (100, 33), (0, 0)])
def test_the_default_fault_bound(n: int, f: int) -> None:
    assert fault_bound(n) == f
    assert n == 0 or n > 3 * f


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"roster": ()}, SettingError),
        ({"roster": ("b", "a")}, SettingError),
        ({"roster": ("a", "a", "b")}, SettingError),
        ({"fault_bound": 3}, FaultBoundError),
        ({"fault_bound": -1}, FaultBoundError),
        ({"deadline_s": 0.0}, SettingError),
        ({"linger_s": -1.0}, SettingError),
        ({"norm_cap": 0.0}, SettingError),
        ({"norm_cap": float("nan")}, SettingError),
        ({"weight_cap": -1.0}, SettingError),
    ],
)
def test_terms_that_cannot_be_are_refused(fleet: Any, changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        fleet.terms(**changes)


def test_terms_survive_the_journal(fleet: Any) -> None:
    terms = fleet.terms(
        quarantined=("a",), observed=("b",), commit_reveal=True, base=bytes(range(32)), tuning=Tuning(epochs_scale=1.5)
    )
    assert Terms.from_dict(json.loads(json.dumps(terms.to_dict()))) == terms
    assert terms.quorum == 5


def test_seeds_depend_on_run_round_agent_and_seed_alone(fleet: Any) -> None:
    terms = fleet.terms()
    seeds = terms.seeds(("a", "b"))
    np.testing.assert_array_equal(terms.seeds(("b", "a")), seeds[::-1])
    np.testing.assert_array_equal(fleet.terms(base=b"x" * 32, deadline_s=1.0).seeds(("a", "b")), seeds)
    for changes in ({"run": "x"}, {"round": 4}, {"seed": 1}, {"kind": "x"}):
        assert (fleet.terms(**changes).seeds(("a", "b")) != seeds).all()
