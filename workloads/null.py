"""A workload without learning: each agent answers with seeded noise around the base.

It measures the round itself, and is the smallest example of what a workload has to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from federation.compression import Codec, RawCodec
from federation.errors import ArtefactError
from federation.rules import Median
from federation.rules.base import Rule
from federation.screening import DistanceScreen, Screen
from federation.terms import Tuning
from federation.workload import Learned, Row


class NullLearner:
    """Learns nothing, deterministically.

    Args:
        agents: who answers.
        dimension: of a row.
    """

    def __init__(self, agents: Sequence[str], dimension: int) -> None:
        self.agents = tuple(agents)
        self._noise = np.random.default_rng(0).standard_normal(dimension, dtype=np.float32)

    def learn(self, base: Row, *, round_number: int, seeds: NDArray[np.uint64], tuning: Tuning) -> Learned:
        """Rows of one fixed noise vector, rotated and scaled by each agent's seed."""
        k, d = len(self.agents), len(base)
        turns = (seeds % np.uint64(d)).astype(np.intp)
        scales = (1.0 + (seeds >> np.uint64(40)).astype(np.float64) / 2.0**25).astype(np.float32)
        twice = np.concatenate([self._noise, self._noise])
        windows = np.lib.stride_tricks.sliding_window_view(twice, d)
        steps = scales * np.float32(tuning.learning_rate_scale / round_number)
        return Learned(
            rows=np.multiply(windows[turns], steps[:, None], dtype=np.float32),
            weights=np.ones(k),
            losses=np.zeros(k),
            idle=np.zeros(k, np.bool_),
            epochs=0,
            batch_size=0,
        )

    def observe(self, agent: str, experiences: Sequence[object]) -> int:
        """Forget them."""
        del agent, experiences
        return 0

    def histogram(self) -> NDArray[np.float64]:
        """One bin that everybody is in."""
        return np.ones((len(self.agents), 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class NullWorkload:
    """Rounds of ``dimension`` floats that nobody learned."""

    dimension: int = 1000
    codec: Codec = field(default_factory=RawCodec)
    rule: Rule = field(default_factory=Median)
    screen: Screen = field(default_factory=DistanceScreen)
    norm_cap: float = 1e6
    kind: str = "null"

    def genesis(self, seed: int) -> Row:
        """Zeros."""
        del seed
        return np.zeros(self.dimension, np.float32)

    def learner(self, agents: Sequence[str], *, seed: int) -> NullLearner:
        """The learner that learns nothing."""
        del seed
        return NullLearner(agents, self.dimension)

    def fold(self, base: Row, aggregate: Row) -> Row:
        """Their sum."""
        return base + aggregate

    def divergence(self, old: Row, new: Row, *, probe: int) -> float:
        """KL of two unit-variance Gaussians with these means, per coordinate."""
        del probe
        gap = new.astype(np.float64) - old
        return float(0.5 * (gap @ gap) / len(gap))

    def evaluate(self, value: Row) -> Mapping[str, float]:
        """The length of the value."""
        return {"norm": float(np.linalg.norm(value.astype(np.float64)))}

    def predict(self, value: Row, states: NDArray[np.float32]) -> NDArray[np.intp]:
        """Action 0."""
        del value
        return np.zeros(len(states), np.intp)

    def pack(self, value: Row) -> bytes:
        """A safetensors file with one tensor."""
        return save({"value": np.ascontiguousarray(value)})

    def unpack(self, artefact: bytes) -> Row:
        """The tensor of such a file.

        Raises:
            ArtefactError: for anything else.
        """
        try:
            value = load(artefact)["value"]
        except (SafetensorError, KeyError) as error:
            raise ArtefactError(kind=self.kind, found=f"{type(error).__name__}: {error}") from error
        if value.dtype != np.float32 or value.shape != (self.dimension,) or not np.isfinite(value).all():
            raise ArtefactError(kind=self.kind, found=f"{value.dtype} of shape {value.shape}, or not finite")
        return value
