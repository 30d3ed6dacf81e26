"""Round anatomy: where does a round's time go, who was late, and why did a round end without a release?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import ROUND, dashboard
from dashboards.panels import (
    BLUE,
    BYTES_PER_SECOND,
    COUNT,
    GREEN,
    GREY,
    RED,
    SECONDS,
    YELLOW,
    Query,
    chart,
    distribution,
)
from dashboards.queries import increase, largest, legend, mean, quantile, rate, select, total
from telemetry import semconv
from telemetry.promnames import BUCKET, LE


def anatomy() -> dict[str, Any]:
    """The dashboard."""
    buckets = select(semconv.METRIC_ROUND_DURATION, part=BUCKET)
    late = select(semconv.METRIC_UPDATES, where={semconv.ATTR_VERDICT: semconv.Verdict.LATE})
    stragglers = select(semconv.METRIC_SYMPTOMS, where={semconv.ATTR_SYMPTOM: "stragglers"})
    phases = chart(
        "Where does the time go?",
        "Mean duration of one call of each phase. Hosts learn at the same time, so learning is one host's, not their "
        "sum.",
        Query(expr=mean(semconv.METRIC_PHASE_DURATION, semconv.ATTR_PHASE), legend=legend(semconv.ATTR_PHASE)),
        unit=SECONDS,
        stacked=True,
        bars=True,
        table_legend=True,
    )
    spread = distribution(
        "How are rounds spread?",
        "How many rounds took how long. A second band above the first are rounds that waited for somebody. "
        "Dots are traces.",
        Query(expr=total(increase(buckets), LE), legend="{{le}}", format="heatmap", exemplar=True),
    )
    slowest = chart(
        "Which step is slow at its worst?",
        "95th percentile of the steps that the specification names, with the trace of one of them at each dot.",
        Query(expr=quantile(0.95, semconv.METRIC_LOCAL_TRAINING_DURATION), legend="local training", exemplar=True),
        Query(expr=quantile(0.95, semconv.METRIC_AGGREGATION_DURATION), legend="aggregation", exemplar=True),
        Query(expr=quantile(0.95, semconv.METRIC_CONVERGENCE_DURATION), legend="convergence", exemplar=True),
        Query(expr=quantile(0.95, semconv.METRIC_DISTRIBUTION_DURATION), legend="distribution", exemplar=True),
        unit=SECONDS,
    )
    journal = chart(
        "Does the disk hold rounds up?",
        "95th percentile of a write to the journal. An update counts as accepted when it is written, so this is in "
        "every round.",
        Query(
            expr=quantile(0.95, semconv.METRIC_JOURNAL_WRITE_DURATION, semconv.ATTR_JOURNAL_OPERATION),
            legend=legend(semconv.ATTR_JOURNAL_OPERATION),
        ),
        unit=SECONDS,
    )
    quorum = chart(
        "Was the quorum reached?",
        "Updates that came in time for the last release, beside the valid ones that it needed.",
        Query(expr=largest(select(semconv.METRIC_AGENTS_ENROLLED)), legend="enrolled"),
        Query(expr=largest(select(semconv.METRIC_AGENTS_ACTIVE)), legend="replied"),
        Query(expr=largest(select(semconv.METRIC_QUORUM)), legend="quorum"),
        unit=COUNT,
        colours={"enrolled": GREY, "replied": GREEN, "quorum": RED},
        dashed=["quorum"],
    )
    waiting = chart(
        "Who keeps rounds waiting?",
        "Late updates, and windows in which fewer than a quorum had come at 80 % of the deadline.",
        Query(expr=f"{total(increase(late))} or vector(0)", legend="late updates"),
        Query(expr=total(increase(stragglers)), legend="windows with stragglers"),
        bars=True,
        colours={"late updates": YELLOW, "windows with stragglers": RED},
    )
    endings = chart(
        "How did rounds end?",
        "Rounds with a release, and those without, by the reason's code.",
        Query(
            expr=total(increase(select(semconv.METRIC_ROUNDS, where={semconv.ATTR_OUTCOME: semconv.Outcome.SUCCESS}))),
            legend="release",
        ),
        Query(
            expr=total(increase(select(semconv.METRIC_ROUNDS_ABORTED)), semconv.ATTR_ABORT_REASON),
            legend=legend(semconv.ATTR_ABORT_REASON),
        ),
        bars=True,
        stacked=True,
        colours={"release": GREEN, "round.quorum": RED, "rule.bound": YELLOW, "round.aborted": BLUE},
    )
    traffic = chart(
        "How much is sent?",
        "Bytes of updates a second, encoded, from hosts to the aggregator.",
        Query(expr=total(rate(select(semconv.METRIC_TRANSMITTED))), legend="updates"),
        unit=BYTES_PER_SECOND,
    )
    return dashboard(
        ROUND,
        "Round anatomy",
        "Where does a round's time go, who was late, and why did a round end without a release?",
        [
            (9, [(14, phases), (10, spread)]),
            (7, [(12, slowest), (6, quorum), (6, endings)]),
            (7, [(12, journal), (6, waiting), (6, traffic)]),
        ],
    )
