"""Centred clipping: the mean of differences from a start, each cut to a radius."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from federation import kernels
from federation.errors import SettingError, UpdatesError
from federation.rules.base import Aggregate, Bounded, Matrix, Vector, Weights, checked_updates
from federation.verdict import Decision, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CenteredClipping(Bounded):
    """``v + mean(clip(x_i - v, radius))``, a few times over, for n >= 2f + 1.

    Karimireddy, He and Jaggi, "Learning from History for Byzantine Robust Optimization", ICML 2021,
    section 5. The paper starts from the last aggregate, with a radius chosen by hand; without memory the start
    is the coordinate median, and the radius the median distance of the updates to it, so that no scale
    has to be known and the answer moves with the updates. Weights are ignored. An update that is cut in
    the last step has the verdict "clipped"; scores are distances to the centre of that step.

    Attributes:
        radius: the longest difference that counts whole; None for the median distance to the start.
        steps: how often to repeat with the result as the new centre.
        start: ``(d,)``, the first centre, copied; None for the coordinate median.
    """

    name: ClassVar[str] = "centered_clipping"
    bound: ClassVar[str] = "n >= 2f + 1"
    radius: float | None = None
    steps: int = 3
    start: Vector | None = None

    def __post_init__(self) -> None:
        if self.radius is not None and not 0 < self.radius < np.inf:
            raise SettingError(name="centered_clipping.radius", found=self.radius, needed="None or above 0")
        if self.steps < 1:
            raise SettingError(name="centered_clipping.steps", found=self.steps, needed="at least 1")
        if self.start is not None:
            start: NDArray[Any] = np.array(self.start)
            if start.ndim != 1 or start.dtype.kind != "f" or not np.isfinite(start).all():
                raise SettingError(
                    name="centered_clipping.start",
                    found=f"{start.dtype} of shape {start.shape}",
                    needed="None or a finite (d,) vector of floats",
                )
            start.setflags(write=False)
            object.__setattr__(self, "start", start)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CenteredClipping):
            return NotImplemented
        if (self.radius, self.steps) != (other.radius, other.steps):
            return False
        if self.start is None or other.start is None:
            return self.start is other.start
        return np.array_equal(self.start, other.start)

    def __hash__(self) -> int:
        return hash((self.radius, self.steps, self.start is None))

    def minimum(self, f: int) -> int:
        return 2 * f + 1

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        n, d = updates.shape
        self.requires(n, f)
        if self.start is not None and self.start.shape != (d,):
            raise UpdatesError(found=f"a start of shape {self.start.shape}", needed=f"({d},), as the updates")
        centre: Any = kernels.median(updates) if self.start is None else self.start.astype(updates.dtype)
        away = kernels.distances_to(updates, centre)
        radius = float(np.median(away)) if self.radius is None else self.radius
        for step in range(self.steps):
            if step:
                away = kernels.distances_to(updates, centre)
            # A row on the centre adds nothing, whatever its factor.
            factors = radius / np.maximum(away, max(radius, np.finfo(np.float64).tiny))
            centre = kernels.weighted_sum(factors / n, updates, centre=centre)
        verdicts = Verdicts.marking(
            away > radius,
            rule=self.name,
            decision=Decision.CLIPPED,
            reason="centered_clipping.radius",
            scores=away,
            threshold=radius,
        )
        return Aggregate(value=centre, verdicts=verdicts)
