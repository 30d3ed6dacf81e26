"""What an aggregation rule and a pre-aggregator are, and the checks that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from federation.errors import RuleBoundError, SettingError, UpdatesError, WeightsError
from federation.verdict import Verdicts

Matrix = NDArray[np.float32] | NDArray[np.float64]
Vector = NDArray[np.float32] | NDArray[np.float64]
Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """What a rule made of n updates.

    Attributes:
        value: ``(d,)``, the dtype of the updates; a new array, never a view of them.
        verdicts: one per update, in the order of the rows.
    """

    value: Vector
    verdicts: Verdicts


@runtime_checkable
class Rule(Protocol):
    """Turns n updates, f of which may be lies, into one vector.

    A rule is a frozen dataclass whose fields are its parameters. It holds no state between calls.
    """

    name: ClassVar[str]

    def requires(self, n: int, f: int) -> None:
        """Raise `RuleBoundError` unless n updates are enough for f liars."""
        ...

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        """Aggregate ``(n, d)`` updates. The order of rows does not change the value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """What a pre-aggregator made of n updates.

    Attributes:
        updates: ``(m, d)``, the rows that go on to the next step.
        f: how many of those rows may now be lies.
        weights: ``(m,)`` or None.
        groups: ``(n,)``, the row of ``updates`` that input row i went into.
        verdicts: the pre-aggregator's own verdicts on its n input rows.
    """

    updates: Matrix
    f: int
    weights: Weights | None
    groups: NDArray[np.intp]
    verdicts: Verdicts


@runtime_checkable
class PreAggregator(Protocol):
    """Turns n updates into m others that a rule can aggregate with a smaller error."""

    name: ClassVar[str]

    def requires(self, n: int, f: int) -> None: ...

    def size(self, n: int) -> int:
        """How many rows n rows become."""
        ...

    def mix(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Mixed: ...


class Bounded:
    """The bound of a rule, stated once: ``minimum`` and its formula in words."""

    name: ClassVar[str]
    bound: ClassVar[str]

    def minimum(self, f: int) -> int:
        """The smallest number of updates with which f liars are tolerated."""
        raise TypeError(f"{type(self).__name__} states no minimum")

    def requires(self, n: int, f: int) -> None:
        """Raise `RuleBoundError` unless n updates are enough for f liars."""
        if f < 0:
            raise SettingError(name="f", found=f, needed="0 or more")
        if n < self.minimum(f):
            raise RuleBoundError(rule=self.name, n=n, f=f, needed=self.minimum(f), bound=self.bound)


def checked_updates(updates: Any) -> Matrix:
    """The updates, if a rule can take them: ``(n >= 1, d >= 1)`` float32 or float64.

    Whether they are finite is not looked at here: every kernel finds NaN and Inf on its way and raises
    the same error, which saves a pass over the matrix.

    Raises:
        UpdatesError: otherwise. Nothing is converted or repaired here.
    """
    needed = "a finite (n, d) matrix of float32 or float64, n and d at least 1"
    if not isinstance(updates, np.ndarray):
        raise UpdatesError(found=type(updates).__name__, needed=needed)
    found = cast(NDArray[Any], updates)
    if found.dtype != np.float32 and found.dtype != np.float64:
        raise UpdatesError(found=f"dtype {found.dtype.name}", needed=needed)
    if found.ndim != 2 or 0 in found.shape:
        raise UpdatesError(found=f"shape {found.shape}", needed=needed)
    return found


def checked_weights(weights: Any, n: int) -> Weights:
    """The weights as ``(n,) float64``; ones where none are given.

    Raises:
        WeightsError: for a wrong length, a NaN, an Inf, a negative weight, or a sum of zero.
    """
    if weights is None:
        return np.ones(n)
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (n,):
        raise WeightsError(found=f"of shape {found.shape}", needed=f"({n},), one per update")
    if not np.isfinite(found).all() or (found < 0).any() or found.sum() <= 0:
        raise WeightsError(found="that are negative, not finite or all zero", needed="finite, >= 0, sum > 0")
    return found
