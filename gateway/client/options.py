"""Options of an installation's commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8470"

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="SWARMLORE_FEDERATION_URL",
        help=f"Where the federation is; by default the one that consent was given to, else {DEFAULT_URL}.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        envvar="SWARMLORE_CLIENT_DIR",
        help="Folder of the installation; by default in ~/.local/state.",
        file_okay=False,
    ),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--ca", envvar="SWARMLORE_FEDERATION_CA", help="Certificate authority to trust, in PEM.", dir_okay=False
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        envvar="SWARMLORE_CLIENT_CERTIFICATE",
        help="Certificate to show to the server, in PEM, with its key or beside --certificate-key.",
        dir_okay=False,
    ),
]
CertificateKey = Annotated[
    Path | None,
    typer.Option(
        "--certificate-key", envvar="SWARMLORE_CLIENT_CERTIFICATE_KEY", help="Its key, in PEM.", dir_okay=False
    ),
]
Pin = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        envvar="SWARMLORE_FEDERATION_PINS",
        help="cert-sha256:HEX of the server's certificate or spki-sha256:HEX of its public key; more for spares.",
    ),
]
ServerKey = Annotated[
    str | None,
    typer.Option(
        "--server-key",
        envvar="SWARMLORE_FEDERATION_KEY",
        help="ed25519:BASE64 that signs releases; by default the one that the first registration shows is kept.",
    ),
]
LocalPriority = Annotated[
    bool,
    typer.Option(
        "--local-priority", envvar="SWARMLORE_LOCAL_PRIORITY", help="Own patterns weigh 0.7, whatever their number."
    ),
]
Experiences = Annotated[
    list[Path] | None,
    typer.Option(
        "--experiences",
        help="Learn from this file first: JSON lines of experiences, or OTLP in JSON with agents' spans.",
        dir_okay=False,
    ),
]
Agent = Annotated[str | None, typer.Option("--agent", help="Take this agent's experiences only.")]
TaskType = Annotated[str, typer.Option("--task-type", help="What kind of task the runs in spans are.")]
