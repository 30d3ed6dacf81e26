"""Byzantine and trust: who lies, since when, and is it contained?"""

from __future__ import annotations

from typing import Any

from actors.standing import MASS_ANOMALY
from dashboards.frame import TRUST, dashboard
from dashboards.panels import (
    BLUE,
    FRACTION,
    GREEN,
    ORANGE,
    RED,
    YELLOW,
    Query,
    chart,
    number,
)
from dashboards.queries import RANGE, increase, largest, legend, select, share, smallest, total
from telemetry import semconv


def trust() -> dict[str, Any]:
    """The dashboard."""
    updates = select(semconv.METRIC_UPDATES)
    rejected = select(semconv.METRIC_UPDATES, where={semconv.ATTR_VERDICT: semconv.Verdict.REJECTED})
    bound = largest(select(semconv.METRIC_FAULT_BOUND))
    quarantined = largest(select(semconv.METRIC_AGENTS_QUARANTINED))
    observed = largest(select(semconv.METRIC_AGENTS_OBSERVED))
    numbers = [
        number(
            "Rejected",
            "Share of the range's updates that did not count. It may be as high as f of n; above that rounds are "
            "refused.",
            Query(
                expr=share(f"({total(increase(rejected, RANGE))} or vector(0))", total(increase(updates, RANGE))),
                instant=True,
            ),
            unit=FRACTION,
            steps=((None, GREEN), (0.1, YELLOW), (MASS_ANOMALY, RED)),
            decimals=1,
            none="no updates",
        ),
        number(
            "Kept out, of the bound",
            "Agents in quarantine or on probation as a share of f, the liars that a round can bear. At 1 nobody more "
            "can be kept out.",
            Query(expr=f"({quarantined} + {observed}) / ({bound} > 0)"),
            unit=FRACTION,
            steps=((None, GREEN), (0.5, YELLOW), (1, RED)),
            decimals=0,
        ),
        number(
            "In quarantine",
            "Agents whose updates are refused at the gate.",
            Query(expr=quarantined),
            steps=((None, GREEN), (1, YELLOW)),
        ),
        number(
            "On probation",
            "Agents that are judged and do not count: back from quarantine, or of a reputation below the floor.",
            Query(expr=observed),
            steps=((None, GREEN), (1, YELLOW)),
        ),
        number(
            "Lowest reputation",
            "Reputation of the worst agent, 0 to 1. Below 0.3 an agent does not count.",
            Query(expr=smallest(select(semconv.METRIC_REPUTATION_LOWEST))),
            unit=FRACTION,
            steps=((None, RED), (0.3, YELLOW), (0.8, GREEN)),
            decimals=0,
        ),
        number(
            "Equivocations",
            "Proofs, in the range, that an agent signed two updates for one round. `swarmlore` keeps them; anybody "
            "can check them.",
            Query(expr=f"{total(increase(select(semconv.METRIC_EQUIVOCATIONS), RANGE))} or vector(0)", instant=True),
            steps=((None, GREEN), (1, RED)),
            decimals=0,
        ),
    ]
    onset = chart(
        "When did an attack begin?",
        "Share of updates that were rejected. The line is where the aggregator calls it a mass anomaly.",
        Query(expr=share(f"({total(increase(rejected))} or vector(0))", total(increase(updates))), legend="rejected"),
        unit=FRACTION,
        greatest=1.0,
        lines=True,
        steps=((None, GREEN), (MASS_ANOMALY, RED)),
    )
    reasons = chart(
        "Why were updates refused?",
        "Updates that the gate refused, by code; and those that a screen found, as one.",
        Query(
            expr=total(
                increase(select(semconv.METRIC_UPDATES, unlike={semconv.ATTR_REFUSAL_CODE: ""})),
                semconv.ATTR_REFUSAL_CODE,
            ),
            legend=legend(semconv.ATTR_REFUSAL_CODE),
        ),
        Query(
            expr=total(increase(select(semconv.METRIC_BYZANTINE_DETECTION_COUNT)), semconv.ATTR_DETECTION_METHOD),
            legend=f"screen {legend(semconv.ATTR_DETECTION_METHOD)}",
        ),
        bars=True,
        stacked=True,
        table_legend=True,
    )
    reputation = chart(
        "How is reputation moving?",
        "Median and lowest. The lowest falls in the first rounds of an attack, long before quarantine; the median "
        "should not.",
        Query(expr=largest(select(semconv.METRIC_REPUTATION_MEDIAN)), legend="median"),
        Query(expr=smallest(select(semconv.METRIC_REPUTATION_LOWEST)), legend="lowest"),
        unit=FRACTION,
        greatest=1.0,
        colours={"median": GREEN, "lowest": RED},
    )
    kept_out = chart(
        "Is it contained?",
        "Agents kept out, beside the bound. All that lie should be among them within some rounds.",
        Query(expr=quarantined, legend="in quarantine"),
        Query(expr=observed, legend="on probation"),
        Query(expr=bound, legend="fault bound"),
        stacked=True,
        colours={"in quarantine": ORANGE, "on probation": YELLOW, "fault bound": RED},
        dashed=["fault bound"],
    )
    truth = chart(
        "Are the right ones found?",
        "Precision and recall of the flags; in simulations only, where it is known who lies.",
        Query(
            expr=smallest(select(semconv.METRIC_DETECTION_PRECISION), semconv.ATTR_ATTACK),
            legend=f"precision {legend(semconv.ATTR_ATTACK)}",
        ),
        Query(
            expr=smallest(select(semconv.METRIC_DETECTION_RECALL), semconv.ATTR_ATTACK),
            legend=f"recall {legend(semconv.ATTR_ATTACK)}",
        ),
        unit=FRACTION,
        greatest=1.0,
    )
    verdicts = chart(
        "Verdicts",
        "All updates by what became of them.",
        Query(expr=total(increase(updates), semconv.ATTR_VERDICT), legend=legend(semconv.ATTR_VERDICT)),
        bars=True,
        stacked=True,
        colours={"accepted": GREEN, "clipped": BLUE, "rejected": RED, "late": YELLOW},
    )
    return dashboard(
        TRUST,
        "Byzantine and trust",
        "Who lies, since when, and is it contained? Single agents are in traces and events, not in metrics: "
        "`swarmlore status` names them.",
        [
            (4, [(4, panel) for panel in numbers]),
            (8, [(8, onset), (16, reasons)]),
            (8, [(6, kept_out), (6, reputation), (6, verdicts), (6, truth)]),
        ],
    )
