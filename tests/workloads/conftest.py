"""Small gradients workloads on real digits, shared by the tests of this folder."""

from __future__ import annotations

import pytest

from workloads.gradients import DigitsBandit, GradientsWorkload

AGENTS = tuple(f"agent-{number:02d}" for number in range(12))


@pytest.fixture(scope="session")
def agents() -> tuple[str, ...]:
    return AGENTS


@pytest.fixture(scope="session")
def digits() -> DigitsBandit:
    return DigitsBandit(agents=AGENTS, seed=3)


@pytest.fixture(scope="session")
def workload(digits: DigitsBandit) -> GradientsWorkload:
    return GradientsWorkload(data=digits)
