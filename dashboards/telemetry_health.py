"""Telemetry cost and health: can what the other dashboards show be believed, and what does it cost?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import TELEMETRY, dashboard
from dashboards.panels import (
    BLUE,
    COUNT,
    GREEN,
    NUMBER,
    PER_SECOND,
    RED,
    SECONDS,
    YELLOW,
    Query,
    chart,
    listing,
    number,
)
from dashboards.queries import RANGE, increase, legend, rate, select, share, total
from telemetry import semconv
from telemetry.promnames import metric_name

_ANY = metric_name(semconv.METRIC_ROUNDS.rpartition(".")[0], unit="", instrument="gauge")
"""What the names of all our series begin with."""


def telemetry_health() -> dict[str, Any]:
    """The dashboard."""
    dropped, delivered = select(semconv.METRIC_TELEMETRY_DROPPED), select(semconv.METRIC_TELEMETRY_DELIVERED)
    pending, rounds = select(semconv.METRIC_TELEMETRY_PENDING), select(semconv.METRIC_ROUNDS)
    every = f'{{__name__=~"{_ANY}_.+", job=~"$job"}}'
    numbers = [
        number(
            "Dropped",
            "Spans and events of the range that were not delivered: the collector was gone, slow or refused them.",
            Query(expr=total(increase(dropped, RANGE)), instant=True),
            steps=((None, GREEN), (1, YELLOW), (1000, RED)),
            decimals=0,
        ),
        number(
            "Waiting",
            "Spans and events in the processes' queues. At 16,384 in one process new ones are dropped.",
            Query(expr=total(pending)),
            steps=((None, GREEN), (5_000, YELLOW), (16_000, RED)),
        ),
        number(
            "Per round",
            "Spans and events that one round makes. It follows the swarm's size up to the limit of per-agent spans.",
            Query(expr=share(total(increase(delivered, RANGE)), total(increase(rounds, RANGE))), instant=True),
            decimals=0,
            none="no rounds",
        ),
        number(
            "Series",
            "Series of this swarm in Prometheus. It does not grow with agents: no agent is a label.",
            Query(expr=f"count({every})", instant=True),
            unit=NUMBER,
            steps=((None, GREEN), (5_000, YELLOW), (20_000, RED)),
        ),
        number(
            "Silent actors",
            "Actors that did not answer the last scrape in time. What they measured is missing, until they do again.",
            Query(expr=total(select(semconv.METRIC_ACTORS_SILENT)), instant=True),
            steps=((None, GREEN), (1, RED)),
        ),
        number(
            "Endpoint",
            "Whether Prometheus reaches /metrics.",
            Query(expr='min(up{job=~"$job"})', instant=True),
            unit=NUMBER,
            words={"0": ("down", RED), "1": ("up", GREEN)},
        ),
    ]
    losses = chart(
        "Is anything lost?",
        "Spans and events that were not delivered, by signal and kind of actor. Rounds never wait for them.",
        Query(
            expr=total(increase(dropped), semconv.ATTR_SIGNAL, semconv.ATTR_ACTOR_KIND),
            legend=legend(semconv.ATTR_SIGNAL, semconv.ATTR_ACTOR_KIND),
        ),
        bars=True,
        stacked=True,
    )
    flow = chart(
        "How much is sent?",
        "Spans and events a second that the collector took.",
        Query(expr=total(rate(delivered), semconv.ATTR_SIGNAL), legend=legend(semconv.ATTR_SIGNAL)),
        unit=PER_SECOND,
        stacked=True,
    )
    queues = chart(
        "Does the collector keep up?",
        "Spans and events that wait, by kind of actor. A queue that only grows ends in drops.",
        Query(expr=total(pending, semconv.ATTR_ACTOR_KIND), legend=legend(semconv.ATTR_ACTOR_KIND)),
        unit=COUNT,
    )
    scrapes = chart(
        "What does a scrape cost?",
        "Seconds for one scrape of /metrics.",
        Query(expr='max by (job) (scrape_duration_seconds{job=~"$job"})', legend="{{job}}"),
        unit=SECONDS,
        colours={"swarmlore": BLUE},
    )
    samples = chart(
        "How much does a scrape bring?",
        "Samples in one scrape. It grows with hosts and with words that are new, not with agents or rounds.",
        Query(expr='max by (job) (scrape_samples_scraped{job=~"$job"})', legend="{{job}}"),
        unit=COUNT,
    )
    largest_metrics = listing(
        "Which metrics have the most series?",
        "The ten metrics with the most label combinations: where to look when a scrape gets slow.",
        Query(expr=f"topk(10, count by (__name__) ({every}))", instant=True, format="table"),
        columns={"__name__": "Metric", "Value": "Series"},
    )
    return dashboard(
        TELEMETRY,
        "Telemetry cost and health",
        "Can what the other dashboards show be believed, and what does it cost?",
        [
            (4, [(4, panel) for panel in numbers]),
            (8, [(8, losses), (8, flow), (8, queues)]),
            (8, [(8, scrapes), (8, samples), (8, largest_metrics)]),
        ],
    )
