"""Attacks that are made from what the honest agents send."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from federation.kernels import squared_distances
from workloads.attacks.base import Lie, Scene, moments, sent

_HALVINGS = 40
_POWER_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ALittleIsEnough:
    """The honest mean, moved by z standard deviations in each coordinate (Baruch et al., NeurIPS 2019, algorithm 3).

    All liars send the same. z follows from how many honest agents have to be nearer to the mean's other
    side for the liars to be a majority with them; the shares of the host stand for those of the swarm.

    Attributes:
        z: None for the paper's largest.
        noise: how much of the honest agents' own spread each liar adds, against screens for copies; the paper
            has none.
    """

    name: ClassVar[str] = "alie"
    poisons: ClassVar[bool] = False
    z: float | None = None
    noise: float = 0.0

    def __post_init__(self) -> None:
        _checked_noise("alie", self.noise)
        if self.z is not None and not np.isfinite(self.z):
            raise SettingError(name="alie.z", found=self.z, needed="None or finite")

    def lie(self, scene: Scene) -> Lie:
        mean, deviation = moments(scene)
        z = self.z
        if z is None:
            m, honest = len(scene.own), len(scene.honest)
            supporters = (m + honest) // 2 + 1 - m
            # Alone or nearly so, liars need nobody: the quantile stops short of 1.
            z = NormalDist().inv_cdf(min(max((honest - supporters) / honest, 0.5), 0.999))
        return sent(mean - z * deviation + _spread(scene, self.noise), scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerProduct:
    """The honest mean, reversed: -epsilon x mean (Xie, Koyejo and Gupta, UAI 2019, section 4).

    Attributes:
        epsilon: small ones hide among noisy honest updates, above (n - f) / f the mean itself is turned.
        noise: as in `ALittleIsEnough`.
    """

    name: ClassVar[str] = "ipm"
    poisons: ClassVar[bool] = False
    epsilon: float = 0.5
    noise: float = 0.0

    def __post_init__(self) -> None:
        _checked_noise("ipm", self.noise)
        if not 0 < self.epsilon < np.inf:
            raise SettingError(name="ipm.epsilon", found=self.epsilon, needed="above 0 and finite")

    def lie(self, scene: Scene) -> Lie:
        mean, _ = moments(scene)
        return sent(-self.epsilon * mean + _spread(scene, self.noise), scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mimic:
    """All liars send what one honest agent sends: the one farthest along the direction of largest spread.

    Karimireddy, He and Jaggi, ICLR 2022, section 3 and appendix B. Every row is a true one; the fleet's mix of data is
    what is forged. The direction is found anew each round, by power iteration from a start agreed on.
    """

    name: ClassVar[str] = "mimic"
    poisons: ClassVar[bool] = False

    def lie(self, scene: Scene) -> Lie:
        honest = scene.honest.astype(np.float64)
        centred = honest - honest.mean(axis=0)
        direction = scene.shared.standard_normal(honest.shape[1])
        for _ in range(_POWER_STEPS):
            turned = centred.T @ (centred @ direction)
            length = np.linalg.norm(turned)
            if not length > 0:
                break
            direction = turned / length
        return sent(scene.honest[int(np.argmax(centred @ direction))], scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinMax:
    """The honest mean, moved against the spread as far as honest pairs are apart (Shejwalkar et al., NDSS 2021).

    Section IV-B with the perturbation "inverse standard deviation". All liars send the same.

    Attributes:
        noise: as in `ALittleIsEnough`.
    """

    name: ClassVar[str] = "min_max"
    poisons: ClassVar[bool] = False
    noise: float = 0.0

    def __post_init__(self) -> None:
        _checked_noise("min_max", self.noise)

    def lie(self, scene: Scene) -> Lie:
        mean, deviation = moments(scene)
        honest = scene.honest.astype(np.float64)
        length = float(np.linalg.norm(deviation))
        if length == 0:
            return sent(mean, scene)
        direction = -deviation / length
        largest = float(squared_distances(honest).max())
        away = honest - mean
        along, squares = away @ direction, np.einsum("ij,ij->i", away, away)
        low, high = 0.0, 2 * float(np.sqrt(largest))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            # |mean + gamma direction - x|^2, without forming the rows
            if (middle**2 - 2 * middle * along + squares).max() <= largest:
                low = middle
            else:
                high = middle
        return sent(mean + low * direction + _spread(scene, self.noise), scene)


def _spread(scene: Scene, noise: float) -> NDArray[np.float64]:
    """``(m, d)`` deviations of randomly chosen honest rows from their mean, times ``noise``."""
    if noise == 0:
        return np.zeros((1, scene.own.shape[1]))
    honest = scene.honest.astype(np.float64)
    chosen = scene.rng.integers(len(honest), size=len(scene.own))
    return noise * (honest[chosen] - honest.mean(axis=0))


def _checked_noise(name: str, noise: float) -> None:
    if not 0 <= noise < np.inf:
        raise SettingError(name=f"{name}.noise", found=noise, needed="0 or more, finite")
