"""Writes `telemetry/semconv.py` and `docs/telemetry.md` from the registry.

``python -m telemetry.generator`` writes both; with ``--check`` it writes nothing and exits with 1
when either differs from what the registry says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from telemetry.conventions import ROOT, Group, Node, Registry, RegistryError, bounded, prometheus_name, read

HOME = Path(__file__).resolve().parent.parent

_HEADER = '''# fmt: off
# ruff: noqa: E501
"""Every name of swarmlore's telemetry. Generated from registry/ by `python -m telemetry.generator`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from telemetry.specs import AttributeSpec, MetricSpec, SignalSpec
'''


def constant(prefix: str, name: str) -> str:
    """The Python name of a registry name: ``ATTR_ROUND`` for ``federated.learning.round``."""
    return f"{prefix}_{name.removeprefix(f'{ROOT}.').replace('.', '_').upper()}"


def class_name(key: str) -> str:
    """The Python name of an enum attribute: ``ActorKind`` for ``federated.learning.actor.kind``."""
    words = key.removeprefix(f"{ROOT}.").replace(".", "_").split("_")
    return "".join(word.capitalize() for word in words)


def outputs(registry: Registry) -> dict[Path, str]:
    """The text of each generated file, by its path below the project's folder."""
    return {
        Path("telemetry/semconv.py"): semconv(registry),
        Path("docs/telemetry.md"): document(registry),
    }


def semconv(registry: Registry) -> str:
    """The Python module of names, as ruff would format it."""
    lines = [_HEADER, f"SCHEMA_URL: Final = {_text(registry.manifest['schema_url'])}", ""]
    for key, node in registry.attributes.items():
        lines += [f"{constant('ATTR', key)}: Final = {_text(key)}", f'"""{node["brief"]}"""', ""]
    for prefix, kind in (("SPAN", "span"), ("EVENT", "event"), ("METRIC", "metric")):
        for group in registry.of_kind(kind):
            lines += [
                f"{constant(prefix, group.name)}: Final = {_text(group.name)}",
                f'"""{group.node["brief"]}"""',
                "",
            ]
    for key, node in registry.attributes.items():
        if isinstance(node["type"], dict):
            lines += ["", *_enum(key, node), ""]
    lines += _table("ATTRIBUTES", "AttributeSpec", "ATTR", registry.attributes, _attribute_spec)
    for title, spec, prefix, kind in (
        ("SPANS", "SignalSpec", "SPAN", "span"),
        ("EVENTS", "SignalSpec", "EVENT", "event"),
        ("METRICS", "MetricSpec", "METRIC", "metric"),
    ):
        groups = {group.name: group for group in registry.of_kind(kind)}
        lines += ["", *_table(title, spec, prefix, groups, _signal_spec)]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _enum(key: str, node: Node) -> Iterator[str]:
    yield f"class {class_name(key)}(StrEnum):"
    yield f'    """Values of `{constant("ATTR", key)}`: {node["brief"][0].lower()}{node["brief"][1:]}"""'
    for member in node["type"]["members"]:
        yield ""
        yield f"    {str(member['id']).upper()} = {_text(member['value'])}"
        yield f'    """{member["brief"]}"""'


def _table(title: str, spec: str, prefix: str, entries: Any, render: Any) -> Iterator[str]:
    yield f"{title}: Final[Mapping[str, {spec}]] = MappingProxyType("
    yield "    {"
    for name, entry in entries.items():
        yield f"        {constant(prefix, name)}: {spec}("
        yield from (f"            {line}," for line in render(constant(prefix, name), entry))
        yield "        ),"
    yield "    }"
    yield ")"


def _attribute_spec(name: str, node: Node) -> Iterator[str]:
    kind = node["type"]
    yield f"key={name}"
    yield f"type={_text(kind if isinstance(kind, str) else 'string')}"
    if not isinstance(kind, str):
        yield f"values=tuple({class_name(node['id'])})"
    if not bounded(node):
        yield "bounded=False"


def _signal_spec(name: str, group: Group) -> Iterator[str]:
    yield f"name={name}"
    yield f"description={_text(group.node['brief'])}"
    required = [constant("ATTR", key) for key, level in group.levels.items() if level == "required"]
    optional = [constant("ATTR", key) for key, level in group.levels.items() if level != "required"]
    yield _set("required", required)
    yield _set("optional", optional)
    if group.kind == "metric":
        yield f"instrument={_text(group.node['instrument'])}"
        yield f"unit={_text(group.node['unit'])}"
        if group.node["instrument"] == "histogram":
            yield f"buckets={tuple(float(edge) for edge in group.node['annotations']['buckets'])}"


def _set(field: str, names: list[str]) -> str:
    return f"{field}=frozenset({{{', '.join(names)}}})" if names else f"{field}=frozenset()"


def document(registry: Registry) -> str:
    """The reference page of all names."""
    lines = [
        "# Telemetry reference",
        "",
        "Generated from `registry/` by `python -m telemetry.generator`; change the registry, not this page.",
        "Durations are in seconds. Events are log records with an `event_name`. What tells agents, rounds, hosts",
        "and releases apart stands on spans and events and never on metrics.",
        "",
        "An attribute marked * is always there. The others are there when they are known.",
        "",
        "## Spans",
        "",
    ]
    for group in registry.of_kind("span"):
        lines += [
            f"### `{group.name}`",
            "",
            f"{group.node['brief']} Kind: {group.node['span_kind']}.",
            "",
            _uses(group),
            "",
        ]
    lines += ["## Events", ""]
    for group in registry.of_kind("event"):
        lines += [f"### `{group.name}`", "", group.node["brief"], "", _uses(group), ""]
    lines += [
        "## Metrics",
        "",
        "| metric | in Prometheus | kind, unit | attributes | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [_metric_row(group) for group in registry.of_kind("metric")]
    lines += ["", "Boundaries of the histograms, in seconds:", ""]
    for group in registry.of_kind("metric"):
        if group.node["instrument"] == "histogram":
            edges = ", ".join(
                f"{float(edge):.5f}".rstrip("0").rstrip(".") for edge in group.node["annotations"]["buckets"]
            )
            lines.append(f"- `{group.name}`: {edges}")
    lines += ["", "## Attributes", ""]
    for group in registry.of_kind("attribute_group"):
        title = group.node.get("display_name", group.name)
        lines += [
            f"### {title}",
            "",
            group.node["brief"],
            "",
            "| attribute | type | stability | meaning |",
            "|---|---|---|---|",
        ]
        lines += [_attribute_row(node) for node in group.node["attributes"]] + [""]
    lines += ["## Resources", ""]
    for group in registry.of_kind("entity"):
        lines += [f"- `{group.name}`: {group.node['brief']} {_uses(group)}"]
    return "\n".join(lines) + "\n"


def _uses(group: Group) -> str:
    marks = (f"`{key}`{'*' if level == 'required' else ''}" for key, level in group.levels.items())
    return f"Attributes: {', '.join(marks)}."


def _metric_row(group: Group) -> str:
    node = group.node
    keys = ", ".join(f"`{key}`{'*' if level == 'required' else ''}" for key, level in group.levels.items())
    flat = prometheus_name(group.name, node["instrument"], node["unit"])
    return f"| `{group.name}` | `{flat}` | {node['instrument']}, `{node['unit']}` | {keys} | {node['brief']} |"


def _attribute_row(node: Node) -> str:
    kind = node["type"]
    shown = kind if isinstance(kind, str) else ", ".join(f"`{member['value']}`" for member in kind["members"])
    note = f" {node['note']}" if "note" in node else ""
    return f"| `{node['id']}` | {shown} | {node['stability']} | {node['brief']}{note} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the generated files, or compare them; the exit code is 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m telemetry.generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    parser.add_argument("--home", type=Path, default=HOME, help="folder that holds registry/")
    options = parser.parse_args(arguments)
    try:
        texts = outputs(read(options.home / "registry"))
    except RegistryError as error:
        print(f"The registry has {len(error.faults)} faults:\n{error}", file=sys.stderr)
        return 1
    stale = [path for path, text in texts.items() if not _holds(options.home / path, text)]
    if options.check:
        for path in stale:
            print(f"{path} differs from the registry; run python -m telemetry.generator", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        (options.home / path).parent.mkdir(parents=True, exist_ok=True)
        (options.home / path).write_text(texts[path], "utf-8")
        print(f"wrote {path}")
    return 0


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
