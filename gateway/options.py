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
    int | None, typer.Option("--hosts", min=1, help="Host processes for the agents; by default one a CPU.")
]
RuleText = Annotated[
    str | None,
    typer.Option(
        "--rule",
        help="Aggregation rule, by name; pre-aggregators come before it: nearest_neighbor_mixing,median. "
        "By default the workload's own.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed and data give the same releases.")]
