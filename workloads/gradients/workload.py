"""The first workload: a policy learned from experiences by gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.compression import Codec, RawCodec
from federation.convergence import categorical_kl
from federation.errors import ExperienceError, SettingError
from federation.rules.base import Rule
from federation.screening import DistanceScreen, Screen, ZeroScreen
from federation.workload import Row
from workloads.gradients.agreement import AgreementClipping
from workloads.gradients.artefact import packed, unpacked
from workloads.gradients.evaluation import agreement_figures, right_figures
from workloads.gradients.experience import Experiences, fitting, packed_experiences, unpacked_experiences
from workloads.gradients.learner import GradientsLearner
from workloads.gradients.policy import Policy
from workloads.gradients.screen import CascadeScreen, TwinScreen
from workloads.gradients.settings import LearningSettings
from workloads.gradients.source import ExperienceSource, HeldOut


def _screen() -> Screen:
    # Honest agents with different data spread unequally, so more of them are rejected than the rate says.
    return CascadeScreen(stages=(ZeroScreen(), TwinScreen(), DistanceScreen(false_positive_rate=1e-4)))


@dataclass(frozen=True, kw_only=True)
class GradientsWorkload:
    """A two-layer policy that agents train on their own experiences and share as changes to its weights.

    The defaults are those that `benchmarks.arena` measures. With them a row is a change to the base and a
    release is the base plus ``server_step`` times the aggregate.

    Attributes:
        data: where experiences come from.
        hidden: units of the hidden layer; 13 make 985 parameters for 64 features and 10 actions.
        learning: settings of local learning.
        temperature: of the policy, softmax(logits / temperature), whose change from release to release is
            the KL divergence. It does not change what is learned or the action of `predict`.
        server_step: what the aggregate is multiplied by.
        rule, screen, codec, norm_cap: as `federation.workload.Workload` says.
    """

    data: ExperienceSource
    hidden: int = 13
    learning: LearningSettings = field(default_factory=LearningSettings)
    temperature: float = 4.0
    server_step: float = 1.0
    rule: Rule = field(default_factory=AgreementClipping)
    screen: Screen = field(default_factory=_screen)
    codec: Codec = field(default_factory=RawCodec)
    norm_cap: float = 1000.0

    def __post_init__(self) -> None:
        for name in ("temperature", "server_step", "norm_cap"):
            if not 0 < getattr(self, name) < np.inf:
                raise SettingError(name=name, found=getattr(self, name), needed="above 0 and finite")
        if self.hidden < 1:
            raise SettingError(name="hidden", found=self.hidden, needed="1 or more")

    @property
    def kind(self) -> str:
        return "gradients"

    @cached_property
    def policy(self) -> Policy:
        """The shape of what is learned."""
        return Policy(features=self.data.features, hidden=self.hidden, actions=self.data.actions)

    @property
    def dimension(self) -> int:
        return self.policy.dimension

    @property
    def values(self) -> tuple[float, float]:
        """The range of values: of one reward, or of all discounted rewards to come where episodes go on."""
        low, high = self.data.rewards
        if self.data.episodic:
            horizon = 1 / (1 - self.learning.discount)
            low, high = min(low, low * horizon), max(high, high * horizon)
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    def genesis(self, seed: int) -> Row:
        """Random weights; the same for everybody who has the seed."""
        return self.policy.genesis(seed)

    def learner(self, agents: Sequence[str], *, seed: int) -> GradientsLearner:
        """A learner with the shares of these agents. ``seed`` changes nothing: a round brings its own seeds."""
        del seed
        return GradientsLearner(
            agents,
            policy=self.policy,
            settings=self.learning,
            values=self.values,
            scaling=self._scaling,
            shares=self.data.shares(agents),
        )

    def fold(self, base: Row, aggregate: Row) -> Row:
        """base + server_step x aggregate."""
        return (base + np.float32(self.server_step) * aggregate).astype(np.float32)

    def divergence(self, old: Row, new: Row, *, probe: int) -> float:
        """Policy KL(old || new) in nats, mean over a half of the probe states, another for each ``probe``."""
        states = self._probes
        half = max(len(states) // 2, 1)
        chosen = np.random.default_rng([7, probe]).permutation(len(states))[:half]
        divided = np.float32(1 / self.temperature)
        return categorical_kl(
            self.policy.logits(old, states[chosen]) * divided, self.policy.logits(new, states[chosen]) * divided
        )

    def evaluate(self, value: Row) -> Mapping[str, float]:
        """Held-out figures: accuracy where the right actions are known, else of the logged actions agreed with."""
        kept = self._held_out
        if not len(kept.states):
            return {}
        logits = self.policy.logits(value, self._scaled(kept.states))
        if kept.best is not None:
            return right_figures(logits, kept.best)
        return agreement_figures(logits, kept, values=self.values)

    def predict(self, value: Row, states: NDArray[np.float32]) -> NDArray[np.intp]:
        """The action of the highest value for each of ``(m, features)`` states.

        Raises:
            ExperienceError: for states of another shape or with NaN or Inf.
        """
        found = np.asarray(states, np.float32)
        if found.ndim != 2 or found.shape[1] != self.policy.features or not np.isfinite(found).all():
            raise ExperienceError(
                found=f"states of shape {found.shape}, or with NaN or Inf",
                needed=f"finite states of shape (m, {self.policy.features})",
            )
        return self.policy.act(value, self._scaled(found))

    @property
    def actions(self) -> int:
        """How many actions there are."""
        return self.data.actions

    def state_bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """``(features,)``: two scales below and above the middle of each feature, as the data source scales it."""
        shift, scale = self._scaling
        return shift - 2 * np.abs(scale), shift + 2 * np.abs(scale)

    def tasks(self, experiences: Sequence[object]) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.bool_]]:
        """States, actions, and whether each went well: a reward in the upper half of the range.

        Raises:
            ExperienceError: for anything that is no experience of this data's shape.
        """
        columns = Experiences.of(experiences, features=self.data.features, actions=self.data.actions)
        low, high = self.data.rewards
        return columns.states, columns.actions.astype(np.intp), columns.rewards >= (low + high) / 2

    @property
    def memory(self) -> int:
        """The capacity of each agent's replay memory."""
        return self.learning.capacity

    def pack_experiences(self, experiences: Sequence[object]) -> list[bytes]:
        """One record of bytes for each experience.

        Raises:
            ExperienceError: for anything that is no experience of this data's shape.
        """
        return packed_experiences(fitting(experiences, features=self.data.features, actions=self.data.actions))

    def unpack_experiences(self, records: Sequence[bytes]) -> Experiences:  # pyright: ignore[reportIncompatibleMethodOverride] - columns, as the learner takes them
        """The experiences of such records.

        Raises:
            ExperienceError: for anything else.
        """
        return unpacked_experiences(records, features=self.data.features, actions=self.data.actions)

    def pack(self, value: Row) -> bytes:
        """A safetensors file with the tensors w1, b1, w2 and b2, and the policy's shape as metadata."""
        return packed(self.policy, value)

    def unpack(self, artefact: bytes) -> Row:
        """The row of such a file.

        Raises:
            ArtefactError: for anything else, or for another shape.
        """
        return unpacked(self.policy, artefact)

    def __getstate__(self) -> dict[str, Any]:
        # Data is loaded anew where it is needed; it does not travel with the description.
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_") and name != "policy"}

    def _scaled(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        shift, scale = self._scaling
        return (states - shift) / scale

    @cached_property
    def _scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.data.scaling()

    @cached_property
    def _probes(self) -> NDArray[np.float32]:
        return self._scaled(self.data.probes())

    @cached_property
    def _held_out(self) -> HeldOut:
        return self.data.held_out()
