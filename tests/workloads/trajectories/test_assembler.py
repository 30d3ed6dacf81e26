"""Gathering spans: any order, duplicates, time, memory, counts."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from workloads.trajectories import Assembler, AssemblySettings, Drop, Ending, EventRecord, SpanRecord
from workloads.trajectories.trajectory import Trajectory

NS = 1_000_000_000
Make = Callable[..., SpanRecord]
Judge = Callable[..., EventRecord]


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[SpanRecord], list[EventRecord]]:
    """Spans of a few traces, nested at random, some unfinished, some without their parents; and evaluations."""
    spans: list[SpanRecord] = []
    events: list[EventRecord] = []
    for trace in range(1, draw(st.integers(1, 3)) + 1):
        count = draw(st.integers(1, 7))
        for number in range(1, count + 1):
            operation = draw(st.sampled_from(["invoke_agent", "execute_tool", "chat", "retrieval"]))
            start = draw(st.integers(0, 6))
            attributes: dict[str, object] = {"gen_ai.operation.name": operation}
            if operation == "execute_tool":
                attributes["gen_ai.tool.name"] = draw(st.sampled_from("abc"))
            if operation == "invoke_agent":
                attributes["gen_ai.agent.id"] = draw(st.sampled_from(["x", "y"]))
            if draw(st.booleans()):
                attributes["gen_ai.conversation.id"] = draw(st.sampled_from(["c1", "c2"])) if trace > 1 else "c1"
            if operation == "chat":
                attributes["gen_ai.response.id"] = f"r{trace}-{number}"
            parent = draw(st.integers(0, count + 1))
            spans.append(
                SpanRecord(
                    trace_id=f"{trace:032x}",
                    span_id=f"{number:016x}",
                    parent_id=f"{parent:016x}" if parent not in (0, number) else "",
                    start_ns=start * NS,
                    end_ns=draw(st.sampled_from([0, start + 1, start + 4])) * NS,
                    attributes=attributes,
                    resource={"service.name": "s"},
                )
            )
        for _ in range(draw(st.integers(0, 2))):
            by_response = draw(st.booleans())
            attributes = {
                "gen_ai.evaluation.name": draw(st.sampled_from("mn")),
                "gen_ai.evaluation.score.value": draw(st.sampled_from([0.0, 0.5, 1.0])),
            }
            if by_response:
                attributes["gen_ai.response.id"] = f"r{trace}-{draw(st.integers(1, count))}"
            events.append(
                EventRecord(
                    name="gen_ai.evaluation.result",
                    time_ns=draw(st.integers(0, 9)) * NS,
                    trace_id="" if by_response else f"{trace:032x}",
                    span_id="" if by_response else f"{draw(st.integers(1, count)):016x}",
                    attributes=attributes,
                )
            )
    return spans, events


def gathered(records: list[SpanRecord | EventRecord], *, by: str = "trace") -> list[Trajectory]:
    assembler = Assembler(AssemblySettings(by=by))  # type: ignore[arg-type]
    for record in records:
        if isinstance(record, SpanRecord):
            assembler.add([record], now_ns=0)
        else:
            assembler.add((), [record], now_ns=0)
    return sorted(assembler.finish(), key=lambda found: (found.key, found.agent or ""))


@settings(deadline=None, max_examples=80)
@given(fleets(), st.randoms(use_true_random=False))
def test_any_order_and_any_duplicates_give_the_same(
    fleet: tuple[list[SpanRecord], list[EventRecord]], luck: random.Random
) -> None:
    records: list[SpanRecord | EventRecord] = [*fleet[0], *fleet[1]]
    expected = gathered(records)
    shuffled = records + luck.choices(records, k=len(records))
    luck.shuffle(shuffled)
    assert gathered(shuffled) == expected


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_conversations(turns: list[int], luck: random.Random) -> None:
    """A trace a turn; only some spans of it say of which conversation they are."""
    records: list[SpanRecord | EventRecord] = []
    for trace, tools in enumerate(turns, start=1):
        said: dict[str, object] = {"gen_ai.conversation.id": f"c{trace % 2}"}
        place = trace * 100
        records.append(
            SpanRecord(
                trace_id=f"{trace:032x}",
                span_id=f"{1:016x}",
                start_ns=place * NS,
                end_ns=(place + 50) * NS,
                attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "a", **said},
            )
        )
        records += [
            SpanRecord(
                trace_id=f"{trace:032x}",
                span_id=f"{number + 2:016x}",
                parent_id=f"{1:016x}",
                start_ns=(place + number + 1) * NS,
                end_ns=(place + number + 2) * NS,
                attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": f"t{trace}.{number}"},
            )
            for number in range(tools)
        ]
    expected = gathered(records, by="conversation")
    luck.shuffle(records)
    assert gathered(records, by="conversation") == expected
    assert {found.key for found in expected} == {f"c{trace % 2}" for trace in range(1, len(turns) + 1)}
    assert sum(len(found.steps) for found in expected) == sum(turns)


def test_the_ended_record_of_a_span_replaces_the_unfinished_one(span: Make) -> None:
    begun, ended = span("invoke_agent", 1, agent="a", end=0), span("invoke_agent", 1, agent="a", end=5)
    for order in ([begun, ended], [ended, begun]):
        assembler = Assembler()
        assembler.add(order, now_ns=0)
        (found,) = assembler.finish()
        assert (found.ending, found.end_ns) == (Ending.COMPLETE, 5 * NS)
        assert assembler.tally.dropped == {Drop.DUPLICATE: 1}


def test_a_judged_run_ends_after_lingering(span: Make, judged: Judge) -> None:
    assembler = Assembler(AssemblySettings(linger_s=5, settle_s=60, timeout_s=600))
    assembler.add([span("invoke_agent", 1, agent="a")], [judged(1.0)], now_ns=0)
    assert assembler.due(4 * NS) == []
    assembler.add([span("execute_tool", 2, parent=1, tool="x")], now_ns=4 * NS)
    assert assembler.due(8 * NS) == []
    (found,) = assembler.due(9 * NS)
    assert (found.ending, found.reward, len(found.steps)) == (Ending.COMPLETE, 1.0, 1)
    assert len(assembler) == assembler.held == 0


def test_a_run_waits_longer_for_its_evaluation(span: Make) -> None:
    assembler = Assembler()
    assembler.add([span("invoke_agent", 1, agent="a")], now_ns=0)
    assert assembler.due(59 * NS) == []
    assert [found.ending for found in assembler.due(60 * NS)] == [Ending.COMPLETE]


def test_an_inner_agents_end_is_not_the_end(span: Make, judged: Judge) -> None:
    assembler = Assembler()
    assembler.add([span("invoke_agent", 2, parent=1, agent="a")], [judged(1.0, span=2)], now_ns=0)
    assert assembler.due(30 * NS) == []


def test_an_unfinished_run_times_out_incomplete(span: Make) -> None:
    assembler = Assembler()
    assembler.add([span("execute_tool", 2, parent=1, tool="x", agent="a")], now_ns=0)
    assert assembler.due(599 * NS) == []
    assert [found.ending for found in assembler.due(600 * NS)] == [Ending.INCOMPLETE]
    assert assembler.tally.endings == {Ending.INCOMPLETE: 1}


def test_what_comes_after_the_end_is_late(span: Make, judged: Judge) -> None:
    assembler = Assembler()
    assembler.add([span("invoke_agent", 1, agent="a")], now_ns=0)
    assembler.due(60 * NS)
    assembler.add([span("execute_tool", 2, parent=1, tool="x")], [judged(1.0)], now_ns=61 * NS)
    assert assembler.finish() == []
    assert assembler.tally.dropped == {Drop.LATE: 2}


def test_the_quietest_makes_room(span: Make) -> None:
    assembler = Assembler(AssemblySettings(max_open=2))
    for trace in (1, 2):
        assembler.add([span("execute_tool", 1, trace=trace, tool="x", agent="a")], now_ns=trace)
    assembler.add([span("execute_tool", 2, trace=1, tool="x", agent="a")], now_ns=3)
    (evicted,) = assembler.add([span("execute_tool", 1, trace=3, tool="x", agent="a")], now_ns=4)
    assert (evicted.key, evicted.ending) == (f"{2:032x}", Ending.EVICTED)
    assert assembler.tally.endings == {Ending.EVICTED: 1}


def test_spans_of_one_trace_are_bounded(span: Make) -> None:
    assembler = Assembler(AssemblySettings(max_spans=3))
    assembler.add([span("execute_tool", number, tool="x", agent="a") for number in range(1, 9)], now_ns=0)
    assert assembler.held == 3
    (found,) = assembler.finish()
    assert (len(found.steps), found.truncated) == (3, True)
    assert assembler.tally.dropped == {Drop.FULL: 5}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), max_size=80), st.integers(1, 5), st.integers(1, 12))
def test_memory_is_bounded_and_every_span_is_accounted_for(
    arrivals: list[tuple[int, int]], most_open: int, most_held: int
) -> None:
    assembler = Assembler(AssemblySettings(max_open=most_open, max_held=most_held, max_spans=4))
    ended: list[Trajectory] = []
    for now, (trace, number) in enumerate(arrivals):
        record = SpanRecord(
            trace_id=f"{trace:032x}",
            span_id=f"{number:016x}",
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"},
        )
        ended += assembler.add([record], now_ns=now)
        assert len(assembler) <= most_open
        assert assembler.held <= most_held
    ended += assembler.finish()
    dropped = sum(assembler.tally.dropped.values())
    assert assembler.tally.received == len(arrivals) == dropped + sum(len(found.steps) for found in ended)


def test_spans_that_are_no_agents_open_nothing(span: Make) -> None:
    assembler = Assembler()
    assembler.add([span(None, 1)], now_ns=0)
    assert len(assembler) == 0
    assert assembler.tally.dropped == {Drop.NOT_AGENT: 1}


def test_an_evaluation_finds_its_response_before_and_after(span: Make, judged: Judge) -> None:
    chat = span("chat", 2, parent=1, agent="a", attributes={"gen_ai.response.id": "r1"})
    event = judged(0.75, trace=0, span=0, response__id="r1")
    for first in ("span", "event"):
        assembler = Assembler()
        if first == "span":
            assembler.add([chat], now_ns=0)
            assembler.add((), [event], now_ns=0)
        else:
            assembler.add((), [event], now_ns=0)
            assembler.add([chat], now_ns=0)
        assert [found.reward for found in assembler.finish()] == [0.75]


def test_orphaned_evaluations_are_bounded(judged: Judge) -> None:
    assembler = Assembler(AssemblySettings(max_open=2))
    assembler.add((), [judged(1.0, trace=0, span=0, response__id=f"r{n}") for n in range(5)], now_ns=0)
    assert assembler.tally.dropped == {Drop.EVICTED: 3}


def test_an_unreadable_evaluation_is_counted(judged: Judge) -> None:
    assembler = Assembler()
    assembler.add((), [judged(None), judged(float("nan")), judged(1.0, trace=0, span=0)], now_ns=0)
    assert assembler.tally.dropped == {Drop.MALFORMED: 2, Drop.NOT_AGENT: 1}


@pytest.mark.parametrize(
    "wrong",
    [{"by": "moon"}, {"linger_s": 61.0}, {"linger_s": -1.0}, {"max_open": 0}, {"max_spans": 0}, {"max_held": 0}],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        AssemblySettings(**wrong)  # type: ignore[arg-type]
