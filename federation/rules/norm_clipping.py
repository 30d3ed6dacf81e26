"""Norm clipping: updates that are too long are shortened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.errors import SettingError
from federation.kernels import distances_to
from federation.rules.base import Bounded, Matrix, Mixed, Weights, checked_updates
from federation.verdict import Decision, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class NormClipping(Bounded):
    """Scales updates down to a largest L2 norm, given or adaptive, for n >= 2f + 1.

    Adaptive: the floor(2 (f/n) (n - f)) longest are cut to the norm of the longest of the others
    (Allouah et al., "Adaptive Gradient Clipping for Robust Federated Learning", ICLR 2025, algorithm 2).
    With f = 0 that cuts nothing. Works in a copy. Weights are passed on. A cut update has the verdict
    "clipped"; scores are norms.

    Attributes:
        radius: the largest norm; None for adaptive.
    """

    name: ClassVar[str] = "norm_clipping"
    bound: ClassVar[str] = "n >= 2f + 1"
    radius: float | None = None

    def __post_init__(self) -> None:
        if self.radius is not None and not 0 < self.radius < np.inf:
            raise SettingError(name="norm_clipping.radius", found=self.radius, needed="None or above 0")

    def minimum(self, f: int) -> int:
        return 2 * f + 1

    def size(self, n: int) -> int:
        return n

    def mix(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Mixed:
        updates = checked_updates(updates)
        n = len(updates)
        self.requires(n, f)
        norms = distances_to(updates)
        # 2f(n - f) // n in integers: no rounding decides how many are cut.
        radius = self.radius if self.radius is not None else float(np.sort(norms)[n - 2 * f * (n - f) // n - 1])
        cut = norms > radius
        clipped = updates.copy()
        factors = (radius / norms[cut]).astype(updates.dtype)
        clipped[cut] = updates[cut] * factors[:, None]
        verdicts = Verdicts.marking(
            cut,
            rule=self.name,
            decision=Decision.CLIPPED,
            reason="norm_clipping.norm",
            scores=norms,
            threshold=radius,
        )
        return Mixed(updates=clipped, f=f, weights=weights, groups=np.arange(n), verdicts=verdicts)
