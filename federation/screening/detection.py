"""How well liars were told, where a simulation knows the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Counts of what was flagged against what was true, and the usual quotients of them.

    A quotient without a denominator is NaN, not 0 and not 1: precision when nothing was flagged, recall
    when nobody lied, the false-positive rate when everybody did.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float:
        """The share of the flagged who lied."""
        return _quotient(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """The share of the liars who were flagged."""
        return _quotient(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_positive_rate(self) -> float:
        """The share of the honest who were flagged."""
        return _quotient(self.false_positives, self.false_positives + self.true_negatives)

    def __add__(self, other: Detection) -> Detection:
        """The counts of both, e.g. of all rounds of a run."""
        return Detection(
            true_positives=self.true_positives + other.true_positives,
            false_positives=self.false_positives + other.false_positives,
            false_negatives=self.false_negatives + other.false_negatives,
            true_negatives=self.true_negatives + other.true_negatives,
        )


def detection(flagged: NDArray[np.bool_], liars: NDArray[np.bool_]) -> Detection:
    """The detection of ``(n,)`` flags against the ``(n,)`` truth.

    Raises:
        SettingError: where the two do not have one shape or are not boolean.
    """
    if flagged.shape != liars.shape or flagged.dtype != np.bool_ or liars.dtype != np.bool_:
        raise SettingError(
            name="flagged",
            found=f"{flagged.dtype} of shape {flagged.shape}",
            needed=f"bool, as liars: shape {liars.shape}, {liars.dtype}",
        )
    return Detection(
        true_positives=int(np.count_nonzero(flagged & liars)),
        false_positives=int(np.count_nonzero(flagged & ~liars)),
        false_negatives=int(np.count_nonzero(~flagged & liars)),
        true_negatives=int(np.count_nonzero(~flagged & ~liars)),
    )


def _quotient(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
