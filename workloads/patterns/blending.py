"""The client's side of a release: the fleet's weights blended with an installation's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

from federation.errors import SettingError
from workloads.patterns.errors import OlderReleaseError, PatternError
from workloads.patterns.learning import Pattern
from workloads.patterns.schema import GlobalPatternWeight

_FORM = 1
_RATIOS = ((100, 0.1), (1000, 0.3))
EXPERT_RATIO = 0.5
PRIORITY_RATIO = 0.7


@dataclass(frozen=True, slots=True)
class BlendedWeight:
    """What an installation goes by for one key; all within [0, 1]."""

    confidence: float
    best_composite: float
    group_mean: float
    success_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The weights in force at an installation.

    Attributes:
        version: of the release they were blended with, ``major.minor.patch``.
        ratio: the own share in them.
        weights: key -> weight, sorted.
    """

    version: str
    ratio: float
    weights: Mapping[str, BlendedWeight]

    def to_bytes(self) -> bytes:
        """The weights as JSON with its own checksum, so that `recovered` can tell a damaged file."""
        plain = {key: asdict(weight) for key, weight in self.weights.items()}
        body = {"form": _FORM, "version": self.version, "ratio": self.ratio, "weights": plain}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "body": text}).encode()

    @classmethod
    def from_bytes(cls, found: bytes) -> Installed:
        """The weights that `to_bytes` wrote.

        Raises:
            PatternError: for anything else, damaged bytes included.
        """
        try:
            outer = json.loads(found)
            if hashlib.sha256(outer["body"].encode()).hexdigest() != outer["sha256"]:
                raise PatternError(what="The installed weights", found="another checksum", needed="an undamaged file")
            body = json.loads(outer["body"])
            if body["form"] != _FORM:
                raise PatternError(what="The installed weights", found="another form", needed=f"form {_FORM}")
            weights = {key: BlendedWeight(**weight) for key, weight in sorted(body["weights"].items())}
            version_of(body["version"])
            return cls(version=body["version"], ratio=float(body["ratio"]), weights=MappingProxyType(weights))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            needed = "a file as `to_bytes` writes it"
            raise PatternError(what="The installed weights", found=type(error).__name__, needed=needed) from error


def own_ratio(experiences: int, *, local_priority: bool = False) -> float:
    """The share of an installation's own weights: 0.1 below 100 experiences, 0.3 below 1,000, 0.5 above; or 0.7.

    Raises:
        SettingError: for a negative number of experiences.
    """
    if experiences < 0:
        raise SettingError(name="experiences", found=experiences, needed="0 or more")
    if local_priority:
        return PRIORITY_RATIO
    return next((ratio for limit, ratio in _RATIOS if experiences < limit), EXPERT_RATIO)


def hot_swapped(
    own: Mapping[str, Pattern],
    release: Mapping[str, GlobalPatternWeight],
    *,
    version: str,
    experiences: int,
    local_priority: bool = False,
    installed: Installed | None = None,
) -> Installed:
    """ratio x own + (1 - ratio) x release for each key that both know; else what there is.

    It goes by what the installation learned itself and never by what was blended before, so that applying a release
    twice is applying it once. ``own`` is not changed.

    Raises:
        OlderReleaseError: when a newer release is installed.
        PatternError: for a version that is none.
    """
    if installed is not None and version_of(version) < version_of(installed.version):
        raise OlderReleaseError(found=version, applied=installed.version)
    version_of(version)
    ratio = own_ratio(experiences, local_priority=local_priority)
    made: dict[str, BlendedWeight] = {}
    for key in sorted({*own, *release}):
        mine = _of_pattern(own[key]) if key in own else None
        theirs = _of_release(release[key], mine) if key in release else None
        if mine is not None and theirs is not None:
            made[key] = BlendedWeight(*[ratio * a + (1 - ratio) * b for a, b in zip(mine, theirs, strict=True)])
        else:
            made[key] = BlendedWeight(*(mine or theirs or ()))
    return Installed(version=version, ratio=ratio, weights=MappingProxyType(made))


def recovered(current: bytes | None, last_good: bytes | None) -> tuple[Installed | None, bool]:
    """The weights of the file in use, or of the last good one where it is damaged; and whether it had to be reset.

    None where neither can be read: the installation starts from its own weights and fetches the release again.
    """
    if current is None:
        return None, False
    for found, reset in ((current, False), (last_good, True)):
        try:
            if found is not None:
                return Installed.from_bytes(found), reset
        except PatternError:
            continue
    return None, True


def version_of(text: str) -> tuple[int, int, int]:
    """A semantic version as numbers.

    Raises:
        PatternError: for anything but ``major.minor.patch``.
    """
    parts = text.split(".") if isinstance(text, str) else []
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise PatternError(what="A version", found=repr(text)[:40], needed="major.minor.patch")
    major, minor, patch = (int(part) for part in parts)
    return major, minor, patch


_Scores = tuple[float, float, float, float]


def _of_pattern(pattern: Pattern) -> _Scores:
    return pattern.confidence, pattern.best_composite, pattern.group_mean, pattern.success_rate


def _of_release(weight: GlobalPatternWeight, mine: _Scores | None) -> _Scores:
    """The release's scores; one that it does not have is the installation's own, else the confidence."""
    given = (weight.confidence, weight.best_composite, weight.group_mean, weight.tool_success_rate)
    other = mine or (weight.confidence,) * 4
    return tuple(other[place] if value is None else value for place, value in enumerate(given))  # pyright: ignore[reportReturnType]
