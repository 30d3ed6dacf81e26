"""Learning: does the swarm learn, how fast, and is it done?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import LEARNING, dashboard
from dashboards.overview import STATUS_WORDS, status_number
from dashboards.panels import BYTES, FRACTION, GREEN, GREY, NUMBER, RED, YELLOW, Query, chart, number, states
from dashboards.queries import average, increase, largest, legend, select, total
from telemetry import semconv


def learning() -> dict[str, Any]:
    """The dashboard."""
    numbers = [
        number(
            "Learning",
            "Where the run stands: training, converged, stalled (no trend above the threshold) or diverging.",
            Query(expr=status_number(), instant=True),
            unit=NUMBER,
            words=STATUS_WORDS,
        ),
        number(
            "Accuracy",
            "Share of held-out cases that the current release gets right; for workloads that have held-out cases.",
            Query(expr=largest(select(semconv.METRIC_ACCURACY))),
            unit=FRACTION,
            decimals=1,
            none="not measured",
        ),
        number(
            "Rounds to convergence",
            "Rounds that the run took until it was called converged.",
            Query(expr=largest(select(semconv.METRIC_CONVERGENCE_ROUNDS)), instant=True),
            none="not yet",
        ),
        number(
            "Release",
            "Version of the release in force. It grows by one with each round that is not refused, and with a "
            "rollback.",
            Query(expr=largest(select(semconv.METRIC_RELEASE_VERSION)), instant=True),
            unit=NUMBER,
        ),
        number(
            "Release size",
            "Bytes of the current release's artefact.",
            Query(expr=largest(select(semconv.METRIC_RELEASE_SIZE)), instant=True),
            unit=BYTES,
        ),
        number(
            "Rollbacks",
            "Releases, in the process's life, that brought an earlier one back.",
            Query(expr=total(select(semconv.METRIC_ROLLBACKS)), instant=True),
            steps=((None, GREEN), (1, YELLOW)),
        ),
    ]
    divergence = chart(
        "How far does the knowledge still move?",
        "KL divergence between the last two releases, by what it is measured on, in nats. A straight fall on this "
        "scale "
        "is geometric; a flat line above the threshold is a stall.",
        Query(
            expr=largest(select(semconv.METRIC_KL_DIVERGENCE), semconv.ATTR_WORKLOAD, semconv.ATTR_CONVERGENCE_MEASURE),
            legend=legend(semconv.ATTR_WORKLOAD, semconv.ATTR_CONVERGENCE_MEASURE),
        ),
        unit=NUMBER,
        log=True,
    )
    loss = chart(
        "Does it learn?",
        "Training loss over all agents whose updates counted, and over each host's agents. A host apart from the "
        "others "
        "has other data, or agents that lie.",
        Query(
            expr=average(select(semconv.METRIC_GLOBAL_LOSS), semconv.ATTR_WORKLOAD),
            legend=f"{legend(semconv.ATTR_WORKLOAD)}, all",
        ),
        Query(expr=average(select(semconv.METRIC_LOCAL_LOSS), "instance"), legend="{{instance}}"),
        unit=NUMBER,
        smallest=None,
    )
    accuracy = chart(
        "Does it get better?",
        "Accuracy of the release on held-out cases.",
        Query(
            expr=largest(select(semconv.METRIC_ACCURACY), semconv.ATTR_WORKLOAD), legend=legend(semconv.ATTR_WORKLOAD)
        ),
        unit=FRACTION,
        greatest=1.0,
    )
    differences = chart(
        "How different are the agents?",
        "Jensen-Shannon divergence of the agents' action distributions, in nats: 0 when all act alike. "
        "More of it needs more local epochs and makes honest agents look like liars.",
        Query(
            expr=largest(select(semconv.METRIC_HETEROGENEITY), semconv.ATTR_WORKLOAD),
            legend=legend(semconv.ATTR_WORKLOAD),
        ),
        unit=NUMBER,
    )
    opinions = chart(
        "Do the validators agree?",
        "Distance between the validators' divergences, and rounds in which they would have decided differently.",
        Query(expr=largest(select(semconv.METRIC_KL_SPREAD)), legend="spread, nats"),
        Query(expr=total(increase(select(semconv.METRIC_DISAGREEMENTS))), legend="rounds apart"),
        unit=NUMBER,
        colours={"spread, nats": GREY, "rounds apart": RED},
    )
    band = states(
        "Status over time",
        "The status after each round.",
        Query(expr=status_number(semconv.ATTR_WORKLOAD), legend=legend(semconv.ATTR_WORKLOAD)),
        words=STATUS_WORDS,
    )
    return dashboard(
        LEARNING,
        "Learning",
        "Does the swarm learn, how fast, and is it done?",
        [
            (4, [(4, panel) for panel in numbers]),
            (9, [(12, divergence), (12, loss)]),
            (3, [(24, band)]),
            (7, [(8, accuracy), (8, differences), (8, opinions)]),
        ],
    )
