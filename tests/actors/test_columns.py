"""Columns: one letter an agent, and a letter for every verdict that there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.columns import LETTERS, column, columns, letter
from actors.journal import Journal
from federation.gate import Refusal
from federation.verdict import Decision
from tests.actors.conftest import Stage
from workloads.attacks import Adversary, NotFinite


@pytest.mark.parametrize(
    ("decision", "judge", "reason", "found"),
    [
        ("accepted", "distance", "", "a"),
        ("clipped", "agreement", "agreement.far", "c"),
        ("rejected", "distance", "distance.far", "r"),
        ("rejected", "gate", "gate.not_finite", "g"),
        ("rejected", "gate", "gate.quarantined", "q"),
        ("rejected", "trust", "trust.observed", "q"),
    ],
)
def test_each_verdict_has_its_letter(decision: str, judge: str, reason: str, found: str) -> None:
    assert letter(decision, judge, reason) == found


def test_every_letter_that_can_come_is_explained() -> None:
    words = [decision.word for decision in Decision]
    reasons = [("gate", str(code)) for code in Refusal] + [("krum", ""), ("trust", "trust.observed")]
    assert {letter(word, judge, reason) for word in words for judge, reason in reasons} <= LETTERS.keys()


def test_a_column_is_in_the_order_of_the_agents_and_silence_is_a_dot() -> None:
    rows = [("c", "rejected", "krum", "krum.far"), ("a", "accepted", "krum", ""), ("stranger", "accepted", "krum", "")]
    assert column(("a", "b", "c"), rows) == "a.r"


async def test_columns_are_read_from_the_journal(stage: Callable[..., Stage], tmp_path: Path) -> None:
    liars = frozenset({"agent-002"})
    acted: Any = stage(4, adversary=Adversary(agents=liars, attack=NotFinite()))
    for _ in range(2):
        await acted.coordinator.run_round.remote()
    journal = Journal(tmp_path / "journal.sqlite")
    agents = tuple(f"agent-{number:03d}" for number in range(4))
    assert columns(journal, agents, [1, 2, 3]) == {1: "aaga", 2: "aaga", 3: "...."}
    assert await acted.coordinator.columns.remote([2]) == {2: "aaga"}
    journal.close()


async def test_brief_records_name_nobody_and_a_page_of_verdicts_has_an_end(stage: Callable[..., Stage]) -> None:
    acted: Any = stage(4)
    for _ in range(3):
        await acted.coordinator.run_round.remote()
    brief = await acted.coordinator.records.remote(brief=True)
    assert [set(record["verdicts"]) for record in brief] == 3 * [{"accepted", "clipped", "rejected"}]
    assert "agents" in (await acted.coordinator.records.remote())[0]["verdicts"]
    page = await acted.coordinator.verdicts.remote(agent="agent-001", after=1, limit=1)
    assert [row["round"] for row in page] == [2]
    known = await acted.coordinator.agents.remote()
    assert [one["agent"] for one in known] == [f"agent-{number:03d}" for number in range(4)]
    assert {one["standing"] for one in known} == {"active"}
    assert await acted.coordinator.round_of.remote("never") is None
    assert (await acted.coordinator.status.remote(actors=False))["actors"] == {}
