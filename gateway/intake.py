"""From decoded OTLP to experiences, step by step as it comes; what it counts goes out as metrics.

No thread and no clock: who calls it says what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.otlp import Decoded
from telemetry import Telemetry, semconv
from telemetry.semconv import Outcome
from workloads.trajectories import (
    Admission,
    Assembler,
    AssemblySettings,
    Conversion,
    Converted,
    Scoring,
    Tally,
    Trajectory,
    Tries,
    TrySettings,
)

LOOK_NS = 200_000_000
"""Between two looks at what is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings:
    """How telemetry is learned from.

    Attributes:
        conversion: the layout of states and actions, and how rewards become relative.
        assembly: when trajectories end, and how many spans are held.
        tries: how long tries of a task wait for each other.
        admission: which attributes are let in.
        scoring: how evaluations become a reward.
    """

    conversion: Conversion
    assembly: AssemblySettings = field(default_factory=AssemblySettings)
    tries: TrySettings = field(default_factory=TrySettings)
    admission: Admission = field(default_factory=Admission)
    scoring: Scoring = field(default_factory=Scoring)


class Counts:
    """Tells telemetry what an assembler's tally has gained since it was last told.

    Args:
        telemetry: of the gateway; None to tell nobody.
    """

    def __init__(self, telemetry: Telemetry | None) -> None:
        self._telemetry = telemetry
        self._told = Tally()

    def tell(self, tally: Tally) -> None:
        """Count the difference to the tally before."""
        before, self._told = self._told, tally
        self._add(semconv.METRIC_INGEST_SPANS, tally.received - before.received)
        self._add(semconv.METRIC_INGEST_EVALUATIONS, tally.evaluations - before.evaluations)
        self._add(semconv.METRIC_INGEST_CONTENTS, tally.contents - before.contents)
        for reason, number in tally.dropped.items():
            gained = number - before.dropped.get(reason, 0)
            self._add(semconv.METRIC_INGEST_DROPPED, gained, {semconv.ATTR_DROP_REASON: reason.value})
        for ending, number in tally.endings.items():
            gained = number - before.endings.get(ending, 0)
            self._add(semconv.METRIC_TRAJECTORIES, gained, {semconv.ATTR_TRAJECTORY_ENDING: ending.value})

    def experiences(self, number: int, *, outcome: Outcome) -> None:
        """Count experiences that agents were given, or that the swarm refused."""
        self._add(semconv.METRIC_INGEST_EXPERIENCES, number, {semconv.ATTR_OUTCOME: outcome.value})

    def _add(self, metric: str, number: int, attributes: dict[str, str] | None = None) -> None:
        if number and self._telemetry is not None:
            self._telemetry.count(metric, number, attributes)


class Intake:
    """Assembles, waits for tries of the same task, and converts.

    Args:
        settings: of all three.
        telemetry: of the gateway; None to tell nobody.
    """

    def __init__(self, settings: IntakeSettings, *, telemetry: Telemetry | None = None) -> None:
        self.settings = settings
        self.assembler = Assembler(settings.assembly, admission=settings.admission, scoring=settings.scoring)
        self.tries = Tries(settings.tries)
        self.counts = Counts(telemetry)
        self._looked_ns = -LOOK_NS

    def take(self, requests: Iterable[Decoded], *, now_ns: int) -> Converted:
        """Take what requests brought, and give out what is over, give or take a fifth of a second."""
        ended: list[Trajectory] = []
        for request in requests:
            self.assembler.left_at_the_door(
                malformed=request.rejected, not_agent=request.not_agent, contents=request.contents
            )
            ended += self.assembler.add(request.spans, request.events, now_ns=now_ns)
        ready: list[Trajectory] = []
        if now_ns - self._looked_ns >= LOOK_NS:
            # To look goes through all that waits; many small requests must not do so each.
            self._looked_ns = now_ns
            ended += self.assembler.due(now_ns)
            ready = self.tries.due(now_ns)
        return self._converted(self.tries.add(ended, now_ns=now_ns) + ready)

    def finish(self) -> Converted:
        """Give out everything that is left: nothing more will come."""
        ended = self.assembler.finish()
        return self._converted(self.tries.add(ended, now_ns=0) + self.tries.finish())

    def _converted(self, trajectories: list[Trajectory]) -> Converted:
        self.counts.tell(self.assembler.tally)
        return self.settings.conversion.convert(trajectories)
