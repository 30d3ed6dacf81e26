"""A two-layer network that values actions, as one flat float32 row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from federation.workload import Row

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The shape of the network: features -> hidden (tanh) -> one logit an action.

    A row holds w1 (features, hidden), b1 (hidden), w2 (hidden, actions), b2 (actions), each in C order.
    The logistic function of an action's logit is its value as a share of the range of values; the policy
    is softmax(logits / temperature), and `act` takes the action of the highest value.
    """

    features: int
    hidden: int
    actions: int

    def __post_init__(self) -> None:
        for name in ("features", "hidden", "actions"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")

    @property
    def dimension(self) -> int:
        """The length of a row."""
        return (self.features + 1) * self.hidden + (self.hidden + 1) * self.actions

    def layers(self, rows: Floats) -> tuple[Floats, Floats]:
        """Views of ``(k, d)`` rows: ``(k, features + 1, hidden)`` and ``(k, hidden + 1, actions)``, biases last."""
        cut = (self.features + 1) * self.hidden
        return (
            rows[:, :cut].reshape(-1, self.features + 1, self.hidden),
            rows[:, cut:].reshape(-1, self.hidden + 1, self.actions),
        )

    def tensors(self, row: Row) -> dict[str, Floats]:
        """The named tensors of one row, copied."""
        first, second = self.layers(row[None])
        return {
            "w1": first[0, :-1].copy(),
            "b1": first[0, -1].copy(),
            "w2": second[0, :-1].copy(),
            "b2": second[0, -1].copy(),
        }

    def row(self, tensors: dict[str, Floats]) -> Row:
        """The row of named tensors. A new array."""
        return np.concatenate([tensors[name].ravel() for name in ("w1", "b1", "w2", "b2")]).astype(np.float32)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the named tensors."""
        return {
            "w1": (self.features, self.hidden),
            "b1": (self.hidden,),
            "w2": (self.hidden, self.actions),
            "b2": (self.actions,),
        }

    def logits(self, row: Row, states: Floats) -> Floats:
        """``(m, actions)`` logits of ``(m, features)`` states."""
        first, second = self.layers(row[None])
        hidden = np.tanh(states @ first[0, :-1] + first[0, -1])
        return hidden @ second[0, :-1] + second[0, -1]

    def act(self, row: Row, states: Floats) -> NDArray[np.intp]:
        """``(m,)``: the action of the highest value in each state; the first among equals."""
        return self.logits(row, states).argmax(axis=1)

    def genesis(self, seed: int) -> Row:
        """Random weights, scaled by fan-in, biases of 0; the same for everybody who has the seed.

        The output layer starts small, so that release 0 values all actions nearly alike.
        """
        rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, 0x9E3779B9])
        tensors = {
            "w1": rng.standard_normal((self.features, self.hidden)) * (1.5 / np.sqrt(self.features)),
            "b1": np.zeros(self.hidden),
            "w2": rng.standard_normal((self.hidden, self.actions)) * (0.3 / np.sqrt(self.hidden)),
            "b2": np.zeros(self.actions),
        }
        return self.row({name: tensor.astype(np.float32) for name, tensor in tensors.items()})
