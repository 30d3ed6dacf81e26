"""Reads the files of a registry, and of the registries that it depends on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yaml.nodes import MappingNode, ScalarNode

from telemetry.checker import syntax, syntax2
from telemetry.checker.declarations import FileSpec
from telemetry.checker.diagnostics import Diagnostic, Fatal, Fault, Severity
from telemetry.checker.documents import Document, DocumentError, scalar
from telemetry.checker.manifest import LEGACY_NAME, NAME, Manifest, read_manifest, split_url, unsupported
from telemetry.checker.reading import Misfit, Reader, Unfit, shown
from telemetry.checker.validation import group_faults

DEEPEST = 10
"""How many registries a chain of dependencies may hold, the main one included."""

_LAYER = "FailToResolveDefinition"
_NOT_CONVENTIONS = {NAME, LEGACY_NAME, "schema-next.yaml"}
_REMOTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|[^/]+@[^/]+:")
_FORMATS = {"definition/1": 1, "definition/2": 2}
_VERSIONS = {"1": 1, "2": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A registry as its files declare it.

    Attributes:
        shown: the path as it was given, which messages begin with.
        manifest: its manifest, or the defaults.
        files: what its files declare, in the order of their paths.
        dependencies: the registries that it depends on.
    """

    shown: str
    manifest: Manifest
    files: tuple[FileSpec, ...]
    dependencies: tuple[Repository, ...]


class Loader:
    """Reads one registry and its dependencies.

    Args:
        follow_symlinks: whether links to folders are followed.
        policies: whether policies are to be heeded; this checker has no Rego, and refuses registries with policies.

    Attributes:
        diagnostics: what was found that is not fatal.
    """

    def __init__(self, *, follow_symlinks: bool = False, policies: bool = True) -> None:
        self._follow = follow_symlinks
        self._policies = policies
        self._versions: dict[str, str] = {}
        self.diagnostics: list[Diagnostic] = []

    def load(self, path: str) -> Repository:
        """The registry at a path.

        Raises:
            Fatal: for what ends Weaver's check as well, and for what only Weaver can do.
        """
        folder = _local(path)
        try:
            manifest, warnings = read_manifest(folder)
        except Fatal as error:
            raise error.within("Semconv") from None
        self.diagnostics += [Diagnostic(fault=fault, severity=fault.severity) for fault in warnings]
        return self._load(path, folder, manifest, ())

    def _load(self, path: str, folder: Path, manifest: Manifest, chain: tuple[str, ...]) -> Repository:
        name = manifest.name
        if name in chain:
            line = " → ".join([*chain, name])
            message = f"Circular dependency detected: registry '{name}' depends on itself through the chain: {line}"
            fields = {"registry_name": name, "chain": line}
            raise Fatal(Fault(kind="CircularDependency", fields=fields, message=message), layers=("Resolver",))
        if len(chain) == DEEPEST:
            message = f"Maximum dependency depth reached for registry `{path}`. Cannot load further dependencies."
            fault = Fault(kind="MaximumDependencyDepth", fields={"registry_name": path}, message=message)
            raise Fatal(fault, layers=("Resolver",))
        version = split_url(manifest.schema_url)[1]
        if self._versions.setdefault(name, version) != version:
            raise Fatal(
                unsupported(
                    f"The dependencies bring two versions of {name}: {self._versions[name]} and {version}. "
                    "Agree on one, or use --engine weaver, which chooses."
                )
            )
        dependencies = tuple(
            self._dependency(dependency.path or dependency.schema_url, (*chain, name))
            for dependency in manifest.dependencies
        )
        return Repository(
            shown=path, manifest=manifest, files=tuple(self._files(path, folder)), dependencies=dependencies
        )

    def _dependency(self, path: str, chain: tuple[str, ...]) -> Repository:
        folder = _local(path)
        try:
            manifest, warnings = read_manifest(folder)
        except Fatal as error:
            raise error.within("Resolver", _LAYER) from None
        self.diagnostics += [Diagnostic(fault=f, layers=(_LAYER,), severity=f.severity) for f in warnings]
        return self._load(path, folder, manifest, chain)

    def _files(self, path: str, folder: Path) -> Iterator[FileSpec]:
        if not folder.is_dir():
            error = (
                f"{path} is a file; a registry is a folder"
                if folder.exists()
                else f"IO error for operation on {path}: No such file or directory (os error 2)"
            )
            message = f"The following error occurred during the processing of semantic convention file: {error}"
            fault = Fault(kind="SemConvSpecError", fields={"error": error}, message=message)
            raise Fatal(fault, layers=("Resolver", _LAYER))
        broken: list[Fatal] = []
        for relative in self._paths(folder):
            shown_path = f"{path.rstrip('/')}/{relative}"
            try:
                yield self._file(folder / relative, relative, shown_path)
            except Fatal as error:
                broken.append(error)
        if broken:
            faults = [fault for error in broken for fault in error.faults]
            raise Fatal(*faults, layers=("Resolver", _LAYER), together=any(error.together for error in broken))

    def _paths(self, folder: Path) -> list[str]:
        """Paths of the convention files below a folder, sorted; policies are refused on the way."""
        found: list[str] = []
        entered: set[str] = set()
        for here, folders, files in os.walk(folder, followlinks=self._follow):
            real = os.path.realpath(here)
            if real in entered:
                folders.clear()
                continue
            entered.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = Path(here).relative_to(folder)
            for name in files:
                if name.startswith(".") or not (Path(here) / name).is_file():
                    continue
                relative = (below / name).as_posix()
                if name.endswith(".rego") and self._policies:
                    raise Fatal(
                        unsupported(
                            f"{relative} is a policy in Rego, which this checker does not run. Leave policies out "
                            "with --skip-policies, or use --engine weaver.",
                            relative,
                        )
                    )
                if name.endswith((".yaml", ".yml")) and name not in _NOT_CONVENTIONS:
                    found.append(relative)
        return sorted(found)

    def _file(self, path: Path, relative: str, shown_path: str) -> FileSpec:
        try:
            document = Document.read(path)
        except DocumentError as error:
            raise _deserialization(shown_path, str(error)) from None
        root = document.root
        if not isinstance(root, MappingNode):
            found = "Null" if root is None else shown(root)
            raise _deserialization(shown_path, f"Expected a YAML mapping at the root, but found: {found}")
        version = self._version(root, shown_path)
        reader = Reader(document)
        try:
            spec = (syntax2 if version == 2 else syntax).file_spec(relative, reader, root)
        except Unfit:
            raise _misfits(shown_path, reader.misfits) from None
        if version == 2:
            syntax2.refuse(spec, shown_path)
            faults = syntax2.warnings(root, shown_path)
        else:
            faults = [fault for group in spec.groups for fault in group_faults(group, shown_path)]
        self.diagnostics += [Diagnostic(fault=f, layers=(_LAYER,), severity=f.severity) for f in faults]
        return spec

    def _version(self, root: MappingNode, path: str) -> int:
        """1 or 2, by ``file_format`` or the obsolete ``version``."""
        marks = {
            key.value: scalar(item)
            for key, item in root.value
            if key.value in ("file_format", "version") and isinstance(item, ScalarNode)
        }
        named = {key: mark for key, mark in marks.items() if isinstance(mark, str)}
        faults: list[Fault] = []
        if "version" in named:
            message = (
                "The 'version' field is deprecated and will be removed in a future version. Please use "
                f"'file_format: definition/2' instead: {path}"
            )
            faults.append(_warning("DeprecatedVersionField", message, path, provenance=path))
        version = _FORMATS.get(named.get("file_format", "")) or _VERSIONS.get(named.get("version", ""))
        if version is None and named:
            key = "version" if "version" in named else "file_format"
            message = (
                f"Invalid file format: `{key}: {named[key]}`. "
                "Expected 'file_format: definition/1' or 'file_format: definition/2'."
            )
            fields = {"field_key": key, "field_value": named[key]}
            raise Fatal(
                Fault(kind="InvalidFileFormat", fields=fields, message=message, severity=Severity.ERROR, file=path)
            )
        if version == 2:
            message = f"File format `definition/2` is not yet stable: {path}"
            faults.append(_warning("UnstableFileFormat", message, path, file_format="definition/2", provenance=path))
        self.diagnostics += [Diagnostic(fault=f, layers=(_LAYER,), severity=f.severity) for f in faults]
        return version or 1


def _warning(kind: str, message: str, path: str, **fields: str) -> Fault:
    return Fault(kind=kind, fields=fields, message=message, severity=Severity.WARNING, file=path)


def _local(path: str) -> Path:
    if _REMOTE.match(path) or path.endswith((".zip", ".tar.gz")) or re.search(r"\[.*\]$", path):
        raise Fatal(
            unsupported(
                f"The registry {path} is not a folder of this machine, and this checker fetches nothing. "
                "Fetch it first and name the folder, or use --engine weaver."
            )
        )
    return Path(path)


def _deserialization(path: str, error: str) -> Fatal:
    fields = {"path_or_url": path, "error": error}
    return Fatal(
        Fault(
            kind="DeserializationError",
            fields=fields,
            message=error,
            severity=Severity.ERROR,
            file=path,
        )
    )


def _misfits(path: str, misfits: list[Misfit]) -> Fatal:
    faults = [
        Fault(
            kind="InvalidSemConvSpec",
            fields={
                "err_span": {"offset": misfit.place.offset, "length": misfit.place.length},
                "error": misfit.error,
                "advice": misfit.advice,
            },
            message=misfit.error,
            severity=Severity.ERROR,
            file=path,
            line=misfit.place.line,
        )
        for misfit in misfits
    ]
    return Fatal(*faults)
