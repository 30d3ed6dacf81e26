"""What an agent lived through, one record or many in columns."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from federation.errors import ExperienceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """One decision of an agent and what came of it.

    Attributes:
        state: the features it saw.
        action: what it did, from 0.
        reward: what it got.
        next_state: the features it saw afterwards; ignored when ``done``.
        done: whether the episode ended here. Always, in a contextual bandit.
    """

    state: Sequence[float]
    action: int
    reward: float
    next_state: Sequence[float] | None = None
    done: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiences:
    """m experiences in columns.

    Attributes:
        states: ``(m, features) float32``, finite.
        actions: ``(m,) int32``, >= 0.
        rewards: ``(m,) float32``, finite.
        next_states: ``(m, features) float32``; None when all are done.
        done: ``(m,) bool``.
    """

    states: NDArray[np.float32]
    actions: NDArray[np.int32]
    rewards: NDArray[np.float32]
    next_states: NDArray[np.float32] | None
    done: NDArray[np.bool_]

    def __post_init__(self) -> None:
        m = len(self.actions)
        if self.states.ndim != 2 or len(self.states) != m or self.rewards.shape != (m,) or self.done.shape != (m,):
            raise ExperienceError(
                found=f"columns of shapes {self.states.shape}, {self.actions.shape}, {self.rewards.shape}, "
                f"{self.done.shape}",
                needed="(m, features), (m,), (m,) and (m,)",
            )
        if self.next_states is not None and self.next_states.shape != self.states.shape:
            raise ExperienceError(
                found=f"next_states of shape {self.next_states.shape}", needed=f"{self.states.shape}, like states"
            )
        if self.next_states is None and not self.done.all():
            raise ExperienceError(found="no next_states", needed="one for each experience that is not done")
        for name, column in (("states", self.states), ("rewards", self.rewards), ("next_states", self.next_states)):
            if column is not None and not np.isfinite(column).all():
                raise ExperienceError(found=f"NaN or Inf among the {name}", needed="finite values")
        if m and self.actions.min() < 0:
            raise ExperienceError(found=f"action {self.actions.min()}", needed="0 or more")

    def __len__(self) -> int:
        return len(self.actions)

    @classmethod
    def of(cls, records: Iterable[object], *, features: int, actions: int) -> Experiences:
        """The columns of records, checked against the number of features and actions.

        Raises:
            ExperienceError: for a record that does not fit; nothing is repaired.
        """
        found = [experience(record) for record in records]
        for record in found:
            if not 0 <= record.action < actions:
                raise ExperienceError(found=f"action {record.action}", needed=f"0 to {actions - 1}")
        done = np.array([record.done for record in found], np.bool_)
        return cls(
            states=_matrix([record.state for record in found], features),
            actions=np.array([record.action for record in found], np.int32),
            rewards=np.array([record.reward for record in found], np.float32),
            next_states=None
            if done.all()
            else _matrix(
                [np.zeros(features) if record.done else _present(record.next_state) for record in found], features
            ),
            done=done,
        )

    def take(self, rows: Any) -> Experiences:
        """The experiences of these rows, copied."""
        return Experiences(
            states=self.states[rows].copy(),
            actions=self.actions[rows].copy(),
            rewards=self.rewards[rows].copy(),
            next_states=None if self.next_states is None else self.next_states[rows].copy(),
            done=self.done[rows].copy(),
        )


_HEAD = struct.Struct("<if?")
"""Of a packed experience: action, reward, done. The state follows, and the next state unless done, in float32."""


def fitting(experiences: Sequence[object] | Experiences, *, features: int, actions: int) -> Experiences:
    """The columns of `Experience` records, of mappings with their fields, or of columns already, checked.

    Raises:
        ExperienceError: for anything that does not fit.
    """
    if not isinstance(experiences, Experiences):
        return Experiences.of(experiences, features=features, actions=actions)
    highest = experiences.actions.max(initial=0)
    if experiences.states.shape[1] != features or highest >= actions:
        raise ExperienceError(
            found=f"{experiences.states.shape[1]} features and actions up to {highest}",
            needed=f"{features} features and actions below {actions}",
        )
    return experiences


def packed_experiences(found: Experiences) -> list[bytes]:
    """One record of bytes for each experience. The layout never changes; another one would need another name."""
    states = found.states.astype("<f4")
    following = states if found.next_states is None else found.next_states.astype("<f4")
    return [
        _HEAD.pack(action, reward, done) + states[row].tobytes() + (b"" if done else following[row].tobytes())
        for row, (action, reward, done) in enumerate(
            zip(found.actions.tolist(), found.rewards.tolist(), found.done.tolist(), strict=True)
        )
    ]


def unpacked_experiences(records: Sequence[bytes], *, features: int, actions: int) -> Experiences:
    """The columns of such records.

    Raises:
        ExperienceError: for records of another length, or with values that no experience has.
    """
    found: list[Experience] = []
    for record in records:
        if len(record) - _HEAD.size not in (4 * features, 8 * features):
            raise ExperienceError(
                found=f"a record of {len(record)} bytes",
                needed=f"{_HEAD.size + 4 * features} bytes, or {_HEAD.size + 8 * features} with a next state",
            )
        action, reward, done = _HEAD.unpack_from(record)
        states = np.frombuffer(record, "<f4", offset=_HEAD.size).reshape(-1, features)
        following = None if len(states) == 1 else cast("Sequence[float]", states[1])
        found.append(
            Experience(
                state=cast("Sequence[float]", states[0]),
                action=action,
                reward=reward,
                next_state=following,
                done=done,
            )
        )
    return Experiences.of(found, features=features, actions=actions)


def experience(record: object) -> Experience:
    """The experience that a record stands for: one already, a mapping with its fields, or an object with them.

    Raises:
        ExperienceError: when fields are missing, or a mapping has others.
    """
    if isinstance(record, Experience):
        return record
    names = [field.name for field in fields(Experience)]
    if isinstance(record, Mapping):
        given = cast("Mapping[str, Any]", record)
    else:
        given = {name: getattr(record, name) for name in names if hasattr(record, name)}
    missing, strange = {"state", "action", "reward"} - given.keys(), given.keys() - set(names)
    if missing or strange:
        raise ExperienceError(
            found=f"a {type(record).__name__} without {sorted(missing)}" if missing else f"fields {sorted(strange)}",
            needed=f"an Experience, or a mapping with {', '.join(names)}",
        )
    return Experience(**given)


def _present(state: Sequence[float] | None) -> Sequence[float]:
    if state is None:
        raise ExperienceError(found="no next_state", needed="one for each experience that is not done")
    return state


def _matrix(rows: Sequence[Any], features: int) -> NDArray[np.float32]:
    for row in rows:
        if np.shape(row) != (features,):
            raise ExperienceError(found=f"a state of shape {np.shape(row)}", needed=f"({features},)")
    return np.array(rows, np.float32).reshape(len(rows), features)
