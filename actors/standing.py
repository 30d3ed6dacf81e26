"""What the aggregator's loop watches: how far a round has come, and how many of its updates stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actors.mape import Action, Knowledge, Symptom

MASS_ANOMALY = 0.30
"""Share of the updates that may stand out before the loop acts (specification of pattern weights, 11)."""

SYMPTOMS = ("stragglers", "bound_exceeded", "mass_anomaly")
"""What `analyze` can find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the loop observes: the round so far, or its updates just screened.

    Attributes:
        n, quorum, valid: of the round.
        age: share of the deadline that has passed, 0 to 1.
        standing_out: updates above the screen's threshold; 0 before screening.
        screened: how many were screened; 0 before.
        fault_bound: f.
    """

    n: int
    quorum: int
    valid: int
    age: float
    standing_out: int = 0
    screened: int = 0
    fault_bound: int = 0


def analyze(knowledge: Knowledge[Standing], now: Standing) -> list[Symptom]:
    """Symptoms of a round from how far it has come."""
    del knowledge
    found: list[Symptom] = []
    if not now.screened and now.valid < now.quorum and now.age >= 0.8:
        missing = now.quorum - now.valid
        found.append(
            Symptom(
                name="stragglers",
                severity=min(1.0, missing / max(now.quorum, 1)),
                detail=f"{now.valid} of {now.quorum} updates are there at {now.age:.0%} of the deadline",
            )
        )
    if now.screened and now.fault_bound and now.standing_out > now.fault_bound:
        found.append(
            Symptom(
                name="bound_exceeded",
                severity=1.0,
                detail=f"{now.standing_out} of {now.screened} updates stand out; the bound is {now.fault_bound}",
            )
        )
    elif now.screened and now.standing_out > MASS_ANOMALY * now.screened:
        found.append(
            Symptom(
                name="mass_anomaly",
                severity=now.standing_out / now.screened,
                detail=f"{now.standing_out} of {now.screened} updates stand out",
            )
        )
    return found


def plan(knowledge: Knowledge[Standing], symptoms: Sequence[Symptom]) -> list[Action]:
    """Actions against symptoms. Extends a window at most once a round (the round's machine bounds it too)."""
    del knowledge
    answers = {
        "stragglers": Action(name="extend_window", symptom="stragglers", parameters={"share": 0.5}),
        "bound_exceeded": Action(name="stricter_rule", symptom="bound_exceeded"),
        "mass_anomaly": Action(name="watch", symptom="mass_anomaly"),
    }
    return [answers[symptom.name] for symptom in symptoms]
