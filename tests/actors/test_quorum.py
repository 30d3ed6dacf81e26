"""The aggregator's loop raises the quorum of the next round when liars have spoken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.config import AGGREGATOR, COORDINATOR
from workloads.attacks import Adversary, attack_from

AGENTS = tuple(f"agent-{number:03d}" for number in range(8))


def scaled(*liars: str) -> Adversary:
    return Adversary(agents=frozenset(liars), attack=attack_from({"name": "scaled", "factor": -50.0}))


@pytest.mark.parametrize(("liars", "quorum"), [((), 6), (AGENTS[:1], 6), (AGENTS[:2], 8)])
async def test_the_round_after_liars_waits_for_more(
    stage: Callable[..., Any], liars: tuple[str, ...], quorum: int
) -> None:
    play = stage(adversary=scaled(*liars) if liars else None)
    first = await play.coordinator.run_round.remote()
    assert first["standing_out"] == len(liars)
    assert play.actor(COORDINATOR)._conductor.round.quorum == 6
    await play.coordinator.run_round.remote()
    machine = play.actor(COORDINATOR)._conductor.round
    assert (machine.quorum, machine.terms.quorum) == (quorum, 6)
    # In the second round the gate refuses what is so long, so nothing stands out any more.
    summary = (await play.find(AGGREGATOR).status.remote())["mape"]
    assert summary["outcomes"].get("raise_quorum:success", 0) == (1 if quorum == 8 else 0)


async def test_only_the_next_round_waits_and_without_those_kept_out_since(stage: Callable[..., Any]) -> None:
    play = stage(adversary=scaled(*AGENTS[:2]))
    await play.coordinator.run_round.remote()
    aggregator, terms = play.actor(AGGREGATOR), play.actor(COORDINATOR)._journal.terms(1)
    following = replace(terms, round=2)
    assert aggregator._wanted_quorum(following) == 8
    assert aggregator._wanted_quorum(replace(following, quarantined=AGENTS[:1])) == 7
    assert aggregator._wanted_quorum(replace(following, observed=AGENTS[:2])) == 6
    assert aggregator._wanted_quorum(replace(terms, round=3)) == 6
    [receipt] = await aggregator.open(following, {})
    assert (receipt.quorum, receipt.accepted) == (8, ())
