"""Group-relative batch learning: experiences become patterns."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from federation.errors import SettingError
from workloads.patterns.experience import LARGEST_COUNT, LARGEST_TEAM, PatternExperience
from workloads.patterns.key_space import PatternType

# The two-sided 95 % quantile of the normal law.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How one experience is scored, all parts within [0, 1].

    Composite = 0.35 success + 0.25 speed + 0.25 (1 - error rate) + 0.15 resource efficiency. Speed is h / (h + s)
    for s seconds and a half-way point h by type; efficiency likewise for what it cost. So a score does not depend on
    who else is in the group and can be compared between installations. What was not measured scores 0.5.

    Attributes:
        success, speed, error_rate, resources: the weights; they add up to 1.
        halfway_s: type -> seconds that score 0.5.
        halfway_resources: what costs this much scores 0.5.
    """

    success: float = 0.35
    speed: float = 0.25
    error_rate: float = 0.25
    resources: float = 0.15
    halfway_s: Mapping[PatternType, float] = field(
        default_factory=lambda: {
            PatternType.TOOL: 1.0,
            PatternType.ERROR: 30.0,
            PatternType.SUCCESS: 300.0,
            PatternType.TEAM: 600.0,
        }
    )
    halfway_resources: float = 5.0

    def __post_init__(self) -> None:
        weights = (self.success, self.speed, self.error_rate, self.resources)
        if min(weights) < 0 or not math.isclose(sum(weights), 1, abs_tol=1e-9):
            raise SettingError(name="the weights of scoring", found=weights, needed=">= 0, adding up to 1")
        if set(self.halfway_s) != set(PatternType) or not all(0 < s < math.inf for s in self.halfway_s.values()):
            raise SettingError(name="halfway_s", found=dict(self.halfway_s), needed="seconds > 0 for each type")
        if not 0 < self.halfway_resources < math.inf:
            raise SettingError(name="halfway_resources", found=self.halfway_resources, needed="above 0 and finite")

    def composite(self, experience: PatternExperience) -> float:
        """The score of an experience, 0 to 1."""
        found = (
            self.success * experience.success
            + self.speed * _fall(experience.duration_s, self.halfway_s[experience.type])
            + self.error_rate * (1 - experience.errors)
            + self.resources * _fall(experience.resources, self.halfway_resources)
        )
        return min(max(found, 0.0), 1.0)


def _fall(measured: float | None, halfway: float) -> float:
    return 0.5 if measured is None else halfway / (halfway + measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What an installation knows of one key.

    Attributes:
        key, type, category: of the group.
        confidence: lower end of the 95 % interval of the success rate (Wilson, JASA 1927), 0 to 1.
        best_composite: the best score in the group, ever.
        group_mean: mean score, all experiences weighing the same.
        sample_size: experiences it was learned from.
        consecutive_successes: how many experiences in a row, up to the newest, went well (success >= 0.5).
        update_count: batches that changed it.
        successes, calls: calls that went well, and all; kept at home.
        duration_s: mean over the calls that were measured; None where none was.
        timed_calls: how many were.
        team_size: members of the best team; 0 elsewhere.
    """

    key: str
    type: PatternType
    category: str
    confidence: float
    best_composite: float
    group_mean: float
    sample_size: int
    consecutive_successes: int
    update_count: int
    successes: float
    calls: int
    duration_s: float | None = None
    timed_calls: int = 0
    team_size: int = 0

    @property
    def success_rate(self) -> float:
        """The share of calls that went well."""
        return min(self.successes / self.calls, 1.0)

    @property
    def latency(self) -> str | None:
        """``fast`` below 0.2 s, ``slow`` from 2 s, ``medium`` between; None where nothing was measured."""
        if self.duration_s is None:
            return None
        return "fast" if self.duration_s < 0.2 else "medium" if self.duration_s < 2 else "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLearning:
    """Makes patterns of experiences.

    Attributes:
        scoring: of one experience.
        margin: how far the best must be above the group mean for the group to be a pattern.
        smallest_group: experiences below which a group says nothing.
    """

    scoring: Scoring = field(default_factory=Scoring)
    margin: float = 0.05
    smallest_group: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise SettingError(name="margin", found=self.margin, needed="at least 0 and below 1")
        if self.smallest_group < 1:
            raise SettingError(name="smallest_group", found=self.smallest_group, needed="1 or more")

    def learn(
        self, experiences: Iterable[PatternExperience], previous: Mapping[str, Pattern] | None = None
    ) -> Mapping[str, Pattern]:
        """key -> pattern, sorted: the previous ones with a batch of experiences added, oldest first.

        A group without a previous pattern becomes one when it is large enough and its best is at least ``margin``
        above its mean. A pattern that is there is updated by any further experience.
        """
        groups: dict[str, list[PatternExperience]] = defaultdict(list)
        for experience in experiences:
            groups[experience.key].append(experience)
        found = dict(previous or {})
        for key, group in groups.items():
            made = self._pattern(key, group, found.get(key))
            if made is not None:
                found[key] = made
        return MappingProxyType({key: found[key] for key in sorted(found)})

    def _pattern(self, key: str, group: list[PatternExperience], before: Pattern | None) -> Pattern | None:
        scores = [self.scoring.composite(one) for one in group]
        best = max(scores)
        mean = min(math.fsum(scores) / len(scores), best)  # of equal scores, rounding can make it larger than each
        if before is None and (len(group) < self.smallest_group or best - mean < self.margin):
            return None
        streak = 0
        for one in reversed(group):
            if one.success < 0.5:
                break
            streak += 1
        timed = [(one.duration_s, one.count) for one in group if one.duration_s is not None]
        size, calls = len(group), sum(one.count for one in group)
        successes = math.fsum(one.success * one.count for one in group)
        spent, timed_calls = math.fsum(s * n for s, n in timed), sum(n for _, n in timed)
        team = max(zip(scores, group, strict=True), key=lambda pair: pair[0])[1].team_size
        if before is not None:
            streak += before.consecutive_successes if streak == size else 0
            mean = (mean * size + before.group_mean * before.sample_size) / (size + before.sample_size)
            team = before.team_size if before.best_composite >= best else team
            best = max(best, before.best_composite)
            size, calls, successes = size + before.sample_size, calls + before.calls, successes + before.successes
            spent += (before.duration_s or 0.0) * before.timed_calls
            timed_calls += before.timed_calls
        return Pattern(
            key=key,
            type=group[0].type,
            category=group[0].category,
            confidence=wilson(successes, calls),
            best_composite=best,
            group_mean=min(mean, best),
            sample_size=min(size, LARGEST_COUNT),
            consecutive_successes=min(streak, LARGEST_COUNT),
            update_count=(before.update_count if before else 0) + 1,
            successes=successes,
            calls=calls,
            duration_s=spent / timed_calls if timed_calls else None,
            timed_calls=timed_calls,
            team_size=min(team, LARGEST_TEAM),
        )


def wilson(successes: float, calls: int) -> float:
    """The lower end of Wilson's 95 % interval of a success rate, 0 to 1."""
    rate = min(successes / calls, 1.0)
    middle = rate + _Z * _Z / (2 * calls)
    spread = _Z * math.sqrt(rate * (1 - rate) / calls + _Z * _Z / (4 * calls * calls))
    return min(max((middle - spread) / (1 + _Z * _Z / calls), 0.0), 1.0)
