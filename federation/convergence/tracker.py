"""Whether learning has converged, is on its way, has stalled, or runs apart; and how long it may take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, cast

from federation.convergence.divergence import Measure
from federation.convergence.trend import FEWEST_POINTS, Trend, trend
from federation.errors import SettingError

Status: TypeAlias = Literal["training", "converged", "stalled", "diverging"]

# An extrapolation over more than this many windows says nothing: the answer is "unknown".
_FARTHEST_WINDOWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvergenceCriterion:
    """When learning counts as converged.

    Attributes:
        threshold: divergence in nats; a round is quiet when its own is below.
        min_rounds: rounds before convergence can be declared.
        patience: quiet rounds in a row that are needed.
        window: rounds that trend, stall and oscillation are judged over.
        significance: level of the one-sided tests of `federation.convergence.trend`.
        measure: which divergence the figures are.
    """

    threshold: float = 0.01
    min_rounds: int = 10
    patience: int = 3
    window: int = 20
    significance: float = 0.01
    measure: Measure = "policy_kl"

    def __post_init__(self) -> None:
        if not (0 < self.threshold < math.inf):
            raise SettingError(name="threshold", found=self.threshold, needed="above 0 and finite")
        if self.min_rounds < 1:
            raise SettingError(name="min_rounds", found=self.min_rounds, needed="1 or more")
        if self.patience < 1:
            raise SettingError(name="patience", found=self.patience, needed="1 or more")
        if self.window < FEWEST_POINTS:
            raise SettingError(name="window", found=self.window, needed=f"{FEWEST_POINTS} or more")
        if not (0 < self.significance < 0.5):
            raise SettingError(name="significance", found=self.significance, needed="above 0 and below 0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvergenceTracker:
    """The divergences of the rounds so far, and what they say. A value: `observe` returns another.

    Attributes:
        criterion: when learning counts as converged.
        rounds: rounds observed.
        quiet: rounds in a row, up to the last, whose divergence was below the threshold.
        recent: the last ``criterion.window`` divergences, oldest first; Inf for one that is not a number.
    """

    criterion: ConvergenceCriterion = field(default_factory=ConvergenceCriterion)
    rounds: int = 0
    quiet: int = 0
    recent: tuple[float, ...] = ()

    def observe(self, kl: float) -> ConvergenceTracker:
        """The state after one more round with this divergence. NaN and negative values count as Inf."""
        value = float(kl) if kl >= 0 else math.inf
        return replace(
            self,
            rounds=self.rounds + 1,
            quiet=self.quiet + 1 if value < self.criterion.threshold else 0,
            recent=(*self.recent, value)[-self.criterion.window :],
        )

    @property
    def trend(self) -> Trend:
        """The trend over the recent rounds."""
        return trend(self.recent, significance=self.criterion.significance)

    @property
    def status(self) -> Status:
        """What the rounds so far say.

        ``converged``: at least ``min_rounds``, and the last ``patience`` of them quiet. ``diverging``: the
        last divergence is not finite, or is above the threshold with a rising trend. ``stalled``: a full
        window, the last divergence above the threshold, and no falling trend. Else ``training``.
        """
        if not self.recent:
            return "training"
        if not math.isfinite(self.recent[-1]):
            return "diverging"
        if self.rounds >= self.criterion.min_rounds and self.quiet >= self.criterion.patience:
            return "converged"
        if self.quiet:
            return "training"
        direction = self.trend.direction
        if direction == "rising":
            return "diverging"
        if direction == "flat" and len(self.recent) == self.criterion.window:
            return "stalled"
        return "training"

    @property
    def oscillating(self) -> bool:
        """Whether divergences above the threshold go up and down in turn: a step size that overshoots.

        Found for alternation from round to round, not for slower cycles.
        """
        return bool(self.recent) and self.quiet == 0 and self.trend.oscillating

    @property
    def remaining_rounds(self) -> int | None:
        """Rounds until ``converged`` if the trend goes on; None when that cannot be told.

        Log divergence is extrapolated along its Theil-Sen line to the threshold, then ``patience`` is
        added. Unknown without a significant falling trend, and beyond 50 windows.
        """
        criterion = self.criterion
        if self.recent and not math.isfinite(self.recent[-1]):
            return None
        waiting = max(criterion.min_rounds - self.rounds, 0)
        if self.quiet:
            return max(criterion.patience - self.quiet, waiting)
        found = self.trend
        if found.direction != "falling":
            return None
        # At the threshold itself a round is not yet quiet; the first one below it is the first of patience.
        ahead = max((found.level - math.log(criterion.threshold)) / -found.slope, 0.0)
        if ahead > _FARTHEST_WINDOWS * criterion.window:
            return None
        return max(math.floor(ahead) + criterion.patience, waiting)

    def to_dict(self) -> dict[str, Any]:
        """The state, without the criterion, as plain data for a journal. Inf is written as None."""
        recent = [value if math.isfinite(value) else None for value in self.recent]
        return {"rounds": self.rounds, "quiet": self.quiet, "recent": recent}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], *, criterion: ConvergenceCriterion) -> ConvergenceTracker:
        """The state that `to_dict` wrote.

        Raises:
            SettingError: for counts that cannot be.
        """
        rounds, quiet = int(state["rounds"]), int(state["quiet"])
        found = cast("list[float | None]", state["recent"])
        recent = tuple(math.inf if value is None else float(value) for value in found)
        if not 0 <= quiet <= rounds or len(recent) > rounds:
            raise SettingError(name="state", found=dict(state), needed="0 <= quiet <= rounds >= len(recent)")
        return cls(criterion=criterion, rounds=rounds, quiet=quiet, recent=recent[-criterion.window :])
