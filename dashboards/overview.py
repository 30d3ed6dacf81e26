"""Swarm overview: is the swarm healthy, in one screen?"""

from __future__ import annotations

from typing import Any

from dashboards.alert import PREFIX
from dashboards.frame import LEARNING, LOOPS, OVERVIEW, ROUND, TELEMETRY, TRUST, dashboard, link_to
from dashboards.panels import (
    BLUE,
    COUNT,
    FRACTION,
    GREEN,
    GREY,
    NUMBER,
    PER_SECOND,
    RED,
    SECONDS,
    YELLOW,
    Query,
    chart,
    number,
)
from dashboards.queries import RANGE, increase, largest, legend, quantile, rate, select, share, total
from telemetry import semconv

STATUS_WORDS = {
    "1": ("training", BLUE),
    "2": ("converged", GREEN),
    "3": ("stalled", YELLOW),
    "4": ("diverging", RED),
}
"""Convergence states as numbers, which is what colours can be given to; in the order of severity."""


def status_number(*by: str) -> str:
    """The convergence status as one of the numbers of `STATUS_WORDS`; of several runs, the gravest."""
    terms: list[str] = []
    for place, (status, _) in STATUS_WORDS.items():
        state = select(semconv.METRIC_CONVERGENCE_STATE, where={semconv.ATTR_CONVERGENCE_STATUS: status})
        terms.append(f"{place} * {state}")
    return largest(" or ".join(terms), *by)


def overview() -> dict[str, Any]:
    """The dashboard."""
    rounds = select(semconv.METRIC_ROUNDS)
    released = select(semconv.METRIC_ROUNDS, where={semconv.ATTR_OUTCOME: semconv.Outcome.SUCCESS})
    budget = largest(select(semconv.METRIC_ROUND_BUDGET_DURATION))
    enrolled = largest(select(semconv.METRIC_AGENTS_ENROLLED))
    active = largest(select(semconv.METRIC_AGENTS_ACTIVE))
    quarantined = largest(select(semconv.METRIC_AGENTS_QUARANTINED))
    numbers = [
        number(
            "Alerts",
            "Alerts of this swarm that fire now. Each has a page of what to do about it in docs/runbooks.",
            Query(expr=f'count(ALERTS{{alertname=~"{PREFIX}.+", alertstate="firing"}}) or vector(0)', instant=True),
            steps=((None, GREEN), (1, RED)),
        ),
        number(
            "Learning",
            "Where the run stands by the validators' divergence: training, converged, stalled or diverging.",
            Query(expr=status_number(), instant=True),
            unit=NUMBER,
            words=STATUS_WORDS,
        ).links([link_to(LEARNING, "Learning")]),
        number(
            "Rounds with a release",
            "Share of the rounds in the range that ended with a release. The rest was refused, with a reason.",
            Query(expr=share(total(increase(released, RANGE)), total(increase(rounds, RANGE))), instant=True),
            unit=FRACTION,
            steps=((None, RED), (0.9, YELLOW), (0.99, GREEN)),
            decimals=1,
            none="no rounds",
        ).links([link_to(ROUND, "Round anatomy")]),
        number(
            "Round, 95 %",
            "95 of 100 rounds in the range took at most this long. Red above the budget that the coordinator holds to.",
            Query(expr=quantile(0.95, semconv.METRIC_ROUND_DURATION, window=RANGE), instant=True),
            unit=SECONDS,
            none="no rounds",
        ).links([link_to(ROUND, "Round anatomy")]),
        number(
            "Of the budget",
            "The same, as a share of the budget. Above 1 the coordinator lengthens the pause between rounds.",
            Query(expr=f"{quantile(0.95, semconv.METRIC_ROUND_DURATION, window=RANGE)} / {budget}", instant=True),
            unit=FRACTION,
            steps=((None, GREEN), (0.8, YELLOW), (1, RED)),
            decimals=0,
            none="no rounds",
        ).links([link_to(ROUND, "Round anatomy")]),
        number(
            "Agents that replied",
            "Agents whose updates were in the last release, of those enrolled. Below n - f a round is refused.",
            Query(expr=f"{active} / {enrolled}"),
            unit=FRACTION,
            steps=((None, RED), (0.67, YELLOW), (0.9, GREEN)),
            decimals=0,
        ),
        number(
            "In quarantine",
            "Agents whose updates do not count for now, because they were flagged again and again.",
            Query(expr=quarantined),
            steps=((None, GREEN), (1, YELLOW)),
        ).links([link_to(TRUST, "Byzantine and trust")]),
        number(
            "Telemetry dropped",
            "Spans and events of the range that were not delivered. Rounds do not wait for them; what you see is "
            "incomplete.",
            Query(expr=total(increase(select(semconv.METRIC_TELEMETRY_DROPPED), RANGE)), instant=True),
            steps=((None, GREEN), (1, YELLOW), (1000, RED)),
            decimals=0,
        ).links([link_to(TELEMETRY, "Telemetry cost and health")]),
    ]
    charts = [
        chart(
            "How long do rounds take?",
            "Median and 95th percentile, and the budget. Each dot is one round's trace: select it to see where time "
            "went.",
            Query(expr=quantile(0.5, semconv.METRIC_ROUND_DURATION), legend="median"),
            Query(expr=quantile(0.95, semconv.METRIC_ROUND_DURATION), legend="95 %", exemplar=True),
            Query(expr=budget, legend="budget"),
            unit=SECONDS,
            colours={"median": BLUE, "95 %": YELLOW, "budget": RED},
            dashed=["budget"],
        ).links([link_to(ROUND, "Round anatomy")]),
        chart(
            "What became of the updates?",
            "Updates a second by verdict. A jump of rejected ones is an attack, or data that changed for many agents.",
            Query(
                expr=total(rate(select(semconv.METRIC_UPDATES)), semconv.ATTR_VERDICT),
                legend=legend(semconv.ATTR_VERDICT),
            ),
            unit=PER_SECOND,
            stacked=True,
            colours={"accepted": GREEN, "clipped": BLUE, "rejected": RED, "late": YELLOW},
        ).links([link_to(TRUST, "Byzantine and trust")]),
        chart(
            "Is the knowledge settling?",
            "KL divergence between the last two releases, in nats. It should fall, then stay below the run's "
            "threshold.",
            Query(
                expr=largest(select(semconv.METRIC_KL_DIVERGENCE), semconv.ATTR_WORKLOAD),
                legend=legend(semconv.ATTR_WORKLOAD),
            ),
            unit=NUMBER,
            log=True,
        ).links([link_to(LEARNING, "Learning")]),
        chart(
            "Are there enough agents?",
            "Agents enrolled and replying, beside the quorum. Below the quorum no round can end with a release.",
            Query(expr=enrolled, legend="enrolled"),
            Query(expr=active, legend="replied"),
            Query(expr=largest(select(semconv.METRIC_QUORUM)), legend="quorum"),
            Query(expr=quarantined, legend="in quarantine"),
            unit=COUNT,
            colours={"enrolled": GREY, "replied": GREEN, "quorum": RED, "in quarantine": YELLOW},
            dashed=["quorum"],
        ).links([link_to(LOOPS, "MAPE-K")]),
    ]
    return dashboard(
        OVERVIEW,
        "Swarm overview",
        "Is the swarm healthy? Red or yellow numbers lead to the dashboard that says why.",
        [
            (4, [(3, panel) for panel in numbers]),
            (8, [(12, panel) for panel in charts[:2]]),
            (8, [(12, panel) for panel in charts[2:]]),
        ],
    )
