"""Every name of the registry is said somewhere: what no code mentions is no telemetry but a promise."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from telemetry import semconv

HOME = Path(__file__).resolve().parents[2]
SPEAKERS = ("actors", "gateway", "telemetry", "workloads")
GENERATED = HOME / "telemetry/semconv.py"

SDK = {
    semconv.ATTR_TELEMETRY_SDK_LANGUAGE: "the SDK's resource",
    semconv.ATTR_TELEMETRY_SDK_NAME: "the SDK's resource",
    semconv.ATTR_TELEMETRY_SDK_VERSION: "the SDK's resource",
}
"""What is said and not by our code, and by whom."""

TABLES: Mapping[str, Mapping[str, object]] = {
    "ATTR": semconv.ATTRIBUTES,
    "SPAN": semconv.SPANS,
    "EVENT": semconv.EVENTS,
    "METRIC": semconv.METRICS,
}


def mentioned(tree: ast.AST) -> Iterator[str]:
    """The constants of `telemetry.semconv` that a module uses, however it has imported them."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="semconv"), attr=name):
                yield name
            case ast.ImportFrom(module="telemetry.semconv", names=names):
                yield from (alias.name for alias in names)
            case _:
                pass


@pytest.fixture(scope="module")
def used() -> frozenset[str]:
    paths = [path for folder in SPEAKERS for path in (HOME / folder).rglob("*.py") if path != GENERATED]
    return frozenset(name for path in paths for name in mentioned(ast.parse(path.read_text("utf-8"))))


@pytest.mark.parametrize("prefix", list(TABLES))
def test_every_name_of_the_registry_is_said(prefix: str, used: frozenset[str]) -> None:
    constants = {
        value: name for name, value in vars(semconv).items() if name.startswith(f"{prefix}_") and isinstance(value, str)
    }
    assert constants.keys() == TABLES[prefix].keys()
    assert sorted(value for value, name in constants.items() if name not in used and value not in SDK) == []


def test_what_the_sdk_says_our_code_does_not(used: frozenset[str]) -> None:
    assert not {f"ATTR_{value.replace('.', '_').upper()}" for value in SDK} & used


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("telemetry.count(semconv.METRIC_ROUNDS)", ["METRIC_ROUNDS"]),
        ("from telemetry.semconv import ATTR_ROUND, Phase", ["ATTR_ROUND", "Phase"]),
        ("x = other.METRIC_ROUNDS", []),
        ("x = 'METRIC_ROUNDS'", []),
    ],
)
def test_the_search_finds_what_it_is_for(code: str, found: list[str]) -> None:
    assert list(mentioned(ast.parse(code))) == found
