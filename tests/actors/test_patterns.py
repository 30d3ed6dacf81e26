"""Whole rounds of pattern weights on the stage: honest, poisoned, and after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actors.config import AGGREGATOR
from federation.compression import Int8Codec, RawCodec
from federation.errors import SwarmError
from federation.rules import Median
from tests.actors.test_round import rounds
from workloads.attacks import Adversary, Scaled
from workloads.patterns import GivenExperiences, KeySpace, PatternExperience, PatternsWorkload, PatternType, weights_of

TOOLS = {"Edit": 0.7, "Grep": 0.95, "Read": 0.9, "Write": 0.5}


def fleet(n: int) -> PatternsWorkload:
    rng = np.random.default_rng(4)
    given = []
    for number in range(n):
        mine = [
            PatternExperience(
                type=PatternType.TOOL,
                category=tool,
                success=well,
                errors=1 - well,
                duration_s=float(rng.exponential(0.5)),
            )
            for _ in range(40)
            for tool, rate in TOOLS.items()
            for well in [float(rng.random() < rate)]
        ]
        given.append((f"agent-{number:03d}", tuple(mine)))
    return PatternsWorkload(space=KeySpace.of(tools=TOOLS), data=GivenExperiences(given=tuple(given)))


async def known(play: Any) -> dict[str, Any]:
    """What the newest release says."""
    workload = play.config.workload
    found = await play.coordinator.release.remote()
    return weights_of(workload.unpack(found["artefact"]), workload.space)


async def test_a_round_of_patterns_is_released_and_survives_a_kill(stage: Callable[..., Any], tmp_path: Any) -> None:
    calm = await rounds(stage(12, workload=fleet(12), state_dir=tmp_path / "calm"), 2)
    assert [record["verdicts"]["accepted"] for record in calm] == [12, 12]
    assert [record["release"]["version"] for record in calm] == [1, 2]
    play = stage(12, workload=fleet(12), state_dir=tmp_path / "killed")
    await play.coordinator.start.remote()
    play.kill_after = lambda name, method, nth: (name, method, nth) == (AGGREGATOR, "submit", 2)
    killed = await rounds(play, 2)
    assert play.deaths == [AGGREGATOR]
    assert [one["release"]["digest"] for one in killed] == [one["release"]["digest"] for one in calm]


async def test_a_release_says_what_the_fleet_lived_through(stage: Callable[..., Any]) -> None:
    play = stage(12, workload=fleet(12))
    await rounds(play, 1)
    found = await known(play)
    assert set(found) == {f"tool::{tool}" for tool in TOOLS}
    for tool, rate in TOOLS.items():
        weight = found[f"tool::{tool}"]
        assert weight.tool_success_rate == pytest.approx(rate, abs=0.06)
        assert weight.contributor_count == 12
        assert weight.total_samples == 12 * 40


async def test_poisoned_installations_are_rejected_and_quarantined_after_three_rounds(
    stage: Callable[..., Any],
) -> None:
    liars = frozenset({"agent-001", "agent-005", "agent-009"})
    play = stage(16, workload=fleet(16), adversary=Adversary(agents=liars, attack=Scaled(factor=-5.0)))
    records = await rounds(play, 3)
    assert records[0]["verdicts"]["rejected"] == 3
    first = await play.coordinator.release.remote(1)
    assert set(first["release"]["flagged"]) == liars
    found = await known(play)
    for tool, rate in TOOLS.items():
        assert found[f"tool::{tool}"].tool_success_rate == pytest.approx(rate, abs=0.08)
    standing = {one["agent"]: one["standing"] for one in await play.coordinator.agents.remote()}
    assert {agent for agent, word in standing.items() if word == "quarantined"} == liars


async def test_fewer_than_ten_participants_release_nothing(stage: Callable[..., Any]) -> None:
    play = stage(9, workload=fleet(9))
    with pytest.raises(SwarmError, match="10 updates"):
        await play.coordinator.run_round.remote()
    assert (await known(play)) == {}


async def test_a_robust_rule_is_chosen_by_the_workload(stage: Callable[..., Any]) -> None:
    play = stage(12, workload=replace(fleet(12), inner=Median()))
    [record] = await rounds(play, 1)
    assert record["verdicts"]["accepted"] == 12
    assert len(await known(play)) == len(TOOLS)


@pytest.mark.parametrize("codec", [RawCodec(), Int8Codec()], ids=lambda codec: codec.name)
async def test_clients_that_have_nothing_new_to_say_are_no_replay(stage: Callable[..., Any], codec: Any) -> None:
    records = await rounds(stage(12, workload=replace(fleet(12), codec=codec)), 6)
    assert [record["verdicts"]["accepted"] + record["verdicts"]["clipped"] for record in records] == [12] * 6
