"""The fast cache: which patterns an installation acts on without thinking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.errors import SettingError
from workloads.patterns.blending import Installed
from workloads.patterns.key_space import OTHER
from workloads.patterns.learning import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """When a pattern goes in and when it comes out. Between the two thresholds it stays where it is.

    Attributes:
        promote_at: blended confidence from which a pattern goes in.
        demote_below: blended confidence below which it comes out.
        successes: own successes in a row that it needs to go in.
        samples: own experiences that it needs to go in.
        capacity: patterns held at most; those of the highest confidence stay.
    """

    promote_at: float = 0.8
    demote_below: float = 0.6
    successes: int = 3
    samples: int = 10
    capacity: int = 256

    def __post_init__(self) -> None:
        if not 0 <= self.demote_below <= self.promote_at <= 1:
            found = (self.demote_below, self.promote_at)
            raise SettingError(name="demote_below, promote_at", found=found, needed="0 <= the first <= the second <= 1")
        for name, low in (("successes", 0), ("samples", 0), ("capacity", 1)):
            if getattr(self, name) < low:
                raise SettingError(name=name, found=getattr(self, name), needed=f"{low} or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class FastCache:
    """The promoted patterns. A value: `updated` returns another.

    Attributes:
        settings: when patterns go in and out.
        keys: the promoted ones.
    """

    settings: CacheSettings = field(default_factory=CacheSettings)
    keys: frozenset[str] = frozenset()

    def updated(self, installed: Installed, own: Mapping[str, Pattern]) -> Turnover:
        """The cache after weights or patterns have changed.

        A pattern comes out when its confidence falls below ``demote_below``, when its newest own experience went
        wrong, or when it is no longer known. What the key space does not name (`other`) stands for many things, and
        nobody can act on it: it never goes in. Applying the same weights again changes nothing.
        """
        settings = self.settings
        fit: dict[str, float] = {}
        for key, weight in installed.weights.items():
            if key.endswith(f"::{OTHER}"):
                continue
            mine = own.get(key)
            failing = mine is not None and mine.consecutive_successes == 0
            if key in self.keys:
                stays = weight.confidence >= settings.demote_below and not failing
            else:
                stays = (
                    mine is not None
                    and weight.confidence >= settings.promote_at
                    and mine.consecutive_successes >= max(settings.successes, 1)
                    and mine.sample_size >= settings.samples
                )
            if stays:
                fit[key] = weight.confidence
        # Who is in goes before who is not: otherwise equals would take turns.
        ranked = sorted(fit, key=lambda key: (-fit[key], key not in self.keys, key))
        keys = frozenset(ranked[: settings.capacity])
        return Turnover(
            cache=FastCache(settings=settings, keys=keys),
            promoted=tuple(sorted(keys - self.keys)),
            demoted=tuple(sorted(self.keys - keys)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnover:
    """A cache and what has changed in it.

    Attributes:
        cache: as it is now.
        promoted, demoted: keys, sorted.
    """

    cache: FastCache
    promoted: tuple[str, ...]
    demoted: tuple[str, ...]
