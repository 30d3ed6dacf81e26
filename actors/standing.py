"""What the aggregator's loop watches: how far a round has come, and how many of its updates stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actors.mape import Action, Knowledge, Symptom
from federation.verdict import Verdicts

MASS_ANOMALY = 0.30
"""Share of the updates that may stand out before the loop acts (specification of pattern weights, 11)."""

REVIEW = "review_above"
"""The fact by which a loop knows that a round ends for review, and from what share of updates standing out on."""

MOST_NAMED = 8
"""Agents that a round which ends for review names."""

SYMPTOMS = ("stragglers", "bound_exceeded", "mass_anomaly", "bound_used")
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
    most = knowledge.facts.get(REVIEW, MASS_ANOMALY)
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
    elif now.screened and now.standing_out > most * now.screened:
        found.append(
            Symptom(
                name="mass_anomaly",
                severity=now.standing_out / now.screened,
                detail=f"{now.standing_out} of {now.screened} updates stand out",
            )
        )
    if now.screened and 2 * now.standing_out > now.fault_bound > 0:
        found.append(
            Symptom(
                name="bound_used",
                severity=min(1.0, now.standing_out / now.fault_bound),
                detail=f"{now.standing_out} of at most {now.fault_bound} liars have answered",
            )
        )
    return found


def plan(knowledge: Knowledge[Standing], symptoms: Sequence[Symptom]) -> list[Action]:
    """Actions against symptoms. Extends a window at most once a round (the round's machine bounds it too).

    Where more than half of the bound stood out, the next round waits for a higher quorum (`raised_quorum`).
    Refusals for cause ask for nothing: who was refused is one of the f, and counts neither as silent nor as a
    vote, so the honest majority among the n - f others has grown.

    A round that is for review ends where another gets a stricter rule, or is only watched.
    """
    answers = {
        "stragglers": Action(name="extend_window", symptom="stragglers", parameters={"share": 0.5}),
        "bound_exceeded": Action(name="stricter_rule", symptom="bound_exceeded"),
        "mass_anomaly": Action(name="watch", symptom="mass_anomaly"),
        "bound_used": Action(name="raise_quorum", symptom="bound_used"),
    }
    if REVIEW in knowledge.facts:
        answers |= {name: Action(name="abort", symptom=name) for name in ("bound_exceeded", "mass_anomaly")}
    return [answers[symptom.name] for symptom in symptoms]


def raised_quorum(*, n: int, f: int, standing_out: int, kept_out: int, newly_kept_out: int) -> int:
    """How many valid updates the round after one in which ``standing_out`` stood out should wait for.

    A quorum of n - f expects all f faults to be silent. Faults that lied have answered, so at most
    f - standing_out of all agents are silent, and n - (f - standing_out) answer. Of these, agents that have
    been kept out since do not count. Never below n - f, nor above those that can count. The round's machine
    only waits for it: n - f are still enough at the deadline, so that liars who fall silent end nothing.
    """
    expected = n - (f - min(standing_out, f)) - newly_kept_out
    return max(n - f, min(expected, n - kept_out))


def worst(agents: tuple[str, ...], verdicts: Verdicts, count: int) -> list[str]:
    """The ``count`` agents with the highest scores, worst first; at most `MOST_NAMED`."""
    scores = np.nan_to_num(verdicts.scores, nan=-np.inf)
    return [agents[row] for row in np.argsort(-scores, kind="stable")[: min(count, MOST_NAMED)].tolist()]
