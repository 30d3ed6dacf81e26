"""Rules of ``.weaver.toml`` that change the level of findings, or leave findings out."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from telemetry.checker.findings import Finding, FindingLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Leaves findings out of the report and the statistics.

    Attributes:
        exclude: ids of findings that are left out.
        min_level: findings below this level are left out.
        exclude_samples: globs; findings on samples of such names are left out.
        signal_type, sample_names: what the filter is limited to; None and empty for everything.
    """

    exclude: tuple[str, ...] = ()
    min_level: FindingLevel | None = None
    exclude_samples: tuple[str, ...] = ()
    signal_type: str | None = None
    sample_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelOverride:
    """Gives findings another level; applied before the filters.

    Attributes:
        ids: of the findings; None for all.
        signal_type, sample_names: what the rule is limited to; None and empty for everything.
    """

    level: FindingLevel
    ids: tuple[str, ...] | None = None
    signal_type: str | None = None
    sample_names: tuple[str, ...] = ()


class Modifier:
    """Applies the rules: the first override that matches, then every filter."""

    def __init__(self, filters: Sequence[FindingFilter] = (), overrides: Sequence[LevelOverride] = ()) -> None:
        self._overrides = [(rule, _names(rule.sample_names)) for rule in overrides]
        self._filters = [(rule, _names(rule.sample_names), _names(rule.exclude_samples)) for rule in filters]

    def apply(self, finding: Finding, sample_name: str | None) -> Finding | None:
        """The finding as it stands after the rules; None when it is left out.

        Args:
            finding: what was found.
            sample_name: name of the attribute, span, span event, metric, event or scope; None for other samples.
        """
        for rule, names in self._overrides:
            if _meant(rule.signal_type, names, finding, sample_name) and (rule.ids is None or finding.id in rule.ids):
                finding = replace(finding, level=rule.level)
                break
        for rule, names, excluded in self._filters:
            if _meant(rule.signal_type, names, finding, sample_name) and (
                finding.id in rule.exclude
                or (rule.min_level is not None and finding.level.rank < rule.min_level.rank)
                or (excluded is not None and sample_name is not None and excluded.match(sample_name) is not None)
            ):
                return None
        return finding


def _meant(signal_type: str | None, names: re.Pattern[str] | None, finding: Finding, sample_name: str | None) -> bool:
    if signal_type is not None and signal_type != finding.signal_type:
        return False
    return names is None or (sample_name is not None and names.match(sample_name) is not None)


def _names(globs: Sequence[str]) -> re.Pattern[str] | None:
    plain = [one for glob in globs for one in _alternatives(glob)]
    return re.compile("|".join(fnmatch.translate(one) for one in plain)) if plain else None


def _alternatives(glob: str) -> Iterator[str]:
    """``a.{b,c}`` as ``a.b`` and ``a.c``."""
    found = re.search(r"\{([^{}]*)\}", glob)
    if found is None:
        yield glob
        return
    for word in found[1].split(","):
        yield from _alternatives(glob[: found.start()] + word + glob[found.end() :])
