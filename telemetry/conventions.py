"""The registry, read and checked: groups of Weaver's v1 YAML as plain records.

Everything that Weaver's `registry check` calls an error or a warning, and that can occur in our
files, is an error here, and so are the rules that its live check applies to names at run time. On
top come our own: no unbounded attribute on a metric, buckets for every histogram, seconds for
every duration, and names that stay apart after their way to Prometheus.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from telemetry.promnames import metric_name

Node = Mapping[str, Any]

ROOT = "federated.learning"
MANIFEST = "manifest.yaml"

_NAME = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")
_SCALARS = {"string": str, "int": int, "double": (int, float), "boolean": bool}
_STABILITY = {"stable", "development", "alpha", "beta", "release_candidate"}
_INSTRUMENTS = {"counter", "updowncounter", "gauge", "histogram"}
_KINDS = {"internal", "client", "server", "producer", "consumer"}
_LEVELS = {"required", "recommended", "opt_in", "conditionally_required"}
_GROUP_KEYS = {"id", "type", "brief", "note", "stability", "deprecated", "attributes", "annotations", "display_name"}
_KEYS_BY_TYPE = {
    "attribute_group": set[str](),
    "entity": {"name"},
    "span": {"span_kind", "entity_associations"},
    "event": {"name", "entity_associations"},
    "metric": {"metric_name", "instrument", "unit", "entity_associations"},
}
_DEFINITION_KEYS = {"id", "type", "brief", "note", "stability", "deprecated", "examples", "annotations"}
_REFERENCE_KEYS = {"ref", "requirement_level", "role", "note", "brief"}
_MEMBER_KEYS = {"id", "value", "brief", "note", "stability"}


class RegistryError(ValueError):
    """A registry that Weaver, or one of our own rules, would not take. Holds every fault that was found."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.faults,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of the registry.

    Attributes:
        node: what the YAML says.
        kind: its type: ``attribute_group``, ``entity``, ``span``, ``event`` or ``metric``.
        name: name of the signal or entity; the group's id for an attribute group.
        file: file that it stands in, for messages.
    """

    node: Node
    kind: str
    name: str
    file: str

    @property
    def levels(self) -> dict[str, str]:
        """The requirement level of each attribute that the group refers to."""
        return {ref["ref"]: level_of(ref) for ref in self.node.get("attributes", ()) if "ref" in ref}


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All groups in the order of their files and lines, and all attributes by name."""

    manifest: Node
    groups: tuple[Group, ...]
    attributes: Mapping[str, Node]

    def of_kind(self, kind: str) -> Iterator[Group]:
        """The groups of one type, in their order."""
        return (group for group in self.groups if group.kind == kind)


def level_of(reference: Node) -> str:
    """The requirement level of a reference, without its condition."""
    level = reference.get("requirement_level", "recommended")
    return level if isinstance(level, str) else next(iter(level))


def bounded(attribute: Node) -> bool:
    """Whether an attribute takes few enough values for a metric."""
    return attribute.get("annotations", {}).get("cardinality") != "unbounded"


def prometheus_name(name: str, instrument: str, unit: str) -> str:
    """The name under which a metric arrives in Prometheus, without ``_bucket`` and the like."""
    return metric_name(name, unit=unit, instrument=instrument)


def read(folder: Path) -> Registry:
    """The registry in a folder.

    Raises:
        RegistryError: with all faults, when there are any.
    """
    faults: list[str] = []
    groups: list[Group] = []
    for path in sorted(folder.glob("*.yaml")):
        if path.name == MANIFEST:
            continue
        document = yaml.safe_load(path.read_text("utf-8"))
        if not isinstance(document, dict) or set(document) != {"groups"}:
            faults.append(f"{path.name}: a file holds one key, groups")
            continue
        for node in document["groups"]:
            kind = str(node.get("type"))
            faults += [f"{path.name}: {node.get('id')}: {fault}" for fault in _group_faults(node, kind)]
            name = node.get({"metric": "metric_name", "event": "name", "entity": "name"}.get(kind, "id"))
            name = str(name).removeprefix("span.") if kind == "span" else str(name)
            groups.append(Group(node=node, kind=kind, name=name, file=path.name))
    manifest = yaml.safe_load((folder / MANIFEST).read_text("utf-8"))
    if not re.fullmatch(r"https?://[^/]+/.+/[^/]+", str(manifest.get("schema_url"))):
        faults.append(f"{MANIFEST}: schema_url must be http[s]://host/path/version")
    attributes = {
        attribute["id"]: attribute
        for group in groups
        for attribute in group.node.get("attributes", ())
        if "id" in attribute
    }
    registry = Registry(manifest=manifest, groups=tuple(groups), attributes=attributes)
    faults += _reference_faults(registry)
    faults += _name_faults(registry)
    if faults:
        raise RegistryError(tuple(faults))
    return registry


def _group_faults(node: Node, kind: str) -> Iterator[str]:
    if kind not in _KEYS_BY_TYPE:
        yield f"type {kind} is not one of {sorted(_KEYS_BY_TYPE)}"
        return
    yield from (f"unknown key {key}" for key in sorted(set(node) - _GROUP_KEYS - _KEYS_BY_TYPE[kind]))
    needed = {"id", "type", "brief", "attributes"} | (_KEYS_BY_TYPE[kind] - {"entity_associations"})
    yield from (f"{key} is missing" for key in sorted(needed - set(node)))
    if kind != "attribute_group" and node.get("stability") not in _STABILITY:
        yield f"stability {node.get('stability')} is not one of {sorted(_STABILITY)}"
    if kind == "span" and node.get("span_kind") not in _KINDS:
        yield f"span_kind {node.get('span_kind')} is not one of {sorted(_KINDS)}"
    if kind == "metric":
        yield from _metric_faults(node)
    for attribute in node.get("attributes", ()):
        if kind == "attribute_group":
            yield from (f"{attribute.get('id')}: {fault}" for fault in _definition_faults(attribute))
        else:
            yield from (f"{attribute.get('ref')}: {fault}" for fault in _use_faults(attribute))


def _metric_faults(node: Node) -> Iterator[str]:
    name, instrument, unit = str(node.get("metric_name")), node.get("instrument"), node.get("unit")
    if instrument not in _INSTRUMENTS:
        yield f"instrument {instrument} is not one of {sorted(_INSTRUMENTS)}"
    if unit == "1":
        yield "unit 1 gets a suffix from some exporters and none from others; use a word in braces"
    if name.endswith("_duration") != (unit == "s"):
        yield "a metric ends in _duration when its unit is s, and only then"
    buckets = node.get("annotations", {}).get("buckets")
    if (instrument == "histogram") != (buckets is not None):
        yield "a histogram has the annotation buckets, and nothing else has"
    if buckets is not None and (not buckets or any(b <= a for a, b in pairwise(buckets))):
        yield "buckets must rise"


def _definition_faults(attribute: Node) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in sorted(set(attribute) - _DEFINITION_KEYS))
    yield from (f"{key} is missing" for key in ("id", "type", "brief", "stability") if key not in attribute)
    if attribute.get("stability") not in _STABILITY:
        yield f"stability {attribute.get('stability')} is not one of {sorted(_STABILITY)}"
    kind = attribute.get("type")
    examples = attribute.get("examples")
    if isinstance(kind, dict):
        members = kind.get("members") or ()
        if set(kind) != {"members"} or not members:
            yield "an enum holds a list of members"
        for member in members:
            yield from (f"{member.get('id')}: unknown key {key}" for key in sorted(set(member) - _MEMBER_KEYS))
            yield from (
                f"{member.get('id')}: {key} is missing" for key in sorted(_MEMBER_KEYS - {"note"} - set(member))
            )
            if not isinstance(member.get("value"), str):
                yield f"{member.get('id')}: a value is a string"
        values = Counter(member.get("value") for member in members)
        yield from (f"value {value} occurs {n} times" for value, n in values.items() if n > 1)
        return
    scalar = str(kind).removesuffix("[]")
    if scalar not in _SCALARS:
        yield f"type {kind} is unknown"
    elif not isinstance(examples, list) or not examples:
        yield "examples must be a list"
    elif not all(_fits(example, str(kind)) for example in examples):
        yield f"examples {examples} are not all of type {kind}"


def _fits(value: object, kind: str) -> bool:
    if kind.endswith("[]"):
        return isinstance(value, list) and all(_fits(item, kind[:-2]) for item in value)
    return isinstance(value, _SCALARS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _use_faults(reference: Node) -> Iterator[str]:
    if "ref" not in reference:
        yield "attributes are defined in attribute groups; others refer to them"
    yield from (f"unknown key {key}" for key in sorted(set(reference) - _REFERENCE_KEYS))
    level = reference.get("requirement_level", "recommended")
    if (
        level_of(reference) not in _LEVELS
        or (level == "conditionally_required")
        or (isinstance(level, dict) and len(level) != 1)
    ):
        yield f"requirement_level {level} is not one of {sorted(_LEVELS)}"


def _reference_faults(registry: Registry) -> Iterator[str]:
    entities = {group.name for group in registry.of_kind("entity")}
    for group in registry.groups:
        references = [node["ref"] for node in group.node.get("attributes", ()) if "ref" in node]
        for key, n in Counter(references).items():
            if key not in registry.attributes:
                yield f"{group.file}: {group.name} refers to {key}, which no attribute group defines"
            elif group.kind == "metric" and not bounded(registry.attributes[key]):
                yield f"{group.file}: {group.name} is a metric and {key} may take any number of values"
            if n > 1:
                yield f"{group.file}: {group.name} refers to {key} {n} times"
        for entity in group.node.get("entity_associations", ()):
            if entity not in entities:
                yield f"{group.file}: {group.name} is associated with {entity}, which is no entity"


def _name_faults(registry: Registry) -> Iterator[str]:
    def twice(names: list[str], what: str) -> Iterator[str]:
        yield from (f"{what} {name} occurs {n} times" for name, n in Counter(names).items() if n > 1)

    defined = [node["id"] for group in registry.groups for node in group.node.get("attributes", ()) if "id" in node]
    metrics = [group.name for group in registry.of_kind("metric")]
    signals = [group.name for group in registry.groups if group.kind in {"span", "event", "entity"}]
    yield from twice(defined, "attribute")
    yield from twice(metrics, "metric")
    yield from twice(signals, "span, event or entity")
    yield from twice([str(group.node.get("id")) for group in registry.groups], "group")
    flat = [
        prometheus_name(g.name, g.node.get("instrument", ""), g.node.get("unit", ""))
        for g in registry.of_kind("metric")
    ]
    yield from twice(flat, "Prometheus name")
    yield from twice([name.replace(".", "_") for name in defined], "Prometheus label")
    for name in (*defined, *metrics, *signals):
        if not _NAME.fullmatch(name):
            yield f"name {name} is not lower case words joined by . or _"
    for name in (*metrics, *(group.name for group in registry.groups if group.kind in {"span", "event"})):
        if not name.startswith(f"{ROOT}."):
            yield f"name {name} does not start with {ROOT}."
    known = set(defined)
    for name in defined:
        parts = name.split(".")
        if len(parts) == 1:
            yield f"attribute {name} has no namespace"
        yield from (
            f"attribute {'.'.join(parts[:n])} is a dotted prefix of {name}"
            for n in range(1, len(parts))
            if ".".join(parts[:n]) in known
        )
