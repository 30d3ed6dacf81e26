"""Federation: who takes part, what is refused, and what does it cost of the privacy budget?"""

from __future__ import annotations

from typing import Any

from dashboards.federation_alerts import NEARLY_SPENT, TAKEN
from dashboards.frame import DELIVERY, FEDERATION, TRUST, dashboard, link_to
from dashboards.panels import (
    BLUE,
    FRACTION,
    GREEN,
    GREY,
    NUMBER,
    ORANGE,
    RED,
    SECONDS,
    YELLOW,
    Query,
    chart,
    number,
)
from dashboards.queries import RANGE, increase, largest, legend, select, share, total
from telemetry import semconv
from telemetry.semconv import ClientState, Outcome

SPENT = 0.95
"""Share of the privacy budget at which there is hardly a release left."""


def federation() -> dict[str, Any]:
    """The dashboard."""
    submissions = select(semconv.METRIC_SUBMISSIONS)
    taken = select(semconv.METRIC_SUBMISSIONS, any_of={semconv.ATTR_ANSWER_CODE: TAKEN})
    refused = select(semconv.METRIC_SUBMISSIONS, none_of={semconv.ATTR_ANSWER_CODE: TAKEN})
    pending = select(semconv.METRIC_WINDOW_PARTICIPANTS)
    needed = largest(select(semconv.METRIC_WINDOW_PARTICIPANTS_NEEDED))
    active = select(semconv.METRIC_CLIENTS, where={semconv.ATTR_CLIENT_STATE: ClientState.ACTIVE})
    inactive = select(semconv.METRIC_CLIENTS, unlike={semconv.ATTR_CLIENT_STATE: ClientState.ACTIVE})
    spent = largest(select(semconv.METRIC_PRIVACY_EPSILON_SPENT))
    budget = largest(select(semconv.METRIC_PRIVACY_EPSILON_BUDGET))
    unheard = select(semconv.METRIC_PRIVACY_REQUESTS, where={semconv.ATTR_OUTCOME: Outcome.REFUSED})
    numbers = [
        number(
            "Federation",
            "Whether windows are closed. Paused: the privacy budget is spent, somebody has to look at an anomaly, or "
            "an operator wants it so; the alert says which.",
            Query(expr=largest(select(semconv.METRIC_FEDERATION_PAUSED)), instant=True),
            unit=NUMBER,
            words={"0": ("running", GREEN), "1": ("paused", RED)},
        ),
        number(
            "Participants, of those needed",
            "Clients with a submission in this window, over those that a round needs. Below 1 at its end the window is "
            "extended.",
            Query(expr=f"{total(pending)} / ({needed} > 0)"),
            unit=FRACTION,
            steps=((None, YELLOW), (1, GREEN)),
            decimals=0,
        ),
        number(
            "Window ends in",
            "Seconds until the window is closed, or extended.",
            Query(expr=largest(select(semconv.METRIC_WINDOW_REMAINING_DURATION)), instant=True),
            unit=SECONDS,
            decimals=0,
        ),
        number(
            "Submissions taken",
            "Share of the range's submissions that were accepted, now or before.",
            Query(
                expr=share(f"({total(increase(taken, RANGE))} or vector(0))", total(increase(submissions, RANGE))),
                instant=True,
            ),
            unit=FRACTION,
            steps=((None, RED), (0.8, YELLOW), (0.95, GREEN)),
            decimals=1,
            none="none came",
        ),
        number(
            "Active clients",
            "Clients that are registered and not in quarantine.",
            Query(expr=largest(active)),
        ),
        number(
            "Privacy spent",
            "Epsilon of this period, over its budget. At 1 the federation is paused until the period ends.",
            Query(expr=f"{spent} / ({budget} > 0)"),
            unit=FRACTION,
            steps=((None, GREEN), (NEARLY_SPENT, YELLOW), (SPENT, RED)),
            decimals=0,
            none="no privacy",
        ),
    ]
    incoming = chart(
        "What comes in, and from where?",
        "Submissions that were accepted, by region.",
        Query(expr=total(increase(taken), semconv.ATTR_REGION), legend=legend(semconv.ATTR_REGION)),
        bars=True,
        stacked=True,
    )
    reasons = chart(
        "What is refused, and why?",
        "Refused submissions by code and region. `STALE_BASE_VERSION`: clients do not pull; `RATE_LIMITED`: they push "
        "too often; `INVALID_SCHEMA` or `UNAUTHORIZED` from one day to the next: a faulty version of the client.",
        Query(
            expr=total(increase(refused), semconv.ATTR_ANSWER_CODE, semconv.ATTR_REGION),
            legend=legend(semconv.ATTR_ANSWER_CODE, semconv.ATTR_REGION),
        ),
        bars=True,
        stacked=True,
        table_legend=True,
    )
    standing = chart(
        "Who is kept out, or has left?",
        "Clients that are not active, by state. A step in those in quarantine is an attack, or a faulty version of the "
        "client. Those that have left are forgotten within a day.",
        Query(expr=largest(inactive, semconv.ATTR_CLIENT_STATE), legend=legend(semconv.ATTR_CLIENT_STATE)),
        colours={"quarantined": RED, "deregistered": GREY},
    ).links([link_to(TRUST, "Byzantine and trust")])
    filling = chart(
        "Does the window fill?",
        "Clients with a submission for the next round, by region, and how many it needs.",
        Query(expr=total(pending, semconv.ATTR_REGION), legend=legend(semconv.ATTR_REGION)),
        Query(expr=needed, legend="needed"),
        stacked=True,
        colours={"needed": RED},
        dashed=["needed"],
    )
    endings = chart(
        "What becomes of windows?",
        "Windows by how they ended, and releases that the privacy ledger refused.",
        Query(
            expr=total(increase(select(semconv.METRIC_WINDOWS)), semconv.ATTR_WINDOW_ENDING),
            legend=legend(semconv.ATTR_WINDOW_ENDING),
        ),
        Query(expr=total(increase(unheard)), legend="refused by the ledger"),
        bars=True,
        stacked=True,
        colours={"released": GREEN, "extended": YELLOW, "aborted": RED, "paused": ORANGE, "refused by the ledger": RED},
    ).links([link_to(DELIVERY, "Releases to clients")])
    privacy = chart(
        "How long does the privacy budget last?",
        "Epsilon of the period, of the last release by itself, and the budget of the period. Where the slope meets the "
        "budget before the period ends, rounds are too many or too exact.",
        Query(expr=spent, legend="spent"),
        Query(expr=largest(select(semconv.METRIC_PRIVACY_EPSILON_ROUND)), legend="last release"),
        Query(expr=budget, legend="budget"),
        unit=NUMBER,
        colours={"spent": ORANGE, "last release": BLUE, "budget": RED},
        dashed=["budget"],
    )
    moves = chart(
        "Who comes and goes?",
        "What became of clients. Many that register at once look like one person with many clients.",
        Query(
            expr=total(increase(select(semconv.METRIC_CLIENT_TRANSITIONS)), semconv.ATTR_CLIENT_TRANSITION),
            legend=legend(semconv.ATTR_CLIENT_TRANSITION),
        ),
        bars=True,
        stacked=True,
        colours={"registered": GREEN, "quarantined": RED, "appealed": YELLOW, "reinstated": BLUE},
    )
    return dashboard(
        FEDERATION,
        "Federation",
        "Who takes part, what is refused, and what does it cost of the privacy budget? Single clients are in traces, "
        "events and the audit log, not in metrics. Empty unless clients come in over REST (`swarmlore federation`).",
        [
            (4, [(4, panel) for panel in numbers]),
            (8, [(8, incoming), (10, reasons), (6, standing)]),
            (8, [(6, filling), (6, endings), (6, privacy), (6, moves)]),
        ],
    )
