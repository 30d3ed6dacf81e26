"""Telemetry as input: agents' own spans become trajectories, and trajectories become experiences."""

from workloads.trajectories.admission import Admission
from workloads.trajectories.assembler import Assembler, AssemblySettings, Drop, Tally
from workloads.trajectories.assembly import assembled
from workloads.trajectories.conversion import Conversion, Converted, Skip, advantages
from workloads.trajectories.evaluation import Scoring
from workloads.trajectories.layout import OTHER, Layout
from workloads.trajectories.span import EventRecord, SpanEvent, SpanRecord, Status
from workloads.trajectories.trajectory import Ending, Evaluation, Outcome, Step, Trajectory
from workloads.trajectories.tries import Tries, TrySettings

__all__ = [
    "OTHER",
    "Admission",
    "Assembler",
    "AssemblySettings",
    "Conversion",
    "Converted",
    "Drop",
    "Ending",
    "Evaluation",
    "EventRecord",
    "Layout",
    "Outcome",
    "Scoring",
    "Skip",
    "SpanEvent",
    "SpanRecord",
    "Status",
    "Step",
    "Tally",
    "Trajectory",
    "Tries",
    "TrySettings",
    "advantages",
    "assembled",
]
