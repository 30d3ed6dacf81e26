"""What can happen in a round, and what is to be done about it: the words of `federation.round`.

An event carries the seconds since the round was opened. None is removed or given another meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.errors import SwarmError


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The terms are written down and everybody can be asked."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """Agents bound themselves to their updates."""

    agents: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """The gate has judged a batch and the accepted part is safe in the journal.

    Attributes:
        accepted: agents whose updates count.
        refused: agents that answered with something that will not count, for good.
        withdrawn: agents whose earlier update is void.
        late: agents that came after the round was closed.
    """

    accepted: tuple[str, ...]
    at: float
    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    withdrawn: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A host failed; its agents have not answered."""

    agents: tuple[str, ...]
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time has passed: the answer to `Wake`."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowExtended:
    """The aggregator's loop asks for a later deadline."""

    by_s: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumRaised:
    """The aggregator's loop asks for more than n - f updates."""

    to: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Somebody asks that the round ends here."""

    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An instruction could not be carried out: the rule refused, a release did not verify, ..."""

    error: SwarmError
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregated:
    """The rule has spoken."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """The validators have spoken."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The release is in the journal, signed."""

    version: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The hosts that could be reached have the release."""

    at: float


Event = (
    Opened
    | Committed
    | Arrived
    | Lost
    | Ticked
    | WindowExtended
    | QuorumRaised
    | Stopped
    | Failed
    | Aggregated
    | Validated
    | Released
    | Applied
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCommitments:
    """Have these agents learn, and send the hash of what they learned."""

    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskUpdates:
    """Have these agents learn (or show what they committed to) and send it."""

    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Send a `Ticked` when the round is this old."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """Close the gate and aggregate the updates of these agents, sorted by id, for this fault bound."""

    agents: tuple[str, ...]
    fault_bound: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Validate:
    """Have the validators measure the candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Sign the release and write it to the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Give the release to the hosts."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Write down that the round ended without a release, and why."""

    error: SwarmError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The round is over."""


Instruction = AskCommitments | AskUpdates | Wake | Aggregate | Validate | Release | Apply | Abort | Finish
