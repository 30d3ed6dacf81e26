"""Queries are made of the registry's names, or not at all."""

from __future__ import annotations

import pytest

from dashboards.queries import (
    DASHBOARD,
    EVERYTHING,
    increase,
    largest,
    legend,
    mean,
    quantile,
    rate,
    select,
    share,
    total,
)
from telemetry import semconv
from telemetry.promnames import BUCKET


def test_a_selector_is_narrowed_to_the_variables() -> None:
    assert select(semconv.METRIC_ROUNDS, where={semconv.ATTR_OUTCOME: "success"}) == (
        'federated_learning_rounds_total{job=~"$job", federated_learning_workload=~"$workload", '
        'federated_learning_outcome="success"}'
    )


def test_a_metric_without_a_workload_is_not_narrowed_to_one() -> None:
    assert select(semconv.METRIC_SYMPTOMS, scope=DASHBOARD) == 'federated_learning_symptoms_total{job=~"$job"}'
    assert select(semconv.METRIC_SYMPTOMS, scope=EVERYTHING) == "federated_learning_symptoms_total"


def test_values_with_dots_are_taken_literally() -> None:
    chosen = {semconv.ATTR_ABORT_REASON: ("round.quorum", "rule.bound")}
    assert 'reason=~"round[.]quorum|rule[.]bound"' in select(semconv.METRIC_ROUNDS_ABORTED, any_of=chosen)


def test_values_can_be_excluded_and_matched() -> None:
    none = select(semconv.METRIC_SUBMISSIONS, none_of={semconv.ATTR_ANSWER_CODE: ("accepted", "a.b")})
    assert 'answer_code!~"accepted|a[.]b"' in none
    broken = {semconv.ATTR_HTTP_RESPONSE_STATUS_CODE: "5.."}
    assert 'http_response_status_code=~"5.."' in select(semconv.METRIC_REQUEST_DURATION, part=BUCKET, like=broken)


def test_absence_can_be_excluded() -> None:
    assert 'refusal_code!=""' in select(semconv.METRIC_UPDATES, unlike={semconv.ATTR_REFUSAL_CODE: ""})


def test_an_attribute_that_the_metric_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has no attribute federated\.learning\.verdict"):
        select(semconv.METRIC_ROUNDS, where={semconv.ATTR_VERDICT: "accepted"})


def test_a_histogram_needs_a_part_and_nothing_else_has_one() -> None:
    with pytest.raises(ValueError, match="is a histogram"):
        select(semconv.METRIC_ROUND_DURATION)
    with pytest.raises(ValueError, match="is a counter"):
        select(semconv.METRIC_ROUNDS, part=BUCKET)


def test_a_metric_that_is_not_in_the_registry_is_refused() -> None:
    with pytest.raises(KeyError):
        select("federated.learning.nothing")


def test_expressions() -> None:
    rounds = select(semconv.METRIC_ROUNDS, scope=EVERYTHING)
    assert total(rate(rounds)) == "sum(rate(federated_learning_rounds_total[$__rate_interval]))"
    assert largest(increase(rounds, "1h"), "job", semconv.ATTR_OUTCOME) == (
        "max by (job, federated_learning_outcome) (increase(federated_learning_rounds_total[1h]))"
    )
    assert share("a", "b") == "a / (b > 0)"
    assert legend(semconv.ATTR_OUTCOME) == "{{federated_learning_outcome}}"
    assert quantile(0.5, semconv.METRIC_ROUND_DURATION, window="5m", scope=EVERYTHING) == (
        "histogram_quantile(0.5, sum by (le) (rate(federated_learning_round_duration_seconds_bucket[5m])))"
    )
    assert "_seconds_sum" in mean(semconv.METRIC_ROUND_DURATION)
    assert "_seconds_count" in mean(semconv.METRIC_ROUND_DURATION)
