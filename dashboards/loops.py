"""MAPE-K: what do the actors' loops find, what do they do about it, and does it work?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import LOOPS, dashboard
from dashboards.panels import BLUE, FRACTION, GREEN, RED, SECONDS, YELLOW, Query, chart, listing, number
from dashboards.queries import RANGE, increase, largest, legend, select, share, total
from telemetry import semconv
from telemetry.promnames import label_name


def loops() -> dict[str, Any]:
    """The dashboard."""
    symptoms, actions = select(semconv.METRIC_SYMPTOMS), select(semconv.METRIC_ACTIONS)
    succeeded = select(semconv.METRIC_ACTIONS, where={semconv.ATTR_OUTCOME: semconv.Outcome.SUCCESS})
    restarts = select(semconv.METRIC_ACTOR_RESTARTS)
    numbers = [
        number(
            "Symptoms",
            "Symptoms in the range, over all loops. Some are good news: convergence is one.",
            Query(expr=total(increase(symptoms, RANGE)), instant=True),
            decimals=0,
        ),
        number(
            "Actions",
            "Actions in the range that were tried.",
            Query(expr=f"{total(increase(actions, RANGE))} or vector(0)", instant=True),
            decimals=0,
        ),
        number(
            "That worked",
            "Share of them that did what they were asked to do.",
            Query(expr=share(total(increase(succeeded, RANGE)), total(increase(actions, RANGE))), instant=True),
            unit=FRACTION,
            steps=((None, RED), (0.8, YELLOW), (0.95, GREEN)),
            decimals=0,
            none="no actions",
        ),
        number(
            "Restarts",
            "Actors that came back in the range after they had died.",
            Query(expr=f"{total(increase(restarts, RANGE))} or vector(0)", instant=True),
            steps=((None, GREEN), (1, YELLOW), (10, RED)),
            decimals=0,
        ),
        number(
            "Background learning",
            "Whether rounds are run on their own, or on demand.",
            Query(expr=largest(select(semconv.METRIC_LEARNING_ACTIVE)), instant=True),
            words={"0": ("on demand", BLUE), "1": ("on", GREEN)},
        ),
        number(
            "Pause between rounds",
            "From start to start, in the background. The coordinator lengthens it while rounds are over their budget.",
            Query(expr=largest(select(semconv.METRIC_INTERVAL_DURATION)), instant=True),
            unit=SECONDS,
        ),
    ]
    found = chart(
        "What do the loops find?",
        "Symptoms by the kind of actor that found them.",
        Query(
            expr=f"{total(increase(symptoms), semconv.ATTR_ACTOR_KIND, semconv.ATTR_SYMPTOM)} > 0",
            legend=legend(semconv.ATTR_ACTOR_KIND, semconv.ATTR_SYMPTOM),
        ),
        bars=True,
        stacked=True,
        table_legend=True,
    )
    done = chart(
        "What do they do about it?",
        "Actions by the kind of actor that carried them out.",
        Query(
            expr=f"{total(increase(actions), semconv.ATTR_ACTOR_KIND, semconv.ATTR_ACTION)} > 0",
            legend=legend(semconv.ATTR_ACTOR_KIND, semconv.ATTR_ACTION),
        ),
        bars=True,
        stacked=True,
        table_legend=True,
    )
    outcomes = chart(
        "Does it work?",
        "Actions by outcome: refused ones were forbidden by a bound, failed ones raised an error of the port.",
        Query(expr=total(increase(actions), semconv.ATTR_OUTCOME), legend=legend(semconv.ATTR_OUTCOME)),
        bars=True,
        stacked=True,
        colours={"success": GREEN, "refused": YELLOW, "failure": RED},
    )
    back = chart(
        "Which actors come back?",
        "Restarts by kind of actor. State is read back from the journal; a round that was open goes on.",
        Query(
            expr=f"{total(increase(restarts), semconv.ATTR_ACTOR_KIND)} or vector(0)",
            legend=legend(semconv.ATTR_ACTOR_KIND),
        ),
        bars=True,
        stacked=True,
    )
    kinds = (semconv.ATTR_ACTOR_KIND, semconv.ATTR_ACTION, semconv.ATTR_OUTCOME)
    table = listing(
        "Actions and their outcomes",
        "All actions in the range.",
        Query(expr=f"{total(increase(actions, RANGE), *kinds)} > 0", instant=True, format="table"),
        columns={**dict(zip(map(label_name, kinds), ("Actor", "Action", "Outcome"), strict=True)), "Value": "Times"},
    )
    return dashboard(
        LOOPS,
        "MAPE-K",
        "What do the actors' loops find, what do they do about it, and does it work?",
        [
            (4, [(4, panel) for panel in numbers]),
            (8, [(12, found), (12, done)]),
            (8, [(8, outcomes), (8, back), (8, table)]),
        ],
    )
