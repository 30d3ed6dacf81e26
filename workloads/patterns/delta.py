"""What has changed since a client last submitted, and how that becomes a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from federation.workload import Row
from workloads.patterns.experience import LARGEST_TEAM
from workloads.patterns.key_space import KeySpace, PatternType
from workloads.patterns.learning import Pattern
from workloads.patterns.rows import LATENCIES, VALUES, Encoded, Weights, decoded, encoded
from workloads.patterns.schema import PatternWeight
from workloads.patterns.scrubber import DECIMALS

Scores = tuple[float, float, float, float]
"""Confidence, best composite, group mean and success rate."""

_ZERO: Scores = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What a client has told the server, key by key; kept at home.

    Attributes:
        scores: key -> scores as they were when they were submitted.
        samples: key -> sample size then.
    """

    scores: Mapping[str, Scores]
    samples: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """A delta, and what is to be remembered once the server has accepted it.

    Attributes:
        weights: key -> change.
        submitted: the client's next `Submitted`.
    """

    weights: Mapping[str, PatternWeight]
    submitted: Submitted


def extracted(
    patterns: Mapping[str, Pattern],
    *,
    space: KeySpace,
    last: Submitted | None = None,
    base: Row | None = None,
) -> Extracted:
    """The changes of patterns since ``last``; of keys never submitted, since the ``base`` release.

    A fleet that starts has no release, so a first submission holds the full weights. A client that joins later
    must not add its full weights to a value which already holds everybody's, as the document's text would have it;
    so its first submission is the difference to the release. Without ``last``, all changes are to the base: the
    average of such changes, added to the base, is the average of the clients' own weights, whoever takes part.
    Changes since the last submission only add up to that while the same clients take part in every round.

    Patterns outside of the key space are left out. Unchanged ones are, too.
    """
    known = {key: weights.values[:4] for key, weights in decoded(base, space).items()} if base is not None else {}
    changes: dict[str, PatternWeight] = {}
    scores: dict[str, Scores] = dict(last.scores) if last else {}
    samples: dict[str, int] = dict(last.samples) if last else {}
    for key in sorted(set(patterns) & set(space.places)):
        pattern = patterns[key]
        word, _, category = key.partition("::")  # the key space's own words, whatever the pattern says
        kind = PatternType(word)
        now = scores_of(pattern)
        before = scores.get(key) if last and key in last.scores else known.get(key, _ZERO)
        change = tuple(round(min(max(a - b, -1.0), 1.0), DECIMALS) for a, b in zip(now, before or _ZERO, strict=True))
        if key in samples and not any(change) and samples[key] == pattern.sample_size:
            continue
        changes[key] = PatternWeight(
            type=kind,
            category=category,
            confidence=change[0],
            best_composite=change[1],
            group_mean=change[2],
            sample_size=pattern.sample_size,
            consecutive_successes=pattern.consecutive_successes,
            update_count=pattern.update_count,
            tool_success_rate=change[3] if kind is PatternType.TOOL else None,
            avg_latency_bucket=pattern.latency if kind is PatternType.TOOL else None,
            team_size=pattern.team_size if kind is PatternType.TEAM else None,
            domain=space.domain(key),
        )
        scores[key], samples[key] = now, pattern.sample_size
    submitted = Submitted(scores=MappingProxyType(scores), samples=MappingProxyType(samples))
    return Extracted(weights=MappingProxyType(changes), submitted=submitted)


def scores_of(pattern: Pattern) -> Scores:
    """The scores of a pattern, rounded as they are sent."""
    found = (pattern.confidence, pattern.best_composite, pattern.group_mean, pattern.success_rate)
    return tuple(round(value, DECIMALS) for value in found)  # pyright: ignore[reportReturnType] - four in, four out


def row_of(weights: Mapping[str, PatternWeight], *, base: Row, space: KeySpace, round_number: int) -> Encoded:
    """The update row of a delta, for a round.

    Latency and team size, which are sent as they are, become changes to ``base``.
    """
    known = decoded(base, space)
    nothing = Weights(samples=0, values=(0.0,) * len(VALUES))
    made: dict[str, Weights] = {}
    for key, weight in weights.items():
        before = known.get(key, nothing).values
        latency, team = weight.avg_latency_bucket, weight.team_size
        made[key] = Weights(
            samples=weight.sample_size,
            values=(
                weight.confidence,
                weight.best_composite or 0.0,
                weight.group_mean or 0.0,
                weight.tool_success_rate or 0.0,
                0.0 if latency is None else LATENCIES.index(latency) / 2 - before[4],
                0.0 if team is None else team / LARGEST_TEAM - before[5],
            ),
        )
    return encoded(made, space, round_number=round_number)
