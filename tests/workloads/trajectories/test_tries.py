"""Waiting for tries of the same task."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from federation.errors import SettingError
from workloads.trajectories import Trajectory, Tries, TrySettings

NS = 1_000_000_000
Run = Callable[..., Trajectory]


def test_a_full_group_is_given_out_once(run: Run) -> None:
    tries = Tries(TrySettings(size=2))
    first, second, other = (run("a", key=key, task=task) for key, task in (("1", "t"), ("2", "t"), ("3", "u")))
    assert tries.add([first, other], now_ns=0) == []
    assert tries.add([second], now_ns=1) == [first, second]
    assert len(tries) == 1
    assert tries.finish() == [other]
    assert len(tries) == 0


def test_agents_do_not_wait_for_each_other(run: Run) -> None:
    tries = Tries(TrySettings(size=2))
    assert tries.add([run("a", task="t", agent="x"), run("a", task="t", agent="y")], now_ns=0) == []


def test_what_has_waited_for_long_enough_goes_alone(run: Run) -> None:
    tries = Tries(TrySettings(size=4, wait_s=10))
    one, two = run("a", key="1", task="t"), run("a", key="2", task="t")
    tries.add([one], now_ns=0)
    tries.add([two], now_ns=9 * NS)
    assert tries.due(9 * NS) == []
    assert tries.due(10 * NS) == [one, two]


def test_the_tasks_that_have_waited_for_longest_make_room(run: Run) -> None:
    tries = Tries(TrySettings(size=9, max_waiting=2))
    runs = [run("a", key=str(number), task=str(number)) for number in range(3)]
    assert tries.add(runs, now_ns=0) == runs[:1]
    assert len(tries) == 2


@pytest.mark.parametrize("wrong", [{"size": 0}, {"wait_s": -1.0}, {"wait_s": float("nan")}, {"max_waiting": 0}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        TrySettings(**wrong)  # type: ignore[arg-type]
