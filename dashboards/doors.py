"""Federation doors: are REST, the clerk and the storage quick and sound?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import DOORS, dashboard
from dashboards.panels import (
    BLUE,
    FRACTION,
    GREEN,
    PER_SECOND,
    RED,
    SECONDS,
    YELLOW,
    Query,
    chart,
    distribution,
    number,
)
from dashboards.queries import RANGE, increase, legend, quantile, rate, select, share, total
from telemetry import semconv
from telemetry.promnames import BUCKET, COUNT, LE
from telemetry.semconv import ClerkStep, Outcome

ROUTES = "/federation/v1"
"""What the paths of clients' requests begin with."""

SUBMIT = {semconv.ATTR_HTTP_ROUTE: f"{ROUTES}/weights/submit"}
LATEST = {semconv.ATTR_HTTP_ROUTE: f"{ROUTES}/weights/latest"}
SUBMIT_S = 0.05
"""What 99 of 100 submissions are to take at most."""


def doors() -> dict[str, Any]:
    """The dashboard."""
    requests = select(semconv.METRIC_REQUEST_DURATION, part=COUNT)
    broken = select(semconv.METRIC_REQUEST_DURATION, part=COUNT, like={semconv.ATTR_HTTP_RESPONSE_STATUS_CODE: "5.."})
    failures = select(semconv.METRIC_STORAGE_FAILURES)
    failed_steps = select(semconv.METRIC_CLERK_STEPS, where={semconv.ATTR_OUTCOME: Outcome.FAILURE})
    unsummed = select(semconv.METRIC_BUCKETS, unlike={semconv.ATTR_OUTCOME: Outcome.SUCCESS})
    publishing = {semconv.ATTR_CLERK_STEP: ClerkStep.PUBLISH}
    gathered = select(semconv.METRIC_SUBMISSIONS_GATHERED)
    numbers = [
        number(
            "Requests",
            "Requests a second, of clients and operators.",
            Query(expr=total(rate(requests))),
            unit=PER_SECOND,
            decimals=1,
        ),
        number(
            "Broken requests",
            "Share of the range's requests that were answered with 5xx: the server's own fault, or a storage that does "
            "not answer.",
            Query(
                expr=share(f"({total(increase(broken, RANGE))} or vector(0))", total(increase(requests, RANGE))),
                instant=True,
            ),
            unit=FRACTION,
            steps=((None, GREEN), (0.001, YELLOW), (0.01, RED)),
            decimals=2,
            none="no requests",
        ),
        number(
            "Submitting, 99 %",
            "99 of 100 submissions in the range were answered in this time.",
            Query(expr=quantile(0.99, semconv.METRIC_REQUEST_DURATION, where=SUBMIT, window=RANGE), instant=True),
            unit=SECONDS,
            steps=((None, GREEN), (SUBMIT_S, YELLOW), (10 * SUBMIT_S, RED)),
            none="none came",
        ),
        number(
            "Latest release, 99 %",
            "99 of 100 requests for the latest release in the range were answered in this time, most of them with 304.",
            Query(expr=quantile(0.99, semconv.METRIC_REQUEST_DURATION, where=LATEST, window=RANGE), instant=True),
            unit=SECONDS,
            steps=((None, GREEN), (SUBMIT_S, YELLOW), (10 * SUBMIT_S, RED)),
            none="none came",
        ),
        number(
            "Publishing, 95 %",
            "95 of 100 releases in the range were signed and written in this time.",
            Query(
                expr=quantile(0.95, semconv.METRIC_CLERK_STEP_DURATION, where=publishing, window=RANGE), instant=True
            ),
            unit=SECONDS,
            steps=((None, GREEN), (5, YELLOW), (30, RED)),
            none="none",
        ),
        number(
            "Storage failures",
            "Reads and writes of the range that failed.",
            Query(expr=f"{total(increase(failures, RANGE))} or vector(0)", instant=True),
            steps=((None, GREEN), (1, RED)),
            decimals=0,
        ),
    ]
    latency = chart(
        "How long do requests take?",
        "Median and 99 % of submitting and of asking for the latest release. The line is what submitting is to stay "
        "below.",
        *(
            Query(expr=quantile(q, semconv.METRIC_REQUEST_DURATION, where=where), legend=f"{what}, {q:.0%}")
            for what, where in (("submit", SUBMIT), ("latest", LATEST))
            for q in (0.5, 0.99)
        ),
        unit=SECONDS,
        log=True,
        lines=True,
        steps=((None, GREEN), (SUBMIT_S, RED)),
    )
    spread = distribution(
        "Where are slow submissions?",
        "Submissions by duration. A second band is the storage's; points are traces.",
        Query(
            expr=total(rate(select(semconv.METRIC_REQUEST_DURATION, part=BUCKET, where=SUBMIT)), LE),
            legend=f"{{{{{LE}}}}}",
            exemplar=True,
            format="heatmap",
        ),
    )
    answers = chart(
        "What is answered?",
        "Requests a second by status. 304: the client has the release already.",
        Query(
            expr=total(rate(requests), semconv.ATTR_HTTP_RESPONSE_STATUS_CODE),
            legend=legend(semconv.ATTR_HTTP_RESPONSE_STATUS_CODE),
        ),
        unit=PER_SECOND,
        stacked=True,
    )
    steps = chart(
        "How long do the clerk's steps take?",
        "95 % of the steps. `round` is the swarm's; the other dashboards say more of it.",
        Query(
            expr=quantile(0.95, semconv.METRIC_CLERK_STEP_DURATION, semconv.ATTR_CLERK_STEP),
            legend=legend(semconv.ATTR_CLERK_STEP),
        ),
        unit=SECONDS,
        log=True,
    )
    faults = chart(
        "What fails?",
        "Parts of the storage that could not be read or written, steps of the clerk that failed, and buckets of "
        "clients that gave no secret sum.",
        Query(expr=total(increase(failures), semconv.ATTR_STORAGE_PART), legend=legend(semconv.ATTR_STORAGE_PART)),
        Query(
            expr=total(increase(failed_steps), semconv.ATTR_CLERK_STEP),
            legend=f"step {legend(semconv.ATTR_CLERK_STEP)}",
        ),
        Query(
            expr=total(increase(unsummed), semconv.ATTR_REGION),
            legend=f"secret sum {legend(semconv.ATTR_REGION)}",
        ),
        bars=True,
        stacked=True,
    )
    writing = chart(
        "How long do writing and folding take?",
        "95 % of the transactions that write submissions, and of folding what came into a region's sums.",
        Query(expr=quantile(0.95, semconv.METRIC_SUBMISSIONS_WRITE_DURATION), legend="write"),
        Query(
            expr=quantile(0.95, semconv.METRIC_FOLD_DURATION, semconv.ATTR_REGION),
            legend=f"fold {legend(semconv.ATTR_REGION)}",
        ),
        unit=SECONDS,
        colours={"write": BLUE},
    )
    brought = chart(
        "What do the doors bring in?",
        "Submissions that became part of a round, or were left out because they are stale or cannot be read; and those "
        "folded into a region's sums.",
        Query(
            expr=total(increase(gathered), semconv.ATTR_REGION, semconv.ATTR_OUTCOME),
            legend=legend(semconv.ATTR_REGION, semconv.ATTR_OUTCOME),
        ),
        Query(
            expr=total(increase(select(semconv.METRIC_SUBMISSIONS_FOLDED)), semconv.ATTR_REGION),
            legend=f"{legend(semconv.ATTR_REGION)} folded",
        ),
        bars=True,
        stacked=True,
    )
    return dashboard(
        DOORS,
        "Federation doors",
        "Are REST, the clerk and the storage quick and sound?",
        [
            (4, [(4, panel) for panel in numbers]),
            (8, [(8, latency), (8, spread), (8, answers)]),
            (8, [(6, steps), (6, faults), (6, writing), (6, brought)]),
        ],
    )
