"""Writes `telemetry/semconv.py` and `docs/telemetry.md` from the registry.

``python -m telemetry.generator`` writes both; with ``--check`` it writes nothing and exits with 1
when either differs from what the registry says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from telemetry.checker.diagnostics import RegistryError
from telemetry.checker.model import Attribute, Entity, Event, Group, GroupType, Level, Metric, Span
from telemetry.checker.registry import Registry
from telemetry.conventions import ROOT, bounded, declared, definitions, prometheus_name, read, signals

HOME = Path(__file__).resolve().parent.parent

Signal = Span | Event | Metric

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
    lines = [_HEADER, f"SCHEMA_URL: Final = {_text(registry.schema_url)}", ""]
    attributes = definitions(registry)
    for key, attribute in attributes.items():
        lines += [f"{constant('ATTR', key)}: Final = {_text(key)}", f'"""{attribute.brief}"""', ""]
    tables: tuple[tuple[str, str, str, Sequence[Signal]], ...] = (
        ("SPANS", "SignalSpec", "SPAN", signals(registry, Span)),
        ("EVENTS", "SignalSpec", "EVENT", signals(registry, Event)),
        ("METRICS", "MetricSpec", "METRIC", signals(registry, Metric)),
    )
    for _, _, prefix, groups in tables:
        for group in groups:
            lines += [f"{constant(prefix, group.name)}: Final = {_text(group.name)}", f'"""{group.brief}"""', ""]
    for attribute in attributes.values():
        if attribute.is_enum:
            lines += ["", *_enum(attribute), ""]
    specs = {constant("ATTR", key): _attribute_spec(attribute) for key, attribute in attributes.items()}
    lines += _table("ATTRIBUTES", "AttributeSpec", specs)
    for title, kind, prefix, groups in tables:
        names = {constant(prefix, group.name): group for group in groups}
        lines += ["", *_table(title, kind, {name: _signal_spec(name, group) for name, group in names.items()})]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _enum(attribute: Attribute) -> Iterator[str]:
    key, brief = attribute.name, attribute.brief
    yield f"class {class_name(key)}(StrEnum):"
    yield f'    """Values of `{constant("ATTR", key)}`: {brief[0].lower()}{brief[1:]}"""'
    for member in attribute.members:
        yield ""
        yield f"    {member.id.upper()} = {_text(str(member.value))}"
        yield f'    """{member.brief}"""'


def _table(title: str, spec: str, entries: Mapping[str, Iterable[str]]) -> Iterator[str]:
    yield f"{title}: Final[Mapping[str, {spec}]] = MappingProxyType("
    yield "    {"
    for name, fields in entries.items():
        yield f"        {name}: {spec}("
        yield from (f"            {line}," for line in fields)
        yield "        ),"
    yield "    }"
    yield ")"


def _attribute_spec(attribute: Attribute) -> Iterator[str]:
    yield f"key={constant('ATTR', attribute.name)}"
    yield f"type={_text('string' if attribute.is_enum else attribute.type)}"
    if attribute.is_enum:
        yield f"values=tuple({class_name(attribute.name)})"
    if not bounded(attribute):
        yield "bounded=False"


def _signal_spec(name: str, group: Signal) -> Iterator[str]:
    yield f"name={name}"
    yield f"description={_text(group.brief)}"
    yield _set("required", group.at(Level.REQUIRED))
    yield _set("optional", group.at(*(level for level in Level if level is not Level.REQUIRED)))
    if isinstance(group, Metric):
        yield f"instrument={_text(group.instrument)}"
        yield f"unit={_text(group.unit)}"
        if group.instrument == "histogram":
            yield f"buckets={_edges(group)}"


def _edges(metric: Metric) -> tuple[float, ...]:
    return tuple(float(edge) for edge in metric.annotations["buckets"])


def _set(field: str, keys: Sequence[str]) -> str:
    names = [constant("ATTR", key) for key in keys]
    return f"{field}=frozenset({{{', '.join(names)}}})" if names else f"{field}=frozenset()"


def document(registry: Registry) -> str:
    """The reference page of all names."""
    lines = [
        "# Telemetry reference",
        "",
        "Generated from `registry/` by `python -m telemetry.generator`; change the registry, not this page.",
        "Durations are in seconds. Events are log records with an `event_name`. What tells agents, clients, rounds and",
        "hosts apart stands on spans and events and never on metrics, of releases only those that are being served.",
        "",
        "An attribute marked * is always there. The others are there when they are known.",
        "",
        "## Spans",
        "",
    ]
    for span in signals(registry, Span):
        lines += [f"### `{span.name}`", "", f"{span.brief} Kind: {span.kind}.", "", _uses(span), ""]
    lines += ["## Events", ""]
    for event in signals(registry, Event):
        lines += [f"### `{event.name}`", "", event.brief, "", _uses(event), ""]
    lines += [
        "## Metrics",
        "",
        "| metric | in Prometheus | kind, unit | attributes | meaning |",
        "|---|---|---|---|---|",
    ]
    metrics = signals(registry, Metric)
    lines += [_metric_row(metric) for metric in metrics]
    lines += ["", "Boundaries of the histograms, in seconds:", ""]
    for metric in metrics:
        if metric.instrument == "histogram":
            edges = ", ".join(f"{edge:.5f}".rstrip("0").rstrip(".") for edge in _edges(metric))
            lines.append(f"- `{metric.name}`: {edges}")
    lines += ["", "## Attributes", ""]
    for group in declared(group for group in registry.groups if group.type is GroupType.ATTRIBUTE_GROUP):
        lines += [
            f"### {group.display_name or group.id}",
            "",
            group.brief,
            "",
            "| attribute | type | stability | meaning |",
            "|---|---|---|---|",
        ]
        rows = sorted(group.attributes, key=lambda attribute: attribute.line)
        lines += [_attribute_row(attribute) for attribute in rows] + [""]
    lines += ["## Resources", ""]
    lines += [f"- `{entity.name}`: {entity.brief} {_uses(entity)}" for entity in signals(registry, Entity)]
    return "\n".join(lines) + "\n"


def _marked(group: Group) -> str:
    required = [f"`{key}`*" for key in group.at(Level.REQUIRED)]
    return ", ".join(required + [f"`{key}`" for key, level in group.levels.items() if level is not Level.REQUIRED])


def _uses(group: Group) -> str:
    return f"Attributes: {_marked(group)}."


def _metric_row(metric: Metric) -> str:
    flat = prometheus_name(metric.name, metric.instrument, metric.unit)
    kind = f"{metric.instrument}, `{metric.unit}`"
    return f"| `{metric.name}` | `{flat}` | {kind} | {_marked(metric)} | {metric.brief} |"


def _attribute_row(attribute: Attribute) -> str:
    members = ", ".join(f"`{member.value}`" for member in attribute.members)
    note = f" {attribute.note}" if attribute.note else ""
    return f"| `{attribute.name}` | {members or attribute.type} | {attribute.stability} | {attribute.brief}{note} |"


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
