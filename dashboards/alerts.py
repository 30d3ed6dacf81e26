"""Recording and alert rules, as Prometheus takes them.

An alert says that somebody has to act, its page in docs/runbooks says how. Counters that are watched
here start at zero when the swarm does (`actors.telling`), so the first lost quorum is a rise. Rules sum
over instances, so they hold for a scraped swarm and for one that pushes.
"""

from __future__ import annotations

from typing import Any

from actors.standing import MASS_ANOMALY
from dashboards.alert import Alert
from dashboards.federation_alerts import federation_alerts, federation_recordings
from dashboards.queries import EVERYTHING, increase, largest, quantile, rate, select, share, total
from federation.errors import QuorumError
from telemetry import semconv
from telemetry.promnames import label_name, metric_name

OBJECTIVE = 0.99
"""Share of rounds that are to stay within the budget."""

BURNS = (("critical", 14.4, "1h", "5m"), ("warning", 6.0, "6h", "30m"))
"""(severity, speed, long window, short window): Google's SRE Workbook (2018), chapter 5, table 5-8.

At 14.4 the month's budget of slow rounds is gone in two days, at 6 in five. The short window ends
the alert soon after the cause has gone.
"""

FEWEST = 10
"""Rounds in the long window below which their share of slow ones says nothing."""

LONG_PAUSE_S = 300
"""A swarm whose rounds are further apart is given a day to run one, instead of a quarter of an hour."""

BY = ("job", semconv.ATTR_WORKLOAD)
_ON = ", ".join(map(label_name, BY))
_WORKLOAD = f"{{{{ $labels.{label_name(semconv.ATTR_WORKLOAD)} }}}}"


def _flat(metric: str) -> str:
    spec = semconv.METRICS[metric]
    return metric_name(metric, unit=spec.unit, instrument=spec.instrument)


def over_budget(window: str) -> str:
    """Name of the recorded share of rounds over budget, in a window."""
    return f"job_workload:{_flat(semconv.METRIC_ROUNDS_OVER_BUDGET).removesuffix('_total')}:ratio_rate{window}"


def recordings() -> list[dict[str, str]]:
    """The recording rules."""
    slow = select(semconv.METRIC_ROUNDS_OVER_BUDGET, scope=EVERYTHING)
    rounds = select(semconv.METRIC_ROUNDS, scope=EVERYTHING)
    rejected = select(semconv.METRIC_UPDATES, where={semconv.ATTR_VERDICT: semconv.Verdict.REJECTED}, scope=EVERYTHING)
    updates = select(semconv.METRIC_UPDATES, scope=EVERYTHING)
    windows = sorted({window for _, _, *pair in BURNS for window in pair}, key=lambda text: (text[-1] == "h", text))
    return [
        *(
            {
                "record": over_budget(window),
                "expr": share(total(rate(slow, window), *BY), total(rate(rounds, window), *BY)),
            }
            for window in windows
        ),
        {
            "record": f"job_workload:{_flat(semconv.METRIC_ROUND_DURATION)}:p95_5m",
            "expr": quantile(0.95, semconv.METRIC_ROUND_DURATION, *BY, window="5m", scope=EVERYTHING),
        },
        {
            "record": f"job_workload:{_flat(semconv.METRIC_UPDATES).removesuffix('_total')}_rejected:ratio_rate5m",
            "expr": share(
                f"({total(rate(rejected, '5m'), *BY)} or 0 * {total(rate(updates, '5m'), *BY)})",
                total(rate(updates, "5m"), *BY),
            ),
        },
        *federation_recordings(),
    ]


def alerts() -> list[Alert]:
    """The alerts of every swarm, the gravest first, and those of a federation."""
    return [*_rounds(), *_budget(), *_trust(), *_convergence(), *_telemetry(), *federation_alerts()]


def _rounds() -> list[Alert]:
    aborted = select(
        semconv.METRIC_ROUNDS_ABORTED, where={semconv.ATTR_ABORT_REASON: QuorumError.code}, scope=EVERYTHING
    )
    active = largest(select(semconv.METRIC_LEARNING_ACTIVE, scope=EVERYTHING), *BY)
    pause = largest(select(semconv.METRIC_INTERVAL_DURATION, scope=EVERYTHING), *BY)
    rounds = select(semconv.METRIC_ROUNDS, scope=EVERYTHING)
    silent = [
        f"({active} == 1 and on ({_ON}) {pause} {bound} {LONG_PAUSE_S} "
        f"and on ({_ON}) {total(increase(rounds, window), *BY)} == 0)"
        for bound, window in (("<=", "15m"), (">", "1d"))
    ]
    return [
        Alert(
            name="Down",
            severity="critical",
            expr=f"absent({select(semconv.METRIC_AGENTS_ENROLLED, scope=EVERYTHING)})",
            held="5m",
            summary="No swarm reports to this Prometheus.",
            description="No series of a swarm has been seen for five minutes: it has ended, or its metrics do not "
            "arrive.",
        ),
        Alert(
            name="NoRounds",
            severity="critical",
            expr=" or ".join(silent),
            held="5m",
            summary="A swarm that learns in the background ends no rounds.",
            description=f"Background learning of {_WORKLOAD} is on, and no round has ended, neither with a release "
            f"nor without.",
        ),
        Alert(
            name="QuorumLost",
            severity="critical",
            expr=f"{total(increase(aborted, '10m'), *BY)} > 0",
            held="1m",
            summary="Rounds are refused because fewer than n - f valid updates arrive.",
            description=f"{{{{ $value | humanize }}}} rounds of {_WORKLOAD} in ten minutes had no quorum. "
            "Agents keep the last release; nothing is learned.",
        ),
    ]


def _budget() -> list[Alert]:
    rounds = select(semconv.METRIC_ROUNDS, scope=EVERYTHING)
    return [
        Alert(
            name="RoundOverBudget",
            severity=severity,
            expr=f"{over_budget(long)} > {speed * (1 - OBJECTIVE):.3g} and {over_budget(short)} > "
            f"{speed * (1 - OBJECTIVE):.3g} and {total(increase(rounds, long), *BY)} > {FEWEST}",
            held="2m",
            summary=f"Too many rounds take longer than their budget ({long} and {short}).",
            description=f"{{{{ $value | humanizePercentage }}}} of the rounds of {_WORKLOAD} in {long} were over "
            f"budget; "
            f"the objective is at most {1 - OBJECTIVE:.0%}.",
        )
        for severity, speed, long, short in BURNS
    ]


def _trust() -> list[Alert]:
    found = select(
        semconv.METRIC_SYMPTOMS,
        where={semconv.ATTR_ACTOR_KIND: semconv.ActorKind.AGGREGATOR},
        any_of={semconv.ATTR_SYMPTOM: ("mass_anomaly", "bound_exceeded")},
        scope=EVERYTHING,
    )
    quarantined = select(semconv.METRIC_AGENTS_QUARANTINED, scope=EVERYTHING)
    return [
        Alert(
            name="MassAnomaly",
            severity="critical",
            expr=f"{total(increase(found, '10m'), 'job', semconv.ATTR_SYMPTOM)} > 0",
            held="1m",
            summary=f"More than {MASS_ANOMALY:.0%} of the updates of a round stand out, or more than the fault bound.",
            description=f"The aggregator found {{{{ $labels.{label_name(semconv.ATTR_SYMPTOM)} }}}} in "
            "{{ $value | humanize }} rounds of ten minutes: an attack by many agents, or data that changed for many.",
        ),
        Alert(
            name="AgentQuarantined",
            severity="warning",
            expr=f"{largest(quarantined, *BY)} > 0",
            held="1m",
            summary="Agents are in quarantine: what they learn does not count.",
            description=f"{{{{ $value | humanize }}}} agents of {_WORKLOAD} are in quarantine.",
        ),
    ]


def _convergence() -> list[Alert]:
    rounds = f"{total(increase(select(semconv.METRIC_ROUNDS, scope=EVERYTHING), '15m'), *BY)} > 0"

    def holds(status: semconv.ConvergenceStatus) -> str:
        where = {semconv.ATTR_CONVERGENCE_STATUS: status}
        state = largest(select(semconv.METRIC_CONVERGENCE_STATE, where=where, scope=EVERYTHING), *BY)
        return f"{state} == 1 and on ({_ON}) {rounds}"

    disagreements = select(semconv.METRIC_DISAGREEMENTS, scope=EVERYTHING)
    return [
        Alert(
            name="KlDiverging",
            severity="critical",
            expr=holds(semconv.ConvergenceStatus.DIVERGING),
            held="2m",
            summary="The divergence between releases grows.",
            description=f"The KL divergence of {_WORKLOAD} has a rising trend above the threshold, or is not finite. "
            "The validators ask for a rollback and a smaller learning rate.",
        ),
        Alert(
            name="KlStalled",
            severity="warning",
            expr=holds(semconv.ConvergenceStatus.STALLED),
            held="10m",
            summary="The divergence between releases no longer falls.",
            description=f"The KL divergence of {_WORKLOAD} is above the threshold and without a falling trend.",
        ),
        Alert(
            name="ValidatorsDisagree",
            severity="warning",
            # One or two splits are usual while the divergence passes the threshold.
            expr=f"{total(increase(disagreements, '15m'), *BY)} > 2",
            held="1m",
            summary="Validators would decide differently, again and again.",
            description=f"The validators of {_WORKLOAD} were apart in {{{{ $value | humanize }}}} rounds of a "
            f"quarter of an hour.",
        ),
    ]


def _telemetry() -> list[Alert]:
    dropped = select(semconv.METRIC_TELEMETRY_DROPPED, scope=EVERYTHING)
    kinds = ("job", semconv.ATTR_SIGNAL, semconv.ATTR_ACTOR_KIND)
    return [
        Alert(
            name="TelemetryDropped",
            severity="warning",
            expr=f"{total(increase(dropped, '5m'), *kinds)} > 0",
            held="5m",
            summary="Spans or events are not delivered. Rounds go on; traces and events are incomplete.",
            description=f"{{{{ $value | humanize }}}} {{{{ $labels.{label_name(semconv.ATTR_SIGNAL)} }}}} of "
            f"{{{{ $labels.{label_name(semconv.ATTR_ACTOR_KIND)} }}}} actors were dropped in five minutes.",
        ),
    ]


def recording_file() -> dict[str, Any]:
    """The file of recording rules."""
    return {"groups": [{"name": "swarmlore.rules", "interval": "15s", "rules": recordings()}]}


def alert_file() -> dict[str, Any]:
    """The file of alert rules."""
    return {"groups": [{"name": "swarmlore.alerts", "interval": "15s", "rules": [alert.rule() for alert in alerts()]}]}
