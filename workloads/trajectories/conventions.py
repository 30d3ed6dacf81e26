"""The names of OpenTelemetry's GenAI conventions that trajectories are read from.

They are input, not telemetry of ours: `registry/` says what swarmlore emits, this file what it understands. From
open-telemetry/semantic-conventions-genai as of November 2026 (status: development). The task of a run has no name there
yet; ``gen_ai.task.id`` is what several frameworks write, and configuration can name another.
"""

from __future__ import annotations

OPERATION = "gen_ai.operation.name"
INVOKE_AGENT = "invoke_agent"
INVOKE_WORKFLOW = "invoke_workflow"
EXECUTE_TOOL = "execute_tool"
INFERENCE = frozenset({"chat", "generate_content", "text_completion"})

AGENT_ID = "gen_ai.agent.id"
AGENT_NAME = "gen_ai.agent.name"
CONVERSATION_ID = "gen_ai.conversation.id"
RESPONSE_ID = "gen_ai.response.id"
TOOL_NAME = "gen_ai.tool.name"
ERROR_TYPE = "error.type"
TASK_ID = "gen_ai.task.id"
SERVICE_NAME = "service.name"

EVALUATION_EVENT = "gen_ai.evaluation.result"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
# How log records named their event before OTLP had a field for it.
EVENT_NAME = "event.name"

KEPT = frozenset(
    {
        OPERATION,
        AGENT_ID,
        AGENT_NAME,
        CONVERSATION_ID,
        RESPONSE_ID,
        TOOL_NAME,
        ERROR_TYPE,
        EVALUATION_NAME,
        EVALUATION_SCORE,
        EVALUATION_LABEL,
        EVENT_NAME,
    }
)
"""Attributes of spans and log records that a trajectory is made of."""

CONTENTS = frozenset(
    {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.definitions",
        "gen_ai.tool.description",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.retrieval.query.text",
        "gen_ai.retrieval.documents",
        "gen_ai.memory.query.text",
        "gen_ai.memory.records",
        "gen_ai.evaluation.explanation",
        "gen_ai.agent.description",
        "gen_ai.prompt",
        "gen_ai.completion",
        "exception.message",
        "exception.stacktrace",
    }
)
"""Attributes that hold what people, models and tools said. Dropped at the door like everything else that is not kept,
and counted; a workload can ask for them by name."""
