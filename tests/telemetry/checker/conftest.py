"""A registry with one of everything, and live checks against it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telemetry.checker import Registry, load
from telemetry.checker.extensions import Extensions
from telemetry.checker.live_check import LiveCheck
from telemetry.checker.modifiers import Modifier
from telemetry.checker.sample_reader import sample_of

SHOP = """
groups:
  - id: registry.shop
    type: attribute_group
    brief: Attributes.
    stability: stable
    attributes:
      - id: shop.id
        type: string
        stability: stable
        brief: An id.
        examples: [a]
        annotations: {cardinality: unbounded}
      - {id: shop.count, type: int, stability: stable, brief: A count., examples: [1]}
      - {id: shop.price, type: double, stability: stable, brief: A price., examples: [1.5]}
      - {id: shop.tags, type: "string[]", stability: stable, brief: Tags., examples: [["a"]]}
      - {id: shop.prices, type: "double[]", stability: stable, brief: Prices., examples: [[1.5]]}
      - {id: shop.open, type: boolean, stability: stable, brief: Open.}
      - {id: shop.anything, type: any, stability: stable, brief: Anything.}
      - {id: shop.young, type: string, stability: development, brief: Young., examples: [a]}
      - {id: shop.label, type: "template[string]", stability: stable, brief: Labels., examples: [a]}
      - id: shop.old
        type: string
        stability: stable
        brief: Old.
        examples: [a]
        deprecated: {reason: renamed, renamed_to: shop.id}
      - id: shop.kind
        stability: stable
        brief: A kind.
        type:
          members:
            - {id: big, value: big, stability: stable, brief: Big.}
            - {id: small, value: small, stability: stable, brief: Small.}
      - id: shop.size
        stability: stable
        brief: A size.
        type:
          members:
            - {id: one, value: 1, stability: stable, brief: One.}
            - {id: two, value: 2, stability: stable, brief: Two.}
      - {id: host.name, type: string, stability: stable, brief: A host., examples: [a]}
      - {id: host.zone, type: string, stability: stable, brief: A zone., examples: [a]}
      - {id: pod.name, type: string, stability: stable, brief: A pod., examples: [a]}
      - {id: taken, type: string, stability: stable, brief: In the way., examples: [a]}
      - {id: taken.name, type: string, stability: stable, brief: Behind it., examples: [a]}
  - id: entity.host
    type: entity
    name: host
    stability: stable
    brief: A host.
    attributes:
      - {ref: host.name, role: identifying, requirement_level: required}
      - {ref: host.zone, role: descriptive, requirement_level: recommended}
  - id: entity.pod
    type: entity
    name: pod
    stability: stable
    brief: A pod.
    attributes:
      - {ref: pod.name, role: identifying, requirement_level: required}
      - {ref: shop.open, role: descriptive, requirement_level: opt_in}
      - {ref: shop.count, role: descriptive, requirement_level: {conditionally_required: If counted.}}
  - id: metric.shop.sales
    type: metric
    metric_name: shop.sales
    instrument: counter
    unit: "{sale}"
    stability: stable
    brief: Sales.
    attributes:
      - {ref: shop.kind, requirement_level: required}
      - {ref: shop.count, requirement_level: recommended}
      - {ref: shop.open, requirement_level: opt_in}
      - {ref: shop.price, requirement_level: {conditionally_required: If sold.}}
  - id: metric.shop.plain
    type: metric
    metric_name: shop.plain
    instrument: histogram
    unit: s
    stability: development
    brief: Plain.
    entity_associations: [host]
  - id: metric.shop.gone
    type: metric
    metric_name: shop.gone
    instrument: gauge
    unit: "1"
    stability: stable
    brief: Gone.
    deprecated: {reason: obsoleted, note: No more.}
    entity_associations: [host, pod]
  - id: metric.shop.both
    type: metric
    metric_name: shop.both
    instrument: updowncounter
    unit: "1"
    stability: stable
    brief: Both.
    entity_associations: [{all_of: [host, pod]}]
  - id: event.shop.opened
    type: event
    name: shop.opened
    stability: stable
    brief: Opened.
    entity_associations: [host]
    attributes:
      - {ref: shop.id, requirement_level: required}
      - {ref: shop.label, requirement_level: recommended}
  - id: event.shop.closed
    type: event
    name: shop.closed
    stability: alpha
    brief: Closed.
    deprecated: {reason: uncategorized}
  - id: span.shop.visit
    type: span
    span_kind: server
    stability: stable
    brief: A visit.
    attributes:
      - {ref: shop.id, requirement_level: required}
      - {ref: shop.kind, requirement_level: recommended}
      - {ref: shop.open, requirement_level: opt_in}
      - {ref: shop.label, requirement_level: opt_in}
  - id: span.shop.past
    type: span
    span_kind: internal
    stability: stable
    brief: A visit of old.
    deprecated: {reason: obsoleted, note: Closed for good.}
    attributes:
      - {ref: shop.id, requirement_level: opt_in}
"""


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the registry."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "manifest.yaml").write_text("schema_url: https://example.org/shop/1.0.0\n")
    (folder / "shop.yaml").write_text(textwrap.dedent(SHOP))
    return folder


@pytest.fixture(scope="session")
def shop(shop_folder: Path) -> Registry:
    """The registry."""
    return load(shop_folder)


@pytest.fixture
def live(shop: Registry) -> Callable[..., LiveCheck]:
    """A maker of live checks against the shop."""

    def make(modifier: Modifier | None = None, **extensions: Any) -> LiveCheck:
        return LiveCheck(shop, modifier=modifier, extensions=Extensions(**extensions))

    return make


@pytest.fixture
def found(live: Callable[..., LiveCheck]) -> Callable[..., list[dict[str, Any]]]:
    """All findings on samples in Weaver's JSON form, in the order of the report, those of inner samples included."""

    def find(*documents: dict[str, Any], **extensions: Any) -> list[dict[str, Any]]:
        check = live(**extensions)
        return [finding for document in documents for finding in findings(check.check(sample_of(document)))]

    return find


def findings(node: Any) -> list[dict[str, Any]]:
    """The findings in a node, and in what is inside of it."""
    if isinstance(node, list):
        return [finding for part in node for finding in findings(part)]
    if not isinstance(node, dict):
        return []
    own = (node.get("live_check_result") or {}).get("all_advice", [])
    return [*own, *(f for key, part in node.items() if key != "live_check_result" for f in findings(part))]
