"""captured() holds telemetry against the registry."""

from __future__ import annotations

import pytest

from telemetry import semconv
from telemetry.testing import captured

ROUND = {semconv.ATTR_ROUND: 1, semconv.ATTR_WORKLOAD: "gradients"}


def test_what_the_registry_allows_passes() -> None:
    with captured() as capture:
        with capture.telemetry.span(semconv.SPAN_ROUND, {**ROUND, semconv.ATTR_CONVERGENCE_KL_DIVERGENCE: 5}):
            pass
        capture.telemetry.count(
            semconv.METRIC_ROUNDS, 1, {semconv.ATTR_WORKLOAD: "gradients", semconv.ATTR_OUTCOME: "success"}
        )
        assert capture.total(semconv.METRIC_ROUNDS) == 1
        assert capture.total(semconv.METRIC_ROUNDS, {semconv.ATTR_OUTCOME: "failure"}) == 0
        assert len(capture.named(semconv.SPAN_ROUND)) == 1


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({semconv.ATTR_ROUND: 1}, f"lacks {semconv.ATTR_WORKLOAD}"),
        ({**ROUND, "colour": "red"}, "has colour, which the registry does not give it"),
        ({**ROUND, semconv.ATTR_RULE: 5}, "it must be string"),
        ({**ROUND, semconv.ATTR_ROUND: True}, "it must be int"),
        ({**ROUND, semconv.ATTR_ROUND: 1.0}, "it must be int"),
        ({**ROUND, semconv.ATTR_OUTCOME: "poems"}, "it must be one of"),
    ],
)
def test_what_it_does_not_allow_fails(attributes: dict[str, object], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem), captured() as capture:
        capture.telemetry.span(semconv.SPAN_ROUND, attributes).end()  # type: ignore[arg-type]


def test_unknown_names_fail() -> None:
    with pytest.raises(AssertionError, match=r"span made\.up is not in the registry"), captured() as capture:
        capture.telemetry.span("made.up").end()
    with pytest.raises(AssertionError, match=r"event made\.up is not in the registry"), captured() as capture:
        capture.telemetry.event("made.up")


def test_an_agent_on_a_metric_fails() -> None:
    with pytest.raises(AssertionError, match="agent_id, which the registry does not give it"), captured() as capture:
        capture.telemetry.gauge(
            semconv.METRIC_LOCAL_LOSS, 0.5, {semconv.ATTR_WORKLOAD: "gradients", semconv.ATTR_AGENT_ID: "agent-1"}
        )
