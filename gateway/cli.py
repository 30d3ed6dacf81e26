"""The command line: ``swarmlore``. Ray, numpy and the actors are imported by the commands that need them."""

from __future__ import annotations

import contextlib
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from gateway import bench, control, demo, doctor, ingestion, inspection, registry, serving
from gateway.client import commands as client
from gateway.exits import table
from gateway.federation import commands as federation

_EPILOG = f"Exit codes:\n\n{table()}"

app = typer.Typer(
    name="swarmlore",
    help="A fleet of AI agents learns together without sharing raw data, while some of its members lie, crash or lag.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        with contextlib.suppress(PackageNotFoundError):
            print(version("swarmlore"))
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    del show_version


app.command("demo")(demo.demo)
app.command("up")(control.up)
app.command("down")(control.down)
app.command("status")(inspection.status)
app.command("round")(inspection.round_)
app.command("watch")(inspection.watch)
app.command("releases")(inspection.releases)
app.command("serve")(serving.serve)
app.command("ingest")(ingestion.ingest)
app.command("rollback")(inspection.rollback)
app.command("doctor")(doctor.doctor)
app.add_typer(bench.app, name="bench")
app.add_typer(registry.app, name="registry")
app.add_typer(client.app, name="client")
app.add_typer(federation.app, name="federation")


def main() -> None:
    """Run the command that the arguments name."""
    # Lines of a stream must arrive as they are made, also in a pipe.
    sys.stdout.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]
    app()


if __name__ == "__main__":
    main()
