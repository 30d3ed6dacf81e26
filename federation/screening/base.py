"""What a screen is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from federation.errors import SettingError, UpdatesError
from federation.rules.base import Matrix, Vector
from federation.verdict import Verdicts


@runtime_checkable
class Screen(Protocol):
    """Says which of n updates look like lies, by scores that do not depend on their scale.

    A screen is a frozen dataclass whose fields are its parameters. It holds no state between calls. It
    never rejects more than f rows: where more stand out, the f worst are rejected.
    """

    @property
    def name(self) -> str:
        """What the verdicts are signed off with."""
        ...

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` finite updates, given the ``(d,)`` value they are held against.

        f bounds how many are rejected and changes no score: with f = n, all that stand out are.

        ``centre`` should be robust itself: the coordinate-wise median, or a stronger rule's aggregate.
        Liars who capture it (identical small reversed updates, IPM, among a third of noisy honest ones
        capture a median) are then the centre that honest rows are measured against.
        """
        ...


def checked_screening(updates: Matrix, centre: Vector, f: int) -> None:
    """Return if the three fit together.

    Raises:
        UpdatesError: for shapes that do not fit.
        SettingError: for a negative f.
    """
    if updates.ndim != 2 or 0 in updates.shape or centre.shape != updates.shape[1:]:
        raise UpdatesError(
            found=f"updates of shape {updates.shape} and a centre of shape {centre.shape}",
            needed="(n, d) updates and a (d,) centre, n and d at least 1",
        )
    if f < 0:
        raise SettingError(name="f", found=f, needed="0 or more")
