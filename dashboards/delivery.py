"""Releases to clients: what is served, how far is it rolled out, and does it do the clients good?"""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.models import common as common_model

from dashboards.frame import DELIVERY, dashboard
from dashboards.panels import (
    BLUE,
    FRACTION,
    GREEN,
    NUMBER,
    ORANGE,
    RED,
    YELLOW,
    Query,
    chart,
    number,
    states,
)
from dashboards.queries import increase, largest, legend, select, total
from federation.error_rates import ErrorBound
from telemetry import semconv
from telemetry.semconv import ReleaseRole, RolloutDecision, RolloutStage

WORSE = ErrorBound().worse
"""Relative rise of the error rate above which a release is rolled back."""

STAGE_WORDS = {
    str(place): (stage.value, colour)
    for place, (stage, colour) in enumerate(
        zip(RolloutStage, (RED, ORANGE, YELLOW, GREEN), strict=True),
        start=1,
    )
}
"""Stages of a rollout as numbers, which is what colours can be given to."""


def served(role: ReleaseRole) -> str:
    """The version that has a role, as a series whose label says it."""
    selector = select(semconv.METRIC_VERSION_SERVED, where={semconv.ATTR_RELEASE_ROLE: role})
    return f"{largest(selector, semconv.ATTR_RELEASE_SEMANTIC_VERSION)} > 0"


def error_rate(role: ReleaseRole) -> str:
    """The error rate that clients report of the release in a role."""
    return largest(select(semconv.METRIC_REPORTED_ERROR_RATE, where={semconv.ATTR_RELEASE_ROLE: role}))


def stage_number() -> str:
    """The rollout's stage as one of the numbers of `STAGE_WORDS`; of several federations, the last."""
    terms: list[str] = []
    for place, (stage, _) in STAGE_WORDS.items():
        terms.append(f"{place} * {select(semconv.METRIC_ROLLOUT_STATE, where={semconv.ATTR_ROLLOUT_STAGE: stage})}")
    return f"{largest(' or '.join(terms))} > 0"


def delivery() -> dict[str, Any]:
    """The dashboard."""
    before, after = error_rate(ReleaseRole.CURRENT), error_rate(ReleaseRole.CANDIDATE)
    age = largest(select(semconv.METRIC_RELEASE_AGE_DURATION))
    window = largest(select(semconv.METRIC_WINDOW_DURATION))
    decided = select(semconv.METRIC_ROLLOUT_DECISIONS, unlike={semconv.ATTR_ROLLOUT_DECISION: RolloutDecision.WAIT})
    name = common_model.BigValueTextMode("name")
    version = legend(semconv.ATTR_RELEASE_SEMANTIC_VERSION)
    numbers = [
        number(
            "Served",
            "Version that clients get, if they are not among the first to get the next one.",
            Query(expr=served(ReleaseRole.CURRENT), legend=version, instant=True),
            unit=NUMBER,
            none="none yet",
        ).text_mode(name),
        number(
            "Being rolled out",
            "Version that a share of the clients gets already.",
            Query(expr=served(ReleaseRole.CANDIDATE), legend=version, instant=True),
            unit=NUMBER,
            none="none",
        ).text_mode(name),
        number(
            "Stage",
            "How far the rollout is: canary (one in a hundred), staged (one in ten), general (half) or full. `staged` "
            "goes on when an operator approves: `swarmlore federation approve`.",
            Query(expr=stage_number(), instant=True),
            unit=NUMBER,
            words=STAGE_WORDS,
            none="none",
        ),
        number(
            "Error rate, against before",
            "By how much more calls fail for clients that have the new release than for the others. Above "
            f"{WORSE:.0%} it is rolled back by itself.",
            Query(expr=f"{after} / ({before} > 0) - 1", instant=True),
            unit=FRACTION,
            steps=((None, GREEN), (WORSE / 2, YELLOW), (WORSE, RED)),
            decimals=1,
            none="nothing to compare",
        ),
        number(
            "Age of the release, in windows",
            "Time since a release was last published, over the length of a window. Near 2 a window was missed or "
            "extended.",
            Query(expr=f"{age} / ({window} > 0)"),
            unit=NUMBER,
            steps=((None, GREEN), (1.2, YELLOW), (2, RED)),
            decimals=1,
        ),
        number(
            "Noise in the release",
            "Norm of the privacy noise over that of what was learned, in the last release. Above 1 a release is mostly "
            "noise: more clients, or longer windows, make it less.",
            Query(expr=largest(select(semconv.METRIC_PRIVACY_UTILITY_LOSS))),
            unit=FRACTION,
            steps=((None, GREEN), (0.5, YELLOW), (1, RED)),
            decimals=0,
            none="no privacy",
        ),
    ]
    harm = chart(
        "Does the release do harm?",
        "Share of calls that failed, as clients report it, of the release before and of the one being rolled out.",
        Query(expr=before, legend="current"),
        Query(expr=after, legend="candidate"),
        unit=FRACTION,
        colours={"current": BLUE, "candidate": ORANGE},
    )
    lineage = states(
        "Which versions were served, and when?",
        "A band for each version and role. A candidate becomes the current one, or is rolled back: then the one before "
        "it comes again, under a new number.",
        Query(
            expr=largest(
                select(semconv.METRIC_VERSION_SERVED),
                semconv.ATTR_RELEASE_SEMANTIC_VERSION,
                semconv.ATTR_RELEASE_ROLE,
            ),
            legend=legend(semconv.ATTR_RELEASE_SEMANTIC_VERSION, semconv.ATTR_RELEASE_ROLE),
        ),
        words={"1": ("served", GREEN)},
    )
    reach = chart(
        "How many clients have it?",
        "Share of clients that are given the candidate; 1 when there is none.",
        Query(expr=largest(select(semconv.METRIC_ROLLOUT_SHARE)), legend="share"),
        unit=FRACTION,
        greatest=1.0,
    )
    witnesses = chart(
        "How many clients judge it?",
        "Clients whose reports count. Where they are few nothing is decided by them.",
        Query(
            expr=largest(select(semconv.METRIC_REPORTING_CLIENTS), semconv.ATTR_RELEASE_ROLE),
            legend=legend(semconv.ATTR_RELEASE_ROLE),
        ),
        colours={"current": BLUE, "candidate": ORANGE},
    )
    decisions = chart(
        "What was decided?",
        "Decisions on rollouts, without those to wait. `await_approval` goes on until an operator approves.",
        Query(
            expr=total(increase(decided), semconv.ATTR_ROLLOUT_DECISION), legend=legend(semconv.ATTR_ROLLOUT_DECISION)
        ),
        bars=True,
        stacked=True,
        colours={"promote": GREEN, "await_approval": YELLOW, "roll_back": RED},
    )
    return dashboard(
        DELIVERY,
        "Releases to clients",
        "What is served, how far is it rolled out, and does it do the clients good?",
        [
            (4, [(4, panel) for panel in numbers]),
            (8, [(12, harm), (12, lineage)]),
            (8, [(8, reach), (8, witnesses), (8, decisions)]),
        ],
    )
