"""The ledger between rounds: whom the next round keeps out, when some agents have nothing to learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config import COORDINATOR, SwarmConfig
from actors.journal import Journal
from actors.ledger import Ledger
from federation.convergence import ConvergenceTracker
from federation.terms import Tuning, fault_bound
from federation.trust import Standing, TrustLedger

AGENTS = tuple(f"agent-{number:03d}" for number in range(13))


BARE: dict[str, Any] = {
    "tracker": ConvergenceTracker(),
    "tuning": Tuning(),
    "previous": {},
    "norm": 0.0,
    "first_norm_cap": 1.0,
    "good": 0,
}


def standing_as(ledger: Ledger, standing: list[int], reputation: list[float]) -> Ledger:
    trust = replace(ledger.trust, standing=np.array(standing, np.int8), reputation=np.array(reputation))
    return replace(ledger, trust=trust)


@pytest.fixture
def ledger(swarm_config: Callable[..., SwarmConfig], tmp_path: Path) -> Ledger:
    return Ledger.of(swarm_config(13), Journal(tmp_path / "journal.sqlite"))


def test_a_smaller_roster_keeps_fewer_out_the_quarantined_first(ledger: Ledger) -> None:
    standing, reputation = [0] * 13, [1.0] * 13
    standing[0] = standing[1] = Standing.PROBATION
    standing[2] = standing[3] = Standing.QUARANTINED
    reputation[:4] = [0.1, 0.2, 0.5, 0.4]
    ledger = standing_as(ledger, standing, reputation)
    assert ledger.kept_out(AGENTS, 4) == (AGENTS[2:4], AGENTS[:2])
    assert ledger.kept_out(AGENTS[:10], 3) == (AGENTS[2:4], AGENTS[:1])
    assert ledger.kept_out(AGENTS[:4], 1) == ((AGENTS[3],), ())
    assert ledger.kept_out(AGENTS[4:], 2) == ((), ())
    assert ledger.kept_out(AGENTS[:3], 0) == ((), ())


def test_the_floor_keeps_no_more_out_than_f_of_the_roster(ledger: Ledger) -> None:
    ledger = standing_as(ledger, [0] * 13, [0.1, 0.2, 0.05, 0.25] + [1.0] * 9)
    assert ledger.kept_out(AGENTS, 4) == ((), AGENTS[:4])
    assert ledger.kept_out(AGENTS[:7], 2) == ((), (AGENTS[0], AGENTS[2]))


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_quorum_is_always_left(data: st.DataObject) -> None:
    trust = TrustLedger.start(AGENTS)
    standing = data.draw(st.lists(st.sampled_from(Standing), min_size=13, max_size=13))
    reputation = data.draw(st.lists(st.floats(0.0, 1.0), min_size=13, max_size=13))
    roster = tuple(sorted(data.draw(st.sets(st.sampled_from(AGENTS), min_size=1))))
    trust = replace(trust, standing=np.array(standing, np.int8), reputation=np.array(reputation))
    quarantined, observed = ledger_of(trust).kept_out(roster, fault_bound(len(roster)))
    out = {*quarantined, *observed}
    assert len(out) == len(quarantined) + len(observed) <= fault_bound(len(roster))
    assert out <= set(roster)
    assert out <= {agent for agent, trusted in zip(AGENTS, trust.trusted, strict=True) if not trusted}


def ledger_of(trust: TrustLedger) -> Ledger:
    return Ledger(trust=trust, **BARE)


async def test_a_swarm_with_idle_agents_reaches_its_quorum_and_quarantines_within_it(stage: Callable[..., Any]) -> None:
    play = stage(13, deadline_s=2.0)
    await play.coordinator.start.remote()
    coordinator = play.actor(COORDINATOR)
    coordinator._members.idle = frozenset(AGENTS[7:])
    low = [0.0] * 4 + [1.0] * 9
    coordinator._ledger = standing_as(coordinator._ledger, [2, 2, 1, 1] + [0] * 9, low)
    record = await play.coordinator.run_round.remote()
    assert (record["enrolled"], record["quorum"], record["fault_bound"]) == (7, 5, 2)
    assert record["verdicts"]["rejected"] == 2
    assert record["verdicts"]["accepted"] == 5
    assert coordinator._ledger.trust.f == 2
    coordinator._members.idle = frozenset()
    await play.coordinator.run_round.remote()
    assert coordinator._ledger.trust.f == 4


def test_where_agents_come_and_go_only_the_roster_bounds_who_is_kept_out_of_a_round(ledger: Ledger) -> None:
    standing = [int(Standing.QUARANTINED)] * 5 + [0] * 8
    away = replace(standing_as(ledger, standing, [1.0] * 5 + [0.1] * 3 + [1.0] * 5), changing=True)
    assert away.kept_out(AGENTS[5:], 2) == ((), AGENTS[5:7])
    assert replace(away, changing=False).kept_out(AGENTS[5:], 2) == ((), ())  # the absent ones took the places


def test_where_agents_come_and_go_they_are_enrolled_and_a_third_of_all_may_be_out(ledger: Ledger) -> None:
    grown = replace(ledger, changing=True).enrolled(["zoe", AGENTS[0]])
    assert grown.trust.agents == (*AGENTS, "zoe")
    assert grown.enrolled(AGENTS) is grown
    assert grown.trust.f == 4
    assert replace(grown, norm=5.0).norm_cap == grown.first_norm_cap
    assert replace(ledger, norm=5.0).norm_cap == 50.0
