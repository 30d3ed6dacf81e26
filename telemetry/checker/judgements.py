"""What was said about equal samples: made once, kept in bounded number, counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from telemetry.checker.findings import Advice, Finding, worst
from telemetry.checker.modifiers import Modifier
from telemetry.checker.samples import Kind

MAX_JUDGEMENTS = 50_000
LONGEST_KEPT = 256
"""Characters that one place is for; a judgement on longer names and values takes several."""

Node = dict[str, Any]


class Signal(NamedTuple):
    """The root sample that findings are about: its type and name, None for one that is no signal."""

    type: str | None
    name: str | None


NO_SIGNAL = Signal(None, None)


class Judgement:
    """What is said about equal samples, and how many of them were seen since the last count."""

    __slots__ = ("covers", "findings", "kind", "node", "seen")

    def __init__(self, kind: Kind, findings: Sequence[Finding], covers: str | None) -> None:
        self.kind = kind
        self.findings = findings
        self.covers = covers
        self.seen = 0
        level = worst(findings)
        # One object in all reports of equal samples; nobody changes it.
        self.node: Node = {
            "all_advice": [finding.as_node() for finding in findings],
            "highest_advice_level": None if level is None else level.value,
        }


class Judgements:
    """The judgements in use.

    Args:
        count: told, for each judgement on a signal, that ``seen`` more samples were met; then it is forgotten.
        modifier: changes or drops findings before they are kept.

    Attributes:
        current: those on the signal that is being checked, by whatever tells samples apart.
    """

    def __init__(self, count: Callable[[Signal, Judgement], None], modifier: Modifier | None) -> None:
        self.current: dict[Any, Judgement] = {}
        self._count = count
        self._modifier = modifier
        self._signal = NO_SIGNAL
        self._kept: dict[Signal, dict[Any, Judgement]] = {}
        self._places = 0

    def __len__(self) -> int:
        """Places that are taken."""
        return self._places

    def enter(self, signal: Signal) -> None:
        """What follows is about this signal."""
        found = self._kept.get(signal)
        if found is None:
            if len(signal.name or "") > LONGEST_KEPT or self._places > MAX_JUDGEMENTS:
                self.settle()
            found = self._kept[signal] = {}
            self._places += 1
        self._signal, self.current = signal, found

    def judged(
        self,
        key: Any,
        kind: Kind,
        advise: Callable[[], Iterable[Advice]],
        sample_name: str | None = None,
        covers: str | None = None,
    ) -> Node:
        """The result of one sample; ``advise`` is asked where there is no judgement of this key yet."""
        judgement = self.current.get(key)
        if judgement is None:
            judgement = self.make(key, kind, advise(), sample_name, covers)
        judgement.seen += 1
        return judgement.node

    def make(
        self, key: Any, kind: Kind, advice: Iterable[Advice], sample_name: str | None, covers: str | None
    ) -> Judgement:
        """A new judgement on the current signal, which is kept."""
        judgement = Judgement(kind, self._findings(advice, sample_name), covers)
        places = 1 + (sum(map(_length, key)) if isinstance(key, tuple) else 0) // LONGEST_KEPT
        if self._places + places > MAX_JUDGEMENTS:
            self.settle()
        self.current[key] = judgement
        self._places += places
        return judgement

    def settle(self) -> None:
        """Count what was seen, and forget all judgements; those of the sample under way go on in the same place."""
        for signal, kept in self._kept.items():
            for judgement in kept.values():
                if judgement.seen:
                    self._count(signal, judgement)
                    judgement.seen = 0
            kept.clear()
        self._kept = {self._signal: self.current}
        self._places = 1

    def _findings(self, advice: Iterable[Advice], sample_name: str | None) -> list[Finding]:
        signal = self._signal
        made = (
            Finding(
                id=one.id,
                level=one.level,
                message=one.message,
                context=one.context,
                signal_type=signal.type,
                signal_name=signal.name,
            )
            for one in advice
        )
        if self._modifier is None:
            return list(made)
        changed = (self._modifier.apply(finding, sample_name) for finding in made)
        return [finding for finding in changed if finding is not None]


def _length(part: Any) -> int:
    """About how many characters a part of a key holds."""
    if isinstance(part, str):
        return len(part)
    return sum(map(_length, part)) if isinstance(part, tuple) else 0
