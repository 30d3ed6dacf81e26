"""What privacy asks of a workload: which columns are protected, how updates are clipped, and what share one has.

The round does the rest: it asks the ledger, adds the noise, and releases what `Protectable.settled` makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from federation.privacy.mechanism import sensitivity
from federation.rules.base import Rule, Vector
from federation.workload import Row, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """How the rounds of a workload are protected.

    The promise that it makes: let any one member's update be replaced by one that says nothing, and leave the others'
    as they are. Then the protected columns of the rule's aggregate move by at most ``bound * share`` in L2 norm, and
    all other columns do not move. It has to hold for every set of updates, also of liars.

    Attributes:
        rule: clips every update, whoever sent it, and adds them up with one share each that depends on no update.
            Its aggregate is float64, so that rounding moves nothing.
        columns: of the aggregate, those that get noise; every other one is the same whatever anybody sends.
        values: the part of them, or of a release, whose error is what the noise costs.
        bound: largest L2 norm that one member's update has in the protected columns after clipping.
        share: what it is multiplied by; public.
    """

    rule: Rule
    columns: tuple[slice, ...]
    values: slice
    bound: float
    share: float

    def __post_init__(self) -> None:
        if not self.columns:
            raise SettingError(name="columns", found=0, needed="a column to protect")
        sensitivity(self.bound, self.share)

    @property
    def sensitivity(self) -> float:
        """How far one member can move the protected columns, in L2 norm."""
        return sensitivity(self.bound, self.share)

    def taken(self, row: NDArray[Any]) -> NDArray[np.float64]:
        """The protected columns of a row, one after the other; a copy."""
        return np.concatenate([row[part] for part in self.columns]).astype(np.float64)

    def put(self, row: NDArray[Any], protected: NDArray[np.float64]) -> NDArray[np.float64]:
        """The row with these protected columns; a copy."""
        made, at = np.array(row, np.float64), 0
        for part in self.columns:
            width = len(made[part])
            made[part] = protected[at : at + width]
            at += width
        return made


@runtime_checkable
class Protectable(Workload, Protocol):
    """A workload whose releases can be made private."""

    def protection(self, *, radius: float) -> Protection:
        """How its rounds are protected when updates are clipped to an L2 norm of ``radius``.

        Raises:
            UnboundedRuleError: when its rule bounds no member's share.
        """
        ...

    def settled(self, aggregate: Vector, *, protection: Protection, sigma: float) -> Row:
        """What `fold` is given, from an aggregate whose protected columns have noise of standard deviation ``sigma``.

        Made of the aggregate and of public figures alone, so it costs no privacy. ``sigma`` 0 is for comparison.
        """
        ...
