"""The settings of local learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from federation.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningSettings:
    """How agents learn locally; the defaults are those that the attack x rule table is measured with.

    Attributes:
        learning_rate: of round 1; round t uses learning_rate / sqrt(t).
        momentum: of stochastic gradient descent, from rest each round.
        epochs: steps a round, before `Tuning`.
        batch: samples a step.
        capacity: of each agent's replay memory.
        discount: of the next state's value, where experiences have next states.
        pessimism: how much each experience also says that the actions not taken are worth the least; see
            `workloads.gradients.training`. 0 says nothing; 1 as much as it says of the one taken.
    """

    learning_rate: float = 2.0
    momentum: float = 0.9
    epochs: int = 10
    batch: int = 32
    capacity: int = 2048
    discount: float = 0.9
    pessimism: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < np.inf:
            raise SettingError(name="learning_rate", found=self.learning_rate, needed="above 0 and finite")
        if not 0 <= self.momentum < 1:
            raise SettingError(name="momentum", found=self.momentum, needed="at least 0 and below 1")
        for name in ("epochs", "batch", "capacity"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not 0 <= self.discount < 1:
            raise SettingError(name="discount", found=self.discount, needed="at least 0 and below 1")
        if not 0 <= self.pessimism <= 1:
            raise SettingError(name="pessimism", found=self.pessimism, needed="between 0 and 1")
