"""How a release reaches the fleet by stages, and when it is taken back.

The architecture's section 5.3: 1 % of the clients for 2 hours, 10 % for 6 hours and then a human's consent, 50 % for 12
hours, all. Who is early is drawn anew for each release, from the release's version and the client's id: everybody can
compute it, nobody is always first, and a client that has a release keeps it as the share grows.

Departures. That errors are more than 5 % above those before is not enough to take a release back: it has to be more
than chance, or the clients have to be of one mind, see `federation.error_rates`. Where the reports are too few, or
above the bound by what may be chance, the next stage does not begin by itself: the rollout waits for an operator.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from federation.error_rates import Comparison, ErrorBound, Figures, Finding, compare
from federation.errors import SettingError

State = Literal["running", "rolled_back"]
Word = Literal["wait", "promote", "await_approval", "roll_back"]
HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A share of the fleet, and how long it is watched.

    Attributes:
        name: its word.
        share: of the clients that are served the release, from 0 to 1.
        lasts_s: seconds before the next stage may begin.
        approval: whether an operator has to agree to the next stage.
    """

    name: str
    share: float
    lasts_s: float
    approval: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SettingError(name="share", found=self.share, needed="above 0 and at most 1")
        if not 0 <= self.lasts_s < math.inf:
            raise SettingError(name="lasts_s", found=self.lasts_s, needed="at least 0 and finite")


STAGES: Final = (
    Stage(name="canary", share=0.01, lasts_s=2 * HOUR_S),
    Stage(name="staged", share=0.10, lasts_s=6 * HOUR_S, approval=True),
    Stage(name="general", share=0.50, lasts_s=12 * HOUR_S),
    Stage(name="full", share=1.0, lasts_s=0.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided of a rollout, and why.

    Attributes:
        word: ``wait``, ``promote``, ``await_approval`` or ``roll_back``.
        reason: ``full``, ``rolled_back``, ``worse``, ``time``, ``approval``, or what was found: ``fine``, ``unsure``,
            ``unknown``.
        rate_before, rate_after: error rates; None when nobody reports.
        clients_before, clients_after: clients whose reports count under the one release and under the other.
        clients: clients that count under both.
        excess, chance: see `federation.error_rates.Comparison`.
        due_at: when the stage has lasted.
    """

    word: Word
    reason: str
    rate_before: float | None = None
    rate_after: float | None = None
    clients_before: int = 0
    clients_after: int = 0
    clients: int = 0
    excess: float = math.nan
    chance: float = math.nan
    due_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One release on its way. It begins when the one before it has reached everybody, so that no client goes back.

    Attributes:
        version: the release.
        parent: the release that everybody had before, and that the others are served; None before the first.
        entered_at: unix seconds when the present stage began.
        stage: the name of the present stage.
        approved_by: who approved the next stage; empty while nobody has.
        approved_at: when.
        state: whether it goes on.
        stages: with growing shares, the last of which is everybody.
        bound: how much worse the release may be.
    """

    version: str
    parent: str | None
    entered_at: float
    stage: str = STAGES[0].name
    approved_by: str = ""
    approved_at: float = 0.0
    state: State = "running"
    stages: tuple[Stage, ...] = STAGES
    bound: ErrorBound = field(default_factory=ErrorBound)

    def __post_init__(self) -> None:
        shares = [stage.share for stage in self.stages]
        if not shares or shares[-1] != 1 or sorted(set(shares)) != shares:
            raise SettingError(name="stages", found=shares, needed="growing shares, the last of which is 1")
        if self.parent == self.version:
            raise SettingError(name="parent", found=self.parent, needed="another release")
        names = [stage.name for stage in self.stages]
        if self.stage not in names or len(set(names)) != len(names):
            raise SettingError(name="stage", found=self.stage, needed=f"one of {', '.join(names)}, each named once")

    @property
    def place(self) -> int:
        """The number of the present stage, from 0."""
        return [stage.name for stage in self.stages].index(self.stage)

    @property
    def share(self) -> float:
        """The share of the fleet that is served the release now."""
        if self.state == "rolled_back":
            return 0.0
        return 1.0 if self.parent is None else self.stages[self.place].share

    @property
    def is_full(self) -> bool:
        """Whether everybody is served the release."""
        return self.share == 1.0

    def position(self, client: str) -> float:
        """Where a client stands, from 0 to below 1: the lower, the earlier it is served this release."""
        digest = hashlib.sha256(f"swarmlore/rollout/1\n{self.version}\n{client}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48

    def served(self, client: str) -> str | None:
        """The version that a client is served now."""
        return self.version if self.position(client) < self.share else self.parent

    def group(self, client: str) -> str:
        """The name of the stage with which a client is served this release."""
        position = self.position(client)
        return next(stage.name for stage in self.stages if position < stage.share)

    def approve(self, *, by: str, now: float) -> Rollout:
        """This rollout with an operator's consent to the next stage. The first consent to a stage stands.

        Raises:
            SettingError: when there is no next stage.
        """
        if self.state != "running" or self.place + 1 >= len(self.stages):
            raise SettingError(name="stage", found=f"{self.stage} ({self.state})", needed="one that has a next stage")
        return self if self.approved_by else replace(self, approved_by=by, approved_at=now)

    def roll_back(self) -> Rollout:
        """This rollout when its release is taken back: everybody is served the parent, until it is a new version.

        Raises:
            SettingError: when there is no parent.
        """
        if self.parent is None:
            raise SettingError(name="parent", found=None, needed="a release to go back to")
        return replace(self, state="rolled_back")

    def step(self, now: float, before: Figures, after: Figures) -> tuple[Rollout, Decision]:
        """This rollout after a look at the reports, at most one stage further, and what was decided.

        A release that everybody has stays; then only the figures are told. Consent never saves one that is worse.

        Args:
            now: unix seconds.
            before: client -> (calls, errors) under the parent.
            after: the same under this release. Clients that it is not served to are left out, whatever they report.
        """
        told = {client: figure for client, figure in after.items() if self.position(client) < self.share}
        found = compare(before, told, self.bound)
        word, reason = self._decide(now, found)
        stepped = self
        if word == "roll_back":
            stepped = self.roll_back()
        elif word == "promote":
            ahead = self.stages[self.place + 1].name
            stepped = replace(self, stage=ahead, entered_at=now, approved_by="", approved_at=0.0)
        return stepped, Decision(
            word=word,
            reason=reason,
            rate_before=found.rate_before,
            rate_after=found.rate_after,
            clients_before=found.clients_before,
            clients_after=found.clients_after,
            clients=found.clients,
            excess=found.excess,
            chance=found.chance,
            due_at=self.entered_at + self.stages[self.place].lasts_s,
        )

    def _decide(self, now: float, found: Comparison) -> tuple[Word, str]:
        stage = self.stages[self.place]
        if self.state == "rolled_back":
            return "wait", "rolled_back"
        if self.is_full:
            return "wait", "full"
        if found.finding is Finding.WORSE:
            return "roll_back", "worse"
        if now < self.entered_at + stage.lasts_s:
            return "wait", "time"
        if self.approved_by:
            return "promote", "approval"
        if found.finding is not Finding.FINE:
            return "await_approval", found.finding.value
        return ("await_approval", "approval") if stage.approval else ("promote", "fine")

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON takes."""
        return asdict(self) | {"stages": [asdict(stage) for stage in self.stages]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Rollout:
        """What `to_dict` wrote."""
        values: dict[str, Any] = dict(plain)
        values["stages"] = tuple(Stage(**stage) for stage in plain["stages"])
        values["bound"] = ErrorBound(**plain.get("bound", {}))
        return cls(**values)
