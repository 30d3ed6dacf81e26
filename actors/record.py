"""The record of a round: what `run_round` answers, as plain data with the specification's field names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.cast import Score
from actors.journal import Journal, VerdictRow
from actors.messages import Aggregation
from federation.convergence import ConvergenceTracker, Disagreement
from federation.errors import RoundAbortedError, SwarmError
from federation.release import Release
from federation.round import Round
from federation.screening import detection
from federation.terms import Terms
from federation.verdict import Decision

TIMES = (
    "total_duration_ms",
    "local_training_ms",
    "gate_ms",
    "screen_ms",
    "aggregation_ms",
    "convergence_ms",
    "validation_ms",
    "release_ms",
    "distribution_ms",
    "hosts_applied",
    "agents_applied",
)
"""Fields of a record that are known only after its release is written."""


def verdict_rows(found: Aggregation) -> list[VerdictRow]:
    """One row for each agent that was judged, for the journal; the gate's refusals among them."""
    words = [Decision(value).word for value in range(len(Decision))]
    rows: list[VerdictRow] = [
        (agent, words[decision], judge, reason, score, threshold)
        for agent, decision, judge, reason, score, threshold in zip(
            found.agents,
            found.decisions.tolist(),
            found.judges,
            found.reasons,
            _numbers(found.scores),
            _numbers(found.thresholds),
            strict=True,
        )
    ]
    rows += [(agent, Decision.REJECTED.word, "gate", code, None, None) for agent, code in found.refused.items()]
    return sorted(rows)


def verdict_summary(rows: Sequence[VerdictRow]) -> dict[str, Any]:
    """Counts by decision, and the verdict of every agent that was not simply accepted."""
    found = Counter(row[1] for row in rows)
    counts = {decision.word: found[decision.word] for decision in Decision}
    names, accepted = ("decision", "judge", "reason", "score", "threshold"), Decision.ACCEPTED.word
    agents = {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows if row[1] != accepted}
    return {**counts, "agents": agents}


def release_summary(release: Release) -> dict[str, Any]:
    """The release in short."""
    return {
        "version": release.version,
        "digest": release.digest.hex(),
        "parent": release.parent.hex(),
        "artefact": release.artefact.hex(),
        "artefact_bytes": release.artefact_bytes,
        "restores": release.restores,
    }


def record_of(
    terms: Terms,
    score: Score,
    *,
    rows: Sequence[VerdictRow],
    tracker: ConvergenceTracker,
    opinion: Disagreement,
    liars: Collection[str] | None,
) -> dict[str, Any]:
    """The record of a round that has a release, without times: `timed` fills them in.

    A coordinator that was killed after the release and before that leaves them None.
    """
    found, release = score.aggregation, score.release
    assert found is not None
    assert release is not None
    evaluation = dict(score.measurements[0].evaluation)
    record: dict[str, Any] = {
        "round": terms.round,
        "agents_count": len(found.agents),
        "byzantine_count": len(found.flagged),
        "kl_divergence": _number(opinion.median),
        "avg_local_loss": _number(found.loss),
        "converged": tracker.status == "converged",
        "status": tracker.status,
        "oscillating": tracker.oscillating,
        "rounds_observed": tracker.rounds,
        "rounds_remaining": tracker.remaining_rounds,
        "parameter_kl": _number(score.measurements[0].parameter_kl),
        "evaluation": {name: _number(value) for name, value in evaluation.items()},
        "verdicts": verdict_summary(rows),
        "release": release_summary(release),
        "rule": found.rule,
        "enrolled": len(terms.roster),
        "quorum": terms.quorum,
        "fault_bound": found.fault_bound,
        "standing_out": found.standing_out,
        "stale_counted": found.stale,
        "refusals": dict(score.refusals),
        "validators": {
            measurement.validator: {"kl_divergence": _number(measurement.kl), "status": measurement.status}
            for measurement in score.measurements
        },
        "validators_spread": _number(opinion.spread),
        "validators_disagree": opinion.split,
        "tuning": asdict(terms.tuning),
        **dict.fromkeys(TIMES),
    }
    if score.protected is not None:
        record["privacy"] = score.protected.record()
    if liars is not None:
        # Whom the trust ledger keeps out was detected in an earlier round.
        record["detection"] = _detection(terms, {*found.flagged, *terms.quarantined, *terms.observed}, liars)
    return record


def timed(record: dict[str, Any], score: Score, *, total_s: float) -> dict[str, Any]:
    """The record with its durations, in milliseconds as the specification names them."""
    times, found = score.times, score.aggregation
    assert found is not None
    kl = max(measurement.kl_s for measurement in score.measurements)
    return {
        **record,
        "total_duration_ms": 1e3 * total_s,
        "local_training_ms": 1e3 * times.learn,
        "gate_ms": 1e3 * found.gate_s,
        "screen_ms": 1e3 * found.screen_s,
        "aggregation_ms": 1e3 * found.aggregate_s,
        "convergence_ms": 1e3 * kl,
        "validation_ms": 1e3 * times.validate,
        "release_ms": 1e3 * times.release,
        "distribution_ms": 1e3 * times.apply,
        "hosts_applied": score.applied,
        "agents_applied": score.agents_applied,
    }


def read(journal: Journal, *, after: int, limit: int, brief: bool) -> list[dict[str, Any]]:
    """Records of ended rounds above ``after``, oldest first. Brief ones name no agents in their verdicts."""
    found = journal.records(after=after, limit=limit)
    for done in found:
        if brief and "verdicts" in done:
            del done["verdicts"]["agents"]
    return found


def ending(terms: Terms, error: SwarmError) -> dict[str, Any]:
    """What every record of a round without a release says."""
    return {
        "round": terms.round,
        "enrolled": len(terms.roster),
        "quorum": terms.quorum,
        "fault_bound": terms.fault_bound,
        "converged": False,
        "status": "aborted",
        "refusals": {},
        "lost": {},
        "release": None,
        "error": error.to_dict(),
    }


def abandoned(
    terms: Terms, error: SwarmError, machine: Round, refusals: Mapping[str, int], *, total_s: float
) -> dict[str, Any]:
    """The record of a round that ended with an error."""
    return {
        **ending(terms, error),
        "total_duration_ms": 1e3 * total_s,
        "agents_count": len(machine.accepted),
        "quorum": machine.quorum,
        "refusals": dict(refusals),
        "lost": dict(machine.lost),
    }


def answer_of(done: dict[str, Any]) -> dict[str, Any]:
    """The record of a round, or the error that it ended with."""
    failure = done.get("error")
    if failure is None:
        return done
    raise _failure(failure)


def _failure(failure: Mapping[str, Any]) -> SwarmError:
    fields = {name: value for name, value in failure.items() if name not in ("code", "message")}
    pending = [SwarmError]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind.code == failure["code"] and kind is not SwarmError:
            return kind(**fields)
    return RoundAbortedError(round=int(fields.get("round", 0)), reason=str(failure["message"]))


def _detection(terms: Terms, flagged: Collection[str], liars: Collection[str]) -> dict[str, Any]:
    """Detection beside the truth, which only a simulation knows."""
    found = detection(
        np.array([agent in flagged for agent in terms.roster]), np.array([agent in liars for agent in terms.roster])
    )
    return {"precision": _number(found.precision), "recall": _number(found.recall)}


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _number(value: float) -> float | None:
    """The value, or None where there is none: JSON has no NaN."""
    return float(value) if math.isfinite(value) else None
