"""Verdicts of a round as one letter an agent: what a heat map of agents by rounds is drawn from.

A thousand agents are a thousand characters a round, where their verdicts as documents are a hundred times that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.journal import Journal
from federation.gate import Refusal
from federation.verdict import Decision

LETTERS: dict[str, str] = {
    "a": "accepted",
    "c": "clipped",
    "r": "rejected by a screen or a rule",
    "g": "refused at the gate",
    "q": "kept out, in quarantine or on probation",
    ".": "no update",
}
"""letter -> what it says."""

SILENT = "."


def columns(journal: Journal, agents: Sequence[str], rounds: Iterable[int]) -> dict[int, str]:
    """round -> its column. The journal is asked round by round, so that nobody waits long for it meanwhile."""
    return {number: column(agents, journal.decisions(number)) for number in rounds}


def letter(decision: str, judge: str, reason: str) -> str:
    """The letter of one verdict, from the journal's words."""
    if judge == "trust" or reason == Refusal.QUARANTINED:
        return "q"
    if judge == "gate":
        return "g"
    return {Decision.ACCEPTED.word: "a", Decision.CLIPPED.word: "c"}.get(decision, "r")


def column(agents: Sequence[str], rows: Iterable[tuple[str, str, str, str]]) -> str:
    """One letter for each of ``agents``, from rows of (agent, decision, judge, reason)."""
    found = {agent: letter(decision, judge, reason) for agent, decision, judge, reason in rows}
    return "".join(found.get(agent, SILENT) for agent in agents)
