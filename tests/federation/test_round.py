"""The round's machine: every way it closes or ends, as lists of events; and what no list can make it do."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import QuorumError, RoundAbortedError, RuleBoundError, SettingError, TransitionError
from federation.events import (
    Abort,
    Aggregate,
    Aggregated,
    Applied,
    Apply,
    Arrived,
    AskCommitments,
    AskUpdates,
    Committed,
    Event,
    Failed,
    Finish,
    Instruction,
    Lost,
    Opened,
    QuorumRaised,
    Release,
    Released,
    Stopped,
    Ticked,
    Validate,
    Validated,
    Wake,
    WindowExtended,
)
from federation.round import Phase, Round

ROSTER = tuple("abcdefg")
RULE = RuleBoundError(rule="krum", n=3, f=2, needed=7, bound="n >= 2f + 3")


def came(agents: str, at: float, **more: Any) -> Arrived:
    return Arrived(accepted=tuple(agents), at=at, **more)


def aggregate(agents: str) -> Aggregate:
    return Aggregate(agents=tuple(agents), fault_bound=2)


def opened(fleet: Any, **changes: Any) -> Round:
    machine = Round(fleet.terms(**changes))
    machine.handle(Opened(at=0.0))
    return machine


PATHS: dict[str, tuple[list[Event], list[list[Instruction]]]] = {
    "everybody answers": (
        [came("ga", 1.0), came("bcdef", 2.0)],
        [[], [aggregate("abcdefg")]],
    ),
    "a quorum lingers": (
        [came("abcde", 1.0), Ticked(at=1.5), Ticked(at=2.0)],
        [[Wake(at=2.0)], [], [aggregate("abcde")]],
    ),
    "the last one comes while it lingers": (
        [came("abcde", 1.0), came("fg", 1.5)],
        [[Wake(at=2.0)], [aggregate("abcdefg")]],
    ),
    "a quorum at the deadline does not linger beyond it": (
        [came("abcde", 9.5), Ticked(at=10.0)],
        [[Wake(at=10.5)], [aggregate("abcde")]],
    ),
    "those refused for good have answered": (
        [came("abcde", 1.0, refused={"f": "gate.norm", "g": "gate.norm"})],
        [[aggregate("abcde")]],
    ),
    "a withdrawal breaks the quorum, and the linger starts anew": (
        [came("abcde", 1.0), came("", 1.5, withdrawn=("a",)), Ticked(at=2.0), came("f", 3.0), Ticked(at=4.0)],
        [[Wake(at=2.0)], [], [], [Wake(at=4.0)], [aggregate("bcdef")]],
    ),
    "a lost host comes back": (
        [Lost(agents=("a", "b"), reason="ActorDiedError", at=1.0), came("abcdefg", 2.0)],
        [[], [aggregate("abcdefg")]],
    ),
    "strangers and second answers count for nothing": (
        [came("xyzaa", 1.0), came("a", 1.1), came("bcde", 1.2), Ticked(at=2.2)],
        [[], [], [Wake(at=2.2)], [aggregate("abcde")]],
    ),
    "a raised quorum waits for more": (
        [QuorumRaised(to=6, at=0.5), came("abcde", 1.0), Ticked(at=3.0), came("f", 4.0), Ticked(at=5.0)],
        [[], [], [], [Wake(at=5.0)], [aggregate("abcdef")]],
    ),
    "a raised quorum that cannot come any more": (
        [QuorumRaised(to=7, at=0.1), came("abcde", 1.0), came("", 2.0, refused={"g": "gate.norm"}), came("f", 3.0)],
        [[], [], [], [aggregate("abcdef")]],
    ),
    "a raised quorum at the deadline": (
        [QuorumRaised(to=7, at=0.1), came("abcdef", 1.0), Ticked(at=9.9), Ticked(at=10.0)],
        [[], [], [], [aggregate("abcdef")]],
    ),
    "an extended window": (
        [WindowExtended(by_s=5.0, at=8.0), Ticked(at=10.0), came("abcde", 12.0), Ticked(at=13.0)],
        [[Wake(at=15.0)], [], [Wake(at=13.0)], [aggregate("abcde")]],
    ),
    "the whole way": (
        [
            came("abcdefg", 1.0), Aggregated(at=2.0), Validated(at=3.0), Released(version=4, at=4.0), Applied(at=5.0),
        ],
        [[aggregate("abcdefg")], [Validate()], [Release()], [Apply(version=4)], [Finish()]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_ways_to_close(fleet: Any, path: str) -> None:
    events, wanted = PATHS[path]
    machine = opened(fleet)
    assert [machine.handle(event) for event in events] == wanted
    assert [opened(fleet).handle(*events)] == [[step for steps in wanted for step in steps]]


@pytest.mark.parametrize(
    ("events", "valid", "refused", "missing"),
    [
        ([Ticked(at=10.0)], 0, 0, 7),
        ([came("abcd", 1.0), Ticked(at=10.0)], 4, 0, 3),
        ([came("", 1.0, refused=dict.fromkeys("abc", "gate.norm"))], 0, 3, 4),
        ([came("abcde", 1.0), came("", 1.1, withdrawn=("a", "b", "c"))], 2, 3, 2),
        ([QuorumRaised(to=7, at=0.1), came("abcd", 1.0), Ticked(at=10.0)], 4, 0, 3),
    ],
)
def test_no_quorum_ends_in_the_numbers(fleet: Any, events: list[Event], valid: int, refused: int, missing: int) -> None:
    machine = opened(fleet)
    [abort] = machine.handle(*events)[-1:]
    assert isinstance(abort, Abort)
    error = abort.error
    assert isinstance(error, QuorumError)
    assert (error.valid, error.refused, error.missing) == (valid, refused, missing)
    assert (error.n, error.f, error.quorum) == (7, 2, machine.terms.quorum)
    assert machine.phase is Phase.ABORTED
    assert machine.error is error


@pytest.mark.parametrize("phase", list(Phase))
def test_a_stop_ends_the_round_unless_its_release_may_be_written(fleet: Any, phase: Phase) -> None:
    machine = at_phase(fleet, phase)
    found = machine.handle(Stopped(reason="asked", at=9.0))
    if phase in (Phase.COMMITTING, Phase.COLLECTING, Phase.AGGREGATING, Phase.VALIDATING):
        [abort] = found
        assert isinstance(abort, Abort)
        assert isinstance(abort.error, RoundAbortedError)
        assert abort.error.reason == "asked"
        assert machine.handle(Aggregated(at=9.1), Validated(at=9.2), came("a", 9.3), Ticked(at=99.0)) == []
    else:
        assert found == []
        assert machine.phase is phase


def at_phase(fleet: Any, phase: Phase) -> Round:
    machine = opened(fleet, commit_reveal=phase is Phase.COMMITTING)
    way: list[Event] = [
        came("abcdefg", 1.0), Aggregated(at=2.0), Validated(at=3.0), Released(version=4, at=4.0), Applied(at=5.0),
    ]  # fmt: skip
    if phase is Phase.ABORTED:
        machine.handle(Failed(error=RULE, at=1.0))
    elif phase is not Phase.COMMITTING:
        for event in way:
            if machine.phase is phase:
                break
            machine.handle(event)
    assert machine.phase is phase
    return machine


@pytest.mark.parametrize(
    "phase", [Phase.COMMITTING, Phase.COLLECTING, Phase.AGGREGATING, Phase.VALIDATING, Phase.RELEASING]
)
def test_a_failure_ends_the_round_with_its_error(fleet: Any, phase: Phase) -> None:
    assert at_phase(fleet, phase).handle(Failed(error=RULE, at=9.0)) == [Abort(error=RULE)]


@pytest.mark.parametrize(
    ("phase", "event"),
    [
        (Phase.COLLECTING, Opened(at=1.0)),
        (Phase.COLLECTING, Aggregated(at=1.0)),
        (Phase.COLLECTING, Validated(at=1.0)),
        (Phase.AGGREGATING, Released(version=1, at=1.0)),
        (Phase.VALIDATING, Aggregated(at=1.0)),
        (Phase.RELEASING, Applied(at=1.0)),
        (Phase.APPLYING, Failed(error=RULE, at=1.0)),
        (Phase.DONE, Applied(at=1.0)),
    ],
)
def test_an_event_out_of_place_tells_the_story(fleet: Any, phase: Phase, event: Event) -> None:
    machine = at_phase(fleet, phase)
    with pytest.raises(TransitionError) as caught:
        machine.handle(event)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.round, error.phase, error.event) == (3, str(phase), type(event).__name__)
    assert error.story[0] == "Opened@0.000"
    assert error.story[-1].startswith(f"{type(event).__name__}@")
    assert str(error) == str(caught.value)
    assert machine.phase is phase


def test_a_story_is_bounded(fleet: Any) -> None:
    machine = opened(fleet)
    for second in range(100):
        machine.handle(Lost(agents=("a",), reason="x", at=second / 100))
    with pytest.raises(TransitionError) as caught:
        machine.handle(Applied(at=2.0))
    assert len(caught.value.story) == 12


def test_a_window_is_extended_to_twice_its_length_at_most(fleet: Any) -> None:
    machine = opened(fleet)
    for _ in range(5):
        machine.handle(WindowExtended(by_s=7.0, at=1.0))
    assert machine.deadline == 20.0
    with pytest.raises(SettingError):
        machine.handle(WindowExtended(by_s=0.0, at=1.0))
    assert isinstance(machine.handle(Ticked(at=20.0))[0], Abort)
    assert machine.handle(WindowExtended(by_s=1.0, at=21.0)) == []


def test_a_quorum_can_only_be_raised_within_its_bounds(fleet: Any) -> None:
    machine = opened(fleet)
    for to in (4, 8):
        with pytest.raises(SettingError):
            machine.handle(QuorumRaised(to=to, at=1.0))
    machine.handle(came("abcde", 1.0))
    assert machine.handle(QuorumRaised(to=6, at=1.5), Ticked(at=2.5)) == []
    closed = at_phase(fleet, Phase.AGGREGATING)
    assert closed.handle(QuorumRaised(to=6, at=2.0)) == []


def test_who_will_not_commit_is_not_waited_for(fleet: Any) -> None:
    machine = Round(fleet.terms(commit_reveal=True))
    machine.handle(Opened(at=0.0), Committed(agents=tuple("abcde"), at=0.1))
    assert machine.handle(came("", 0.2, refused={"f": "host.abstains"})) == []
    asked, wake = machine.handle(came("", 0.3, refused={"g": "host.abstains"}))
    assert (asked, wake) == (AskUpdates(agents=tuple("abcde")), Wake(at=10.0))
    assert machine.handle(came("abcde", 0.4)) == [aggregate("abcde")]
    other = Round(fleet.terms(commit_reveal=True))
    other.handle(Opened(at=0.0), came("", 0.1, refused={"g": "host.abstains"}))
    assert other.handle(Committed(agents=tuple("abcdef"), at=0.2))[0] == AskUpdates(agents=tuple("abcdef"))


def test_commit_then_reveal(fleet: Any) -> None:
    machine = Round(fleet.terms(commit_reveal=True))
    assert machine.handle(Opened(at=0.0)) == [AskCommitments(agents=ROSTER), Wake(at=5.0)]
    assert machine.handle(Committed(agents=(*"abcdef", "x"), at=1.0)) == []
    assert machine.handle(Ticked(at=4.9)) == []
    assert machine.handle(Ticked(at=5.0)) == [AskUpdates(agents=tuple("abcdef")), Wake(at=10.0)]
    assert machine.handle(Committed(agents=("g",), at=5.1)) == []
    assert machine.handle(came("abcdef", 6.0)) == [aggregate("abcdef")]  # g has not committed: nobody waits for it


def test_all_commitments_are_revealed_at_once_and_too_few_are_the_end(fleet: Any) -> None:
    machine = opened(fleet, commit_reveal=True)
    assert machine.handle(Committed(agents=ROSTER, at=1.0)) == [AskUpdates(agents=ROSTER), Wake(at=10.0)]
    machine = opened(fleet, commit_reveal=True)
    asked, _, abort = machine.handle(Committed(agents=tuple("abcd"), at=1.0), Ticked(at=5.0))
    assert asked == AskUpdates(agents=tuple("abcd"))
    assert isinstance(abort, Abort)


def test_a_window_extended_while_committing_leaves_time_to_reveal(fleet: Any) -> None:
    machine = opened(fleet, commit_reveal=True)
    assert machine.handle(WindowExtended(by_s=4.0, at=1.0)) == [Wake(at=7.0)]
    machine.handle(Committed(agents=ROSTER[:6], at=1.0))
    assert machine.handle(Ticked(at=5.0)) == []
    assert machine.handle(Ticked(at=7.0)) == [AskUpdates(agents=ROSTER[:6]), Wake(at=14.0)]


def test_a_restarted_coordinator_finds_updates_before_it_has_heard_of_the_commitments(fleet: Any) -> None:
    machine = opened(fleet, commit_reveal=True)
    assert machine.handle(came("abcde", 0.1)) == []
    assert machine.phase is Phase.COMMITTING
    asked, wake, linger = machine.handle(Committed(agents=tuple("abcdef"), at=0.2), Ticked(at=5.0))
    assert (asked, wake, linger) == (AskUpdates(agents=tuple("abcdef")), Wake(at=10.0), Wake(at=6.0))
    assert machine.handle(Ticked(at=6.0)) == [aggregate("abcde")]


def test_late_updates_are_noted_and_do_not_count(fleet: Any) -> None:
    machine = at_phase(fleet, Phase.VALIDATING)
    assert machine.handle(came("x", 5.0, late=("b",))) == []
    assert machine.late.keys() == {"x", "b"}


AGENTS = st.lists(st.sampled_from([*ROSTER, "x"]), max_size=4).map(tuple)
CODES = st.dictionaries(st.sampled_from([*ROSTER, "x"]), st.just("gate.norm"), max_size=2)
STEPS = st.one_of(
    st.builds(Arrived, accepted=AGENTS, refused=CODES, withdrawn=st.just(()), late=st.just(()), at=st.just(0.0)),
    st.builds(Arrived, accepted=AGENTS, withdrawn=AGENTS, at=st.just(0.0)),
    st.builds(Lost, agents=AGENTS, reason=st.just("gone"), at=st.just(0.0)),
    st.builds(Committed, agents=AGENTS, at=st.just(0.0)),
    st.builds(Ticked, at=st.just(0.0)),
    st.builds(WindowExtended, by_s=st.floats(0.1, 30.0), at=st.just(0.0)),
    st.builds(QuorumRaised, to=st.integers(5, 7), at=st.just(0.0)),
    st.builds(Stopped, reason=st.just("asked"), at=st.just(0.0)),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(STEPS, st.floats(0.0, 3.0)), max_size=14), st.booleans())
def test_no_list_of_events_breaks_the_promises(fleet: Any, steps: list[tuple[Any, float]], sealed: bool) -> None:
    terms = fleet.terms(commit_reveal=sealed)
    machine, now, told, voided = Round(terms), 0.0, [], set[str]()
    events: list[Event] = [Opened(at=0.0)]
    for step, gap in steps:
        now += gap
        events.append(replace(step, at=now))
    events += [Ticked(at=max(now, at)) for at in (5.0, 10.0, 20.0)]
    for event in events:
        collecting = machine.phase in (Phase.COMMITTING, Phase.COLLECTING)
        instructions = machine.handle(event)
        told += instructions
        if isinstance(event, Arrived) and collecting:
            voided |= {agent for agent in event.withdrawn if agent in machine.refused}
        for instruction in instructions:
            if isinstance(instruction, Aggregate):
                assert machine.quorum >= terms.quorum
                assert len(instruction.agents) >= terms.quorum
                # A raised quorum is waited for until the deadline, and only while enough may still come.
                late = event.at >= machine.deadline
                assert late or not machine.missing or sealed or len(instruction.agents) >= machine.quorum
                assert list(instruction.agents) == sorted(set(instruction.agents))
                assert set(instruction.agents) <= set(ROSTER)
                assert not voided & set(instruction.agents)
        assert not machine.accepted.keys() & machine.refused.keys()
        assert machine.accepted.keys() | machine.refused.keys() <= set(ROSTER)
        assert set(machine.missing) | machine.accepted.keys() | machine.refused.keys() >= set(ROSTER)
        assert machine.deadline <= 2 * terms.deadline_s
    assert machine.phase in (Phase.AGGREGATING, Phase.ABORTED)  # when ticks come, it always ends
    ends = [type(step) for step in told if isinstance(step, Aggregate | Abort)]
    assert ends in ([Aggregate], [Abort], [Aggregate, Abort])  # a stop may still come while it is aggregated
    again = Round(terms)
    assert repr(again.handle(*events)) == repr(told)


@settings(deadline=None, max_examples=60)
@given(st.permutations(ROSTER), st.lists(st.integers(1, 3), min_size=7, max_size=7))
def test_the_order_of_arrival_does_not_change_who_counts(fleet: Any, order: list[str], sizes: list[int]) -> None:
    machine, told, left = opened(fleet, linger_s=5.0), [], list(order)
    for size in sizes:
        part, left = left[:size], left[size:]
        told += machine.handle(came("".join(part), 1.0))
        if not left:
            break
    assert told[-1] == aggregate("abcdefg")
