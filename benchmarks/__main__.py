"""Measures everything, writes benchmarks/results/*.json, and rewrites the README's table of figures.

    python -m benchmarks [--only NAME ...] [--table]

Each figure comes from a command of its own, in a process of its own, one at a time. ``--table`` only rewrites the
table from the results that are there. Flower is measured when ``.venv-peers`` exists (`make bench-peers`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
START, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
SWARMLORE = [sys.executable, "-m", "gateway"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: its file, its command, and how a line of the table reads it."""

    name: str
    command: list[str]
    python: Path | None = None


def round_of(agents: int, *extra: str) -> list[str]:
    return [*SWARMLORE, "bench", "round", "--agents", str(agents), *extra, "--json"]


PEERS = ROOT / ".venv-peers" / "bin" / "python"
FIGURES = (
    Figure("round-100", round_of(100, "--rounds", "30")),
    Figure("round-100-silent", round_of(100, "--rounds", "30", "--no-telemetry")),
    Figure("round-1000", round_of(1000, "--rounds", "20")),
    Figure("round-10000", round_of(10_000, "--rounds", "20")),
    Figure("null-100", round_of(100, "--null", "--rounds", "30")),
    Figure("null-1000", round_of(1000, "--null", "--rounds", "20")),
    Figure("flower-100", [str(PEERS), "benchmarks/flower.py", "--agents", "100", "--rounds", "20"], PEERS),
    Figure("flower-1000", [str(PEERS), "benchmarks/flower.py", "--agents", "1000", "--rounds", "5"], PEERS),
    Figure("rules-1000", [sys.executable, "-m", "benchmarks.rules", "--n", "100", "--d", "1000", "--json"]),
    Figure("rules-1000000", [sys.executable, "-m", "benchmarks.rules", "--n", "100", "--d", "1000000", "--json"]),
    Figure("judgement", [sys.executable, "-m", "benchmarks.judgement", "--json"]),
    Figure("telemetry", [sys.executable, "-m", "benchmarks.telemetry", "--json"]),
    Figure("share", [sys.executable, "-m", "benchmarks.share", "--json"]),
    Figure("scrape", [sys.executable, "-m", "benchmarks.scrape", "--json"]),
    Figure("compression", [sys.executable, "-m", "benchmarks.compression", "--json"]),
    Figure("privacy", [sys.executable, "-m", "benchmarks.privacy", "--json"]),
    Figure("ingest", [sys.executable, "-m", "benchmarks.ingest", "--json"]),
    Figure("federation", [sys.executable, "-m", "benchmarks.federation", "--json"]),
    Figure("federation-rest", [sys.executable, "-m", "benchmarks.federation_rest", "--json"]),
    Figure("live-check", [sys.executable, "-m", "benchmarks.live_check", "--json"]),
    Figure("page", [sys.executable, "-m", "benchmarks.page", "--json"]),
    Figure("footprint-100", [sys.executable, "-m", "benchmarks.footprint", "--agents", "100", "--json"]),
    Figure("footprint-10000", [sys.executable, "-m", "benchmarks.footprint", "--json"]),
)


def main() -> None:
    """Measure what was asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[figure.name for figure in FIGURES])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for figure in () if options.table else FIGURES:
        if options.only and figure.name not in options.only:
            continue
        if figure.python is not None and not figure.python.exists():
            print(f"{figure.name}: left out, there is no {figure.python.relative_to(ROOT)}")
            continue
        print(f"{figure.name}: {' '.join(figure.command[1:])}", flush=True)
        (RESULTS / f"{figure.name}.json").write_text(json.dumps(measured(figure), indent=1, sort_keys=True) + "\n")
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{START}\n{table()}\n{END}{after}")


def measured(figure: Figure) -> Any:
    """What the command printed: its last line that is JSON."""
    done = subprocess.run(figure.command, cwd=ROOT, capture_output=True, text=True, check=False)
    for text in (done.stdout, *reversed(done.stdout.splitlines())):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            continue
    raise SystemExit(f"{figure.name} printed no JSON (exit code {done.returncode}):\n{done.stderr[-2000:]}")


def table() -> str:
    """The table of the README, from the results that are there."""
    from benchmarks.report import lines

    found = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    return "\n".join(lines(found))


if __name__ == "__main__":
    main()
