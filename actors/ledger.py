"""What the coordinator carries from round to round: trust, divergences, tuning, norms. A value, journaled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from actors.config import SwarmConfig
from actors.journal import Journal
from actors.messages import Aggregation, Measurement
from federation.convergence import ConvergenceCriterion, ConvergenceTracker
from federation.identity import DIGEST_BYTES
from federation.release import Release
from federation.terms import Terms, Tuning, fault_bound
from federation.trust import Outcome, Standing, TrustLedger

Wishes = Sequence[tuple[str, Mapping[str, Any]]]
"""(name, parameters) of what most validators ask for."""

LEAST_RATE, MOST_EPOCHS = 1 / 64, 4.0
"""How far validators may scale the learning rate down, and the local epochs up."""

NAMED = 1_000
"""Agents that are named at most in one answer."""

NORM_FACTOR = 10.0
"""An update may be this many times longer than the last round's median before the gate refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The state between two rounds.

    Attributes:
        trust: of every agent.
        tracker: divergences of the run so far.
        tuning: what the loops changed about local learning.
        previous: agent -> digest of its last counted payload.
        norm: median L2 norm of the last round's updates; 0.0 before the first.
        first_norm_cap: the workload's own, until a norm is known.
        good: the last version that was not diverging.
        changed: observed rounds after which the tuning was last changed; None when it never was.
        pending: the version that a rollback is due to, decided together with the last release; None for none.
        changing: whether each round has another roster. Then those in quarantine are on none, and the most that can
            be kept out is a third of all who ever came.
        draft: record of the last release, before its durations are known.
    """

    trust: TrustLedger
    tracker: ConvergenceTracker
    tuning: Tuning
    previous: Mapping[str, bytes]
    norm: float
    first_norm_cap: float
    good: int
    changed: int | None = None
    pending: int | None = None
    changing: bool = False
    draft: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, config: SwarmConfig, journal: Journal) -> Ledger:
        """The ledger that the journal holds, or a fresh one."""
        criterion = ConvergenceCriterion(
            threshold=config.threshold, min_rounds=config.min_rounds, patience=config.patience
        )
        trust = journal.recall("trust")
        tracker = journal.recall("tracker")
        tuning = journal.recall("tuning")
        previous = journal.recall("previous") or {"agents": [], "digests": ""}
        digests = bytes.fromhex(previous["digests"])
        changing = config.federation is not None
        # Who came since the last release stands in the journal only.
        agents = tuple(journal.keys()) if changing else config.agents
        started = TrustLedger.start(agents, fault_bound=None if changing else config.fault_bound)
        return cls(
            changing=changing,
            trust=TrustLedger.from_dict(trust).enrol(agents) if trust else started,
            tracker=ConvergenceTracker.from_dict(tracker, criterion=criterion)
            if tracker
            else ConvergenceTracker(criterion=criterion),
            tuning=Tuning(**tuning) if tuning else Tuning(),
            previous={
                agent: digests[DIGEST_BYTES * row : DIGEST_BYTES * (row + 1)]
                for row, agent in enumerate(previous["agents"])
            },
            norm=journal.recall("norm") or 0.0,
            first_norm_cap=config.workload.norm_cap,
            good=journal.recall("good") or 0,
            changed=journal.recall("changed"),
            pending=journal.recall("pending"),
        )

    @property
    def norm_cap(self) -> float:
        """The largest norm that the next round's gate lets through.

        Clients' rows are bounded where they are made, and are long or short by how much a client has to say: whoever
        says all there is would be refused, and blamed, after a round of those who said little.
        """
        if self.changing:
            return self.first_norm_cap
        return NORM_FACTOR * self.norm if self.norm > 0 else self.first_norm_cap

    @property
    def quarantined(self) -> tuple[str, ...]:
        """Agents that the gate refuses."""
        return self.trust.names(self.trust.quarantined)

    @property
    def observed(self) -> tuple[str, ...]:
        """Agents that are judged and do not count: on probation, or below the reputation floor."""
        return self.trust.names(~self.trust.trusted & ~self.trust.quarantined)

    @property
    def history(self) -> dict[str, Any]:
        """What a validator has to know of the rounds so far: divergences, and how long the tuning has had effect."""
        rested = {} if self.changed is None else {"rested": self.tracker.rounds + 1 - self.changed}
        return {**self.tracker.to_dict(), **rested}

    def kept_out(self, roster: tuple[str, ...], f: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Those of the roster that the gate refuses, and those that are judged and do not count: f at most.

        Idle agents make a roster's f smaller than that of everybody enrolled. More than f kept out would leave
        fewer than the n - f that make a quorum, so those in quarantine stay out first, then the worst reputations.
        """
        known = self.trust.among(roster) if self.changing else self.trust
        trust, asked = replace(known, fault_bound=f), frozenset(roster)
        out = [row for row, trusted in enumerate(trust.trusted.tolist()) if not trusted and trust.agents[row] in asked]
        refused: list[bool] = trust.quarantined.tolist()
        out = sorted(out, key=lambda row: (not refused[row], trust.reputation[row], row))[:f]
        return (
            tuple(sorted(trust.agents[row] for row in out if refused[row])),
            tuple(sorted(trust.agents[row] for row in out if not refused[row])),
        )

    def terms(self, config: SwarmConfig, release: Release, roster: tuple[str, ...], *, number: int) -> Terms:
        """The terms of round ``number``, that these agents learn in from this release."""
        workload = config.workload
        f = fault_bound(len(roster)) if config.fault_bound is None else config.fault_bound
        quarantined, observed = self.kept_out(roster, f)
        return Terms(
            run=config.run,
            round=number,
            kind=workload.kind,
            base_version=release.version,
            base=release.digest,
            roster=roster,
            fault_bound=f,
            dimension=workload.dimension,
            codec=workload.codec.name,
            norm_cap=self.norm_cap,
            weight_cap=config.weight_cap,
            deadline_s=config.deadline_s,
            linger_s=config.linger_s,
            seed=config.seed,
            quarantined=quarantined,
            observed=observed,
            commit_reveal=config.commit_reveal,
            tuning=self.tuning,
        )

    def after(self, terms: Terms, found: Aggregation, kl: float, *, version: int, wanted: Wishes = ()) -> Ledger:
        """The ledger after a round that made release ``version``, with the changes that the validators want."""
        flagged, proven = frozenset(found.flagged), {agent for agent, _ in found.proofs}
        outcomes = {
            agent: Outcome.EQUIVOCATED if agent in proven else Outcome.FLAGGED if agent in flagged else Outcome.ACCEPTED
            for agent in {*found.agents, *flagged, *proven}
        }
        tracker = self.tracker.observe(kl)
        good = self.good if tracker.status == "diverging" else version
        tuning, back = self.tuning, False
        for name, parameters in wanted:
            tuning = Tuning(
                learning_rate_scale=max(
                    tuning.learning_rate_scale * parameters.get("learning_rate_scale", 1.0), LEAST_RATE
                ),
                epochs_scale=min(tuning.epochs_scale * parameters.get("epochs_scale", 1.0), MOST_EPOCHS),
            )
            back = back or name == "rollback"
        return replace(
            self,
            tuning=tuning,
            changed=tracker.rounds if wanted else self.changed,
            pending=good if back and good < version else None,
            trust=replace(self.trust, fault_bound=None if self.changing else terms.fault_bound).after_round(outcomes),
            tracker=tracker,
            previous=dict(found.digests),
            # Norms are measured before clipping: the next gate of a private swarm must not depend on them.
            norm=0.0 if terms.clip_radius else found.norm,
            good=good,
        )

    def enrolled(self, agents: Iterable[str]) -> Ledger:
        """The ledger with those of these agents that it does not know yet."""
        new = frozenset(agents).difference(self.trust.agents)
        return replace(self, trust=self.trust.enrol(new)) if new else self

    def restarted(self, version: int) -> Ledger:
        """The ledger after a rollback: the divergences of the run begin anew; trust stays."""
        return replace(
            self,
            tracker=ConvergenceTracker(criterion=self.tracker.criterion),
            good=version,
            changed=None if self.changed is None else 0,
            pending=None,
        )

    def changes(self, after: Ledger) -> dict[str, str]:
        """agent -> "quarantined" or "readmitted", for those whose standing changed so."""
        words = {Standing.QUARANTINED: "quarantined", Standing.ACTIVE: "readmitted"}
        moved = after.trust.changes(self.trust)
        return {agent: words[new] for agent, (_, new) in moved.items() if new in words}

    def facts(self) -> dict[str, Any]:
        """What the journal has to remember."""
        return {
            "trust": self.trust.to_dict(),
            "tracker": self.tracker.to_dict(),
            "tuning": asdict(self.tuning),
            "previous": {"agents": list(self.previous), "digests": b"".join(self.previous.values()).hex()},
            "norm": self.norm,
            "good": self.good,
            "changed": self.changed,
            "pending": self.pending,
        }

    def summary(self) -> dict[str, Any]:
        """The state in short, for `status`."""
        low = self.trust.agents, self.trust.reputation.tolist()
        worst = sorted(zip(low[1], low[0], strict=True))[:5]
        return {
            "convergence": {
                "status": self.tracker.status,
                "threshold": self.tracker.criterion.threshold,
                "rounds": self.tracker.rounds,
                "rounds_remaining": self.tracker.remaining_rounds,
                "kl_divergence": self.tracker.recent[-1] if self.tracker.recent else None,
            },
            "tuning": asdict(self.tuning),
            "quarantined": list(self.quarantined[:NAMED]),
            "observed": list(self.observed[:NAMED]),
            "kept_out": {"quarantined": len(self.quarantined), "observed": len(self.observed)},
            "lowest_reputation": {agent: round(reputation, 4) for reputation, agent in worst if reputation < 1.0},
        }


def wanted_by_most(measurements: Sequence[Measurement], validators: int) -> list[tuple[str, Mapping[str, Any]]]:
    """What most of so many validators ask for, convergence apart: one alone may be wrong."""
    asked: dict[str, list[Mapping[str, Any]]] = {}
    for measurement in measurements:
        for name, parameters in measurement.actions:
            asked.setdefault(name, []).append(parameters)
    return [(name, wishes[0]) for name, wishes in asked.items() if 2 * len(wishes) > validators and name != "converged"]
