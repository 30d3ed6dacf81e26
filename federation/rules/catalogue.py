"""All rules and pre-aggregators in the order in which they are shown, and how configuration names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, cast

from federation.errors import SettingError
from federation.rules.base import PreAggregator, Rule
from federation.rules.bucketing import Bucketing
from federation.rules.bulyan import Bulyan
from federation.rules.centered_clipping import CenteredClipping
from federation.rules.geometric_median import GeometricMedian
from federation.rules.krum import Krum
from federation.rules.meamed import Meamed
from federation.rules.mean import Mean
from federation.rules.median import Median
from federation.rules.multi_krum import MultiKrum
from federation.rules.nearest_neighbor_mixing import NearestNeighborMixing
from federation.rules.norm_clipping import NormClipping
from federation.rules.pipeline import Pipeline
from federation.rules.trimmed_mean import TrimmedMean

ALL_RULES = (
    Mean,
    Median,
    TrimmedMean,
    Meamed,
    Krum,
    MultiKrum,
    Bulyan,
    GeometricMedian,
    CenteredClipping,
)
ALL_PRE_AGGREGATORS = (NearestNeighborMixing, Bucketing, NormClipping)

_KINDS: dict[str, type[Any]] = {kind.name: kind for kind in (*ALL_RULES, *ALL_PRE_AGGREGATORS)}


def rule_from(description: Rule | str | Mapping[str, Any] | Sequence[Any]) -> Rule:
    """The rule that configuration describes.

    ``"median"``; ``{"name": "centered_clipping", "radius": 2.0}``; a list of pre-aggregators that ends
    with a rule, ``["nearest_neighbor_mixing", "median"]``; or a rule itself, which is returned as it is.

    Raises:
        SettingError: for an unknown name or parameter, with the nearest valid one; for a list that
            does not end with a rule or has one in its middle; for a parameter out of its range.
    """
    if isinstance(description, (list, tuple)):
        return _chain(cast("Sequence[Any]", description))
    part = _part(description)
    if isinstance(part, Rule):
        return part
    raise SettingError(
        name="rule", found=part.name, needed=f"a rule; {part.name} only prepares, as in [{part.name!r}, 'median']"
    )


def _chain(descriptions: Sequence[Any]) -> Rule:
    parts = [_part(item) for item in descriptions]
    steps: list[PreAggregator] = []
    for part in parts[:-1]:
        if isinstance(part, Rule):
            known = ", ".join(kind.name for kind in ALL_PRE_AGGREGATORS)
            raise SettingError(name="rule", found=part.name, needed=f"last in its list; before it only {known}")
        steps.append(part)
    if not parts or not isinstance(parts[-1], Rule):
        raise SettingError(name="rule", found=descriptions, needed="a list that ends with a rule")
    return Pipeline(steps=tuple(steps), rule=parts[-1]) if steps else parts[-1]


def _part(description: Any) -> Rule | PreAggregator:
    if isinstance(description, (Rule, PreAggregator)):
        return description
    if isinstance(description, str):
        return cast("Rule | PreAggregator", _kind(description)())
    if not isinstance(description, Mapping) or "name" not in description:
        raise SettingError(name="rule", found=cast(object, description), needed="a name, or a mapping with a name")
    settings = dict(cast("Mapping[str, Any]", description))
    kind = _kind(settings.pop("name"))
    known = [field.name for field in fields(kind)]
    for name in settings:
        if name not in known:
            hint = _nearest(name, known) if known else "left out: it has no parameters"
            raise SettingError(name=f"a parameter of {kind.name}", found=name, needed=hint)
    try:
        return cast("Rule | PreAggregator", kind(**settings))
    except TypeError as error:
        raise SettingError(name=f"a parameter of {kind.name}", found=settings, needed="of the right type") from error


def _kind(name: object) -> type[Any]:
    if isinstance(name, str) and name in _KINDS:
        return _KINDS[name]
    raise SettingError(name="rule", found=name, needed=_nearest(str(name), list(_KINDS)))


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name.lower().replace("-", "_"), known, n=1)
    listed = "one of " + ", ".join(known)
    return f"{listed} (nearest: {close[0]!r})" if close else listed
