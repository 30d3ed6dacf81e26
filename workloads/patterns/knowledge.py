"""What the fleet knows: a release's row as weights, how it changes, and how steady it has been."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from federation.workload import Row
from workloads.patterns.experience import LARGEST_TEAM
from workloads.patterns.key_space import Domain, KeySpace, PatternType
from workloads.patterns.rows import LATENCIES, MOST_SAMPLES, PRESENT, columns
from workloads.patterns.schema import GlobalPatternWeight
from workloads.patterns.scrubber import DECIMALS

_RECENT = 0.3  # share of the newest round in the moving mean and variance
_LARGEST_DEVIATION = 0.5  # of values in [0, 1]


def folded(base: Row, aggregate: Row, *, keys: int, min_contributors: int) -> Row:
    """The next release: the aggregate's changes added to the base, key by key, within [0, 1].

    Keys with fewer than ``min_contributors`` in the aggregate keep their values, and what is known of them. So an
    aggregate of another rule than `PatternRule`, which counts nobody, changes nothing.
    """
    made = base.astype(np.float32, copy=True)
    old, new, change = columns(base, keys), columns(made, keys), columns(aggregate, keys)
    enough = change.contributors >= min_contributors - PRESENT
    new.values[enough] = np.clip(old.values[enough] + change.values[enough], 0, 1)
    new.contributors[enough] = np.round(change.contributors[enough])
    new.samples[enough] = np.maximum(change.samples[enough], 0)
    first = enough & (old.contributors < PRESENT)
    again = enough & ~first
    confidence = new.values[:, 0]
    new.mean[first], new.variance[first] = confidence[first], 0
    # Exponentially weighted mean and variance (Finch, 2009, section 9).
    gap = confidence[again] - old.mean[again]
    new.mean[again] = old.mean[again] + np.float32(_RECENT) * gap
    new.variance[again] = np.float32(1 - _RECENT) * (old.variance[again] + np.float32(_RECENT) * gap * gap)
    return made


def stabilities(row: Row, keys: int) -> NDArray[np.float64]:
    """``(K,)``: 1 minus the moving standard deviation of the confidence over the largest there can be, 0.5."""
    variance = np.maximum(columns(row, keys).variance.astype(np.float64), 0)
    return 1 - np.minimum(np.sqrt(variance) / _LARGEST_DEVIATION, 1)


def weights_of(row: Row, space: KeySpace, *, domain: Domain | None = None) -> dict[str, GlobalPatternWeight]:
    """key -> what the fleet knows of it, sorted; with ``domain`` the keys of that domain and the general ones."""
    parts = columns(row, len(space.keys))
    steady = stabilities(row, len(space.keys))
    found: dict[str, GlobalPatternWeight] = {}
    for key in sorted(space.keys):
        place = space.places[key]
        if parts.contributors[place] < PRESENT:
            continue
        if domain is not None and space.domain(key) not in (domain, Domain.GENERAL):
            continue
        kind, _, category = key.partition("::")
        tool, team = kind == PatternType.TOOL, kind == PatternType.TEAM
        values = [round(float(value), DECIMALS) for value in parts.values[place]]
        found[key] = GlobalPatternWeight(
            type=PatternType(kind),
            category=category,
            confidence=values[0],
            best_composite=values[1],
            group_mean=values[2],
            total_samples=round(float(parts.samples[place]) * MOST_SAMPLES),
            contributor_count=round(float(parts.contributors[place])),
            tool_success_rate=values[3] if tool else None,
            avg_latency_bucket=LATENCIES[round(values[4] * 2)] if tool else None,
            team_size=round(values[5] * LARGEST_TEAM) if team else None,
            domain=space.domain(key),
            stability=round(float(steady[place]), DECIMALS),
        )
    return found
