"""``swarmlore registry``: the conventions behind our telemetry, generated from, checked, and held against what runs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from gateway import live_check
from gateway.exits import Exit
from gateway.output import Output

if TYPE_CHECKING:
    from telemetry.checker.checking import CheckOptions

_USAGE = 2
_GLOBAL = ("future", "quiet", "debug", "allow_git_credentials", "config")
_SWITCH = re.compile(r"(--[a-z0-9-]+)=(true|false)")

app = typer.Typer(
    name="registry",
    help="The registry of telemetry: generate from it, check it, and hold live telemetry against it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Switches(TyperCommand):
    """A command whose switches also take ``=true`` and ``=false``, as Weaver's do."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [word for arg in args for word in self._plain(arg)])

    def _plain(self, arg: str) -> list[str]:
        match = _SWITCH.fullmatch(arg)
        if match is None:
            return [arg]
        name, value = match.groups()
        for parameter in self.params:
            if name in parameter.opts and getattr(parameter, "is_flag", False):
                return [name] if value == "true" else list(parameter.secondary_opts[:1])
        return [arg]


@app.command("generate")
def generate(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file differs.")] = False,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Folder that holds registry/; that of swarmlore by default.", file_okay=False),
    ] = None,
) -> None:
    """Write telemetry/semconv.py and docs/telemetry.md from registry/.

    Ends with 1 when the registry is faulty, or when --check finds a difference.
    """
    from telemetry import generator

    arguments = ["--check"] if check else []
    raise typer.Exit(generator.main([*arguments, "--home", str(home or generator.HOME)]))


@app.command("check", cls=Switches)
def check(
    context: typer.Context,
    registry: Annotated[
        str | None, typer.Option("--registry", "-r", help="Folder of the registry.  [default: registry]")
    ] = None,
    baseline_registry: Annotated[
        str | None, typer.Option("--baseline-registry", help="Folder of an older version, which must resolve, too.")
    ] = None,
    policy: Annotated[list[str] | None, typer.Option("--policy", "-p", help="Needs --engine weaver.")] = None,
    skip_policies: Annotated[
        bool | None, typer.Option("--skip-policies/--no-skip-policies", help="Leave policies out.")
    ] = None,
    display_policy_coverage: Annotated[
        bool | None,
        typer.Option("--display-policy-coverage/--no-display-policy-coverage", help="Needs --engine weaver."),
    ] = None,
    v2: Annotated[bool | None, typer.Option("--v2/--no-v2", help="Needs --engine weaver.")] = None,
    include_unreferenced: Annotated[
        bool | None,
        typer.Option(
            "--include-unreferenced/--no-include-unreferenced", help="Import everything of dependencies; obsolete."
        ),
    ] = None,
    follow_symlinks: Annotated[
        bool | None, typer.Option("--follow-symlinks/--no-follow-symlinks", "-s", help="In the registry.")
    ] = None,
    diagnostic_format: Annotated[
        str | None, typer.Option("--diagnostic-format", help="ansi, json or gh_workflow_command.  [default: ansi]")
    ] = None,
    diagnostic_template: Annotated[
        str | None,
        typer.Option("--diagnostic-template", help="Folder of templates; a format in it needs --engine weaver."),
    ] = None,
    diagnostic_stdout: Annotated[
        bool | None,
        typer.Option("--diagnostic-stdout/--no-diagnostic-stdout", help="Report on stdout instead of stderr."),
    ] = None,
    future: Annotated[bool, typer.Option("--future", help="Every diagnostic is an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but the report.")] = False,
    debug: Annotated[int, typer.Option("--debug", count=True, help="For --engine weaver.")] = 0,
    config: Annotated[
        Path | None, typer.Option("--config", help="In place of the .weaver.toml here or above.", dir_okay=False)
    ] = None,
    allow_git_credentials: Annotated[
        bool, typer.Option("--allow-git-credentials", help="For --engine weaver; this checker fetches nothing.")
    ] = False,
    engine: Annotated[
        str, typer.Option("--engine", help="own, or weaver for the binary of that name on the PATH.")
    ] = "own",
) -> None:
    """Check a registry as `weaver registry check` does, in v1 mode.

    Ends with 0 when there is no error, warnings or not; with 1 when there is one; with 2 for options that cannot be.
    """
    del debug, allow_git_credentials
    if engine not in ("own", "weaver"):
        print(f"--engine is {engine}; it must be own or weaver.", file=sys.stderr)
        raise typer.Exit(_USAGE)
    if engine == "weaver":
        raise typer.Exit(_by_weaver(context.params))
    from telemetry.checker.checking import configured

    given = {
        "registry": registry,
        "baseline_registry": baseline_registry,
        "policies": tuple(policy) if policy else None,
        "skip_policies": skip_policies,
        "display_policy_coverage": display_policy_coverage,
        "v2": v2,
        "include_unreferenced": include_unreferenced,
        "follow_symlinks": follow_symlinks,
        "diagnostic_format": diagnostic_format,
        "diagnostic_template": diagnostic_template,
        "diagnostic_stdout": diagnostic_stdout,
        "future": future,
    }
    try:
        options = configured(given, config)
    except ValueError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    raise typer.Exit(_checked(options, quiet=quiet))


def _checked(options: CheckOptions, *, quiet: bool) -> int:
    from telemetry.checker import checking
    from telemetry.checker.rendering import render

    output = Output()
    if not quiet:
        output.note(f"Checking registry `{options.registry}`")
    found = checking.check(options)
    stream = sys.stdout if options.diagnostic_stdout else sys.stderr
    colour = stream.isatty() and "NO_COLOR" not in os.environ
    stream.write(render(found, options.diagnostic_format, colour=colour))
    stream.flush()
    code = checking.exit_code(found)
    if not quiet:
        errors = sum(not diagnostic.passes for diagnostic in found)
        output.note(f"errors: {errors}, warnings: {len(found) - errors}")
    return code


def _by_weaver(given: dict[str, Any]) -> int:
    """Hand everything that was asked for to Weaver's own binary."""
    from telemetry.checker.checking import DEFAULT_REGISTRY
    from telemetry.checker.weaver import NoWeaverError, run_weaver

    # Weaver's own default is OpenTelemetry's registry, from the network.
    asked = {**given, "registry": given["registry"] or DEFAULT_REGISTRY}
    try:
        return run_weaver(weaver_arguments(asked))
    except NoWeaverError as error:
        print(error, file=sys.stderr)
        return Exit.MISSING_EXTRA


def weaver_arguments(given: dict[str, Any]) -> list[str]:
    """The arguments for ``weaver`` that say the same; options that were not given stay with Weaver's defaults."""
    words: dict[bool, list[str]] = {True: [], False: []}
    for name, value in given.items():
        if name == "engine" or value is None or (value is False and name in _GLOBAL):
            continue
        option = f"--{name.replace('_', '-')}"
        if name == "debug":
            found = [option] * value
        elif isinstance(value, bool):
            found = [option] if name in _GLOBAL or value else [f"{option}=false"]
        else:
            found = [f"{option}={part}" for part in (value if isinstance(value, list | tuple) else [value])]
        words[name in _GLOBAL] += found
    return [*words[True], "registry", "check", *words[False]]


app.command("live-check", cls=Switches)(live_check.live_check)
