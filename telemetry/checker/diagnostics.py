"""What is wrong with a registry, in Weaver's shapes: a kind with fields, a message, a severity.

Kinds and messages are those of Weaver's own errors, so that a program that reads Weaver's JSON
reads ours. What Weaver calls fatal ends the check: then there is exactly one diagnostic, and
`Fatal` carries it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a diagnostic is; Weaver leaves most errors without one."""

    WARNING = "Warning"
    ERROR = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Which registry, and which file of it."""

    schema_url: str
    path: str

    @property
    def json(self) -> dict[str, str]:
        """As Weaver writes it."""
        return {"schema_url": self.schema_url, "path": self.path}

    def __str__(self) -> str:
        return f"{self.schema_url}:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        kind: Weaver's name of it.
        fields: what Weaver says of it in JSON; a list for a compound of several, None for a kind without fields.
        message: for people.
        severity: None counts as an error.
        help: what to do, where Weaver says.
        file: where it is, relative to the registry; empty when it is in no one place.
        line: line of the file, from 1; 0 when unknown.
        parts: the faults that a compound was made of; empty for any other.
    """

    kind: str
    fields: Mapping[str, Any] | Sequence[Any] | None
    message: str
    severity: Severity | None = None
    help: str | None = None
    file: str = ""
    line: int = 0
    parts: tuple[Fault, ...] = ()

    @property
    def located(self) -> str:
        """The message, with the place before it unless the message names it."""
        if not self.file or self.file in self.message:
            return self.message
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"

    @property
    def error(self) -> Any:
        """The fault as JSON."""
        return self.kind if self.fields is None else {self.kind: self.fields}

    @property
    def warning(self) -> bool:
        """Whether the check passes in spite of it."""
        return self.severity is Severity.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """A fault as it is reported.

    Attributes:
        fault: what is wrong.
        layers: names of the layers of Weaver that it came through, outermost first; they stand around it in JSON.
        severity: that of the fault; none for a fatal one, and an error in future mode.
    """

    fault: Fault
    layers: tuple[str, ...] = ()
    severity: Severity | None = field(default=None)

    @property
    def error(self) -> Any:
        """The fault as JSON, with its layers around it."""
        found = self.fault.error
        for layer in reversed(self.layers):
            found = {layer: found}
        return found

    @property
    def passes(self) -> bool:
        """Whether the check passes in spite of it."""
        return self.severity is Severity.WARNING


class Fatal(Exception):  # noqa: N818, what Weaver calls a fatal error
    """Faults after which nothing more can be said of the registry.

    Args:
        faults: one or several; several are reported as one compound.
        layers: names of the layers of Weaver that they come through, outermost first.
        together: whether Weaver makes a compound of them also when there is only one.
    """

    def __init__(self, *faults: Fault, layers: tuple[str, ...] = (), together: bool = False) -> None:
        super().__init__("\n\n".join(fault.message for fault in faults))
        self.faults = faults
        self.layers = layers
        self.together = together

    @property
    def diagnostic(self) -> Diagnostic:
        """The one diagnostic that Weaver makes of it."""
        whole = self.faults[0] if len(self.faults) == 1 and not self.together else compound(self.faults)
        return Diagnostic(fault=whole, layers=self.layers)

    def within(self, *layers: str) -> Fatal:
        """The same faults, seen from further out."""
        return Fatal(*self.faults, layers=layers, together=self.together)

    def __reduce__(self) -> tuple[Any, ...]:
        return _fatal, (self.faults, self.layers, self.together)


def _fatal(faults: tuple[Fault, ...], layers: tuple[str, ...], together: bool) -> Fatal:
    return Fatal(*faults, layers=layers, together=together)


class RegistryError(ValueError):
    """A registry with errors.

    Attributes:
        code: ``registry.invalid``.
        diagnostics: everything that was found, warnings included.
        faults: what each error says, with its place.
    """

    code = "registry.invalid"

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        errors = [found.fault for found in self.diagnostics if not found.passes]
        self.faults = tuple(part.located for fault in errors for part in fault.parts or (fault,))
        super().__init__("\n".join(self.faults))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.diagnostics,)


def compound(faults: Sequence[Fault]) -> Fault:
    """Several faults as the one that Weaver makes of them."""
    return Fault(
        kind="CompoundError",
        fields=[fault.error for fault in faults],
        message="\n\n".join(fault.message for fault in faults),
        parts=tuple(faults),
    )
