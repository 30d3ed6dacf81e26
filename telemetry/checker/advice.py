"""What Weaver's built-in advisors say about attributes, metrics, data points and events, in their order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from telemetry.checker.findings import Advice, FindingId, FindingLevel
from telemetry.checker.model import AllOf, Association, Attribute, Deprecation, Entity, Group, Level, Metric, OneOf
from telemetry.checker.registry import Registry

INSTRUMENTS = frozenset({"counter", "updowncounter", "gauge", "histogram"})

_WIDER = {"int": "double", "int[]": "double[]"}
_LEVELS = {
    Level.REQUIRED: ("required", "Required", FindingLevel.VIOLATION),
    Level.RECOMMENDED: ("recommended", "Recommended", FindingLevel.IMPROVEMENT),
    Level.OPT_IN: ("opt_in", "Opt-in", FindingLevel.INFORMATION),
    Level.CONDITIONALLY_REQUIRED: ("conditionally_required", "Conditionally required", FindingLevel.INFORMATION),
}


def attribute_advice(name: str, type: str | None, value: Any, definition: Attribute | None) -> list[Advice]:
    """Advice about an attribute, given its definition: its own, or that of the template that it belongs to."""
    if definition is None:
        return [
            Advice(
                id=FindingId.MISSING_ATTRIBUTE,
                level=FindingLevel.VIOLATION,
                message=f"Attribute '{name}' does not exist in the registry.",
                context={"attribute_key": name},
            )
        ]
    found: list[Advice] = []
    if definition.is_template:
        found.append(
            Advice(
                id=FindingId.TEMPLATE_ATTRIBUTE,
                level=FindingLevel.INFORMATION,
                message=f"Attribute '{name}' is a template",
                context={"attribute_key": name, "template_name": definition.name},
            )
        )
    found += _standing("Attribute", "attribute_key", name, definition)
    found += _type_advice(name, type, definition)
    found += _enum_advice(name, type, value, definition)
    return found


def metric_advice(name: str, instrument: str, unit: str, definition: Metric | None) -> list[Advice]:
    """Advice about a metric itself; its data points and its resource are for the functions below."""
    if definition is None:
        return [
            Advice(
                id=FindingId.MISSING_METRIC,
                level=FindingLevel.VIOLATION,
                message="Metric does not exist in the registry.",
            )
        ]
    found = _standing("Metric", "metric_name", name, definition)
    if instrument not in INSTRUMENTS:
        found.append(
            Advice(
                id=FindingId.UNEXPECTED_INSTRUMENT,
                level=FindingLevel.VIOLATION,
                message=f"Instrument '{instrument}' is not supported",
                context={"instrument": instrument},
            )
        )
    elif instrument != definition.instrument:
        found.append(
            Advice(
                id=FindingId.UNEXPECTED_INSTRUMENT,
                level=FindingLevel.VIOLATION,
                message=f"Instrument should be '{definition.instrument}', but found '{instrument}'.",
                context={"instrument": instrument, "expected": definition.instrument},
            )
        )
    if unit != definition.unit:
        found.append(
            Advice(
                id=FindingId.UNIT_MISMATCH,
                level=FindingLevel.VIOLATION,
                message=f"Unit should be '{definition.unit}', but found '{unit}'.",
                context={"unit": unit, "expected": definition.unit},
            )
        )
    return found


def event_advice(name: str, names: Collection[str], definition: Group | None) -> list[Advice]:
    """Advice about a log record with the attributes ``names``; one without an event name matches nothing."""
    if not name:
        return []
    if definition is None:
        return [
            Advice(
                id=FindingId.MISSING_EVENT,
                level=FindingLevel.VIOLATION,
                message=f"Event '{name}' does not exist in the registry.",
            )
        ]
    return [*_standing("Event", "event_name", name, definition), *requirement_advice(names, definition)]


def requirement_advice(names: Collection[str], definition: Group | None) -> list[Advice]:
    """Advice about attributes that are not among ``names`` and that a data point or event should have."""
    present = frozenset(names)
    return [
        _absent(attribute)
        for attribute in (definition.attributes if definition else ())
        if attribute.name not in present
        and not (attribute.is_template and any(name.startswith(attribute.name) for name in present))
    ]


def association_advice(associations: Sequence[Association], registry: Registry, names: Collection[str]) -> list[Advice]:
    """Advice about a resource with the attributes ``names``, of a metric or event with these associations.

    A single association is taken as it is; several are an implicit one_of. An entity that the registry does not
    know counts as satisfied.
    """
    if not associations:
        return []
    whole = associations[0] if len(associations) == 1 else OneOf(parts=tuple(associations))
    return _evaluated(whole, registry, frozenset(names)).advice


@dataclass(frozen=True, slots=True)
class _Evaluated:
    satisfied: bool
    advice: list[Advice]


def _evaluated(association: Association, registry: Registry, names: frozenset[str]) -> _Evaluated:
    match association:
        case OneOf(parts=parts):
            good = [found for part in parts if (found := _evaluated(part, registry, names)).satisfied]
            if good:
                return _Evaluated(True, [advice for found in good for advice in found.advice])
            return _Evaluated(False, [_unsatisfied(parts)])
        case AllOf(parts=parts):
            all_parts = [_evaluated(part, registry, names) for part in parts]
            return _Evaluated(
                all(found.satisfied for found in all_parts), [advice for found in all_parts for advice in found.advice]
            )
        case name:
            entity = registry.entity(name)
            advice = [] if entity is None else list(_entity_advice(entity, names))
            return _Evaluated(all(found.level is not FindingLevel.VIOLATION for found in advice), advice)


def _entity_advice(entity: Entity, names: frozenset[str]) -> Iterator[Advice]:
    for attribute in entity.attributes:
        if attribute.name not in names:
            word, title, level = _LEVELS[attribute.level]
            yield Advice(
                id=FindingId(f"entity_{word}_attribute_not_present"),
                level=level,
                message=f"{title} attribute '{attribute.name}' for entity '{entity.name}' "
                "is not present in the resource.",
                context={"attribute_key": attribute.name, "entity_type": entity.name},
            )


def _unsatisfied(parts: Iterable[Association]) -> Advice:
    names = list(dict.fromkeys(_entities(parts)))
    return Advice(
        id=FindingId.ENTITY_ASSOCIATION_NOT_SATISFIED,
        level=FindingLevel.VIOLATION,
        message=f"None of the associated entities [{', '.join(names)}] were satisfied by the resource.",
        context={"entity_type": names},
    )


def _entities(parts: Iterable[Association]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            yield from _entities(part.parts)


def _absent(attribute: Attribute) -> Advice:
    word, title, level = _LEVELS[attribute.level]
    return Advice(
        id=FindingId(f"{word}_attribute_not_present"),
        level=level,
        message=f"{title} attribute '{attribute.name}' is not present.",
        context={"attribute_key": attribute.name},
    )


def _standing(what: str, key: str, name: str, definition: Attribute | Group) -> list[Advice]:
    """Advice about a definition that is deprecated, or not stable, or both."""
    found: list[Advice] = []
    if definition.deprecated is not None:
        reason, note = _reason(definition.deprecated), definition.deprecated.note
        found.append(
            Advice(
                id=FindingId.DEPRECATED,
                level=FindingLevel.VIOLATION,
                message=f"{what} '{name}' is deprecated; reason = '{reason}', note = '{note}'.",
                context={key: name, "deprecation_reason": reason, "deprecation_note": note},
            )
        )
    if definition.stability is not None and definition.stability != "stable":
        stability = definition.stability.value
        found.append(
            Advice(
                id=FindingId.NOT_STABLE,
                level=FindingLevel.IMPROVEMENT,
                message=f"{what} '{name}' is not stable; stability = {stability}.",
                context={key: name, "stability": stability},
            )
        )
    return found


def _reason(deprecation: Deprecation) -> str:
    return "uncategorized" if deprecation.reason == "unspecified" else deprecation.reason


def _type_advice(name: str, type: str | None, definition: Attribute) -> list[Advice]:
    if type is None:
        return []
    if definition.is_enum:
        if type in {"string", "int"}:
            return []
        message = f"Enum attribute '{name}' has type '{type}'. Enum value type should be 'string' or 'int'."
        context = {"attribute_key": name, "attribute_type": type}
    else:
        needed = definition.value_type
        if needed in {type, "any", _WIDER.get(type)} or type == "any":
            return []
        message = f"Attribute '{name}' has type '{type}'. Type should be '{needed}'."
        context = {"attribute_key": name, "attribute_type": type, "expected": needed}
    return [Advice(id=FindingId.TYPE_MISMATCH, level=FindingLevel.VIOLATION, message=message, context=context)]


def _enum_advice(name: str, type: str | None, value: Any, definition: Attribute) -> list[Advice]:
    if not definition.is_enum or type not in {"string", "int"} or value is None:
        return []
    # True equals 1 in Python; a member of another type than the value is another value.
    kind = str if type == "string" else int
    if isinstance(value, kind) and any(
        isinstance(member.value, kind) and not isinstance(member.value, bool) and member.value == value
        for member in definition.members
    ):
        return []
    return [
        Advice(
            id=FindingId.UNDEFINED_ENUM_VARIANT,
            level=FindingLevel.INFORMATION,
            message=f"Enum attribute '{name}' has value '{value}' which is not documented.",
            context={"attribute_key": name, "attribute_value": value},
        )
    ]
