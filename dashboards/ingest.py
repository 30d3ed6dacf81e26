"""Agents' telemetry as input: does it arrive, does it become trajectories, and are experiences made of them?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import INGEST, dashboard
from dashboards.panels import FRACTION, GREEN, PER_SECOND, RED, YELLOW, Query, chart, number
from dashboards.queries import RANGE, increase, legend, rate, select, share, total
from telemetry import semconv
from telemetry.semconv import Outcome, TrajectoryEnding


def ingest() -> dict[str, Any]:
    """The dashboard."""
    spans, evaluations = select(semconv.METRIC_INGEST_SPANS), select(semconv.METRIC_INGEST_EVALUATIONS)
    dropped, contents = select(semconv.METRIC_INGEST_DROPPED), select(semconv.METRIC_INGEST_CONTENTS)
    trajectories, experiences = select(semconv.METRIC_TRAJECTORIES), select(semconv.METRIC_INGEST_EXPERIENCES)
    complete = select(semconv.METRIC_TRAJECTORIES, where={semconv.ATTR_TRAJECTORY_ENDING: TrajectoryEnding.COMPLETE})
    given = select(semconv.METRIC_INGEST_EXPERIENCES, where={semconv.ATTR_OUTCOME: Outcome.SUCCESS})
    numbers = [
        number(
            "Spans",
            "Spans that agents sent in the range.",
            Query(expr=total(increase(spans, RANGE)), instant=True),
            decimals=0,
            none="none came",
        ),
        number(
            "Left out",
            "Share of the range's spans that were left out. Spans that say nothing about an agent are among them, "
            "which is as it should be when all of an application's telemetry comes here.",
            Query(
                expr=share(f"({total(increase(dropped, RANGE))} or vector(0))", total(increase(spans, RANGE))),
                instant=True,
            ),
            unit=FRACTION,
            decimals=0,
            none="none came",
        ),
        number(
            "Trajectories",
            "Trajectories that ended in the range, in whatever way.",
            Query(expr=f"{total(increase(trajectories, RANGE))} or vector(0)", instant=True),
            decimals=0,
        ),
        number(
            "Complete",
            "Share of them that ended with the agent's span or an evaluation. Others were given up, for time or room.",
            Query(
                expr=share(f"({total(increase(complete, RANGE))} or vector(0))", total(increase(trajectories, RANGE))),
                instant=True,
            ),
            unit=FRACTION,
            steps=((None, RED), (0.5, YELLOW), (0.9, GREEN)),
            decimals=0,
            none="none ended",
        ),
        number(
            "Experiences taken",
            "Share of the experiences made of them that the swarm took. It refuses those of agents that it does not "
            "know, and states of another length.",
            Query(
                expr=share(f"({total(increase(given, RANGE))} or vector(0))", total(increase(experiences, RANGE))),
                instant=True,
            ),
            unit=FRACTION,
            steps=((None, RED), (0.9, YELLOW), (0.99, GREEN)),
            decimals=0,
            none="none made",
        ),
        number(
            "Contents left",
            "Message contents of the range that were left at the door. They are never kept unless a workload asks.",
            Query(expr=f"{total(increase(contents, RANGE))} or vector(0)", instant=True),
            decimals=0,
        ),
    ]
    flow = chart(
        "How much comes in?",
        "Spans and evaluation results a second.",
        Query(expr=total(rate(spans)), legend="spans"),
        Query(expr=f"{total(rate(evaluations))} or vector(0)", legend="evaluations"),
        unit=PER_SECOND,
    )
    reasons = chart(
        "What is left out, and why?",
        "`malformed` is a sender's fault; `late` and `full` ask for a longer wait or more room; `evicted` for more "
        "memory.",
        Query(expr=total(rate(dropped), semconv.ATTR_DROP_REASON), legend=legend(semconv.ATTR_DROP_REASON)),
        unit=PER_SECOND,
        stacked=True,
    )
    endings = chart(
        "How do trajectories end?",
        "Incomplete ones waited too long for more. Many of them: agents that do not end their span, or spans that "
        "get lost.",
        Query(
            expr=total(increase(trajectories), semconv.ATTR_TRAJECTORY_ENDING),
            legend=legend(semconv.ATTR_TRAJECTORY_ENDING),
        ),
        bars=True,
        stacked=True,
        colours={"complete": GREEN, "incomplete": YELLOW, "evicted": RED},
    )
    made = chart(
        "What reaches the agents?",
        "Experiences that agents were given, and those that the swarm refused.",
        Query(expr=total(increase(experiences), semconv.ATTR_OUTCOME), legend=legend(semconv.ATTR_OUTCOME)),
        bars=True,
        stacked=True,
        colours={"success": GREEN, "refused": YELLOW, "failure": RED},
    )
    return dashboard(
        INGEST,
        "Agents' telemetry",
        "What agents tell by OpenTelemetry: does it arrive, does it become trajectories, and are experiences made of "
        "them? "
        "Empty unless the gateway takes it (`swarmlore serve --layout`).",
        [
            (4, [(4, panel) for panel in numbers]),
            (8, [(12, flow), (12, reasons)]),
            (8, [(12, endings), (12, made)]),
        ],
    )
