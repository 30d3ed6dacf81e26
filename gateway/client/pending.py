"""Deltas that wait to be sent: at most five, tried again at growing intervals. Pure; the time is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

MOST = 5
RETRIES_S = (60.0, 300.0, 1800.0, 7200.0, 43200.0)
"""After the first failure in 1 min, then in 5 min, 30 min, 2 h and 12 h; from there on every 12 h."""
STALE_S = 72 * 3600.0
"""The server takes no older ones."""
LONGEST_WAIT_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A signed delta on its way. Its bytes, nonce included, are the same at every attempt.

    Attributes:
        nonce: of the delta.
        document: the JSON that is sent.
        made_at: Unix time.
        due_at: when it is tried next.
        attempts: that failed.
        marks: what the client notes once it is accepted.
    """

    nonce: str
    document: str
    made_at: float
    due_at: float
    attempts: int = 0
    marks: dict[str, Any]

    def failed(self, now: float, retry_after_s: float | None = None) -> Pending:
        """After one more failure; never due before the server wants it."""
        wait = RETRIES_S[min(self.attempts, len(RETRIES_S) - 1)]
        asked = min(max(retry_after_s or 0.0, 0.0), LONGEST_WAIT_S)
        return replace(self, attempts=self.attempts + 1, due_at=now + max(wait, asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The pending deltas, oldest first. A value: every change is another queue."""

    items: tuple[Pending, ...] = ()

    def with_(self, item: Pending) -> tuple[Queue, tuple[Pending, ...]]:
        """The queue with one more, and what was dropped for it: the oldest."""
        items = (*(one for one in self.items if one.nonce != item.nonce), item)
        return Queue(items=items[-MOST:]), items[:-MOST]

    def replaced(self, item: Pending) -> Queue:
        """The queue with an item as it is now, at its place."""
        return Queue(items=tuple(item if one.nonce == item.nonce else one for one in self.items))

    def without(self, nonce: str) -> Queue:
        """The queue without one delta."""
        return Queue(items=tuple(one for one in self.items if one.nonce != nonce))

    def after(self, nonce: str) -> tuple[Queue, int]:
        """The queue once a delta was accepted, and how many older ones went with it.

        A delta says where an installation stands and not what it did since, and the server goes by the last one: an
        older one that came later would take back what the newer one said.
        """
        places = [place for place, one in enumerate(self.items) if one.nonce == nonce]
        first = places[0] + 1 if places else 0
        return Queue(items=self.items[first:]), max(first - 1, 0)

    def fresh(self, now: float) -> tuple[Queue, int]:
        """The queue without what the server would not take any more, and how many that were."""
        kept = tuple(one for one in self.items if now - one.made_at < STALE_S)
        return Queue(items=kept), len(self.items) - len(kept)

    def due(self, now: float) -> tuple[Pending, ...]:
        """What is to be tried now, newest first."""
        return tuple(one for one in reversed(self.items) if one.due_at <= now)

    def plain(self) -> list[dict[str, Any]]:
        """The queue as JSON has it."""
        return [{name: getattr(one, name) for name in Pending.__dataclass_fields__} for one in self.items]

    @classmethod
    def of(cls, found: Any) -> Queue:
        """The queue that `plain` gave; an entry that is none is left out."""
        entries: Sequence[Any] = found if isinstance(found, list) else ()
        items = [_pending(one) for one in entries[-MOST:]]
        return cls(items=tuple(one for one in items if one is not None))


def _pending(found: Any) -> Pending | None:
    try:
        made = Pending(**found)
    except TypeError:
        return None
    words = isinstance(made.nonce, str) and isinstance(made.document, str) and isinstance(made.marks, dict)
    numbers = all(isinstance(one, int | float) for one in (made.made_at, made.due_at, made.attempts))
    return made if words and numbers else None
