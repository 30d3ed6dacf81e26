"""What the coordinator says about its rounds: metrics and events, by the names of the registry."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median
from typing import Any

from actors.cast import Score
from actors.conductor import Conductor
from actors.config import SwarmConfig
from actors.ledger import Ledger
from federation.errors import QuorumError, ReviewError, RoundAbortedError, RuleBoundError
from federation.release import Release
from federation.terms import Terms
from federation.trust import TrustLedger
from telemetry import Span, SpanKind, Telemetry, semconv


class Telling:
    """The coordinator's voice. Everything is silent and cheap when telemetry is off.

    Args:
        config: of the swarm.
        telemetry: of the coordinator's process.
    """

    def __init__(self, config: SwarmConfig, telemetry: Telemetry) -> None:
        self._config = config
        self._telemetry = telemetry
        self._labels = {semconv.ATTR_WORKLOAD: config.workload.kind}

    def enrolled(self, agents: int) -> None:
        """The swarm is there. Counters that alerts watch start at zero, so that the first of anything is a rise."""
        telemetry, labels = self._telemetry, self._labels
        telemetry.gauge(semconv.METRIC_AGENTS_ENROLLED, agents, labels)
        telemetry.gauge(semconv.METRIC_ROUND_BUDGET_DURATION, self._config.round_budget_s, labels)
        for outcome in (semconv.Outcome.SUCCESS, semconv.Outcome.REFUSED):
            telemetry.count(semconv.METRIC_ROUNDS, 0, {**labels, semconv.ATTR_OUTCOME: outcome})
        review = () if self._config.review_above is None else (ReviewError,)
        for error in (QuorumError, RuleBoundError, RoundAbortedError, *review):
            telemetry.count(semconv.METRIC_ROUNDS_ABORTED, 0, {**labels, semconv.ATTR_ABORT_REASON: error.code})
        for metric in (semconv.METRIC_ROUNDS_OVER_BUDGET, semconv.METRIC_DISAGREEMENTS, semconv.METRIC_ROLLBACKS):
            telemetry.count(metric, 0, labels)
        self.learning(False, 0.0)

    def learning(self, active: bool, interval_s: float) -> None:
        """Rounds are run in the background from now on, or no longer."""
        self._telemetry.gauge(semconv.METRIC_LEARNING_ACTIVE, int(active), self._labels)
        self._telemetry.gauge(semconv.METRIC_INTERVAL_DURATION, interval_s, self._labels)

    def restarted(self, kind: semconv.ActorKind, round_number: int | None = None, detail: str = "") -> None:
        """An actor came back."""
        telemetry = self._telemetry
        if telemetry.enabled:
            labels = {semconv.ATTR_ACTOR_KIND: kind.value}
            more = {} if round_number is None else {semconv.ATTR_ROUND: round_number}
            telemetry.count(semconv.METRIC_ACTOR_RESTARTS, 1, labels)
            telemetry.event(semconv.EVENT_ACTOR_RESTARTED, {**labels, **more, semconv.ATTR_DETAIL: detail})

    def wrote(self, operation: str, started: float) -> None:
        """The journal has taken something in; ``started`` by `time.perf_counter`."""
        self._telemetry.observe(
            semconv.METRIC_JOURNAL_WRITE_DURATION,
            time.perf_counter() - started,
            {semconv.ATTR_JOURNAL_OPERATION: operation},
        )

    def round(self, terms: Terms) -> Span:
        """The span of a round, which begins."""
        return self._telemetry.span(
            semconv.SPAN_ROUND,
            kind=SpanKind.PRODUCER,
            attributes={
                **self._agreed(terms),
                semconv.ATTR_LEARNING_RATE_SCALE: terms.tuning.learning_rate_scale,
            },
        )

    def _agreed(self, terms: Terms) -> dict[str, Any]:
        """What a round's span and the event of its opening both say of its terms."""
        return {
            **self._labels,
            semconv.ATTR_ROUND: terms.round,
            semconv.ATTR_RUN_ID: terms.run,
            semconv.ATTR_RULE: self._config.used_rule.name,
            semconv.ATTR_AGENTS_COUNT: len(terms.roster),
            semconv.ATTR_FAULT_BOUND: terms.fault_bound,
            semconv.ATTR_QUORUM: terms.quorum,
        }

    def concluded(self, span: Span, conductor: Conductor, done: Mapping[str, Any]) -> None:
        """What the span of a round says at its end."""
        if not self._telemetry.enabled:
            return
        machine = conductor.round
        released = done["release"] is not None
        span.set(semconv.ATTR_OUTCOME, (semconv.Outcome.SUCCESS if released else semconv.Outcome.REFUSED).value)
        span.set(semconv.ATTR_UPDATES_ACCEPTED, len(machine.accepted))
        span.set(semconv.ATTR_UPDATES_REFUSED, len(machine.refused))
        span.set(semconv.ATTR_UPDATES_LATE, len(machine.late))
        if not released:
            span.set(semconv.ATTR_ABORT_REASON, done["error"]["code"])
            return
        span.set(semconv.ATTR_RELEASE_VERSION, done["release"]["version"])
        span.set(semconv.ATTR_BYZANTINE_COUNT, done["byzantine_count"])
        span.set(semconv.ATTR_CONVERGENCE_STATUS, done["status"])
        for key, value in (
            (semconv.ATTR_CONVERGENCE_KL_DIVERGENCE, done["kl_divergence"]),
            (semconv.ATTR_DETECTION_PRECISION, done.get("detection", {}).get("precision")),
            (semconv.ATTR_DETECTION_RECALL, done.get("detection", {}).get("recall")),
        ):
            if value is not None:
                span.set(key, value)

    def phase(self, phase: semconv.Phase, terms: Terms, more: Mapping[str, Any] | None = None) -> Span:
        """The span of one of the coordinator's own phases, which begins."""
        return self._telemetry.phase(phase, {**self._labels, semconv.ATTR_ROUND: terms.round, **(more or {})})

    def recovered(self, begun_ns: int, version: int) -> None:
        """The coordinator has read back where it was; it began at ``begun_ns``."""
        self._telemetry.record_span(
            semconv.SPAN_RECOVER,
            begun_ns,
            time.time_ns(),
            {
                **self._labels,
                semconv.ATTR_ACTOR_KIND: semconv.ActorKind.COORDINATOR.value,
                semconv.ATTR_RUN_ID: self._config.run,
                semconv.ATTR_RELEASE_VERSION: version,
            },
        )

    def learned(self, terms: Terms, score: Score, hosts: int, parent: str) -> None:
        """Hosts have learned: from when they were first asked until the last of them was done."""
        times = score.times
        if not self._telemetry.enabled or not times.learn:
            return
        ago = time.perf_counter() - times.started - times.asked
        begun = time.time_ns() - int(1e9 * ago)
        self._telemetry.record_span(
            semconv.SPAN_LOCAL_TRAINING,
            begun,
            begun + int(1e9 * times.learn),
            {
                **self._labels,
                semconv.ATTR_ROUND: terms.round,
                semconv.ATTR_AGENTS_COUNT: len(terms.roster),
                semconv.ATTR_HOSTS_COUNT: hosts,
            },
            parent=parent or None,
        )

    def opened(self, terms: Terms) -> None:
        telemetry, labels = self._telemetry, self._labels
        if not telemetry.enabled:
            return
        telemetry.gauge(semconv.METRIC_QUORUM, terms.quorum, labels)
        telemetry.gauge(semconv.METRIC_FAULT_BOUND, terms.fault_bound, labels)
        telemetry.event(
            semconv.EVENT_ROUND_OPENED,
            {**self._agreed(terms), semconv.ATTR_DEADLINE: terms.deadline_s},
        )

    def standing(self, terms: Terms, changes: Mapping[str, str], trust: TrustLedger) -> None:
        """Agents went into quarantine or came back; ``trust`` is the ledger as it is now."""
        for agent, change in changes.items():
            row = trust.agents.index(agent)
            told = {
                **self._labels,
                semconv.ATTR_AGENT_ID: agent,
                semconv.ATTR_ROUND: terms.round,
                semconv.ATTR_REPUTATION: float(trust.reputation[row]),
            }
            if change == "quarantined":
                told[semconv.ATTR_FLAGS_IN_A_ROW] = int(trust.flagged_streak[row])
                self._telemetry.event(semconv.EVENT_AGENT_QUARANTINED, told)
            else:
                self._telemetry.event(semconv.EVENT_AGENT_READMITTED, told)

    def rolled_back(self, release: Release) -> None:
        self._telemetry.gauge(semconv.METRIC_RELEASE_VERSION, release.version, self._labels)
        self._telemetry.count(semconv.METRIC_ROLLBACKS, 1, self._labels)
        self._telemetry.event(
            semconv.EVENT_RELEASE_ROLLED_BACK,
            {
                **self._labels,
                semconv.ATTR_RELEASE_VERSION: release.version,
                semconv.ATTR_RELEASE_PARENT_VERSION: release.version - 1,
                semconv.ATTR_RELEASE_DIGEST: release.digest.hex(),
                semconv.ATTR_DETAIL: f"brings back release {release.restores}",
            },
        )

    def ended(self, terms: Terms, conductor: Conductor, score: Score, done: Mapping[str, Any], total_s: float) -> None:
        """A round is over, with a release or without."""
        telemetry, labels = self._telemetry, self._labels
        if not telemetry.enabled:
            return
        outcome = semconv.Outcome.SUCCESS if score.error is None else semconv.Outcome.REFUSED
        ending = {**labels, semconv.ATTR_OUTCOME: outcome}
        common = {**labels, semconv.ATTR_ROUND: terms.round}
        machine = conductor.round
        replied = {
            semconv.ATTR_AGENTS_REPLIED: len(machine.accepted) + len(machine.refused),
            semconv.ATTR_QUORUM: machine.quorum,
        }
        telemetry.observe(semconv.METRIC_ROUND_DURATION, total_s, ending)
        telemetry.count(semconv.METRIC_ROUNDS, 1, ending)
        telemetry.count(semconv.METRIC_ROUNDS_OVER_BUDGET, int(total_s > self._config.round_budget_s), labels)
        if score.aggregation is not None:
            telemetry.event(
                semconv.EVENT_ROUND_CLOSED,
                {
                    **common,
                    **replied,
                    semconv.ATTR_UPDATES_ACCEPTED: len(machine.accepted),
                    semconv.ATTR_UPDATES_REFUSED: len(machine.refused),
                    semconv.ATTR_UPDATES_LATE: len(machine.late),
                },
            )
        if score.error is not None:
            reason = {semconv.ATTR_ABORT_REASON: score.error.code}
            telemetry.count(semconv.METRIC_ROUNDS_ABORTED, 1, {**labels, **reason})
            telemetry.event(
                semconv.EVENT_ROUND_ABORTED,
                {**common, **replied, **reason, semconv.ATTR_DETAIL: str(score.error)},
            )
            return
        self._released(common, score, done)
        self._measured(common, done)

    def _released(self, common: Mapping[str, Any], score: Score, done: Mapping[str, Any]) -> None:
        telemetry, labels = self._telemetry, self._labels
        release = done["release"]
        version, size = release["version"], release["artefact_bytes"]
        telemetry.gauge(semconv.METRIC_RELEASE_VERSION, version, labels)
        telemetry.gauge(semconv.METRIC_RELEASE_SIZE, size, labels)
        telemetry.gauge(semconv.METRIC_AGENTS_ACTIVE, done["agents_count"], labels)
        telemetry.observe(
            semconv.METRIC_DISTRIBUTION_DURATION,
            score.times.apply,
            {**labels, semconv.ATTR_ACTOR_KIND: semconv.ActorKind.COORDINATOR.value},
        )
        published = {**common, semconv.ATTR_RELEASE_VERSION: version, semconv.ATTR_MODEL_SIZE_BYTES: size}
        telemetry.event(
            semconv.EVENT_RELEASE_PUBLISHED,
            {
                **published,
                semconv.ATTR_RELEASE_DIGEST: release["digest"],
                semconv.ATTR_RELEASE_PARENT_VERSION: version - 1,
            },
        )
        telemetry.event(
            semconv.EVENT_MODEL_SYNCHRONIZED, {**published, semconv.ATTR_AGENTS_SYNCHRONIZED: done["agents_applied"]}
        )

    def _measured(self, common: Mapping[str, Any], done: Mapping[str, Any]) -> None:
        telemetry, labels = self._telemetry, self._labels
        kl, loss, accuracy = done["kl_divergence"], done["avg_local_loss"], done["evaluation"].get("accuracy")
        if kl is not None:
            measure = {semconv.ATTR_CONVERGENCE_MEASURE: semconv.ConvergenceMeasure.POLICY_KL.value}
            known = {
                semconv.ATTR_CONVERGENCE_ROUNDS_REMAINING: done["rounds_remaining"],
                semconv.ATTR_ACCURACY: accuracy,
            }
            telemetry.gauge(semconv.METRIC_KL_DIVERGENCE, kl, {**labels, **measure})
            telemetry.event(
                semconv.EVENT_CONVERGENCE_CHECKED,
                {
                    **common,
                    **measure,
                    **{key: value for key, value in known.items() if value is not None},
                    semconv.ATTR_CONVERGENCE_KL_DIVERGENCE: kl,
                    semconv.ATTR_CONVERGENCE_STATUS: done["status"],
                    semconv.ATTR_THRESHOLD: self._config.threshold,
                },
            )
        for status in semconv.ConvergenceStatus:
            state = {**labels, semconv.ATTR_CONVERGENCE_STATUS: status}
            telemetry.gauge(semconv.METRIC_CONVERGENCE_STATE, int(status == done["status"]), state)
        if done["validators_spread"] is not None:
            telemetry.gauge(semconv.METRIC_KL_SPREAD, done["validators_spread"], labels)
        telemetry.count(semconv.METRIC_DISAGREEMENTS, int(done["validators_disagree"]), labels)
        if done["validators_disagree"] and done["validators_spread"] is not None:
            telemetry.event(
                semconv.EVENT_VALIDATORS_DISAGREED,
                {
                    **common,
                    semconv.ATTR_VALIDATORS_COUNT: len(done["validators"]),
                    semconv.ATTR_CONVERGENCE_KL_SPREAD: done["validators_spread"],
                },
            )
        if loss is not None:
            telemetry.gauge(semconv.METRIC_GLOBAL_LOSS, loss, labels)
        if accuracy is not None:
            telemetry.gauge(semconv.METRIC_ACCURACY, accuracy, labels)
        if done["converged"]:
            telemetry.gauge(semconv.METRIC_CONVERGENCE_ROUNDS, done["rounds_observed"], labels)
        adversary = self._config.adversary
        if adversary is not None and "detection" in done:
            attack = {**labels, semconv.ATTR_ATTACK: type(getattr(adversary, "attack", adversary)).__name__}
            for metric, name in (
                (semconv.METRIC_DETECTION_PRECISION, "precision"),
                (semconv.METRIC_DETECTION_RECALL, "recall"),
            ):
                if done["detection"][name] is not None:
                    telemetry.gauge(metric, done["detection"][name], attack)

    def quarantined(self, count: int) -> None:
        self._telemetry.gauge(semconv.METRIC_AGENTS_QUARANTINED, count, self._labels)

    def trusted(self, ledger: Ledger) -> None:
        """How the agents stand after a round."""
        telemetry, labels, reputation = self._telemetry, self._labels, ledger.trust.reputation
        if telemetry.enabled:
            if ledger.changing:
                telemetry.gauge(semconv.METRIC_AGENTS_ENROLLED, len(reputation), labels)
            telemetry.gauge(semconv.METRIC_AGENTS_OBSERVED, len(ledger.observed), labels)
            telemetry.gauge(semconv.METRIC_REPUTATION_MEDIAN, median(reputation.tolist()), labels)
            telemetry.gauge(semconv.METRIC_REPUTATION_LOWEST, float(reputation.min()), labels)
