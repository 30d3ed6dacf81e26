"""States and actions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from workloads.trajectories import OTHER, Layout, Outcome, Step, Trajectory

Run = Callable[..., Trajectory]
TRIO = Layout(tools=("a", "b"), last=2, horizon=3, features=(("size", 10.0),))


def test_the_state_before_each_step_and_after_the_last(run: Run) -> None:
    states = TRIO.states(run("b !z", features={"size": 5.0}))
    assert states.shape == (3, TRIO.length) == (3, 2 * 3 + 3 + 5 + 1)
    one = np.log1p(1) / np.log1p(3)
    slow = np.log1p(1) / np.log1p(600)
    # newest, before; counts; steps, calls, failures, newest failed, newest took; size
    expected = [
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 / 3, 0, 0, 0, 0.5],
        [0, 1, 0, 0, 0, 0, 0, one, 0, 1 / 3, 2 / 3, 0, 0, slow, 0.5],
        [0, 0, 1, 0, 1, 0, 0, one, one, 2 / 3, 2 / 3, 1 / 3, 1, slow, 0.5],
    ]
    np.testing.assert_allclose(states, expected, rtol=1e-6)


steps = st.lists(
    st.builds(
        Step,
        tool=st.sampled_from(["a", "b", "c", "é"]),
        outcome=st.sampled_from(Outcome),
        start_ns=st.just(0),
        latency_s=st.none() | st.floats(0, 1e9),
        inferences=st.integers(0, 10**6),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=100)
@given(steps, st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 4))
def test_states_are_bounded_and_finite_and_do_not_see_ahead(taken: list[Step], size: float, last: int) -> None:
    layout = replace(TRIO, last=last)
    whole = Trajectory(key="k", agent="a", steps=tuple(taken), features={"size": size})
    states = layout.states(whole)
    assert states.dtype == np.float32
    assert np.isfinite(states).all()
    assert (np.abs(states) <= 1).all()
    for cut in range(len(taken)):
        seen = layout.states(replace(whole, steps=tuple(taken[: cut + 1])))
        np.testing.assert_array_equal(states[cut], seen[cut])
        # What is decided may be anything: the state before it is the same.
        other = replace(taken[cut], tool="b", outcome=Outcome.FAILURE, latency_s=7.0)
        changed = layout.states(replace(whole, steps=(*taken[:cut], other)))
        np.testing.assert_array_equal(states[cut], changed[cut])


def test_learned_from_the_most_frequent_tools(run: Run) -> None:
    layout = Layout.learned([run("b b a c c c"), run("c b")], most=2)
    assert (layout.tools, layout.actions) == (("b", "c"), 3)
    assert [layout.action(tool) for tool in ("b", "c", "a", "new")] == [0, 1, 2, 2]
    assert [layout.tool(action) for action in range(3)] == ["b", "c", OTHER]


def test_nothing_to_learn_from_is_an_error(run: Run) -> None:
    with pytest.raises(SettingError):
        Layout.learned([run("")])


def test_json_and_back() -> None:
    assert Layout.from_json(TRIO.to_json()) == TRIO
    assert json.loads(TRIO.to_json())["features"] == {"size": 10.0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"tools": "ab"}',
        '{"tools": [1]}',
        '{"tools": ["a"], "more": 1}',
        '{"tools": ["a"], "last": "x"}',
        '{"tools": ["a"], "version": 2}',
        '{"tools": ["a"], "features": 7}',
    ],
)
def test_what_is_no_layout(text: str) -> None:
    with pytest.raises(SettingError):
        Layout.from_json(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tools": ()},
        {"tools": ("a", "a")},
        {"tools": ("other",)},
        {"tools": ("",)},
        {"tools": ("a",), "last": -1},
        {"tools": ("a",), "horizon": 0},
        {"tools": ("a",), "features": (("x", 0.0),)},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        Layout(**wrong)  # type: ignore[arg-type]
