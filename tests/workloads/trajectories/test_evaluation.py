"""From evaluation results to a reward."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import SettingError
from workloads.trajectories import Evaluation, Scoring, SpanEvent, SpanRecord
from workloads.trajectories.evaluation import evaluation_of, evaluations_on

NAME, SCORE, LABEL = "gen_ai.evaluation.name", "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label"


def one(score: float | None = None, *, name: str = "m", label: str = "", time: int = 1) -> Evaluation:
    return Evaluation(name=name, score=score, label=label, time_ns=time)


def test_the_mean_over_measures_with_the_newest_of_each() -> None:
    found = [one(0.0, time=1), one(1.0, time=2), one(0.5, name="n")]
    assert Scoring().reward(found) == 0.75
    assert Scoring(name="n").reward(found) == 0.5
    assert Scoring(name="other").reward(found) is None
    assert Scoring().reward([]) is None


@given(
    st.permutations([one(0.1), one(0.2, name="a"), one(0.3, name="b"), one(0.7, time=1), one(label="pass", name="c")])
)
def test_order_does_not_matter(found: list[Evaluation]) -> None:
    assert Scoring().reward(found) == Scoring().reward(sorted(found, key=repr))


def test_labels_count_where_there_is_no_number() -> None:
    assert Scoring().reward([one(label="pass")]) == 1.0
    assert Scoring().reward([one(label="fail"), one(1.0, name="n", label="fail")]) == 0.5
    assert Scoring().reward([one(label="splendid")]) is None
    assert Scoring(labels={"splendid": 2.0}).reward([one(label="splendid")]) == 2.0


@pytest.mark.parametrize(
    "attributes",
    [{}, {NAME: "m"}, {SCORE: float("nan")}, {SCORE: True}, {SCORE: "1"}, {SCORE: 1.0, "error.type": "timeout"}],
)
def test_what_is_no_result(attributes: dict[str, object]) -> None:
    assert evaluation_of(attributes, trace_id="", span_id="", time_ns=0) is None


def test_spans_tell_by_events_and_by_attributes() -> None:
    event = SpanEvent(name="gen_ai.evaluation.result", time_ns=7, attributes={SCORE: 0.5})
    span = SpanRecord(
        trace_id="t",
        span_id="s",
        parent_id="p",
        end_ns=9,
        # The operation failed; that is no reason to doubt its evaluation.
        attributes={LABEL: " PASS ", "error.type": "timeout"},
        events=(event, SpanEvent(name="other", time_ns=8, attributes={SCORE: 0.9})),
    )
    by_event, by_attribute = evaluations_on(span)
    assert (by_event.score, by_event.time_ns, by_event.span_id) == (0.5, 7, "s")
    assert (by_attribute.label, by_attribute.time_ns, by_attribute.span_id) == ("pass", 9, "s")


def test_a_span_that_stands_for_the_event_judges_its_parent() -> None:
    span = SpanRecord(trace_id="t", span_id="s", parent_id="p", name="gen_ai.evaluation.result", attributes={SCORE: 1})
    assert [found.span_id for found in evaluations_on(span)] == ["p"]


@pytest.mark.parametrize("labels", [{"Pass": 1.0}, {"pass": float("inf")}])
def test_labels_are_checked(labels: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        Scoring(labels=labels)
