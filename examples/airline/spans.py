"""Runs as the OpenTelemetry requests that their agents would have sent, message contents included.

The recording has no times. Here every model call takes one second and every tool call half a second, whatever was
said: so latencies are made up, the same for all, and tell a learner nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from examples.airline.runs import Run

SECOND = 1_000_000_000
EPOCH_NS = 1_720_000_000 * SECOND
MODEL_NS, TOOL_NS = SECOND, SECOND // 2
EVALUATION = "task_solved"


def requests_of(run: Run, *, agent: str) -> tuple[ExportTraceServiceRequest, ExportLogsServiceRequest]:
    """The spans of one run, and the log record of its evaluation.

    One trace: ``invoke_agent`` above a ``chat`` span for each answer of the model and an ``execute_tool`` span for each
    tool call. Contents are in the attributes where instrumentations put them when content capture is on.
    """
    trace_id = _id(run, "trace", 16)
    root = Span(
        trace_id=trace_id,
        span_id=_id(run, "root", 8),
        name="invoke_agent airline",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=EPOCH_NS + (run.task * 10 + run.trial) * 3600 * SECOND,
        attributes=_attributes(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.provider.name": "openai",
                "gen_ai.agent.id": agent,
                "gen_ai.agent.name": "airline",
                "gen_ai.conversation.id": f"task-{run.task}-try-{run.trial}",
                "gen_ai.task.id": f"airline-{run.task}",
                "gen_ai.request.model": "gpt-4o",
            }
        ),
    )
    now = root.start_time_unix_nano
    spans: list[Span] = []
    heard: list[dict[str, Any]] = []
    for number, step in enumerate(run.steps):
        if step["role"] == "user":
            heard.append(_said("user", step["content"]))
            continue
        answer = _said("assistant", step["content"]) if step["role"] == "assistant" else _called(step, number)
        spans.append(
            _child(
                run,
                root,
                f"chat-{number}",
                "chat gpt-4o",
                now,
                MODEL_NS,
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o",
                    "gen_ai.response.id": f"chatcmpl-{run.task}-{run.trial}-{number}",
                    "gen_ai.input.messages": json.dumps(heard),
                    "gen_ai.output.messages": json.dumps([answer]),
                },
                kind=Span.SPAN_KIND_CLIENT,
            )
        )
        now += MODEL_NS
        heard.append(answer)
        if step["role"] == "tool_call":
            spans.append(_tool_call(run, root, number, step, now))
            heard.append({"role": "tool", "parts": [{"type": "tool_call_response", "result": step["output"]}]})
            now += TOOL_NS
    root.end_time_unix_nano = now
    resource = Resource(attributes=_attributes({"service.name": "airline-agent"}))
    # Children end first, so exporters send them first.
    traces = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=[*spans, root])])]
    )
    judged = LogRecord(
        time_unix_nano=now + SECOND,
        trace_id=trace_id,
        span_id=root.span_id,
        event_name="gen_ai.evaluation.result",
        attributes=_attributes(
            {
                "gen_ai.evaluation.name": EVALUATION,
                "gen_ai.evaluation.score.value": run.reward,
                "gen_ai.evaluation.score.label": "pass" if run.reward >= 1 else "fail",
            }
        ),
    )
    logs = ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=resource, scope_logs=[ScopeLogs(log_records=[judged])])]
    )
    return traces, logs


def bodies_of(runs: Iterable[Run], agents: Mapping[int, str]) -> Iterable[tuple[bytes, bytes]]:
    """The requests of runs in protobuf, each run by the agent that has its task."""
    for run in runs:
        traces, logs = requests_of(run, agent=agents[run.task])
        yield traces.SerializeToString(), logs.SerializeToString()


def _tool_call(run: Run, root: Span, number: int, step: Mapping[str, Any], now: int) -> Span:
    facts = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": step["tool"],
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": f"call-{number}",
        "gen_ai.tool.call.arguments": json.dumps(step["arguments"]),
        "gen_ai.tool.call.result": step["output"],
    }
    failed = step["output"].startswith("Error")
    if failed:
        facts["error.type"] = "tool_error"
    span = _child(run, root, f"tool-{number}", f"execute_tool {step['tool']}", now, TOOL_NS, facts)
    if failed:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=step["output"]))
    return span


def _child(
    run: Run,
    root: Span,
    word: str,
    name: str,
    start: int,
    duration: int,
    facts: Mapping[str, Any],
    *,
    kind: Span.SpanKind.ValueType = Span.SPAN_KIND_INTERNAL,
) -> Span:
    return Span(
        trace_id=root.trace_id,
        span_id=_id(run, word, 8),
        parent_span_id=root.span_id,
        name=name,
        kind=kind,
        start_time_unix_nano=start,
        end_time_unix_nano=start + duration,
        attributes=_attributes(facts),
    )


def _attributes(facts: Mapping[str, Any]) -> list[KeyValue]:
    return [
        KeyValue(
            key=key, value=AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)
        )
        for key, value in facts.items()
    ]


def _said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def _called(step: Mapping[str, Any], number: int) -> dict[str, Any]:
    part = {"type": "tool_call", "id": f"call-{number}", "name": step["tool"], "arguments": step["arguments"]}
    return {"role": "assistant", "parts": [part]}


def _id(run: Run, word: str, size: int) -> bytes:
    return hashlib.sha256(f"{run.task}/{run.trial}/{word}".encode()).digest()[:size]
