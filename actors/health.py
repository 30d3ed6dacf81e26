"""What the coordinator's loop watches: latency against its budget, and whether the actors are alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from actors.mape import Action, Knowledge, Symptom

WINDOW = 5
"""Rounds over which latency is judged: one slow round is noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One observation of the coordinator, after a round.

    Attributes:
        duration_s: of the round; NaN when it was aborted.
        budget_s: what it may take.
        interval_s: pause between rounds in continuous learning; 0 when on demand.
        lost: hosts that failed to answer in the round.
        unapplied: hosts that did not take the release.
        split: whether validators would decide differently.
        quarantined: agents in quarantine.
    """

    duration_s: float
    budget_s: float
    interval_s: float = 0.0
    lost: tuple[str, ...] = ()
    unapplied: int = 0
    split: bool = False
    quarantined: int = 0


def analyze(knowledge: Knowledge[Health], now: Health) -> list[Symptom]:
    """Symptoms of the swarm's health."""
    found: list[Symptom] = []
    recent = [*(past.duration_s for past in list(knowledge.history)[1 - WINDOW :]), now.duration_s]
    timed = [duration for duration in recent if duration == duration]
    if len(timed) == WINDOW and median(timed) > now.budget_s:
        found.append(
            Symptom(
                name="over_budget",
                severity=min(1.0, median(timed) / now.budget_s - 1.0),
                detail=f"median of {WINDOW} rounds is {median(timed):.3f} s, the budget {now.budget_s:.3f} s",
            )
        )
    if now.lost:
        found.append(
            Symptom(name="host_down", severity=0.8, detail=f"{len(now.lost)} hosts did not answer", subjects=now.lost)
        )
    if now.split:
        found.append(Symptom(name="validators_disagree", severity=0.5, detail="validators would decide differently"))
    return found


def plan(knowledge: Knowledge[Health], symptoms: Sequence[Symptom]) -> list[Action]:
    """What to do about them."""
    actions: list[Action] = []
    for symptom in symptoms:
        if symptom.name == "over_budget" and knowledge.history and knowledge.history[-1].interval_s > 0:
            actions.append(Action(name="lengthen_interval", symptom=symptom.name, parameters={"factor": 1.5}))
        elif symptom.name == "host_down":
            actions.append(Action(name="revive_hosts", symptom=symptom.name, parameters={"hosts": symptom.subjects}))
    return actions
