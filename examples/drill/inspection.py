"""The drill under a live check: what was emitted, held against the registry."""

from __future__ import annotations

import asyncio
import io
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.drill.course import Say, drill
from telemetry.checker import load
from telemetry.checker.extensions import Extensions
from telemetry.checker.session import Session, Streams
from telemetry.checker.settings import Settings

REGISTRY = Path(__file__).parents[2] / "registry"
MOST_VALUES = 64
"""Values that an attribute may take on one metric, in a swarm as small as this."""

UNCOVERED_SPANS: dict[str, str] = {}
"""Spans of the registry that no drill can make, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the live check found.

    Attributes:
        code: exit code of the live check.
        statistics: of its report.
        notes: what it said.
    """

    code: int
    statistics: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def violations(self) -> int:
        return self.statistics["advice_level_counts"].get("violation", 0)

    @property
    def coverage(self) -> float:
        """Share of the registry's attributes, metrics and events that were seen."""
        return self.statistics["registry_coverage"]

    @property
    def unseen(self) -> list[str]:
        """Attributes, metrics, events and spans of the registry that were not seen and should have been."""
        found = [
            f"{kind[:-1]} {name}"
            for kind in ("attributes", "metrics", "events")
            for name, n in self.statistics[f"seen_registry_{kind}"].items()
            if not n
        ]
        spans = self.statistics["extensions"]["seen_registry_spans"]
        return sorted(found + [f"span {name}" for name, n in spans.items() if not n and name not in UNCOVERED_SPANS])

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong and nothing is missing."""
        return self.code == 0 and not self.violations and self.coverage == 1.0 and not self.unseen

    def lines(self) -> Iterator[str]:
        """The result, for people."""
        counts = self.statistics["total_entities_by_type"]
        yield f"{self.statistics['total_entities']} samples: {', '.join(f'{n} {k}' for k, n in sorted(counts.items()))}"
        yield f"violations {self.violations}, registry coverage {self.coverage:.1%}"
        for message, n in self.statistics["advice_message_counts"].items():
            if "is not stable" not in message:
                yield f"  {n} x {message}"
        yield from (f"  not seen: {name}" for name in self.unseen)
        yield from (f"  {note}" for note in self.notes)
        yield "passed" if self.passed else "failed"


def inspected(folder: Path, *, output: Path | None = None, say: Say = print) -> Inspection:
    """Run the drill with a live check on free ports, and what came of it.

    Args:
        folder: for the drill's data.
        output: folder for the report; None for no report.
        say: told of each step of the drill.
    """
    notes: list[str] = []
    settings = Settings(
        otlp_grpc_port=0,
        admin_port=0,
        http_port=0,
        inactivity_timeout=0,
        format="json",
        output="none" if output is None else str(output),
        extensions=Extensions(spans=True, cardinality=MOST_VALUES),
    )
    streams = Streams(stdin=io.BytesIO(), stdout=io.StringIO(), note=notes.append)
    session = Session(settings, load(str(REGISTRY)), streams)
    codes: list[int] = []
    checking = threading.Thread(target=lambda: codes.append(session.run()), name="live-check", daemon=True)
    checking.start()
    if not session.listening.wait(10):
        raise RuntimeError("the live check does not listen")
    try:
        asyncio.run(drill(f"http://127.0.0.1:{session.ports['http']}", folder, say))
    finally:
        stop = f"http://127.0.0.1:{session.ports['admin']}/stop"
        urllib.request.urlopen(urllib.request.Request(stop, method="POST"), timeout=30).close()
        checking.join(30)
    statistics = {**session.check.statistics.as_node(), "extensions": session.check.extension_node()}
    return Inspection(code=codes[0], statistics=statistics, notes=tuple(notes))
