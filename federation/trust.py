"""What the swarm remembers of its agents' conduct: reputation, quarantine, and the way back in.

An agent stands in one of three ways. Active: its updates are judged, and count while its reputation is
at the floor or above. Quarantined: its updates are refused at the gate, for a number of rounds. On
probation: its updates are judged and do not count, until enough of them in a row were clean.

    active -> quarantined     3 flagged rounds in a row, or at once with a proof of equivocation
    quarantined -> probation  10 rounds later; 20 after the second quarantine, 40 after the third ...
    probation -> active       3 clean judged rounds in a row; reputation starts at the floor + 0.1
    probation -> quarantined  3 flagged rounds in a row, or a proof

An operator may quarantine an agent, or reinstate it, whatever its standing.

The cap: of n agents, at most f are kept out at once (quarantined, on probation, or below the floor),
those of the worst reputation first and of the smaller id among equals. So n - f always count, and false
alarms cannot make the quorum unreachable. An agent that the cap leaves in stays due, and goes as soon as
a place is free. New identities start with a full reputation: that enrolment is hard to repeat is for
whoever enrols to see to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError

# Waits double with each quarantine, up to 2^10 times the first.
_MOST_DOUBLINGS = 10


class Outcome(IntEnum):
    """How a round ended for an agent that took part. An absent agent has none."""

    ACCEPTED = 0
    FLAGGED = 1
    EQUIVOCATED = 2


class Standing(IntEnum):
    """How an agent stands with the swarm."""

    ACTIVE = 0
    PROBATION = 1
    QUARANTINED = 2

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """The figures of the ledger.

    Attributes:
        decay: reputation becomes decay x reputation + (1 - decay) x (1 accepted, 0 flagged).
        floor: an agent below it is judged but does not count.
        quarantine_after: flagged rounds in a row that lead to quarantine.
        probation_rounds: rounds of the first quarantine; each further one is twice as long.
        clean_rounds: accepted rounds in a row that end probation.
        readmission: reputation above the floor with which an agent comes back.
    """

    decay: float = 0.9
    floor: float = 0.3
    quarantine_after: int = 3
    probation_rounds: int = 10
    clean_rounds: int = 3
    readmission: float = 0.1

    def __post_init__(self) -> None:
        for name in ("decay", "floor"):
            if not 0 < getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="above 0 and below 1")
        for name in ("quarantine_after", "probation_rounds", "clean_rounds"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not 0 <= self.readmission <= 1 - self.floor:
            raise SettingError(name="readmission", found=self.readmission, needed="0 to 1 - floor")


# Columns by name and dtype, in the order in which they are written.
_COLUMNS: Mapping[str, Any] = MappingProxyType(
    {
        "reputation": np.float64,
        "standing": np.int8,
        "flagged_streak": np.int64,
        "clean_streak": np.int64,
        "wait": np.int64,
        "quarantines": np.int64,
        "unserved": np.bool_,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrustLedger:
    """The conduct of n agents, in columns. A value: `after_round` returns another; columns are read-only.

    Attributes:
        policy: the figures in force.
        fault_bound: agents kept out at most; None for the largest bound, floor((n - 1) / 3).
        agents: ids, ascending; row i of each column is ``agents[i]``.
        reputation: ``(n,) float64`` in [0, 1].
        standing: ``(n,) int8``, values of `Standing`.
        flagged_streak: ``(n,)`` flagged rounds in a row, absences not counted.
        clean_streak: ``(n,)`` accepted rounds in a row on probation.
        wait: ``(n,)`` rounds of quarantine left.
        quarantines: ``(n,)`` quarantines so far.
        unserved: ``(n,) bool``, agents proven to have equivocated whom the cap left in.
    """

    policy: TrustPolicy
    fault_bound: int | None
    agents: tuple[str, ...]
    reputation: NDArray[np.float64]
    standing: NDArray[np.int8]
    flagged_streak: NDArray[np.int64]
    clean_streak: NDArray[np.int64]
    wait: NDArray[np.int64]
    quarantines: NDArray[np.int64]
    unserved: NDArray[np.bool_]
    _rows: Mapping[str, int] = field(repr=False)

    @classmethod
    def start(
        cls, agents: Iterable[str], *, policy: TrustPolicy | None = None, fault_bound: int | None = None
    ) -> TrustLedger:
        """The ledger of agents of whom nothing is known: all active, reputation 1.

        Raises:
            SettingError: for a negative fault bound.
        """
        if fault_bound is not None and fault_bound < 0:
            raise SettingError(name="fault_bound", found=fault_bound, needed="0 or more")
        names = tuple(sorted(set(agents)))
        columns: dict[str, Any] = {name: np.zeros(len(names), kind) for name, kind in _COLUMNS.items()}
        columns["reputation"][:] = 1.0
        return cls(
            policy=policy or TrustPolicy(),
            fault_bound=fault_bound,
            agents=names,
            _rows={agent: row for row, agent in enumerate(names)},
            **_frozen(columns),
        )

    def enrol(self, agents: Iterable[str]) -> TrustLedger:
        """This ledger with more agents. Those it knows keep their record: leaving and rejoining clears nothing."""
        grown = TrustLedger.start((*self.agents, *agents), policy=self.policy, fault_bound=self.fault_bound)
        position = {agent: row for row, agent in enumerate(grown.agents)}
        rows = np.array([position[agent] for agent in self.agents], np.intp)
        columns: dict[str, Any] = {}
        for name in _COLUMNS:
            columns[name] = getattr(grown, name).copy()
            columns[name][rows] = getattr(self, name)
        return replace(grown, **_frozen(columns))

    def among(self, agents: Iterable[str]) -> TrustLedger:
        """The ledger of those of these agents that it knows, as if nobody else were enrolled."""
        chosen = frozenset(agents)
        places = [row for row, agent in enumerate(self.agents) if agent in chosen]
        names, rows = tuple(self.agents[row] for row in places), np.array(places, np.intp)
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return replace(self, agents=names, _rows={agent: row for row, agent in enumerate(names)}, **_frozen(columns))

    def forget(self, agents: Iterable[str]) -> TrustLedger:
        """This ledger without these agents. One that is kept out stays: nobody gets out by being forgotten."""
        gone = frozenset(agents).difference(self.names(self.standing != Standing.ACTIVE))
        return self.among(agent for agent in self.agents if agent not in gone) if gone else self

    def quarantine(self, agent: str) -> TrustLedger:
        """This ledger with a quarantine that somebody has ordered; it begins anew for one that is out already.

        Raises:
            SettingError: for an agent that is not enrolled.
        """
        row = self._place(agent)
        doublings = min(int(self.quarantines[row]), _MOST_DOUBLINGS)
        return self._with(
            row,
            standing=Standing.QUARANTINED,
            flagged_streak=0,
            clean_streak=0,
            quarantines=int(self.quarantines[row]) + 1,
            wait=self.policy.probation_rounds * 2**doublings,
            unserved=False,
        )

    def reinstate(self, agent: str) -> TrustLedger:
        """This ledger with an agent that somebody trusts again: active, reputation 1, no quarantine to its name.

        Raises:
            SettingError: for an agent that is not enrolled.
        """
        row = self._place(agent)
        fresh = dict.fromkeys(_COLUMNS, 0)
        return self._with(row, **{**fresh, "reputation": 1.0})

    @property
    def f(self) -> int:
        """The number of agents that are kept out at most."""
        return max((len(self.agents) - 1) // 3, 0) if self.fault_bound is None else self.fault_bound

    @property
    def quarantined(self) -> NDArray[np.bool_]:
        """``(n,)``: agents whose updates the gate refuses."""
        return self.standing == Standing.QUARANTINED

    @property
    def on_probation(self) -> NDArray[np.bool_]:
        """``(n,)``: agents whose updates are judged and do not count."""
        return self.standing == Standing.PROBATION

    @property
    def trusted(self) -> NDArray[np.bool_]:
        """``(n,)``: agents whose updates count: active and not below the floor, and never fewer than n - f."""
        out = self.standing != Standing.ACTIVE
        low = ~out & (self.reputation < self.policy.floor)
        return ~(out | _lowest(low, self.reputation, self.f - int(out.sum())))

    def names(self, mask: NDArray[np.bool_]) -> tuple[str, ...]:
        """The ids of the rows marked, ascending."""
        return tuple(self.agents[row] for row in np.flatnonzero(mask))

    def changes(self, before: TrustLedger) -> dict[str, tuple[Standing, Standing]]:
        """The agents who stand otherwise than in ``before``, an earlier ledger of the same agents or fewer."""
        old = before if before.agents == self.agents else before.enrol(self.agents)
        rows = np.flatnonzero(old.standing != self.standing)
        return {self.agents[row]: (Standing(int(old.standing[row])), Standing(int(self.standing[row]))) for row in rows}

    def after_round(self, outcomes: Mapping[str, Outcome]) -> TrustLedger:
        """The ledger after one more round.

        Quarantines run down whether or not an agent is there. Reputation and streaks change only for agents
        who have an outcome and were not in quarantine. A proof of equivocation counts in any standing: it
        sets the reputation to 0 and begins a quarantine anew.

        Raises:
            SettingError: for an agent that is not enrolled.
        """
        policy = self.policy
        took_part, accepted, proven = self._marks(outcomes)
        was_out = self.standing == Standing.QUARANTINED
        judged = took_part & ~was_out & ~proven
        clean, flagged = judged & accepted, judged & ~accepted

        reputation = self.reputation.copy()
        reputation[judged] = policy.decay * reputation[judged] + (1 - policy.decay) * accepted[judged]
        reputation[proven] = 0.0
        flagged_streak = np.where(flagged, self.flagged_streak + 1, np.where(clean, 0, self.flagged_streak))
        standing = self.standing.copy()
        probation = standing == Standing.PROBATION
        clean_streak = np.where(probation & clean, self.clean_streak + 1, self.clean_streak)
        clean_streak[flagged | proven] = 0

        wait = np.where(was_out, np.maximum(self.wait - 1, 0), self.wait)
        standing[was_out & (wait == 0)] = Standing.PROBATION
        back = probation & (clean_streak >= policy.clean_rounds)
        standing[back] = Standing.ACTIVE
        clean_streak[back] = 0
        reputation[back] = policy.floor + policy.readmission

        unserved = self.unserved | proven
        due = unserved | (flagged_streak >= policy.quarantine_after)
        out = standing != Standing.ACTIVE
        entering = (due & out) | _lowest(due & ~out, reputation, self.f - int(out.sum()))
        quarantines = self.quarantines + entering
        doublings = np.minimum(np.maximum(quarantines - 1, 0), _MOST_DOUBLINGS)
        wait = np.where(entering, policy.probation_rounds * 2**doublings, wait)
        standing[entering] = Standing.QUARANTINED
        flagged_streak[entering] = 0
        clean_streak[entering] = 0
        return replace(
            self,
            **_frozen(
                {
                    "reputation": reputation,
                    "standing": standing,
                    "flagged_streak": flagged_streak,
                    "clean_streak": clean_streak,
                    "wait": wait,
                    "quarantines": quarantines,
                    "unserved": unserved & ~entering,
                }
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """The ledger as plain data for JSON, with every figure exact."""
        return {
            "policy": {name: getattr(self.policy, name) for name in self.policy.__slots__},
            "fault_bound": self.fault_bound,
            "agents": list(self.agents),
            **{name: getattr(self, name).tolist() for name in _COLUMNS},
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> TrustLedger:
        """The ledger that `to_dict` wrote.

        Raises:
            SettingError: for columns of another length, or values that no ledger has.
        """
        needed = "what to_dict wrote"
        try:
            policy = TrustPolicy(**state["policy"])
            fresh = cls.start(state["agents"], policy=policy, fault_bound=state["fault_bound"])
            columns: dict[str, Any] = {name: np.array(state[name], kind) for name, kind in _COLUMNS.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise SettingError(name="ledger", found=repr(error), needed=needed) from error
        sound = list(fresh.agents) == list(state["agents"]) and all(
            column.shape == (len(fresh.agents),) and (column >= 0).all() for column in columns.values()
        )
        if not sound or (columns["reputation"] > 1).any() or (columns["standing"] > max(Standing)).any():
            raise SettingError(name="ledger", found="columns that do not fit", needed=needed)
        return replace(fresh, **_frozen(columns))

    def _place(self, agent: str) -> int:
        if agent not in self._rows:
            raise SettingError(name="agent", found=agent, needed=f"one of the {len(self.agents)} that are enrolled")
        return self._rows[agent]

    def _with(self, row: int, **values: Any) -> TrustLedger:
        columns: dict[str, Any] = {name: getattr(self, name).copy() for name in values}
        for name, value in values.items():
            columns[name][row] = value
        return replace(self, **_frozen(columns))

    def _marks(self, outcomes: Mapping[str, Outcome]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """``(n,)`` masks: took part, accepted, proven to have equivocated."""
        strangers = outcomes.keys() - self._rows.keys()
        if strangers:
            raise SettingError(name="outcomes", found=sorted(strangers)[:8], needed="of enrolled agents")
        rows = np.fromiter(map(self._rows.__getitem__, outcomes), np.intp, len(outcomes))
        values = np.full(len(self.agents), -1, np.int8)
        values[rows] = np.fromiter(outcomes.values(), np.int8, len(outcomes))
        return values >= 0, values == Outcome.ACCEPTED, values == Outcome.EQUIVOCATED


def _lowest(mask: NDArray[np.bool_], reputation: NDArray[np.float64], places: int) -> NDArray[np.bool_]:
    """The rows of ``mask`` with the lowest reputation, at most ``places`` of them."""
    rows = np.flatnonzero(mask)
    chosen = rows[np.argsort(reputation[rows], kind="stable")[: max(places, 0)]]
    result = np.zeros(len(mask), np.bool_)
    result[chosen] = True
    return result


def _frozen(columns: dict[str, Any]) -> dict[str, Any]:
    for column in columns.values():
        column.flags.writeable = False
    return columns
