"""``registry check``: is a registry one that Weaver takes? Same faults, same exit codes, v1 mode."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from telemetry.checker.diagnostics import Diagnostic, Fatal, Fault, Severity
from telemetry.checker.manifest import unsupported
from telemetry.checker.resolution import resolve

CONFIG = ".weaver.toml"
FORMATS = ("ansi", "json", "gh_workflow_command")
DEFAULT_REGISTRY = "registry"

_KEYS: Mapping[str, Mapping[str, tuple[str, type]]] = {
    "registry": {
        "path": ("registry", str),
        "follow_symlinks": ("follow_symlinks", bool),
        "include_unreferenced": ("include_unreferenced", bool),
        "v2": ("v2", bool),
    },
    "policy": {
        "paths": ("policies", list),
        "skip": ("skip_policies", bool),
        "display_coverage": ("display_policy_coverage", bool),
    },
    "diagnostics": {
        "format": ("diagnostic_format", str),
        "template": ("diagnostic_template", str),
        "stdout": ("diagnostic_stdout", bool),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What a check is told; names are those of Weaver's options.

    Attributes:
        registry: folder of the registry.
        baseline_registry: folder of an older version of it, which must resolve, too.
        policies: policies in Rego, which this checker does not run.
        skip_policies: whether policies are left out, those of the registry as well.
        future: whether every diagnostic is an error.
        diagnostic_template: folder whose templates would replace the formats.
    """

    registry: str = DEFAULT_REGISTRY
    baseline_registry: str | None = None
    policies: tuple[str, ...] = ()
    skip_policies: bool = False
    display_policy_coverage: bool = False
    v2: bool = False
    include_unreferenced: bool = False
    follow_symlinks: bool = False
    future: bool = False
    diagnostic_format: str = "ansi"
    diagnostic_template: str = "diagnostic_templates"
    diagnostic_stdout: bool = False


def check(options: CheckOptions) -> tuple[Diagnostic, ...]:
    """Everything that is wrong with the registry, in the order in which it is found."""
    missing = _beyond_us(options)
    if missing:
        return (Fatal(*missing).diagnostic,)
    found = resolve(
        options.registry,
        follow_symlinks=options.follow_symlinks,
        policies=not options.skip_policies,
        include_unreferenced=options.include_unreferenced,
    )
    diagnostics = found.diagnostics
    if found.registry is not None and options.baseline_registry is not None:
        # Without policies nothing is compared; what Weaver says of the old registry, it says only when it is fatal.
        baseline = resolve(
            options.baseline_registry,
            follow_symlinks=options.follow_symlinks,
            policies=not options.skip_policies,
            include_unreferenced=options.include_unreferenced,
        )
        if baseline.registry is None:
            diagnostics = baseline.diagnostics
    if options.future:
        return tuple(replace(diagnostic, severity=Severity.ERROR) for diagnostic in diagnostics)
    return diagnostics


def exit_code(diagnostics: Sequence[Diagnostic]) -> int:
    """1 when there is an error among them, else 0."""
    return 0 if all(diagnostic.passes for diagnostic in diagnostics) else 1


def _beyond_us(options: CheckOptions) -> list[Fault]:
    advice = "which this checker does not do; use --engine weaver."
    faults: list[Fault] = []
    if options.v2:
        faults.append(unsupported(f"--v2 checks against the model of definition/2, {advice}"))
    if options.policies and not options.skip_policies:
        faults.append(
            unsupported(
                f"--policy asks to run {', '.join(options.policies)} in Rego, which this checker does not do; leave "
                "policies out with --skip-policies, or use --engine weaver."
            )
        )
    if options.display_policy_coverage and not options.skip_policies:
        faults.append(unsupported(f"--display-policy-coverage tells how policies in Rego ran, {advice}"))
    return faults


def configured(given: Mapping[str, Any], config: Path | None = None, *, start: Path | None = None) -> CheckOptions:
    """Options from what was given, else from ``.weaver.toml``, else the defaults.

    Args:
        given: options by name; None for those that were not given.
        config: the file; else the first ``.weaver.toml`` in ``start`` or above it, if any.
        start: folder to begin with; the current one, if None.

    Raises:
        ValueError: for a file that cannot be read, has unknown keys, or values of the wrong type, and for a format
            that needs a template.
    """
    home = (start or Path.cwd()).resolve()
    path = config or next((p for folder in (home, *home.parents) if (p := folder / CONFIG).is_file()), None)
    read = {} if path is None else _read(path)
    options = CheckOptions(**{**read, **{name: value for name, value in given.items() if value is not None}})
    if options.diagnostic_format not in FORMATS:
        raise ValueError(
            f"The diagnostic format is {options.diagnostic_format!r}; without --engine weaver it must be one of "
            f"{', '.join(FORMATS)}."
        )
    own = home / options.diagnostic_template / options.diagnostic_format
    if own.is_dir():
        raise ValueError(
            f"{own} holds templates that would replace the format, and this checker renders none. Name another folder "
            "with --diagnostic-template, or use --engine weaver."
        )
    return options


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    found: dict[str, Any] = {}
    for section, keys in _KEYS.items():
        table = document.get(section, {})
        if not isinstance(table, dict):
            raise ValueError(f"{path}: [{section}] must be a table.")  # noqa: TRY004
        for key, value in table.items():
            if key not in keys:
                raise ValueError(f"{path}: [{section}] has {key}, which is not known; known are {', '.join(keys)}.")
            name, kind = keys[key]
            if not isinstance(value, kind):
                raise ValueError(f"{path}: [{section}] {key} is {value!r}; it must be a {kind.__name__}.")  # noqa: TRY004
            found[name] = tuple(map(str, value)) if kind is list else value
    return found
