"""A resolved registry, read from a directory of Weaver's YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from telemetry.checker.diagnostics import RegistryError
from telemetry.checker.model import Attribute, Entity, Event, Group, Metric, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All groups, and what live-check looks up in them.

    Where several groups speak of one attribute, the last one in the order of group ids is what a name finds, as in
    Weaver; for templates it is the first.

    Attributes:
        schema_url: of the manifest; ``https://unknown/unknown`` without one.
        description: of the manifest.
        groups: sorted by id.
        attributes: those that are no templates, by name, deprecated ones included.
        templates: by the names that they are prefixes of, longest first.
        metrics: by ``metric_name``.
        events: by event name.
        spans: by group id.
        entities: by entity name.
    """

    schema_url: str
    description: str
    groups: tuple[Group, ...]
    attributes: Mapping[str, Attribute]
    templates: Mapping[str, Attribute]
    metrics: Mapping[str, Metric]
    events: Mapping[str, Event]
    spans: Mapping[str, Span]
    entities: Mapping[str, Entity]

    def attribute(self, name: str) -> Attribute | None:
        """The attribute that is no template and has this name."""
        return self.attributes.get(name)

    def template(self, name: str) -> Attribute | None:
        """The template with the longest name that ``name`` begins with.

        A plain prefix is enough, as in Weaver up to 0.26: ``demo.tagX`` finds ``demo.tag``.
        """
        return next((found for prefix, found in self.templates.items() if name.startswith(prefix)), None)

    def metric(self, name: str) -> Metric | None:
        """The metric of this name."""
        return self.metrics.get(name)

    def event(self, name: str) -> Event | None:
        """The event of this name."""
        return self.events.get(name)

    def span(self, name: str) -> Span | None:
        """The span group whose id is the name, or the name after ``span.``."""
        return self.spans.get(name) or self.spans.get(f"span.{name}")

    def entity(self, name: str) -> Entity | None:
        """The entity of this name."""
        return self.entities.get(name)


def assemble(groups: tuple[Group, ...], *, schema_url: str, description: str = "") -> Registry:
    """The registry of resolved groups."""
    ordered = tuple(sorted(groups, key=lambda group: group.id))
    every = [attribute for group in ordered for attribute in group.attributes]
    templates: dict[str, Attribute] = {}
    for attribute in every:
        if attribute.is_template:
            templates.setdefault(attribute.name, attribute)
    return Registry(
        schema_url=schema_url,
        description=description,
        groups=ordered,
        attributes={attribute.name: attribute for attribute in every if not attribute.is_template},
        templates=dict(sorted(templates.items(), key=lambda item: -len(item[0].encode()))),
        metrics={group.name: group for group in ordered if isinstance(group, Metric)},
        events={group.name: group for group in ordered if isinstance(group, Event)},
        spans={group.id: group for group in ordered if isinstance(group, Span)},
        entities={group.name: group for group in ordered if isinstance(group, Entity)},
    )


def load(path: Path | str) -> Registry:
    """The registry in a folder.

    Raises:
        RegistryError: with every diagnostic, when the registry has errors. Warnings do not raise.
    """
    from telemetry.checker.resolution import resolve  # which needs the records of this file

    found = resolve(str(path))
    if found.registry is None or not all(diagnostic.passes for diagnostic in found.diagnostics):
        raise RegistryError(found.diagnostics)
    return found.registry
