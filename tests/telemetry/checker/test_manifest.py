"""Manifests are read as Weaver reads them, old forms included."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.checker.diagnostics import Fatal
from telemetry.checker.manifest import Dependency, Manifest, read_manifest, split_url


def manifest(folder: Path, text: str, name: str = "manifest.yaml") -> tuple[Manifest, list[str]]:
    (folder / name).write_text(text, "utf-8")
    found, warnings = read_manifest(folder)
    return found, [fault.kind for fault in warnings]


def test_no_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == (Manifest(), [])
    assert Manifest().schema_url == "https://unknown/unknown"


def test_todays_form(tmp_path: Path) -> None:
    text = "{schema_url: 'https://a.org/b/1.0.0/', description: D., stability: stable, name: x, dependencies: [\n"
    text += "  {schema_url: 'https://c.org/d/2', registry_path: ../d}, {schema_url: 'https://c.org/e/2'}]}"
    found, warnings = manifest(tmp_path, text)
    assert warnings == []
    assert (found.schema_url, found.name, found.description) == ("https://a.org/b/1.0.0", "a.org/b", "D.")
    assert found.dependencies == (
        Dependency(schema_url="https://c.org/d/2", path="../d"),
        Dependency(schema_url="https://c.org/e/2", path=None),
    )


def test_old_forms(tmp_path: Path) -> None:
    text = "{schema_base_url: 'a.org/b/', semconv_version: 1.0.0, dependencies: [{name: c, registry_path: ../c}]}"
    found, warnings = manifest(tmp_path, text, "registry_manifest.yaml")
    assert warnings == ["LegacyRegistryManifest", "DeprecatedSyntaxInRegistryManifest"]
    assert found.schema_url == "https://a.org/b/1.0.0"
    assert found.dependencies == (Dependency(schema_url="https://c/unknown", path="../c"),)


URL = "schema_url: 'https://a.org/b/1'"
INVALID = [
    ("{}", "Either 'schema_url' or both 'schema_base_url' and 'semconv_version' must be provided"),
    ("[", "while parsing a flow node"),
    ("- a", "invalid type: expected a mapping"),
    ("schema_url: nowhere", "Invalid schema URL: relative URL without a base"),
    ("schema_url: 'https://a.org'", "The schema URL must have at least one path segment."),
    ("schema_url: 5", "schema_url: invalid type: expected a string"),
    (f"{URL}\nstability: solid", "stability: unknown variant `solid`"),
    (f"{URL}\nfile_format: manifest/1", "Unknown file_format 'manifest/1'"),
    (f"{URL}\ndependencies: {{}}", "dependencies: invalid type"),
    (
        f"{URL}\ndependencies: [{{name: c, registry_path: p}}]",
        "dependency 'c' is missing the required field 'schema_url'",
    ),
    (f"{URL}\ndependencies: [{{schema_url: nowhere}}]", "relative URL without a base"),
    (f"{URL}\ndependencies: [{{schema_url: 'https://c.org/d/1', registry_path: 5}}]", "registry_path: invalid type"),
]


@pytest.mark.parametrize(("text", "error"), INVALID)
def test_invalid_ones(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(Fatal) as caught:
        manifest(tmp_path, text)
    [fault] = caught.value.faults
    assert fault.kind == "InvalidRegistryManifest"
    assert error in fault.message
    assert isinstance(fault.fields, dict)
    assert fault.fields["path"] == f"{tmp_path}/manifest.yaml"


def test_published_registries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="the manifest of a published registry"):
        manifest(tmp_path, f"file_format: manifest/2.0\n{URL}\nresolved_registry_uri: r.yaml")


@pytest.mark.parametrize(
    ("url", "name", "version"),
    [
        ("https://a.org/b/c/1.0.0", "a.org/b/c", "1.0.0"),
        ("http://a.org:80/v1/", "a.org:80", "v1"),
        ("https://unknown/unknown", "unknown", "unknown"),
    ],
)
def test_names_and_versions(url: str, name: str, version: str) -> None:
    assert split_url(url) == (name, version)
