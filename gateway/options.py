"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs: one document, or one object a line for a stream.")
]
Address = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="SWARMLORE_ADDRESS",
        help="The Ray cluster: auto or HOST:PORT. auto means RAY_ADDRESS, else the swarm that `up --address local` "
        "runs in this state directory, else the cluster of this machine.",
    ),
]
StateDir = Annotated[
    Path,
    typer.Option("--state-dir", envvar="SWARMLORE_STATE_DIR", help="Folder of journal and keys.", file_okay=False),
]
Agents = Annotated[int, typer.Option("--agents", min=1, help="How many agents.")]
Hosts = Annotated[
    int | None,
    typer.Option(
        "--hosts",
        min=1,
        help="Host processes for the agents; by default one a node and one for every 256 agents, up to one a CPU.",
    ),
]
RuleText = Annotated[
    str | None,
    typer.Option(
        "--rule",
        help="Aggregation rule, by name; pre-aggregators come before it: nearest_neighbor_mixing,median. "
        "By default the workload's own.",
    ),
]
Further = Annotated[
    list[Path] | None, typer.Argument(metavar="[PATH]...", help="Further files of experiences.", dir_okay=False)
]
Enrolled = Annotated[
    int, typer.Option("--agents", min=1, help="How many agents; with --experiences they are those of the data.")
]
Experiences = Annotated[
    list[Path] | None,
    typer.Option(
        "--experiences",
        help="JSON lines or Parquet, one experience a line; for patterns JSON lines, or OTLP in JSON.",
        dir_okay=False,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        help="For patterns: a file with a type::category a line, as tool::Read, and its domain, if it has one; by "
        "default those of coding agents.",
        dir_okay=False,
    ),
]
Contributors = Annotated[
    int, typer.Option("--min-contributors", min=1, help="For patterns: installations that a key needs.")
]
Epsilon = Annotated[float | None, typer.Option("--epsilon", min=0.0, help="Private rounds: epsilon of each release.")]
EpsilonYear = Annotated[
    float | None, typer.Option("--epsilon-year", min=0.0, help="With --epsilon: of all releases of a year; 8.")
]
Clip = Annotated[
    float | None, typer.Option("--clip", min=0.0, help="With --epsilon: L2 norm that updates are clipped to; 1.")
]
Unscreened = Annotated[
    bool,
    typer.Option(
        "--unscreened",
        help="With --epsilon: no update is left out for what is in it, so that the promise of privacy is whole.",
    ),
]
RoundBudget = Annotated[float, typer.Option("--round-budget", min=0.001, help="Seconds that a round should take.")]
Strict = Annotated[bool, typer.Option("--strict", help="A bad line is fatal, instead of skipped and counted.")]
WorkloadName = Annotated[
    str, typer.Option("--workload", help="digits, patterns, or null to learn nothing; patterns take --experiences.")
]
Validators = Annotated[int, typer.Option("--validators", min=1, help="How many measure convergence.")]
FaultBound = Annotated[
    int | None, typer.Option("--fault-bound", min=0, help="How many may lie; by default a third, less one.")
]
Deadline = Annotated[float, typer.Option("--deadline", min=0.001, help="Seconds until a round closes.")]
Interval = Annotated[
    float | None,
    typer.Option("--interval", min=0.0, help="Learn on its own, a round every so many seconds; else on demand."),
]
Alpha = Annotated[float, typer.Option("--alpha", min=0.001, help="How evenly digits are spread.")]
RunId = Annotated[str, typer.Option("--run", help="Id of the run; part of every signature.")]
Otlp = Annotated[
    str | None,
    typer.Option(
        "--otlp",
        help="Base URL of an OTLP receiver, e.g. http://127.0.0.1:4318, in place of OTEL_EXPORTER_OTLP_ENDPOINT and "
        "its like; the other OTEL_ variables count.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed and data give the same releases.")]
