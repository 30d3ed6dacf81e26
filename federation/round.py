"""One round as a state machine: events in, instructions out, nothing else.

A `Round` never waits, reads a clock or calls anybody. Whoever runs it carries its instructions out
and turns what happens into events, each with the seconds since the round was opened. So every race,
crash and replay is a list of events, and the same list always ends in the same state. The idea is
that of distributed's worker state machine.

    COMMITTING (only with commit-reveal) -> COLLECTING -> AGGREGATING -> VALIDATING -> RELEASING -> APPLYING -> DONE
    and ABORTED, from every phase before APPLYING; in RELEASING only by a failure, no longer on request

The round closes

- at once, when every agent of the roster (with commit-reveal: that has committed) has answered;
- ``linger_s`` after it has its quorum of n - f valid updates;
- at the deadline, with a quorum; without one it is aborted, with the numbers;
- at once, aborted, when so many updates were refused for good, or so few were committed to, that no
  quorum can come together.

A raised quorum only makes a round wait: for that many instead of n - f, and no longer than it is of use. When they
cannot come any more, or at the deadline, n - f are enough, so nobody ends a round by falling silent.

An agent has answered when its update was accepted, or refused for something that it signed itself.
A lost host has not answered: it may come back.
"""

from __future__ import annotations

from enum import StrEnum
from functools import singledispatchmethod

from federation.errors import QuorumError, RoundAbortedError, SettingError, SwarmError, TransitionError
from federation.events import (
    Abort,
    Aggregate,
    Aggregated,
    Applied,
    Apply,
    Arrived,
    AskCommitments,
    AskUpdates,
    Committed,
    Event,
    Failed,
    Finish,
    Instruction,
    Lost,
    Opened,
    QuorumRaised,
    Release,
    Released,
    Stopped,
    Ticked,
    Validate,
    Validated,
    Wake,
    WindowExtended,
)
from federation.terms import Terms


class Phase(StrEnum):
    """Where a round is."""

    COMMITTING = "committing"
    COLLECTING = "collecting"
    AGGREGATING = "aggregating"
    VALIDATING = "validating"
    RELEASING = "releasing"
    APPLYING = "applying"
    DONE = "done"
    ABORTED = "aborted"


STORY = 12
"""How many events a `TransitionError` tells of."""


class Round:
    """The state of one round.

    Attributes:
        terms: what was agreed when it was opened.
        phase: where it is.
        quorum: valid updates waited for; n - f unless raised.
        deadline: age in seconds at which it closes.
        accepted, refused, lost, late, committed: what became of the agents.
        error: why it was aborted, or None.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.phase = Phase.COMMITTING if terms.commit_reveal else Phase.COLLECTING
        self.quorum = terms.quorum
        self.deadline = terms.deadline_s
        self.accepted: dict[str, None] = {}
        self.refused: dict[str, str] = {}
        self.lost: dict[str, str] = {}
        self.late: dict[str, None] = {}
        self.committed: dict[str, None] = {}
        self.error: SwarmError | None = None
        self.version: int | None = None
        self._opened = False
        self._quorum_at: float | None = None
        self._roster = frozenset(terms.roster)
        self._story: list[str] = []

    def handle(self, *events: Event) -> list[Instruction]:
        """What to do now that this has happened.

        Raises:
            TransitionError: for an event that the phase does not allow.
        """
        instructions: list[Instruction] = []
        for event in events:
            self._story = [*self._story[1 - STORY :], f"{type(event).__name__}@{event.at:.3f}"]
            instructions += self._take(event)
        return instructions

    @property
    def over(self) -> bool:
        return self.phase in (Phase.DONE, Phase.ABORTED)

    @property
    def missing(self) -> tuple[str, ...]:
        """Agents that have not answered, sorted."""
        return tuple(agent for agent in self.terms.roster if agent not in self.accepted and agent not in self.refused)

    @singledispatchmethod
    def _take(self, event: Event) -> list[Instruction]:
        raise self._misplaced(event)

    @_take.register
    def _(self, event: Opened) -> list[Instruction]:
        if self._opened:
            raise self._misplaced(event)
        self._opened = True
        ask = AskCommitments if self.phase is Phase.COMMITTING else AskUpdates
        # A commitment that has not come by half time never delays the reveal past the deadline.
        first = self.deadline / 2 if self.phase is Phase.COMMITTING else self.deadline
        return [ask(agents=self.terms.roster), Wake(at=first)]

    @_take.register
    def _(self, event: Committed) -> list[Instruction]:
        if self.phase is not Phase.COMMITTING:
            return []  # too late: the gate will say "uncommitted" if an update follows
        self.committed.update(dict.fromkeys(agent for agent in event.agents if agent in self._roster))
        return self._reveal(event.at) if self._all_bound() else []

    @_take.register
    def _(self, event: Arrived) -> list[Instruction]:
        if self.phase not in (Phase.COMMITTING, Phase.COLLECTING):
            self.late.update(dict.fromkeys(event.accepted + event.late))
            return []
        for agent in self._roster.intersection(event.withdrawn):
            self.accepted.pop(agent, None)
            self.refused[agent] = "gate.equivocation"
        self.late.update(dict.fromkeys(event.late))
        for agent in event.accepted:
            if agent in self._roster and agent not in self.refused:
                self.accepted[agent] = None
                self.lost.pop(agent, None)
        for agent, code in event.refused.items():
            if agent in self._roster and agent not in self.accepted:
                self.refused[agent] = code
                self.lost.pop(agent, None)
        # While committing, this is what a coordinator that was restarted finds in the journal, which counts later,
        # or agents that will not commit.
        if self.phase is Phase.COMMITTING:
            return self._reveal(event.at) if event.refused and self._all_bound() else []
        return self._settle(event.at)

    @_take.register
    def _(self, event: Lost) -> list[Instruction]:
        if self.phase in (Phase.COMMITTING, Phase.COLLECTING):
            silent = self._roster.intersection(event.agents).difference(self.accepted, self.refused)
            self.lost.update(dict.fromkeys(sorted(silent), event.reason))
        return []

    @_take.register
    def _(self, event: Ticked) -> list[Instruction]:
        if self.phase is Phase.COMMITTING and event.at >= self.deadline / 2:
            return self._reveal(event.at)
        return self._settle(event.at) if self.phase is Phase.COLLECTING else []

    @_take.register
    def _(self, event: WindowExtended) -> list[Instruction]:
        if event.by_s <= 0:
            raise SettingError(name="by_s", found=event.by_s, needed="> 0 seconds")
        if self.phase not in (Phase.COMMITTING, Phase.COLLECTING):
            return []
        # One round may take at most twice its time: an endless round serves nobody.
        self.deadline = min(self.deadline + event.by_s, 2 * self.terms.deadline_s)
        return [Wake(at=self.deadline / 2 if self.phase is Phase.COMMITTING else self.deadline)]

    @_take.register
    def _(self, event: QuorumRaised) -> list[Instruction]:
        if not self.terms.quorum <= event.to <= len(self.terms.roster):
            needed = f"between n - f = {self.terms.quorum} and n = {len(self.terms.roster)}"
            raise SettingError(name="quorum", found=event.to, needed=needed)
        if self.phase not in (Phase.COMMITTING, Phase.COLLECTING):
            return []
        self.quorum = event.to
        self._quorum_at = None
        return self._settle(event.at) if self.phase is Phase.COLLECTING else []

    @_take.register
    def _(self, event: Stopped) -> list[Instruction]:
        # The release may be in the journal already: what was asked for in RELEASING cannot be called back.
        if self.phase in (Phase.RELEASING, Phase.APPLYING, Phase.DONE, Phase.ABORTED):
            return []
        return self._abort(RoundAbortedError(round=self.terms.round, reason=event.reason))

    @_take.register
    def _(self, event: Failed) -> list[Instruction]:
        if self.phase in (Phase.APPLYING, Phase.DONE, Phase.ABORTED):
            raise self._misplaced(event)
        return self._abort(event.error)

    @_take.register
    def _(self, event: Aggregated) -> list[Instruction]:
        return self._step(event, Phase.AGGREGATING, Phase.VALIDATING, Validate())

    @_take.register
    def _(self, event: Validated) -> list[Instruction]:
        return self._step(event, Phase.VALIDATING, Phase.RELEASING, Release())

    @_take.register
    def _(self, event: Released) -> list[Instruction]:
        self.version = event.version
        return self._step(event, Phase.RELEASING, Phase.APPLYING, Apply(version=event.version))

    @_take.register
    def _(self, event: Applied) -> list[Instruction]:
        return self._step(event, Phase.APPLYING, Phase.DONE, Finish())

    def _step(self, event: Event, here: Phase, there: Phase, instruction: Instruction) -> list[Instruction]:
        if self.phase is Phase.ABORTED:
            return []  # what was under way when the round was stopped
        if self.phase is not here:
            raise self._misplaced(event)
        self.phase = there
        return [instruction]

    def _all_bound(self) -> bool:
        """Whether nobody's commitment is waited for any more."""
        return len(self.committed.keys() | self.refused.keys()) == len(self.terms.roster)

    def _reveal(self, at: float) -> list[Instruction]:
        self.phase = Phase.COLLECTING
        asked = [AskUpdates(agents=tuple(sorted(self.committed))), Wake(at=self.deadline)]
        return [*asked, *self._settle(at)]

    def _settle(self, at: float) -> list[Instruction]:
        """Close, wait or abort, now that ``at`` seconds have passed."""
        valid, awaited = len(self.accepted), self._awaited()
        least = self.terms.quorum
        if not awaited or valid + awaited < least:
            return self._close() if valid >= least else self._abort(self._no_quorum())
        instructions: list[Instruction] = []
        if valid >= max(min(self.quorum, valid + awaited), least):
            if self._quorum_at is None:
                self._quorum_at = at
                instructions = [Wake(at=at + self.terms.linger_s)]
            if at >= min(self._quorum_at + self.terms.linger_s, self.deadline):
                return self._close()
        else:
            self._quorum_at = None  # a withdrawal may have broken it
            if at >= self.deadline:
                return self._close() if valid >= least else self._abort(self._no_quorum())
        return instructions

    def _awaited(self) -> int:
        """How many agents may still answer: those of the roster, or those of it that have committed."""
        if not self.terms.commit_reveal:
            return len(self.terms.roster) - len(self.accepted) - len(self.refused)
        return sum(agent not in self.accepted and agent not in self.refused for agent in self.committed)

    def _close(self) -> list[Instruction]:
        self.phase = Phase.AGGREGATING
        return [Aggregate(agents=tuple(sorted(self.accepted)), fault_bound=self.terms.fault_bound)]

    def _abort(self, error: SwarmError) -> list[Instruction]:
        self.phase = Phase.ABORTED
        self.error = error
        return [Abort(error=error)]

    def _no_quorum(self) -> QuorumError:
        n, valid = len(self.terms.roster), len(self.accepted)
        return QuorumError(
            round=self.terms.round,
            valid=valid,
            quorum=self.terms.quorum,
            n=n,
            f=self.terms.fault_bound,
            refused=len(self.refused),
            missing=n - valid - len(self.refused),
        )

    def _misplaced(self, event: Event) -> TransitionError:
        return TransitionError(
            round=self.terms.round, phase=str(self.phase), event=type(event).__name__, story=tuple(self._story)
        )
