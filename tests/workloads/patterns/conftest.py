"""Makers of experiences and a fleet of installations, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from workloads.patterns import GivenExperiences, KeySpace, PatternExperience

TOOLS = ("Edit", "Grep", "Read", "Write")
RATES = {"Edit": 0.7, "Grep": 0.95, "Read": 0.9, "Write": 0.5}


@pytest.fixture(scope="session")
def space() -> KeySpace:
    return KeySpace.of(tools=TOOLS, errors=("TypeError",), successes=("bugfix",), teams=("leader",))


@pytest.fixture(scope="session")
def rates() -> dict[str, float]:
    """The truth that `fleet` draws from."""
    return RATES


@pytest.fixture(scope="session")
def fleet() -> Callable[..., GivenExperiences]:
    """``fleet(12, seed=0)``: installations with 60 sessions of each tool, of other speeds, at the true rates."""

    def make(n: int = 12, *, seed: int = 0) -> GivenExperiences:
        rng = np.random.default_rng(seed)
        given = []
        for number in range(n):
            mine = []
            for _ in range(60):
                for tool in TOOLS:
                    well = float(rng.random() < RATES[tool])
                    mine.append(
                        PatternExperience(
                            type="tool",  # pyright: ignore[reportArgumentType]
                            category=tool,
                            success=well,
                            errors=1 - well,
                            duration_s=float(rng.exponential(0.5)),
                            resources=float(rng.integers(1, 9)),
                        )
                    )
            given.append((f"agent-{number:03d}", tuple(mine)))
        return GivenExperiences(given=tuple(given))

    return make
