"""Diagnostics as text: for people, as Weaver's JSON, and as commands of a GitHub workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from telemetry.checker.diagnostics import Diagnostic, Fault, Severity

_RED, _YELLOW, _CYAN, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[1m", "\x1b[0m"

_FAILS, _WARNS = "\N{MULTIPLICATION SIGN}", "\N{WARNING SIGN}"


def render(diagnostics: Sequence[Diagnostic], form: str, *, colour: bool = False) -> str:
    """The report; empty when there is nothing to report.

    Args:
        diagnostics: what was found.
        form: ``ansi``, ``json`` or ``gh_workflow_command``.
        colour: whether ``ansi`` has colours.
    """
    if not diagnostics:
        return ""
    match form:
        case "json":
            return json.dumps([as_json(diagnostic) for diagnostic in diagnostics], indent=2, ensure_ascii=False) + "\n"
        case "gh_workflow_command":
            commands = [command for diagnostic in diagnostics for command in _commands(diagnostic)]
            return "\n".join(["::group::Diagnostic report", *commands, "::endgroup::", ""])
        case _:
            title = f"{_BOLD}{_RED}Diagnostic report{_PLAIN}" if colour else "Diagnostic report"
            return "\n".join([f"\n{title}:\n", *(_ansi(diagnostic, colour=colour) for diagnostic in diagnostics)])


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as Weaver writes it; what is not known is left out."""
    advice = _advice(diagnostic)
    found: dict[str, Any] = {"message": diagnostic.fault.message, "ansi_message": _ansi(diagnostic, colour=True)}
    if diagnostic.severity is not None:
        found["severity"] = diagnostic.severity.value
    if advice is not None:
        found["help"] = advice
    return {"error": diagnostic.error, "diagnostic": found}


def _advice(diagnostic: Diagnostic) -> str | None:
    # What is fatal passes a layer of Weaver that does not pass advice on.
    return None if diagnostic.layers[:1] in (("Resolver",), ("Semconv",)) else diagnostic.fault.help


def _ansi(diagnostic: Diagnostic, *, colour: bool) -> str:
    mark, shade = (_WARNS, _YELLOW) if diagnostic.severity is Severity.WARNING else (_FAILS, _RED)
    lines = [_marked(part.located, f"{shade}{mark}{_PLAIN}" if colour else mark) for part in _parts(diagnostic)]
    if diagnostic.fault.help:
        lines.append(
            f"  {_CYAN}help:{_PLAIN} {diagnostic.fault.help}" if colour else f"  help: {diagnostic.fault.help}"
        )
    return "\n".join(lines) + "\n"


def _marked(text: str, mark: str) -> str:
    first, *rest = text.splitlines()
    return "\n".join([f"  {mark} {first}", *(f"  │ {line}" for line in rest)])


def _commands(diagnostic: Diagnostic) -> Iterator[str]:
    level = "warning" if diagnostic.severity is Severity.WARNING else "error"
    for part in _parts(diagnostic):
        place = {"file": part.file, "line": str(part.line or ""), "title": part.kind}
        fields = ",".join(f"{key}={_escaped(value, field=True)}" for key, value in place.items() if value)
        yield f"::{level} {fields}::{_escaped(part.message)}"


def _parts(diagnostic: Diagnostic) -> Sequence[Fault]:
    return diagnostic.fault.parts or (diagnostic.fault,)


def _escaped(text: str, *, field: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if field else text
