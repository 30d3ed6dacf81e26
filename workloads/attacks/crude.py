"""Attacks that need to know nothing about the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.errors import SettingError
from workloads.attacks.base import Lie, Scene, moments, sent


@dataclass(frozen=True, slots=True, kw_only=True)
class SignFlip:
    """Each liar sends the opposite of its own update (Li et al., AAAI 2019, "RSA", section 5)."""

    name: ClassVar[str] = "sign_flip"
    poisons: ClassVar[bool] = False

    def lie(self, scene: Scene) -> Lie:
        return sent(-scene.own, scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """Each liar sends its own update times ``factor``: one large step away, or one large step too far."""

    name: ClassVar[str] = "scaled"
    poisons: ClassVar[bool] = False
    factor: float = -10.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.factor):
            raise SettingError(name="scaled.factor", found=self.factor, needed="finite")

    def lie(self, scene: Scene) -> Lie:
        return sent(np.float32(self.factor) * scene.own, scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian:
    """Noise, ``scale`` times as wide in each coordinate as the honest updates (Blanchard et al., NeurIPS 2017)."""

    name: ClassVar[str] = "gaussian"
    poisons: ClassVar[bool] = False
    scale: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.scale < np.inf:
            raise SettingError(name="gaussian.scale", found=self.scale, needed="above 0 and finite")

    def lie(self, scene: Scene) -> Lie:
        _, deviation = moments(scene)
        return sent(self.scale * deviation * scene.rng.standard_normal(scene.own.shape), scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zero:
    """Liars send nothing but zeros: they hold learning up."""

    name: ClassVar[str] = "zero"
    poisons: ClassVar[bool] = False

    def lie(self, scene: Scene) -> Lie:
        return sent(np.zeros_like(scene.own), scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFinite:
    """Half of the liars send NaN, the others Inf."""

    name: ClassVar[str] = "not_finite"
    poisons: ClassVar[bool] = False

    def lie(self, scene: Scene) -> Lie:
        rows = scene.own.copy()
        rows[::2], rows[1::2] = np.nan, np.inf
        return sent(rows, scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFlip:
    """Liars learn honestly from data whose actions are reversed, a for (last - a) (Tolpegin et al., ESORICS 2020)."""

    name: ClassVar[str] = "label_flip"
    poisons: ClassVar[bool] = True

    def lie(self, scene: Scene) -> Lie:
        return sent(scene.own, scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Each liar sends, forever, what it learned in its first round, freshly signed."""

    name: ClassVar[str] = "replay"
    poisons: ClassVar[bool] = False

    def lie(self, scene: Scene) -> Lie:
        return sent(scene.first, scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sybil:
    """All liars of a host send copies of one of theirs, reversed: one voice made many (Douceur, IPTPS 2002)."""

    name: ClassVar[str] = "sybil"
    poisons: ClassVar[bool] = False

    def lie(self, scene: Scene) -> Lie:
        return sent(-scene.own[0], scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class HugeWeight:
    """Each liar sends the opposite of its update and says that it saw ``weight`` samples."""

    name: ClassVar[str] = "huge_weight"
    poisons: ClassVar[bool] = False
    weight: float = 1e12

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise SettingError(name="huge_weight.weight", found=self.weight, needed="above 0")

    def lie(self, scene: Scene) -> Lie:
        return Lie(rows=-scene.own, weights=np.full(len(scene.own), self.weight))
