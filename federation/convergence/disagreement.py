"""Several validators' figures for one round, and whether they would decide alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from federation.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """What validators measured, in short.

    Attributes:
        median: the figure that the round records; robust to a minority of wrong validators.
        spread: largest less smallest finite figure; 0.0 for one.
        below: validators whose figure is below the threshold.
        above: all the others, those without a finite figure among them.
        deviant: the validators, by name, who are on the other side of the threshold than the median.
    """

    median: float
    spread: float
    below: int
    above: int
    deviant: tuple[str, ...]

    @property
    def split(self) -> bool:
        """Whether the validators would decide differently."""
        return self.below > 0 and self.above > 0


def disagreement(figures: Mapping[str, float], *, threshold: float) -> Disagreement:
    """The disagreement of the validators' divergences, by validator. NaN and negative figures count as Inf.

    Raises:
        SettingError: without any figure.
    """
    if not figures:
        raise SettingError(name="figures", found={}, needed="the figure of at least one validator")
    values = {name: float(value) if value >= 0 else math.inf for name, value in figures.items()}
    finite = [value for value in values.values() if math.isfinite(value)]
    middle = median(values.values())
    quiet = middle < threshold
    below = sum(value < threshold for value in values.values())
    return Disagreement(
        median=middle,
        spread=max(finite) - min(finite) if finite else math.inf,
        below=below,
        above=len(values) - below,
        deviant=tuple(sorted(name for name, value in values.items() if (value < threshold) != quiet)),
    )
