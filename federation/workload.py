"""What a swarm can learn, seen from the round: the seam that all five workloads fill in.

A round moves float32 rows: one row an agent, all of one length. A workload says how a row comes
about (its `Learner`, on the hosts), what its bytes are (its codec), which rule and screen judge the
rows, how an aggregate becomes the next release (`fold`), and how far apart two releases are
(`divergence`). It never writes its own round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from federation.compression import Codec
from federation.errors import SwarmError
from federation.rules.base import Rule
from federation.screening import Screen
from federation.terms import Tuning
from federation.update import UpdateBatch

Row = NDArray[np.float32]
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the k agents of a host learned in one round, rows in the order of `Learner.agents`.

    Attributes:
        rows: ``(k, d) float32``: each agent's change to the base (or its own value, as the workload says).
        weights: ``(k,) float64``: the sample count each agent declares. Capped by whoever uses it.
        losses: ``(k,) float64``: mean training loss; NaN where an agent had nothing to learn from.
        idle: ``(k,) bool``: agents without data, who send no update this round.
        epochs: local epochs made.
        batch_size: samples per step.
        measures: further figures of the whole host, by name, e.g. ``"heterogeneity"``.
    """

    rows: Rows
    weights: NDArray[np.float64]
    losses: NDArray[np.float64]
    idle: NDArray[np.bool_]
    epochs: int
    batch_size: int
    measures: Mapping[str, float] = field(default_factory=dict[str, float])


class Learner(Protocol):
    """The local learner of all agents of one host. Deterministic in (base, round, seeds, data)."""

    @property
    def agents(self) -> tuple[str, ...]: ...

    def learn(self, base: Row, *, round_number: int, seeds: NDArray[np.uint64], tuning: Tuning) -> Learned:
        """One round of learning from ``base``, all agents in one batched step. Does not change ``base``."""
        ...

    def observe(self, agent: str, experiences: Sequence[object]) -> int:
        """Add what an agent lived through to its memory; returns how many it now holds."""
        ...

    def histogram(self) -> NDArray[np.float64]:
        """``(k, bins)``: how often each agent met each kind of case; rows sum to 1, or to 0 when idle."""
        ...


@runtime_checkable
class Corruption(Protocol):
    """Makes marked agents lie, for evaluation. `workloads.attacks` has the known ways."""

    @property
    def agents(self) -> frozenset[str]:
        """The marked agents: the truth that detection is held against."""
        ...

    def corrupt(self, learner: Learner) -> Learner:
        """A learner that lies for the marked agents and is honest for the others."""
        ...

    def send(self, batch: UpdateBatch) -> Sequence[UpdateBatch]:
        """What the host sends instead of its honest batch: other signatures, old batches, twice, ..."""
        ...


@runtime_checkable
class Workload(Protocol):
    """One kind of knowledge. A frozen, picklable description; the work is in its methods' results."""

    @property
    def kind(self) -> str:
        """The word that every update and release of this workload is signed with."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def codec(self) -> Codec: ...

    @property
    def rule(self) -> Rule: ...

    @property
    def screen(self) -> Screen: ...

    @property
    def norm_cap(self) -> float:
        """The largest L2 norm that an update may have before anything is known of this swarm's norms."""
        ...

    def genesis(self, seed: int) -> Row:
        """The value of release 0, the same for everybody who has the seed."""
        ...

    def learner(self, agents: Sequence[str], *, seed: int) -> Learner: ...

    def fold(self, base: Row, aggregate: Row) -> Row:
        """The next release's value from its parent's and the round's aggregate. A new array."""
        ...

    def divergence(self, old: Row, new: Row, *, probe: int) -> float:
        """KL divergence in nats between what the two values would do, on probe set number ``probe``."""
        ...

    def evaluate(self, value: Row) -> Mapping[str, float]:
        """Held-out figures by name (``"accuracy"`` first where there is one); empty without held-out data."""
        ...

    def predict(self, value: Row, states: NDArray[np.float32]) -> NDArray[np.intp]:
        """The action for each row of ``states``."""
        ...

    def pack(self, value: Row) -> bytes:
        """The release artefact: what is stored, hashed and sent. Never a pickle."""
        ...

    def unpack(self, artefact: bytes) -> Row:
        """The value of an artefact, checked. Raises `SwarmError` for anything else."""
        ...


@runtime_checkable
class Acting(Workload, Protocol):
    """A workload whose releases are policies, so that its agents' own tasks can be watched."""

    @property
    def actions(self) -> int: ...

    def state_bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """``(features,)``: between what values each feature of a state usually lies, low < high."""
        ...

    def tasks(self, experiences: Sequence[object]) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.bool_]]:
        """``(m, features)`` states, ``(m,)`` actions, and whether each went well."""
        ...


@runtime_checkable
class Remembering(Workload, Protocol):
    """A workload whose agents' own experiences can be written down, so that they outlive a process."""

    @property
    def memory(self) -> int:
        """The most experiences that an agent keeps."""
        ...

    def pack_experiences(self, experiences: Sequence[object]) -> list[bytes]:
        """One record of bytes for each experience. Never a pickle. Raises `SwarmError` for what does not fit."""
        ...

    def unpack_experiences(self, records: Sequence[bytes]) -> Sequence[object]:
        """What `Learner.observe` is to be given for these records. Raises `SwarmError` for anything else."""
        ...


@runtime_checkable
class Composed(Workload, Protocol):
    """A workload whose rule knows what rows mean, and puts together by another rule what belongs together."""

    @property
    def inner(self) -> Rule:
        """That other rule: the one to replace."""
        ...


@runtime_checkable
class Reviewed(Workload, Protocol):
    """A workload whose rounds rather end than go on when too many updates look wrong."""

    @property
    def review_above(self) -> float:
        """Share of flagged updates above which a round ends without a release, for somebody to look at it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What a document from outside says, as an update of a round.

    Attributes:
        row: ``(d,) float32``.
        weight: the sample count that its client declares, 1 or more. Capped by whoever uses it.
        known: parts of it that are in the row; with none it says nothing.
        unknown: parts of it that this workload does not know; they are left out.
    """

    row: Row
    weight: float
    known: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRows:
    """What m documents from outside say.

    Attributes:
        rows: ``(m, d) float32``; zeros where a document is at fault.
        weights: ``(m,) float64``: the sample count that each client declares; 0 where a document is at fault.
        known: ``(m,)``: parts of the document that are in its row.
        unknown: ``(m,)``: parts that were left out.
        faults: place -> what is wrong with that document.
    """

    rows: Rows
    weights: NDArray[np.float64]
    known: NDArray[np.int64]
    unknown: NDArray[np.int64]
    faults: Mapping[int, SwarmError]


@runtime_checkable
class Admitting(Workload, Protocol):
    """A workload whose updates may also come as documents, from clients outside of the swarm."""

    @property
    def staleness_s(self) -> float:
        """The age in seconds from which on a document is not counted any more."""
        ...

    @property
    def participants(self) -> int:
        """How many clients a round needs."""
        ...

    def admitted(self, document: bytes, *, base: Row, current: Row, round_number: int) -> Admitted:
        """The update of a document for a round that learns from ``current``.

        Args:
            document: as its client sent it.
            base: the value of the release that the document's changes are relative to.
            current: the value of the release that the round learns from.
            round_number: of the round.

        Raises:
            SwarmError: for anything that is no such document.
        """
        ...

    def admitted_all(
        self, documents: Sequence[bytes], *, bases: Sequence[Row], current: Row, round_number: int
    ) -> AdmittedRows:
        """`admitted` of many documents, each with its base. Those with the very same array as base go together."""
        ...


@runtime_checkable
class Grouping(Admitting, Protocol):
    """A workload whose rounds have a row for each group of clients: documents are folded into these as they come."""

    def streaming(self, groups: int) -> Any:
        """How documents' rows are folded into so many groups."""
        ...
