"""What can be wrong with patterns and what they are made of."""

from __future__ import annotations

from federation.errors import SwarmError


class PatternError(SwarmError):
    """An experience, a pattern or a document of pattern weights that is not what it should be."""

    code = "patterns.invalid"

    def __init__(self, *, what: str, found: str, needed: str) -> None:
        super().__init__(f"{what}: found {found}; needed {needed}.", what=what, found=found, needed=needed)


class KeySpaceError(SwarmError):
    """Rows, weights or artefacts of another key space than the one in use."""

    code = "patterns.key_space"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(
            f"Found {found}; needed {needed}. Move the row with `migrated`, or use the key space it was made with.",
            found=found,
            needed=needed,
        )


class OlderReleaseError(SwarmError):
    """A release older than the one in force: versions only go forward, a rollback is a new version."""

    code = "patterns.older_release"

    def __init__(self, *, found: str, applied: str) -> None:
        super().__init__(
            f"Release {found} is not applied: {applied} is in force. A rollback comes as a newer version; fetch the "
            "latest one.",
            found=found,
            applied=applied,
        )


class MassAnomalyError(SwarmError):
    """A window in which so many submissions were flagged that somebody has to look at it before it counts."""

    code = "patterns.mass_anomaly"

    def __init__(self, *, flagged: int, judged: int, most: float) -> None:
        super().__init__(
            f"{flagged} of {judged} submissions of the window were flagged; a round without review takes at most "
            f"{100 * most:.0f} %. Look at who sent them; the next window starts afresh.",
            flagged=flagged,
            judged=judged,
            most=most,
        )
