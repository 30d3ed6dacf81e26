"""Telemetry of an agent, as it would come over OTLP, taken in by the gateway's own receiver."""

from __future__ import annotations

import asyncio
import contextlib

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from actors import Swarm
from gateway.ingest import Receiver, ReceiverSettings
from gateway.intake import Intake, IntakeSettings
from gateway.otlp import Encoding, Signal, decoded
from telemetry import Telemetry
from workloads.trajectories import Conversion, Layout
from workloads.trajectories import conventions as genai

TOOLS = ("search", "book")


async def take_in(swarm: Swarm, telemetry: Telemetry, agent: str) -> None:
    """Two tries of one task by an agent, with contents and evaluations, and a span that is no agent's."""
    intake = Intake(IntakeSettings(conversion=Conversion(layout=Layout(tools=TOOLS))), telemetry=telemetry)
    receiver = Receiver(intake, swarm.observe, settings=ReceiverSettings(tick_s=0.05, attempts=2))
    working = asyncio.ensure_future(receiver.run())
    receiver.offer(decoded(exported(agent), Signal.TRACES, Encoding.PROTOBUF, receiver.admission))
    await asyncio.sleep(0.2)
    working.cancel()  # what is not over yet ends here
    with contextlib.suppress(asyncio.CancelledError):
        await working


def exported(agent: str) -> bytes:
    """An OTLP request with the spans of an agent, as its OpenTelemetry SDK exports them."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({genai.SERVICE_NAME: "booking"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("agents")
    for score in (0.0, 1.0):
        task = {genai.OPERATION: genai.INVOKE_AGENT, genai.AGENT_ID: agent, genai.TASK_ID: "task-1"}
        with tracer.start_as_current_span("invoke_agent", attributes=task) as run:
            for tool in TOOLS:
                step = {genai.OPERATION: genai.EXECUTE_TOOL, genai.TOOL_NAME: tool, "gen_ai.tool.call.arguments": "{}"}
                with tracer.start_as_current_span("execute_tool", attributes=step):
                    pass
            run.add_event(genai.EVALUATION_EVENT, {genai.EVALUATION_NAME: "solved", genai.EVALUATION_SCORE: score})
    with tracer.start_as_current_span("GET /flights"):
        pass
    return encode_spans(kept.get_finished_spans()).SerializeToString()
