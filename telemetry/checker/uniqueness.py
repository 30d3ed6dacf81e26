"""Names of a registry that occur more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from telemetry.checker.declarations import GroupSpec
from telemetry.checker.diagnostics import Fault, Provenance, Severity
from telemetry.checker.inheritance import Locate, duplicate_attribute
from telemetry.checker.model import GroupType

K = TypeVar("K")
_NAMED = (GroupType.ENTITY, GroupType.EVENT, GroupType.METRIC)


def collisions(
    groups: Sequence[GroupSpec], declared: Sequence[GroupSpec], extended: Mapping[str, GroupType], where: Locate
) -> Iterator[Fault]:
    """Names that occur more than once, where once is meant.

    Args:
        groups: the resolved groups, imported ones included, in the order of their ids.
        declared: the registry's own groups as they are declared.
        extended: what each group that extends another one extends, by id.
        where: names a file for messages.
    """

    def signal(group: GroupSpec) -> bool:
        return not (group.second and group.id in extended)

    named: dict[str, tuple[str, list[tuple[str, GroupSpec]]]] = {
        "DuplicateGroupId": ("group_id", [(group.id, group) for group in groups]),
        "DuplicateMetricName": ("metric_name", [(g.metric_name, g) for g in groups if g.metric_name and signal(g)]),
        "DuplicateGroupName": ("group_name", [(g.name, g) for g in groups if g.name and signal(g)]),
    }
    for kind, (key, pairs) in named.items():
        for name, found in _by(pairs).items():
            if len(found) > 1:
                places = _places(found, where)
                message = (
                    f"The {key.replace('_', ' ')} `{name}` is declared multiple times in the following locations:\n"
                    f"{_listed(places)}"
                )
                fields: dict[str, Any] = {key: name, "provenances": [place.json for place in places]}
                severity = Severity.WARNING
                yield Fault(kind=kind, fields=fields, message=message, severity=severity, file=found[-1].file)
    yield from _defined_twice(declared)
    yield from _one_signal(groups, extended, where)


def _defined_twice(declared: Sequence[GroupSpec]) -> Iterator[Fault]:
    found: dict[str, list[str]] = {}
    for group in declared:
        if group.type is GroupType.ATTRIBUTE_GROUP and not group.internal:
            own = [attribute.name for attribute in group.attributes if not attribute.reference]
            # What inherits is merged by name, so that a name occurs in it once.
            for name in dict.fromkeys(own) if group.extends is not None or group.included else own:
                found.setdefault(name, []).append(group.id)
    yield from (duplicate_attribute(name, holders) for name, holders in found.items() if len(holders) > 1)


def _one_signal(groups: Sequence[GroupSpec], extended: Mapping[str, GroupType], where: Locate) -> Iterator[Fault]:
    pairs = [((group.type, name), group) for group in groups if (name := _second_id(group, extended)) is not None]
    for (_, name), found in sorted(_by(pairs).items()):
        ids = list(dict.fromkeys(group.id for group in found))
        if len(ids) > 1:
            places = _places(found, where)
            shown = ", ".join(f'"{group}"' for group in ids)
            message = (
                f"The groups [{shown}] all become `{name}` in the v2 output, so one of them replaces the others:\n"
                f"{_listed(places)}"
            )
            advice = (
                "A v2 signal id drops the group-type prefix, so `entity.host` and `host` name one entity. "
                "Give each group an id that differs by more than that prefix."
            )
            fields = {"signal_id": name, "group_ids": ids, "provenances": [place.json for place in places]}
            kind = "CollidingV2SignalId"
            yield Fault(kind=kind, fields=fields, message=message, severity=Severity.WARNING, help=advice)


def _second_id(group: GroupSpec, extended: Mapping[str, GroupType]) -> str | None:
    """The name that the group takes among the signals of its type in definition/2."""
    refines = extended.get(group.id) is group.type
    if group.type in (GroupType.SPAN, GroupType.ATTRIBUTE_GROUP) or (refines and group.type in _NAMED):
        return group.id.removeprefix(f"{group.type.value}.")
    match group.type:
        case GroupType.ENTITY:
            return entity_type(group)
        case GroupType.EVENT:
            return group.name
        case GroupType.METRIC:
            return group.metric_name
        case _:
            return None


def entity_type(group: GroupSpec) -> str | None:
    """The name by which associations speak of a group, if it is an entity."""
    if group.type is not GroupType.ENTITY:
        return None
    if group.second and group.extends is not None:
        return group.id.removeprefix("entity.")
    return group.name if group.name is not None else group.id.removeprefix("entity.")


def _places(groups: Sequence[GroupSpec], where: Locate) -> list[Provenance]:
    return list(dict.fromkeys(where(group.file) for group in groups))


def _listed(places: Sequence[Provenance]) -> str:
    return "[" + ", ".join(map(str, places)) + "]"


def _by(pairs: Iterable[tuple[K, GroupSpec]]) -> dict[K, list[GroupSpec]]:
    found: dict[K, list[GroupSpec]] = {}
    for key, group in pairs:
        found.setdefault(key, []).append(group)
    return found
