"""Scikit-learn's handwritten digits as a contextual bandit that agents share unevenly."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from federation.errors import ExtraError, SettingError
from workloads.gradients.experience import Experiences
from workloads.gradients.source import HeldOut

_CLASSES = 10
_PIXELS = 64


@dataclass(frozen=True, kw_only=True)
class DigitsBandit:
    """1,797 scans of 8 x 8 pixels: the state is the scan, the action names a digit, the reward is 1 if right.

    A fifth of the scans, stratified by digit, is held out for testing. Of the others each agent meets
    ``contexts``, by a mix of digits of its own that is drawn from Dirichlet(alpha) (Hsu, Qi and Brown,
    2019): with alpha = 0.5 half of an agent's scans show one or two digits. Agents are drawn independently,
    so that a host makes its own agents' shares alone and any number of agents works; two agents can meet
    the same scan (with 100 agents of 128 contexts, each scan is met by about nine). The logging policy
    names the digit rightly with probability ``skill`` and guesses uniformly otherwise, and takes
    ``experiences`` decisions, going through the contexts in turn.

    Needs scikit-learn (extra ``demo``), which is imported when data is first asked for.

    Attributes:
        agents: ids, each once.
        alpha: of the Dirichlet distribution; small is uneven, large is even.
        seed: of everything that is drawn.
        contexts: scans an agent meets.
        experiences: decisions logged for each agent.
        skill: of the logging policy.
        test_share: of the scans, held out.
        probe_count: scans of the training pool on which releases are compared; only their pixels are used.
    """

    agents: tuple[str, ...]
    alpha: float = 0.5
    seed: int = 0
    contexts: int = 128
    experiences: int = 256
    skill: float = 0.5
    test_share: float = 0.2
    probe_count: int = 256

    def __post_init__(self) -> None:
        if not self.agents or len(set(self.agents)) != len(self.agents):
            raise SettingError(name="agents", found=f"{len(self.agents)} ids", needed="at least one id, each once")
        object.__setattr__(self, "agents", tuple(sorted(self.agents)))
        if not 0 < self.alpha < np.inf:
            raise SettingError(name="alpha", found=self.alpha, needed="above 0 and finite")
        for name in ("contexts", "experiences", "probe_count"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not 0 <= self.skill <= 1:
            raise SettingError(name="skill", found=self.skill, needed="between 0 and 1")
        if not 0.01 <= self.test_share <= 0.9:
            raise SettingError(name="test_share", found=self.test_share, needed="between 0.01 and 0.9")

    @property
    def features(self) -> int:
        return _PIXELS

    @property
    def actions(self) -> int:
        return _CLASSES

    @property
    def rewards(self) -> tuple[float, float]:
        return 0.0, 1.0

    @property
    def episodic(self) -> bool:
        return False

    def scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Zeros and ones: pixels are in [0, 1] already."""
        return np.zeros(_PIXELS, np.float32), np.ones(_PIXELS, np.float32)

    def shares(self, agents: Sequence[str]) -> Sequence[Experiences]:
        """Each agent's log, made when it is looked at; empty for an id that is not among ``agents``."""
        return _Shares(self, agents)

    def held_out(self) -> HeldOut:
        """The test scans and their digits."""
        scans, digits, test, _ = self._scans
        return HeldOut(states=scans[test], best=digits[test].astype(np.int32))

    def probes(self) -> NDArray[np.float32]:
        """``(probe_count, 64)`` scans of the training pool."""
        scans, _, _, pool = self._scans
        chosen = np.random.default_rng([self.seed, 3]).permutation(np.concatenate(pool))
        return scans[chosen[: self.probe_count]]

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_scans"}

    @cached_property
    def _scans(self) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp], list[NDArray[np.intp]]]:
        """Pixels, digits, the test scans, and the training pool of each digit."""
        pixels, digits = _digits()
        rng = np.random.default_rng([self.seed, 1])
        test, pool = [], []
        for digit in range(_CLASSES):
            members = rng.permutation(np.flatnonzero(digits == digit))
            cut = max(round(self.test_share * len(members)), 1)
            test.append(members[:cut])
            pool.append(members[cut:])
        return (pixels / 16).astype(np.float32), digits.astype(np.intp), np.concatenate(test), pool

    def share(self, agent: str, count: int) -> Experiences:
        """The first ``count`` decisions in the log of any agent."""
        scans, digits, _, pool = self._scans
        word = int.from_bytes(hashlib.sha256(agent.encode()).digest()[:8], "little")
        rng = np.random.default_rng([self.seed, 2, word])
        # Tiny alphas underflow to an all-zero draw in numpy's gamma form; one digit alone is their limit.
        mix = rng.dirichlet(np.full(_CLASSES, self.alpha))
        if not np.isfinite(mix).all() or mix.sum() <= 0:
            mix = np.eye(_CLASSES)[rng.integers(_CLASSES)]
        wanted = rng.choice(_CLASSES, self.contexts, p=mix)
        places = rng.random(self.contexts)
        met = np.empty(self.contexts, np.intp)
        for digit in np.unique(wanted):
            chosen = wanted == digit
            met[chosen] = pool[digit][(places[chosen] * len(pool[digit])).astype(np.intp)]
        seen = met[np.arange(count) % self.contexts]
        named = np.where(rng.random(count) < self.skill, digits[seen], rng.integers(_CLASSES, size=count))
        return Experiences(
            states=scans[seen],
            actions=named.astype(np.int32),
            rewards=(named == digits[seen]).astype(np.float32),
            next_states=None,
            done=np.ones(count, np.bool_),
        )


class _Shares(Sequence[Experiences]):
    """Shares that are made one at a time: those of 10,000 agents at once would take 640 MB."""

    def __init__(self, bandit: DigitsBandit, agents: Sequence[str]) -> None:
        self._bandit = bandit
        self._agents = tuple(agents)
        self._known = frozenset(bandit.agents)

    def __len__(self) -> int:
        return len(self._agents)

    @overload
    def __getitem__(self, place: int) -> Experiences: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Experiences]: ...

    def __getitem__(self, place: int | slice) -> Experiences | Sequence[Experiences]:
        if isinstance(place, slice):
            return _Shares(self._bandit, self._agents[place])
        agent = self._agents[place]
        return self._bandit.share(agent, self._bandit.experiences if agent in self._known else 0)


def _digits() -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """``(1797, 64)`` pixels from 0 to 16 and ``(1797,)`` digits.

    They are read from the file that scikit-learn ships, because importing its loader takes two seconds, in
    every host and validator.

    Raises:
        ExtraError: when scikit-learn is not installed.
    """
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ExtraError(package="scikit-learn", extra="demo", purpose="DigitsBandit")
    path = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    if not path.exists():
        from sklearn.datasets import load_digits

        pixels, digits = load_digits(return_X_y=True)
        return np.asarray(pixels), np.asarray(digits, np.intp)
    with gzip.open(path, "rt") as file:
        table = np.array([line.split(",") for line in file], dtype=np.float64)
    return table[:, :-1], table[:, -1].astype(np.intp)
