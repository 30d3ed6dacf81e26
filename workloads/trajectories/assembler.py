"""Gathers spans as they come, in any order, and says when a trajectory has come to its end.

It keeps no clock: whoever hands it spans says what time it is. Everything that it holds is bounded, and everything that
it leaves out is counted.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from federation.errors import SettingError
from workloads.trajectories.admission import Admission
from workloads.trajectories.assembly import NS, assembled
from workloads.trajectories.conventions import (
    CONVERSATION_ID,
    EVALUATION_EVENT,
    INVOKE_AGENT,
    INVOKE_WORKFLOW,
    OPERATION,
    RESPONSE_ID,
)
from workloads.trajectories.evaluation import Scoring, evaluation_of, evaluations_on
from workloads.trajectories.span import EventRecord, SpanRecord, Status
from workloads.trajectories.trajectory import Ending, Evaluation, Trajectory

_MOST_EVALUATIONS = 64


class Drop(StrEnum):
    """Why a span or an evaluation was left out."""

    MALFORMED = "malformed"
    NOT_AGENT = "not_agent"
    DUPLICATE = "duplicate"
    LATE = "late"
    FULL = "full"
    EVICTED = "evicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblySettings:
    """When trajectories end, and how much is held.

    Attributes:
        by: what belongs together: a trace, or all traces of a conversation, for agents that trace each turn.
        linger_s: how long nothing must come after an agent's outermost span and an evaluation have come.
        settle_s: the same where only one of the two has come; evaluations often take a while.
        timeout_s: the same where neither has come; the trajectory is then incomplete.
        max_open: traces or conversations at once; the one that has been quiet for longest makes room.
        max_spans: spans of one of them; further ones are left out.
        max_held: spans of all of them together; the ones that have been quiet for longest make room.
    """

    by: Literal["trace", "conversation"] = "trace"
    linger_s: float = 5.0
    settle_s: float = 60.0
    timeout_s: float = 600.0
    max_open: int = 10_000
    max_spans: int = 2_000
    max_held: int = 200_000

    def __post_init__(self) -> None:
        if self.by not in ("trace", "conversation"):
            raise SettingError(name="by", found=self.by, needed="trace or conversation")
        if not 0 <= self.linger_s <= self.settle_s <= self.timeout_s:
            raise SettingError(
                name="linger_s, settle_s, timeout_s",
                found=(self.linger_s, self.settle_s, self.timeout_s),
                needed="at least 0, each no less than the one before",
            )
        for name in ("max_open", "max_spans", "max_held"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What has happened so far.

    Attributes:
        received: spans that were handed in, whatever became of them.
        evaluations: results that were handed in and could be read.
        dropped: reason -> spans and evaluations left out.
        endings: ending -> trajectories.
        contents: message contents left at the door.
    """

    received: int = 0
    evaluations: int = 0
    dropped: Mapping[Drop, int] = field(default_factory=dict)
    endings: Mapping[Ending, int] = field(default_factory=dict)
    contents: int = 0


@dataclass(slots=True)
class _Open:
    touched_ns: int
    spans: dict[tuple[str, str], SpanRecord] = field(default_factory=dict)
    evaluations: set[Evaluation] = field(default_factory=set)
    rooted: bool = False
    ran: bool = False
    truncated: bool = False


class Assembler:
    """Holds what has come of traces that are not over yet.

    Args:
        settings: of time and memory.
        admission: names the task attribute, features and contents; records have passed it already.
        scoring: how evaluations become a reward.
    """

    def __init__(
        self,
        settings: AssemblySettings | None = None,
        *,
        admission: Admission | None = None,
        scoring: Scoring | None = None,
    ) -> None:
        self.settings = settings or AssemblySettings()
        self.admission = admission or Admission()
        self.scoring = scoring or Scoring()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._conversations: OrderedDict[str, str] = OrderedDict()
        self._responses: OrderedDict[str, str] = OrderedDict()
        self._orphans: OrderedDict[str, set[Evaluation]] = OrderedDict()
        self._held = 0
        self._received = self._evaluations = self._contents = 0
        self._dropped: Counter[Drop] = Counter()
        self._endings: Counter[Ending] = Counter()

    def __len__(self) -> int:
        """How many traces or conversations are open."""
        return len(self._open)

    @property
    def held(self) -> int:
        """How many spans are held."""
        return self._held

    @property
    def tally(self) -> Tally:
        """What has happened so far."""
        return Tally(
            received=self._received,
            evaluations=self._evaluations,
            dropped=dict(self._dropped),
            endings=dict(self._endings),
            contents=self._contents,
        )

    def left_at_the_door(self, *, malformed: int = 0, not_agent: int = 0, contents: int = 0) -> None:
        """Count what never became a record: spans that could not be read or are not an agent's, message contents."""
        self._received += malformed + not_agent
        self._contents += contents
        self._dropped += Counter({Drop.MALFORMED: malformed, Drop.NOT_AGENT: not_agent})

    def add(
        self, spans: Iterable[SpanRecord] = (), events: Iterable[EventRecord] = (), *, now_ns: int
    ) -> list[Trajectory]:
        """Take spans and events. Returns what had to make room for them, which is mostly nothing."""
        for span in spans:
            self._received += 1
            self._take(span, now_ns)
        for event in events:
            if event.name == EVALUATION_EVENT:
                self._judge(event, now_ns)
        evicted: list[Trajectory] = []
        while len(self._open) > self.settings.max_open or (self._held > self.settings.max_held and self._open):
            evicted += self._end(next(iter(self._open)), Ending.EVICTED)
        return evicted

    def due(self, now_ns: int) -> list[Trajectory]:
        """The trajectories that are over at this time. O(open)."""
        settings = self.settings
        over: list[str] = []
        for key, group in self._open.items():
            quiet_s = (now_ns - group.touched_ns) / NS
            if quiet_s < settings.linger_s:
                break  # those that follow were touched later
            judged = bool(group.evaluations)
            if group.rooted and judged:
                patience_s = settings.linger_s
            else:
                patience_s = settings.settle_s if group.ran or judged else settings.timeout_s
            if quiet_s >= patience_s:
                over.append(key)
        return [trajectory for key in over for trajectory in self._end(key, Ending.COMPLETE)]

    def finish(self) -> list[Trajectory]:
        """End everything that is open: nothing more will come."""
        return [trajectory for key in list(self._open) for trajectory in self._end(key, Ending.COMPLETE)]

    def _take(self, span: SpanRecord, now_ns: int) -> None:
        operation = span.attributes.get(OPERATION)
        evaluations = evaluations_on(span)
        if operation is None and not evaluations:
            self._dropped[Drop.NOT_AGENT] += 1
            return
        conversation = span.attributes.get(CONVERSATION_ID) if self.settings.by == "conversation" else None
        key = self._key(span.trace_id, None if conversation is None else str(conversation), now_ns)
        if key is None:
            self._dropped[Drop.LATE] += 1
            return
        group = self._touched(key, now_ns)
        place = (span.trace_id, span.span_id)
        before = group.spans.get(place)
        if before is None and len(group.spans) >= self.settings.max_spans:
            self._dropped[Drop.FULL] += 1
            group.truncated = True
            return
        if before is None:
            self._held += 1
            group.spans[place] = span
        else:
            self._dropped[Drop.DUPLICATE] += 1
            # Mostly they are the same, and comparing is dear.
            group.spans[place] = span if before == span else max(before, span, key=_newness)
        if operation in _RUNS:
            group.ran = group.ran or span.end_ns > 0
            group.rooted = group.rooted or (span.end_ns > 0 and not span.parent_id)
        response = span.attributes.get(RESPONSE_ID)
        if response is not None:
            self._remember(self._responses, str(response), key)
            group.evaluations |= self._orphans.pop(str(response), set())
        for evaluation in evaluations:
            self._evaluations += 1
            self._put(group, evaluation)

    def _judge(self, event: EventRecord, now_ns: int) -> None:
        found = evaluation_of(event.attributes, trace_id=event.trace_id, span_id=event.span_id, time_ns=event.time_ns)
        if found is None:
            self._dropped[Drop.MALFORMED] += 1
            return
        self._evaluations += 1
        response = event.attributes.get(RESPONSE_ID)
        conversation = event.attributes.get(CONVERSATION_ID) if self.settings.by == "conversation" else None
        if event.trace_id or conversation is not None:
            key = self._key(event.trace_id, None if conversation is None else str(conversation), now_ns)
            if key is None:
                self._dropped[Drop.LATE] += 1
                return
            self._put(self._touched(key, now_ns), found)
            return
        key = None if response is None else self._responses.get(str(response))
        if key in self._open:
            self._put(self._touched(str(key), now_ns), found)
        elif response is None or key is not None:
            # It says of nothing that we know what it judges, or what it judges is over.
            self._dropped[Drop.NOT_AGENT if response is None else Drop.LATE] += 1
        else:
            self._orphans.setdefault(str(response), set()).add(found)
            while len(self._orphans) > self.settings.max_open:
                _, lost = self._orphans.popitem(last=False)
                self._dropped[Drop.EVICTED] += len(lost)

    def _put(self, group: _Open, evaluation: Evaluation) -> None:
        if evaluation in group.evaluations:
            self._dropped[Drop.DUPLICATE] += 1
        elif len(group.evaluations) >= _MOST_EVALUATIONS:
            self._dropped[Drop.FULL] += 1
            group.truncated = True
        else:
            group.evaluations.add(evaluation)

    def _key(self, trace_id: str, conversation: str | None, now_ns: int) -> str | None:
        """The key of what a trace belongs to; None when that is over."""
        known = self._conversations.get(trace_id) if trace_id else None
        if conversation is not None and known is None:
            known = f"conversation:{conversation}"
            if trace_id:
                self._remember(self._conversations, trace_id, known)
                # Spans of the trace that came first did not say of which conversation they are.
                alone = self._open.pop(trace_id, None)
                if alone is not None:
                    self._join(alone, known, now_ns)
        key = known or trace_id
        return None if key in self._closed else key

    def _join(self, alone: _Open, key: str, now_ns: int) -> None:
        if key in self._closed:
            self._held -= len(alone.spans)
            self._dropped[Drop.LATE] += len(alone.spans) + len(alone.evaluations)
            return
        group = self._touched(key, now_ns)
        room = max(self.settings.max_spans - len(group.spans), 0)
        kept = dict(list(alone.spans.items())[:room])
        lost = len(alone.spans) - len(kept)
        self._held -= lost
        self._dropped[Drop.FULL] += lost
        group.spans |= kept
        for evaluation in sorted(alone.evaluations, key=lambda found: found.time_ns):
            self._put(group, evaluation)
        group.rooted, group.ran = group.rooted or alone.rooted, group.ran or alone.ran
        group.truncated = group.truncated or alone.truncated or lost > 0

    def _touched(self, key: str, now_ns: int) -> _Open:
        group = self._open.get(key)
        if group is None:
            group = self._open[key] = _Open(now_ns)
        group.touched_ns = max(now_ns, group.touched_ns)
        self._open.move_to_end(key)
        return group

    def _end(self, key: str, ending: Ending) -> list[Trajectory]:
        group = self._open.pop(key)
        self._held -= len(group.spans)
        self._closed[key] = None
        while len(self._closed) > 4 * self.settings.max_open:
            self._closed.popitem(last=False)
        found = assembled(
            key.removeprefix("conversation:"),
            group.spans.values(),
            group.evaluations,
            admission=self.admission,
            scoring=self.scoring,
            ending=ending,
            truncated=group.truncated,
        )
        self._endings.update(trajectory.ending for trajectory in found)
        return found

    def _remember(self, index: OrderedDict[str, str], name: str, key: str) -> None:
        index[name] = key
        index.move_to_end(name)
        while len(index) > 4 * self.settings.max_open:
            index.popitem(last=False)


_RUNS = frozenset({INVOKE_AGENT, INVOKE_WORKFLOW})


def _newness(span: SpanRecord) -> tuple[bool, int, int, Status, str]:
    """Of two records of one span the ended one counts, then the later; the rest only makes the choice the same."""
    rest = (span.parent_id, span.name, sorted(span.attributes.items()), sorted(span.resource.items()), span.events)
    return span.end_ns > 0, span.end_ns, span.start_ns, span.status, repr(rest)
