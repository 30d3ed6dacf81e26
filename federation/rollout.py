"""How a release reaches the fleet by stages, and when it is taken back (the architecture's section 5.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from federation.errors import SettingError

State = Literal["running", "rolled_back", "superseded"]
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
        if not self.lasts_s >= 0:
            raise SettingError(name="lasts_s", found=self.lasts_s, needed="at least 0")


STAGES: Final = (
    Stage(name="canary", share=0.01, lasts_s=2 * HOUR_S),
    Stage(name="staged", share=0.10, lasts_s=6 * HOUR_S, approval=True),
    Stage(name="general", share=0.50, lasts_s=12 * HOUR_S),
    Stage(name="full", share=1.0, lasts_s=0.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One release on its way.

    Attributes:
        version: the release.
        parent: the release that everybody had before, and that the others are served; None before the first.
        entered_at: unix seconds when the present stage began.
        stage: the name of the present stage.
        approved_by: who approved the next stage; empty while nobody has.
        approved_at: when.
        state: whether it goes on.
        stages: the stages, the last one of which has everybody.
    """

    version: str
    parent: str | None
    entered_at: float
    stage: str = STAGES[0].name
    approved_by: str = ""
    approved_at: float = 0.0
    state: State = "running"
    stages: tuple[Stage, ...] = STAGES

    @property
    def place(self) -> int:
        """The number of the present stage, from 0."""
        return [stage.name for stage in self.stages].index(self.stage)

    @property
    def share(self) -> float:
        """The share of the fleet that is served the release now."""
        return self.stages[self.place].share

    def position(self, client: str) -> float:
        """Where a client stands, from 0 to below 1: the lower, the earlier it is served a new release."""
        digest = hashlib.sha256(f"swarmlore/rollout/1\n{self.parent}\n{client}".encode()).digest()
        return int.from_bytes(digest[:7], "big") / 2**56

    def served(self, client: str) -> str | None:
        """The version that a client is served now."""
        if self.state == "running" and (self.parent is None or self.position(client) < self.share):
            return self.version
        return self.parent

    def approve(self, *, by: str, now: float) -> Rollout:
        """This rollout with an operator's consent to the next stage."""
        if self.state != "running" or self.place + 1 >= len(self.stages):
            raise SettingError(name="stage", found=f"{self.stage} ({self.state})", needed="one that has a next stage")
        return replace(self, approved_by=by, approved_at=now)

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON takes."""
        return asdict(self) | {"stages": [asdict(stage) for stage in self.stages]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Rollout:
        """What `to_dict` wrote."""
        values: dict[str, Any] = dict(plain)
        values["stages"] = tuple(Stage(**stage) for stage in plain["stages"])
        return cls(**values)
