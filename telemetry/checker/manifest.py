"""The manifest of a registry: what it is called, and what it depends on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from telemetry.checker.diagnostics import Fatal, Fault, Severity
from telemetry.checker.documents import Document, DocumentError, value
from telemetry.checker.model import Stability

NAME = "manifest.yaml"
LEGACY_NAME = "registry_manifest.yaml"
PUBLISHED = "manifest/2.0"
UNKNOWN_URL = "https://unknown/unknown"

_EITHER = "Either 'schema_url' or both 'schema_base_url' and 'semconv_version' must be provided"
_MISSING_URL = (
    "is missing the required field 'schema_url'. The schema_url uniquely identifies the dependency registry and its "
    "version, e.g. https://example.com/my-registry/1.0.0"
)
_STABILITIES = {level.value for level in Stability} | {"experimental"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Another registry that this one may refer to; `path` is where it is, None for its schema URL."""

    schema_url: str
    path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the manifest says; the defaults are those of a registry without one."""

    schema_url: str = UNKNOWN_URL
    description: str = ""
    dependencies: tuple[Dependency, ...] = ()

    @property
    def name(self) -> str:
        """The schema URL without scheme and version."""
        return split_url(self.schema_url)[0]


def split_url(url: str) -> tuple[str, str]:
    """Name and version of a schema URL.

    Raises:
        ValueError: for anything but a URL with a host and at least one part of a path.
    """
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", url):
        raise ValueError("Invalid schema URL: relative URL without a base")
    parts = urlsplit(url.rstrip("/"))
    segments = [segment for segment in parts.path.split("/") if segment]
    if not parts.netloc or not segments:
        raise ValueError("The schema URL must have at least one path segment.")
    return "/".join([parts.netloc, *segments[:-1]]), segments[-1]


def read_manifest(folder: Path) -> tuple[Manifest, list[Fault]]:
    """The manifest in a folder, and what is obsolete about it.

    Raises:
        Fatal: when it cannot be read; the layers are left to the caller.
    """
    path = next((folder / name for name in (NAME, LEGACY_NAME) if (folder / name).exists()), None)
    if path is None:
        return Manifest(), []
    try:
        root = Document.read(path).root
        found = value(root) if root is not None else None
    except DocumentError as error:
        raise _invalid(path, str(error)) from None
    if not isinstance(found, dict):
        raise _invalid(path, "invalid type: expected a mapping")
    warnings: list[Fault] = []
    if path.name == LEGACY_NAME:
        message = (
            f"The registry manifest at {_quoted(path)} is using a legacy file name. "
            "Please rename it to `manifest.yaml`."
        )
        fields = {"path": str(path)}
        warnings.append(
            Fault(
                kind="LegacyRegistryManifest",
                fields=fields,
                message=message,
                severity=Severity.WARNING,
                file=str(path),
            )
        )
    return _manifest(path, found, warnings), warnings


def _manifest(path: Path, found: Mapping[str, Any], warnings: list[Fault]) -> Manifest:
    for key in ("file_format", "schema_url", "description", "semconv_version", "schema_base_url", "stability"):
        if found.get(key) is not None and not isinstance(found[key], str):
            raise _invalid(path, f"{key}: invalid type: expected a string")
    if found.get("file_format") == PUBLISHED:
        raise Fatal(
            unsupported(
                f"{path} is the manifest of a published registry. Check the registry that it was published from, "
                "or use --engine weaver.",
                str(path),
            )
        )
    if found.get("file_format") is not None:
        raise _invalid(
            path,
            f"Unknown file_format '{found['file_format']}'. Expected '{PUBLISHED}' or no file_format for a "
            "definition manifest.",
        )
    if found.get("stability", "development") not in _STABILITIES:
        raise _invalid(path, f"stability: unknown variant `{found['stability']}`")
    url = found.get("schema_url")
    legacy = url is None
    if legacy:
        base, version = found.get("schema_base_url"), found.get("semconv_version")
        if base is None or version is None:
            raise _invalid(path, _EITHER)
        error = "The 'semconv_version' and 'schema_base_url' fields are deprecated in favor of 'schema_url'."
        message = f"The syntax used in the registry manifest at {_quoted(path)} is deprecated. {error}"
        fields = {"path": str(path), "error": error}
        warnings.append(
            Fault(
                kind="DeprecatedSyntaxInRegistryManifest",
                fields=fields,
                message=message,
                severity=Severity.WARNING,
                file=str(path),
            )
        )
        url = f"{base.rstrip('/')}/{version}"
        url = url if re.match(r"https?://", url) else f"https://{url}"
    try:
        split_url(url)
    except ValueError as error:
        raise _invalid(path, str(error)) from None
    return Manifest(
        schema_url=url.rstrip("/"),
        description=found.get("description") or "",
        dependencies=_dependencies(path, found.get("dependencies", []), named=legacy),
    )


def _dependencies(path: Path, found: Any, *, named: bool) -> tuple[Dependency, ...]:
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise _invalid(path, "dependencies: invalid type: expected a list of mappings")
    made: list[Dependency] = []
    for item in found:
        name, url, place = item.get("name"), item.get("schema_url"), item.get("registry_path")
        if not isinstance(place, str | None):
            raise _invalid(path, "dependencies: registry_path: invalid type: expected a string")
        if url is None and named and isinstance(name, str) and place is not None:
            url = f"https://{name}/unknown"
        if url is None:
            subject = f"dependency '{name}'" if name is not None else "a dependency"
            raise _invalid(path, f"{subject} {_MISSING_URL}")
        try:
            split_url(str(url))
        except ValueError as error:
            raise _invalid(path, str(error)) from None
        made.append(Dependency(schema_url=str(url).rstrip("/"), path=place))
    return tuple(made)


def unsupported(message: str, file: str = "") -> Fault:
    """The fault of a registry that needs more than this checker has."""
    return Fault(kind="Unsupported", fields={"error": message}, message=message, file=file)


def _invalid(path: Path, error: str) -> Fatal:
    message = f"The registry manifest at {_quoted(path)} is invalid. {error}"
    fields = {"path": str(path), "error": error}
    return Fatal(
        Fault(kind="InvalidRegistryManifest", fields=fields, message=message, severity=Severity.ERROR, file=str(path))
    )


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
