"""The terms of a round: everything that is fixed when it is opened."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import FaultBoundError, SettingError
from federation.identity import Statement, framed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What the MAPE-K loops may change about local learning from round to round.

    Attributes:
        learning_rate_scale: multiplies the workload's own learning rate.
        epochs_scale: multiplies the workload's own number of local epochs.
    """

    learning_rate_scale: float = 1.0
    epochs_scale: float = 1.0


def fault_bound(n: int) -> int:
    """floor((n - 1) / 3): the largest f for which quorums of n - f intersect in an honest agent."""
    return max((n - 1) // 3, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every member of a round agrees on before it starts.

    Attributes:
        run: id of the run; part of every signature, so that nothing can be replayed into another run.
        round: number of the round, from 1.
        kind: the workload.
        base_version: version of the release that is learned from.
        base: its 32-byte digest.
        roster: ids of the agents that are asked, sorted.
        fault_bound: how many of them may lie or be silent, f.
        dimension: length of a row.
        codec: name of the codec that payloads come in.
        norm_cap: largest L2 norm of an update.
        weight_cap: largest sample count that an agent may declare.
        deadline_s: seconds from opening until the round closes with what it has.
        linger_s: seconds that a round with a quorum waits for the others.
        quarantined: agents on the roster whose updates the gate refuses.
        observed: agents on the roster whose updates are judged and do not count.
        commit_reveal: whether agents commit to their updates before they show them.
        seed: of the run; agents' seeds derive from it.
        tuning: what the loops changed about local learning.
        clip_radius: L2 norm that updates are clipped to in a private round; 0.0 in any other.
    """

    run: str
    round: int
    kind: str
    base_version: int
    base: bytes
    roster: tuple[str, ...]
    fault_bound: int
    dimension: int
    codec: str
    norm_cap: float
    weight_cap: float
    deadline_s: float
    linger_s: float
    seed: int
    quarantined: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    commit_reveal: bool = False
    tuning: Tuning = field(default_factory=Tuning)
    clip_radius: float = 0.0

    def __post_init__(self) -> None:
        n, f = len(self.roster), self.fault_bound
        if n == 0 or list(self.roster) != sorted(set(self.roster)):
            raise SettingError(name="roster", found=f"{n} ids", needed="agent ids, sorted, each once, at least one")
        if f < 0 or n <= 3 * f:
            raise FaultBoundError(n=n, f=f)
        if self.deadline_s <= 0 or self.linger_s < 0:
            raise SettingError(
                name="deadline_s, linger_s",
                found=(self.deadline_s, self.linger_s),
                needed="> 0 and >= 0 seconds",
            )
        if not (self.norm_cap > 0 and self.weight_cap > 0):
            raise SettingError(name="norm_cap, weight_cap", found=(self.norm_cap, self.weight_cap), needed="> 0")
        if not 0 <= self.clip_radius < math.inf:
            raise SettingError(name="clip_radius", found=self.clip_radius, needed=">= 0 and finite")

    @property
    def quorum(self) -> int:
        """n - f valid updates: all that can be waited for when f agents may stay silent."""
        return len(self.roster) - self.fault_bound

    @property
    def statement(self) -> Statement:
        return Statement(run=self.run, round=self.round, kind=self.kind, base=self.base)

    def seeds(self, agents: tuple[str, ...]) -> NDArray[np.uint64]:
        """``(k,)``: one seed for each agent, from (run, seed, round, agent) alone."""
        head = b"swarmlore/seed/1" + framed(self.run, struct.pack("<qQ", self.seed, self.round), self.kind)
        digests = [hashlib.sha256(head + framed(agent)).digest()[:8] for agent in agents]
        return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)

    def to_dict(self) -> dict[str, Any]:
        """The terms as plain data, for the journal."""
        # Not `asdict`, which copies the roster name by name.
        plain = {name: getattr(self, name) for name in _FIELDS}
        return {**plain, "base": self.base.hex(), "roster": list(self.roster), "tuning": asdict(self.tuning)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Terms:
        """The terms that `to_dict` wrote."""
        given: dict[str, Any] = dict(data)
        given["base"] = bytes.fromhex(data["base"])
        for name in ("roster", "quarantined", "observed"):
            given[name] = tuple(data[name])
        given["tuning"] = Tuning(**data["tuning"])
        return cls(**given)


_FIELDS = tuple(field.name for field in fields(Terms))
