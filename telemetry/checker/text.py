"""Reports for people: each sample with what was found in it, then what it came to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]

_COLOURS = {"violation": "31", "improvement": "33", "information": "36"}
_INNER = (
    ("attributes", "attribute"),
    ("filtered_attributes", "attribute"),
    ("span_events", "span_event"),
    ("span_links", "span_link"),
    ("data_points", "data_point"),
    ("exemplars", "exemplar"),
)
_LONGEST = 200
_MOST = 10


def sample_lines(node: Node, *, colour: bool) -> Iterator[str]:
    """The lines of a sample. Inner samples about which nothing was found are left out."""
    for kind, sample in node.items():
        yield from _lines(kind, sample, "", colour=colour, root=True)


def statistics_lines(statistics: Node | None, *, colour: bool) -> Iterator[str]:
    """The lines of the statistics; none without statistics."""
    if statistics is None:
        return
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(statistics["total_entities_by_type"].items()))
    yield f"samples: {statistics['total_entities']}{f' ({kinds})' if kinds else ''}"
    yield f"findings: {statistics['total_advisories']}; {statistics['no_advice_count']} samples without any"
    for level, n in statistics["advice_level_counts"].items():
        yield f"  {_painted(level, colour)}: {n}"
    for finding, n in sorted(statistics["advice_type_counts"].items(), key=lambda item: (-item[1], item[0])):
        yield f"  {finding}: {n}"
    yield f"registry coverage: {statistics['registry_coverage']:.1%}"
    for kind in ("attributes", "metrics", "events"):
        unseen = sorted(name for name, n in statistics[f"seen_registry_{kind}"].items() if not n)
        if unseen:
            more = f" and {len(unseen) - _MOST} more" if len(unseen) > _MOST else ""
            yield f"  {kind} not seen: {', '.join(unseen[:_MOST])}{more}"
    for key, value in (statistics.get("extensions") or {}).items():
        yield f"{key.replace('_', ' ')}: {json.dumps(value, default=str)}"


def _lines(kind: str, sample: Node, indent: str, *, colour: bool, root: bool) -> Iterator[str]:
    findings = sample["live_check_result"]["all_advice"]
    inner = [
        line
        for key, inside in _INNER
        for part in sample.get(key) or ()
        for line in _lines(inside, part, indent + "  ", colour=colour, root=False)
    ]
    if not (root or findings or inner):
        return
    yield f"{indent}{kind.replace('_', ' ')}{_named(sample)}"
    for finding in findings:
        message = _shown(finding["message"])
        yield f"{indent}  {_painted(finding['level'], colour)} {_shown(finding['id'])}: {message}"
    yield from inner


def _named(sample: Node) -> str:
    name = sample.get("name", sample.get("event_name"))
    said = "" if not name else f" {_shown(name)}"
    if "type" in sample:
        said += f" = {_shown(json.dumps(sample['value']))} ({sample['type'] or 'unknown'})"
    return said


def _shown(value: str) -> str:
    """The text without control characters, which a terminal would obey, and not too long."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in value[: _LONGEST + 1])
    return plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "..."


def _painted(level: str, colour: bool) -> str:
    return f"\033[{_COLOURS[level]}m{level}\033[0m" if colour else level
