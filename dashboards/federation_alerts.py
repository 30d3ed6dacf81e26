"""Recording and alert rules of a federation: what somebody has to look at when clients come in over REST."""

from __future__ import annotations

from dashboards.alert import Alert
from dashboards.queries import EVERYTHING, increase, largest, rate, select, share, total
from telemetry import semconv
from telemetry.promnames import label_name, metric_name
from telemetry.semconv import ClerkStep, Outcome, RolloutDecision

TAKEN = ("accepted", "duplicate")
"""Answers to submissions that are no refusals."""

NEARLY_SPENT = 0.8
"""Share of the privacy budget of which somebody is told."""

REFUSED = 0.2
"""Share of refused submissions that is too much."""

FEWEST = 10
"""Submissions in the window below which the share of refused ones says nothing."""

OVERDUE = 2
"""Windows without a release of which somebody is told."""

WINDOW = "1h"

OPERATOR = "operator"
"""Reason of a pause that an operator wanted."""

FORGOTTEN = "2h"
"""How long such a pause lasts before somebody is reminded of it."""

_JOB = "job"


def refused_share() -> str:
    """Name of the recorded share of submissions that were refused."""
    spec = semconv.METRICS[semconv.METRIC_SUBMISSIONS]
    name = metric_name(spec.name, unit=spec.unit, instrument=spec.instrument).removesuffix("_total")
    return f"job:{name}_refused:ratio_rate{WINDOW}"


def federation_recordings() -> list[dict[str, str]]:
    """The recording rules."""
    submissions = select(semconv.METRIC_SUBMISSIONS, scope=EVERYTHING)
    refused = select(semconv.METRIC_SUBMISSIONS, none_of={semconv.ATTR_ANSWER_CODE: TAKEN}, scope=EVERYTHING)
    whole = total(rate(submissions, WINDOW), _JOB)
    return [
        {
            "record": refused_share(),
            "expr": share(f"({total(rate(refused, WINDOW), _JOB)} or 0 * {whole})", whole),
        }
    ]


def federation_alerts() -> list[Alert]:
    """The alerts, the gravest first."""
    return [*_standstill(), *_storage(), *_warnings()]


def _standstill() -> list[Alert]:
    reason = semconv.ATTR_PAUSE_REASON
    by_itself = select(semconv.METRIC_FEDERATION_PAUSED, unlike={reason: OPERATOR}, scope=EVERYTHING)
    wanted = select(semconv.METRIC_FEDERATION_PAUSED, where={reason: OPERATOR}, scope=EVERYTHING)
    return [
        Alert(
            name="FederationPaused",
            severity=severity,
            expr=f"{largest(paused, _JOB, reason)} > 0",
            held=held,
            summary=f"A federation is paused{more}: clients may submit, and nothing is made of it.",
            description=f"It is paused for {{{{ $labels.{label_name(reason)} }}}}. Clients keep the release that they "
            "have.",
        )
        for severity, paused, held, more in (
            ("critical", by_itself, "1m", ""),
            ("warning", wanted, FORGOTTEN, f", and an operator has not ended it for {FORGOTTEN}"),
        )
    ]


def _storage() -> list[Alert]:
    failures = select(semconv.METRIC_STORAGE_FAILURES, scope=EVERYTHING)
    failed = {semconv.ATTR_CLERK_STEP: ClerkStep.PUBLISH, semconv.ATTR_OUTCOME: Outcome.FAILURE}
    published = select(semconv.METRIC_CLERK_STEPS, where=failed, scope=EVERYTHING)
    return [
        Alert(
            name="StorageFailing",
            severity="critical",
            # One failure is tried again by whoever met it.
            expr=f"{total(increase(failures, '5m'), _JOB, semconv.ATTR_STORAGE_PART)} > 2",
            held="2m",
            summary="The storage of a federation cannot be read or written, again and again.",
            description=f"{{{{ $value | humanize }}}} reads or writes of "
            f"{{{{ $labels.{label_name(semconv.ATTR_STORAGE_PART)} }}}} failed in five minutes.",
        ),
        Alert(
            name="PublishingFailed",
            severity="critical",
            expr=f"{total(increase(published, '15m'), _JOB)} > 0",
            held="1m",
            summary="A release was made and could not be put where clients get it from.",
            description="Publishing failed {{ $value | humanize }} times in a quarter of an hour, with all that was "
            "tried again. Clients keep the release that they have.",
        ),
    ]


def _warnings() -> list[Alert]:
    spent = select(semconv.METRIC_PRIVACY_EPSILON_SPENT, scope=EVERYTHING)
    budget = select(semconv.METRIC_PRIVACY_EPSILON_BUDGET, scope=EVERYTHING)
    by = (_JOB, semconv.ATTR_WORKLOAD)
    age = largest(select(semconv.METRIC_RELEASE_AGE_DURATION, scope=EVERYTHING), _JOB)
    window = largest(select(semconv.METRIC_WINDOW_DURATION, scope=EVERYTHING), _JOB)
    paused = largest(select(semconv.METRIC_FEDERATION_PAUSED, scope=EVERYTHING), _JOB)
    submissions = select(semconv.METRIC_SUBMISSIONS, scope=EVERYTHING)
    decided = {semconv.ATTR_ROLLOUT_DECISION: RolloutDecision.ROLL_BACK}
    rollbacks = select(semconv.METRIC_ROLLOUT_DECISIONS, where=decided, scope=EVERYTHING)
    return [
        Alert(
            name="PrivacyNearlySpent",
            severity="warning",
            expr=f"{share(largest(spent, *by), largest(budget, *by))} > {NEARLY_SPENT}",
            held="1m",
            summary=f"More than {NEARLY_SPENT:.0%} of the privacy budget of the period is spent.",
            description=f"{{{{ $value | humanizePercentage }}}} of the privacy budget of "
            f"{{{{ $labels.{label_name(semconv.ATTR_WORKLOAD)} }}}} is spent. When it is spent, the federation is "
            "paused until the period ends.",
        ),
        Alert(
            name="ReleaseRolledBack",
            severity="warning",
            expr=f"{total(increase(rollbacks, '1h'), _JOB)} > 0",
            held="1m",
            summary="A release that did harm, or that an operator did not want, was rolled back.",
            description="{{ $value | humanize }} releases were rolled back in the last hour. The release before comes "
            "back as a new version, and what the round had learned is left out of the next.",
        ),
        Alert(
            name="ReleaseOverdue",
            severity="warning",
            expr=f"({age} > {OVERDUE} * {window}) unless on (job) {paused} > 0",
            held="5m",
            summary=f"No release was published for clients for {OVERDUE} windows.",
            description="The last release is {{ $value | humanizeDuration }} old. Too few took part, rounds are "
            "refused, or the clerk stands still.",
        ),
        Alert(
            name="SubmissionsRefused",
            severity="warning",
            expr=f"{refused_share()} > {REFUSED} and on (job) {total(increase(submissions, WINDOW), _JOB)} > {FEWEST}",
            held="10m",
            summary="Too many submissions of clients are refused.",
            description=f"{{{{ $value | humanizePercentage }}}} of the submissions of the last hour were refused; "
            f"{REFUSED:.0%} are too many.",
        ),
    ]
