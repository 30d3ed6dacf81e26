"""``swarmlore registry live-check``: is the telemetry that comes in what the registry says?

A drop-in for ``weaver registry live-check`` in v1 mode: its options, exit codes and reports. Options from --engine on
are ours, and off by default.
"""

# Options are read from the context by their names, all at once.
# ruff: noqa: ARG001

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.exits import Exit
from gateway.output import Output

if TYPE_CHECKING:
    from telemetry.checker.diagnostics import Diagnostic
    from telemetry.checker.settings import Settings

_PASSED, _FAILED, _USAGE = 0, 1, 2

_MIB = 1 << 20
_WEAVER_ONLY = (
    "policy",
    "v2",
    "templates",
    "advice_policies",
    "advice_preprocessor",
    "advice_data",
    "emit_otlp_logs",
    "otlp_logs_endpoint",
    "otlp_logs_stdout",
)
_OWN_ONLY = ("otlp_http_port", "spans", "max_cardinality", "weaver_compat", "request_limit", "report_limit")
_GLOBAL = ("future", "quiet", "config")


def live_check(
    context: typer.Context,
    registry: Annotated[
        str | None, typer.Option("--registry", "-r", help="Folder of the registry.  [default: registry]")
    ] = None,
    input_source: Annotated[
        str | None,
        typer.Option("--input-source", help="otlp to listen, stdin, or the path of a file.  [default: otlp]"),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            "--input-format",
            help="Of a file or stdin: json for samples, otlp for OTLP/JSON lines, anything else for lines of "
            "text.  [default: json]",
        ),
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="ansi, json, jsonl, yaml or mute.  [default: ansi]")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="A folder, none, or http for the answer to POST /stop; stdout if not given."
        ),
    ] = None,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="One report at the end.")] = False,
    no_stats: Annotated[
        bool, typer.Option("--no-stats", help="No statistics; findings do not change the exit code then.")
    ] = False,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", help="violation, improvement, information or none.  [default: violation]"),
    ] = None,
    otlp_grpc_address: Annotated[
        str | None, typer.Option("--otlp-grpc-address", help="Where all ports are opened.  [default: 127.0.0.1]")
    ] = None,
    otlp_grpc_port: Annotated[
        int | None, typer.Option("--otlp-grpc-port", help="0 for any free one.  [default: 4317]")
    ] = None,
    admin_port: Annotated[int | None, typer.Option("--admin-port", help="0 for any free one.  [default: 4320]")] = None,
    inactivity_timeout: Annotated[
        int | None,
        typer.Option("--inactivity-timeout", help="Seconds without a request until the end; 0: never.  [default: 10]"),
    ] = None,
    follow_symlinks: Annotated[bool, typer.Option("--follow-symlinks", "-s", help="In the registry.")] = False,
    include_unreferenced: Annotated[
        bool, typer.Option("--include-unreferenced", help="Import everything of dependencies; obsolete.")
    ] = False,
    skip_policies: Annotated[bool, typer.Option("--skip-policies", help="Do not heed policies.")] = False,
    policy: Annotated[list[str] | None, typer.Option("--policy", "-p", help="Needs --engine weaver.")] = None,
    v2: Annotated[bool, typer.Option("--v2", help="Needs --engine weaver.")] = False,
    templates: Annotated[str | None, typer.Option("--templates", help="Needs --engine weaver.")] = None,
    advice_policies: Annotated[str | None, typer.Option("--advice-policies", help="Needs --engine weaver.")] = None,
    advice_preprocessor: Annotated[
        str | None, typer.Option("--advice-preprocessor", help="Needs --engine weaver.")
    ] = None,
    advice_data: Annotated[str | None, typer.Option("--advice-data", help="Needs --engine weaver.")] = None,
    emit_otlp_logs: Annotated[bool, typer.Option("--emit-otlp-logs", help="Needs --engine weaver.")] = False,
    otlp_logs_endpoint: Annotated[
        str | None, typer.Option("--otlp-logs-endpoint", help="Needs --engine weaver.")
    ] = None,
    otlp_logs_stdout: Annotated[bool, typer.Option("--otlp-logs-stdout", help="Needs --engine weaver.")] = False,
    diagnostic_format: Annotated[
        str | None,
        typer.Option(
            "--diagnostic-format", help="Of the registry's faults: ansi, json, gh_workflow_command.  [default: ansi]"
        ),
    ] = None,
    diagnostic_stdout: Annotated[
        bool, typer.Option("--diagnostic-stdout", help="Print that on stdout instead of stderr.")
    ] = False,
    future: Annotated[bool, typer.Option("--future", help="Warnings about the registry are errors.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing about the run itself.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="In place of the .weaver.toml here or above.", dir_okay=False)
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="own, or weaver for the binary of that name on the PATH.")
    ] = "own",
    otlp_http_port: Annotated[
        int | None, typer.Option("--otlp-http-port", help="Also take OTLP/HTTP here; 0 for any free port.")
    ] = None,
    spans: Annotated[
        bool, typer.Option("--spans", help="Hold spans against the span definitions of their names.")
    ] = False,
    max_cardinality: Annotated[
        int | None,
        typer.Option("--max-cardinality", min=1, help="Values that an attribute may take on one metric."),
    ] = None,
    weaver_compat: Annotated[
        str | None,
        typer.Option("--weaver-compat", help="Which POST /stop: 0.26, or next with /report and /shutdown."),
    ] = None,
    request_limit: Annotated[
        int | None, typer.Option("--request-limit", min=1, help="MiB of one request.  [default: 4]")
    ] = None,
    report_limit: Annotated[
        int | None, typer.Option("--report-limit", min=1, help="MiB of a report in one document.  [default: 1024]")
    ] = None,
) -> None:
    """Check telemetry against the registry, from OTLP, a file or stdin.

    Ends with 0, with 1 when there are findings of the --fail-on level, an error, or no sample at all, and with 2 for
    options that cannot be. Options of Weaver that this checker does not have are refused.
    """
    given = {name: value for name, value in context.params.items() if _is_given(value)}
    if engine == "weaver":
        raise typer.Exit(_by_weaver(given))
    note = (lambda _: None) if quiet else Output().note
    try:
        chosen = _settings(given, engine)
    except ValueError as error:
        _complain(str(error))
        raise typer.Exit(_USAGE) from None
    raise typer.Exit(_checked(chosen, note, given))


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value != [] and value != ()


def _settings(given: Mapping[str, Any], engine: str) -> Settings:
    from telemetry.checker.admin import Contract
    from telemetry.checker.extensions import Extensions
    from telemetry.checker.settings import SettingsError, settings

    if engine != "own":
        raise SettingsError(f"--engine is {engine}; it must be own or weaver.")
    refused = [option(name) for name in _WEAVER_ONLY if name in given]
    if refused:
        raise SettingsError(f"{', '.join(refused)}: this checker does not have it; use --engine weaver.")
    compat = given.get("weaver_compat", Contract.BODY)
    if compat not in set(Contract):
        raise SettingsError(f"--weaver-compat is {compat}; it must be {' or '.join(Contract)}.")
    named = {
        name: given.get(name)
        for name in (
            *("registry", "follow_symlinks", "include_unreferenced", "skip_policies", "future"),
            *("input_source", "input_format", "format", "output", "no_stream", "no_stats", "fail_on"),
            *("otlp_grpc_address", "otlp_grpc_port", "admin_port", "inactivity_timeout"),
        )
    }
    return settings(
        named
        | {
            "http_port": given.get("otlp_http_port"),
            "contract": Contract(compat),
            "request_limit": given["request_limit"] * _MIB if "request_limit" in given else None,
            "report_limit": given["report_limit"] * _MIB if "report_limit" in given else None,
            "extensions": Extensions(spans="spans" in given, cardinality=given.get("max_cardinality")),
        },
        given.get("config"),
    )


def _checked(settings: Settings, note: Callable[[str], None], given: Mapping[str, Any]) -> int:
    """The exit code of the whole run."""
    from telemetry.checker.resolution import resolve
    from telemetry.checker.session import Session, Streams

    resolution = resolve(
        settings.registry,
        follow_symlinks=settings.follow_symlinks,
        policies=not settings.skip_policies,
        include_unreferenced=settings.include_unreferenced,
    )
    try:
        registry_fails = _diagnosed(resolution.diagnostics, settings, given)
    except ValueError as error:  # a format, or a section of the configuration, that cannot be
        _complain(str(error))
        return _USAGE
    if resolution.registry is None:
        return _FAILED
    streams = Streams(stdin=sys.stdin.buffer, stdout=sys.stdout, note=note, colour=_coloured())
    try:
        code = Session(settings, resolution.registry, streams).run()
    except BrokenPipeError:
        # Whoever read our report has gone; what is left of it has nobody to go to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = _FAILED
    except OSError as error:  # a port that is taken, a report that cannot be written
        _complain(str(error))
        code = _FAILED
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    return _FAILED if registry_fails else code


def _diagnosed(diagnostics: Sequence[Diagnostic], settings: Settings, given: Mapping[str, Any]) -> bool:
    """Print what is wrong with the registry; whether that fails the check."""
    from telemetry.checker.checking import configured, exit_code
    from telemetry.checker.diagnostics import Severity
    from telemetry.checker.rendering import render

    named = {name: given.get(name) for name in ("diagnostic_format", "diagnostic_stdout")}
    options = configured(named, given.get("config"))
    found = [replace(one, severity=Severity.ERROR) for one in diagnostics] if settings.future else diagnostics
    stream = sys.stdout if options.diagnostic_stdout else sys.stderr
    stream.write(render(found, options.diagnostic_format, colour=stream.isatty() and "NO_COLOR" not in os.environ))
    stream.flush()
    return bool(exit_code(found))


def _coloured() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _complain(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _by_weaver(given: Mapping[str, Any]) -> int:
    """Hand everything that was asked for to Weaver's own binary."""
    from telemetry.checker.checking import DEFAULT_REGISTRY
    from telemetry.checker.weaver import NoWeaverError, run_weaver

    own = [option(name) for name in _OWN_ONLY if name in given]
    if own:
        _complain(f"{', '.join(own)}: Weaver does not have it; leave out --engine weaver.")
        return _USAGE
    try:
        return run_weaver(weaver_arguments({"registry": DEFAULT_REGISTRY, **given}))
    except NoWeaverError as error:
        _complain(str(error))
        return Exit.MISSING_EXTRA


def weaver_arguments(given: Mapping[str, Any]) -> list[str]:
    """The arguments for ``weaver`` that say the same; options that were not given stay with Weaver's defaults."""
    first = [word for name in _GLOBAL if name in given for word in _words(name, given[name])]
    rest = [
        word
        for name, value in given.items()
        if name not in {*_GLOBAL, "engine", "context"}
        for part in (value if isinstance(value, list) else [value])
        for word in _words(name, part)
    ]
    return [*first, "registry", "live-check", *rest]


def _words(name: str, value: Any) -> list[str]:
    return [option(name)] if value is True else [f"{option(name)}={value}"]


def option(name: str) -> str:
    """The option of a parameter, as users write it."""
    return f"--{name.replace('_', '-')}"
