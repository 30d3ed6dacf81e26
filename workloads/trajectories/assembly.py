"""From the spans of one trace or conversation to its trajectories: a function of what is there, in whatever order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workloads.trajectories.admission import Admission
from workloads.trajectories.conventions import (
    AGENT_ID,
    AGENT_NAME,
    CONVERSATION_ID,
    ERROR_TYPE,
    EXECUTE_TOOL,
    INFERENCE,
    INVOKE_AGENT,
    INVOKE_WORKFLOW,
    OPERATION,
    SERVICE_NAME,
    TOOL_NAME,
)
from workloads.trajectories.evaluation import Scoring
from workloads.trajectories.span import SpanRecord, Status
from workloads.trajectories.trajectory import Ending, Evaluation, Outcome, Step, Trajectory

NS = 1_000_000_000
UNKNOWN_TOOL = "unknown"
_PREFIX = EXECUTE_TOOL + " "
_DEEPEST = 256


@dataclass(slots=True)
class _Part:
    """What belongs to one agent of the group."""

    tools: list[SpanRecord]
    inferences: list[SpanRecord]
    own: list[SpanRecord]


def assembled(
    key: str,
    spans: Iterable[SpanRecord],
    evaluations: Iterable[Evaluation],
    *,
    admission: Admission,
    scoring: Scoring,
    ending: Ending,
    truncated: bool = False,
) -> list[Trajectory]:
    """One trajectory for each agent of the group, sorted by agent. Neither order nor duplicates change it.

    A span belongs to the nearest ``invoke_agent`` span above it. Where its parents are missing, it belongs to the
    innermost ``invoke_agent`` span of its trace that was running when it began, and without one to the agent that it
    names itself. A tool span right below a tool span of the same tool is the same call, seen by another instrumentation
    (as with MCP). An evaluation judges the agent of the span that it names; one of the outermost agent, or of nothing
    in particular, judges all agents that have none of their own.
    """
    by_id: dict[tuple[str, str], SpanRecord] = {}
    for span in sorted(spans, key=_order):
        by_id[span.trace_id, span.span_id] = span
    ordered = sorted(by_id.values(), key=_order)
    owners = _Owners(ordered, by_id)
    parts: dict[str | None, _Part] = defaultdict(lambda: _Part([], [], []))
    for span in ordered:
        operation = span.attributes.get(OPERATION)
        part = parts[owners.agent_of(span)] if operation in _COUNTED else None
        if part is None:
            continue
        if operation == EXECUTE_TOOL:
            if not owners.repeats(span):
                part.tools.append(span)
        elif operation in INFERENCE:
            part.inferences.append(span)
        else:
            part.own.append(span)
    given = set(evaluations)
    if not parts and given:
        parts[None] = _Part([], [], [])
    judged, shared = _judged(given, owners, by_id)
    whole = bool(judged or shared) or any(span.end_ns and span.attributes.get(OPERATION) in _RUNS for span in ordered)
    if ending is not Ending.EVICTED:
        ending = Ending.COMPLETE if whole else Ending.INCOMPLETE
    facts = {name: _known(ordered, name) for name in (CONVERSATION_ID, admission.task_attribute)}
    found: list[Trajectory] = []
    for agent, part in parts.items():
        mine = sorted(judged.get(agent) or shared, key=_by_time)
        everything = [*part.own, *part.inferences, *part.tools]
        found.append(
            Trajectory(
                key=key,
                agent=agent,
                conversation=facts[CONVERSATION_ID],
                task=_known(part.own, admission.task_attribute) or facts[admission.task_attribute],
                steps=_steps(part, admission),
                inferences=len(part.inferences),
                evaluations=tuple(mine),
                reward=scoring.reward(mine),
                ending=ending,
                truncated=truncated,
                start_ns=min((span.start_ns for span in everything), default=0),
                end_ns=max((max(span.end_ns, span.start_ns) for span in everything), default=0),
                features=_numbers(part.own, admission.features),
                contents=_contents(part, admission),
            )
        )
    return sorted(found, key=lambda trajectory: (trajectory.agent is not None, trajectory.agent or ""))


_RUNS = frozenset({INVOKE_AGENT, INVOKE_WORKFLOW})
_COUNTED = frozenset({INVOKE_AGENT, EXECUTE_TOOL}) | INFERENCE


class _Owners:
    """Who each span of the group belongs to."""

    def __init__(self, ordered: Sequence[SpanRecord], by_id: Mapping[tuple[str, str], SpanRecord]) -> None:
        self._by_id = by_id
        self._agents: dict[str, list[SpanRecord]] = defaultdict(list)
        for span in ordered:
            if span.attributes.get(OPERATION) == INVOKE_AGENT:
                self._agents[span.trace_id].append(span)
        self._found: dict[tuple[str, str], SpanRecord | None] = {}

    def run_of(self, span: SpanRecord) -> SpanRecord | None:
        """The ``invoke_agent`` span that a span belongs to; itself when it is one."""
        place = (span.trace_id, span.span_id)
        if place not in self._found:
            self._found[place] = self._above(span)
        return self._found[place]

    def agent_of(self, span: SpanRecord) -> str | None:
        """The id of the agent that a span belongs to."""
        run = self.run_of(span)
        return _identity(span) if run is None else _identity(run)

    def outermost(self, run: SpanRecord) -> bool:
        """Whether no other agent's span is above this one."""
        parent = self._by_id.get((run.trace_id, run.parent_id))
        above = self.run_of(parent) if parent is not None else self._around(run)
        return above is None

    def repeats(self, span: SpanRecord) -> bool:
        """Whether the span right above is the same tool call."""
        parent = self._by_id.get((span.trace_id, span.parent_id))
        return parent is not None and _is_tool(parent) and _tool(parent) == _tool(span)

    def _above(self, span: SpanRecord) -> SpanRecord | None:
        here: SpanRecord | None = span
        last = span
        # A cycle of parents, which only a broken sender makes, ends like a chain that is broken.
        for _ in range(_DEEPEST):
            if here is None or here.attributes.get(OPERATION) == INVOKE_AGENT:
                break
            last, here = here, self._by_id.get((here.trace_id, here.parent_id))
        if here is not None and here.attributes.get(OPERATION) == INVOKE_AGENT:
            return here
        return self._around(last)

    def _around(self, span: SpanRecord) -> SpanRecord | None:
        running = [
            run
            for run in self._agents.get(span.trace_id, ())
            if run is not span and run.start_ns <= span.start_ns and (not run.end_ns or span.start_ns <= run.end_ns)
        ]
        # Of those that began together the one that ended first is inside the other.
        inner = max(running, key=lambda run: (run.start_ns, -(run.end_ns or 1 << 63), run.span_id), default=None)
        if inner is None or span.attributes.get(OPERATION) != INVOKE_AGENT:
            return inner
        # Two agents' spans that look alike would each be around the other.
        return inner if (inner.start_ns, -inner.end_ns) < (span.start_ns, -span.end_ns) else None


def _judged(
    evaluations: set[Evaluation], owners: _Owners, by_id: Mapping[tuple[str, str], SpanRecord]
) -> tuple[dict[str | None, list[Evaluation]], list[Evaluation]]:
    judged: dict[str | None, list[Evaluation]] = defaultdict(list)
    shared: list[Evaluation] = []
    for evaluation in evaluations:
        span = by_id.get((evaluation.trace_id, evaluation.span_id))
        run = owners.run_of(span) if span is not None else None
        if run is None:
            shared.append(evaluation)
            continue
        judged[_identity(run)].append(evaluation)
        if owners.outermost(run):
            shared.append(evaluation)
    return judged, shared


def _steps(part: _Part, admission: Admission) -> tuple[Step, ...]:
    starts = [span.start_ns for span in part.inferences]
    before, steps = 0, []
    for span in part.tools:
        while before < len(starts) and starts[before] <= span.start_ns:
            before += 1
        error = span.attributes.get(ERROR_TYPE)
        if error is not None or span.status is Status.ERROR:
            outcome = Outcome.FAILURE
        else:
            outcome = Outcome.SUCCESS if span.end_ns else Outcome.UNKNOWN
        steps.append(
            Step(
                tool=_tool(span),
                outcome=outcome,
                start_ns=span.start_ns,
                latency_s=max(span.end_ns - span.start_ns, 0) / NS if span.end_ns else None,
                error_type=str(error) if error is not None else None,
                inferences=before,
                contents=_content(span, admission),
            )
        )
    return tuple(steps)


def _contents(part: _Part, admission: Admission) -> tuple[Mapping[str, object], ...]:
    if not admission.contents:
        return ()
    spans = sorted([*part.own, *part.inferences], key=_order)
    return tuple(found for span in spans if (found := _content(span, admission)))


def _content(span: SpanRecord, admission: Admission) -> dict[str, object]:
    return {key: span.attributes[key] for key in sorted(admission.contents & span.attributes.keys())}


def _numbers(spans: Sequence[SpanRecord], names: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in names:
        for span in spans:
            value = span.attributes.get(name)
            if isinstance(value, int | float):
                found[name] = float(value)
                break
    return found


def _known(spans: Iterable[SpanRecord], name: str) -> str | None:
    for span in spans:
        value = span.attributes.get(name, span.resource.get(name))
        if value is not None:
            return str(value)
    return None


def _identity(span: SpanRecord) -> str | None:
    found = span.attributes.get(AGENT_ID) or span.attributes.get(AGENT_NAME) or span.resource.get(SERVICE_NAME)
    return None if found is None else str(found)


def _is_tool(span: SpanRecord) -> bool:
    return span.attributes.get(OPERATION) == EXECUTE_TOOL


def _tool(span: SpanRecord) -> str:
    named = span.attributes.get(TOOL_NAME)
    if named is None and span.name.startswith(_PREFIX):
        named = span.name.removeprefix(_PREFIX).strip()
    return str(named or UNKNOWN_TOOL)


def _by_time(evaluation: Evaluation) -> tuple[int, str, str, str, str, float]:
    score = float("-inf") if evaluation.score is None else evaluation.score
    return evaluation.time_ns, evaluation.name, evaluation.trace_id, evaluation.span_id, evaluation.label, score


def _order(span: SpanRecord) -> tuple[int, int, str, str]:
    return span.start_ns, span.end_ns, span.trace_id, span.span_id
