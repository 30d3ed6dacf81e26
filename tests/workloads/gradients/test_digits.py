from __future__ import annotations

import pickle

import numpy as np
import pytest

from federation.errors import ExtraError, SettingError
from workloads.gradients import DigitsBandit
from workloads.gradients import digits as found
from workloads.gradients.source import ExperienceSource


def test_shares_are_a_bandits_log(digits: DigitsBandit, agents: tuple[str, ...]) -> None:
    assert isinstance(digits, ExperienceSource)
    for share in digits.shares(agents):
        assert share.states.shape == (256, 64)
        assert 0 <= share.states.min() <= share.states.max() <= 1
        assert share.done.all()
        assert share.next_states is None
        assert set(np.unique(share.rewards)) <= {0.0, 1.0}
        # skill 0.5, and a uniform guess is right one time in ten
        assert 0.4 < share.rewards.mean() < 0.7


def test_a_share_depends_on_seed_and_agent_alone(agents: tuple[str, ...]) -> None:
    many = DigitsBandit(agents=agents, seed=3).shares(agents)
    one = DigitsBandit(agents=agents[4:6], seed=3).shares((agents[5],))
    assert np.array_equal(one[0].states, many[5].states)
    assert np.array_equal(one[0].actions, many[5].actions)
    assert len(DigitsBandit(agents=agents).shares(("stranger",))[0]) == 0


def test_the_scans_are_those_that_scikit_learn_loads() -> None:
    from sklearn.datasets import load_digits

    pixels, digits = found._digits()
    known_pixels, known_digits = load_digits(return_X_y=True)
    assert np.array_equal(pixels, known_pixels)
    assert np.array_equal(digits, known_digits)


def test_nothing_held_out_is_learned_from_or_probed(agents: tuple[str, ...]) -> None:
    bandit = DigitsBandit(agents=agents, seed=1)
    tested = {scan.tobytes() for scan in bandit.held_out().states}
    assert 355 <= len(bandit.held_out().states) <= 364
    for share in bandit.shares(agents):
        assert tested.isdisjoint(scan.tobytes() for scan in share.states)
    assert tested.isdisjoint(scan.tobytes() for scan in bandit.probes())


def test_alpha_decides_how_uneven_the_shares_are() -> None:
    names = tuple(f"a{number}" for number in range(40))

    def largest(alpha: float) -> float:
        shares = DigitsBandit(agents=names, alpha=alpha, skill=1.0).shares(names)
        return float(np.mean([np.bincount(share.actions, minlength=10).max() / len(share) for share in shares]))

    uneven, usual, even = largest(0.01), largest(0.5), largest(1000.0)
    assert uneven > 0.85
    assert 0.3 < usual < 0.6
    assert even < 0.25


def test_the_description_travels_without_its_data(digits: DigitsBandit) -> None:
    digits.held_out()
    travelled = pickle.dumps(digits)
    assert len(travelled) < 2000
    assert pickle.loads(travelled) == digits


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "find_spec", lambda name: None)
    with pytest.raises(ExtraError, match=r"swarmlore\[demo\]"):
        DigitsBandit(agents=("a",)).held_out()


@pytest.mark.parametrize(
    "bad",
    [
        {"agents": ()},
        {"agents": ("a", "a")},
        {"agents": ("a",), "alpha": 0.0},
        {"agents": ("a",), "alpha": float("inf")},
        {"agents": ("a",), "contexts": 0},
        {"agents": ("a",), "skill": 1.1},
        {"agents": ("a",), "test_share": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        DigitsBandit(**bad)  # type: ignore[arg-type]
