"""What comes of spans: one run of one agent at one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a tool call went."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"
    """Its span never ended."""


class Ending(StrEnum):
    """How a trajectory came to its end."""

    COMPLETE = "complete"
    """The agent's own span has ended, or an evaluation has judged it."""
    INCOMPLETE = "incomplete"
    """Nothing more came for so long that it is given up."""
    EVICTED = "evicted"
    """It had to make room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One tool call.

    Attributes:
        tool: its name; ``unknown`` where the sender left it out.
        outcome: whether it went well: by ``error.type`` and the status of the span.
        start_ns: when it began, nanoseconds since 1970.
        latency_s: how long it took; None while it has not ended.
        error_type: class of the error, where one is named.
        inferences: model calls of the agent that began before it.
        contents: those that the workload asked for.
    """

    tool: str
    outcome: Outcome
    start_ns: int
    latency_s: float | None
    error_type: str | None = None
    inferences: int = 0
    contents: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One evaluation result.

    Attributes:
        trace_id, span_id: of what was evaluated; empty where it is not said.
        name: of the measure; empty where it is not said.
        score: as a number; None where only a label is given.
        label: as a word, lower-case; empty where only a number is given.
        time_ns: when it was judged.
    """

    trace_id: str = ""
    span_id: str = ""
    name: str = ""
    score: float | None = None
    label: str = ""
    time_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """What one agent did in one trace, or in one conversation.

    Attributes:
        key: of the trace or conversation.
        agent: id of the agent, else its name, else the service's name; None where nothing is known.
        conversation, task: ids, where they are known.
        steps: tool calls by time.
        inferences: model calls.
        evaluations: those that judge it, by time.
        reward: what they come to; None where it was not judged.
        ending: whether it is whole.
        truncated: whether spans were left out because it had too many.
        start_ns, end_ns: of the first and the last thing that is known of it.
        features: numeric attributes that the workload asked for.
        contents: of the agent's and the model calls' spans by time, those that the workload asked for.
    """

    key: str
    agent: str | None
    conversation: str | None = None
    task: str | None = None
    steps: tuple[Step, ...] = ()
    inferences: int = 0
    evaluations: tuple[Evaluation, ...] = ()
    reward: float | None = None
    ending: Ending = Ending.COMPLETE
    truncated: bool = False
    start_ns: int = 0
    end_ns: int = 0
    features: Mapping[str, float] = field(default_factory=dict)
    contents: tuple[Mapping[str, object], ...] = ()
