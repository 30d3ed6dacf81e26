"""The second workload: tool, error, success and team patterns as numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from federation.compression import Codec, RawCodec
from federation.errors import ExperienceError, SettingError
from federation.privacy import UnboundedRuleError
from federation.protection import Protection
from federation.rules import Mean
from federation.rules.base import Rule, Vector
from federation.workload import Admitted, AdmittedRows, Row
from workloads.patterns.admission import admitted
from workloads.patterns.artefact import packed, unpacked
from workloads.patterns.bulk_admission import admitted_all
from workloads.patterns.errors import PatternError
from workloads.patterns.experience import PatternExperience, experience_of, experiences_of
from workloads.patterns.key_space import STANDARD, KeySpace
from workloads.patterns.knowledge import folded, stabilities
from workloads.patterns.learner import PatternsLearner
from workloads.patterns.learning import BatchLearning
from workloads.patterns.protection import PatternSum, means_of, protection_of
from workloads.patterns.rows import PRESENT, VALUES, columns, dimension
from workloads.patterns.rule import PatternRule
from workloads.patterns.screen import PatternScreen
from workloads.patterns.source import GivenExperiences, PatternSource

_LOWEST = 0.01  # no probability is believed to be nearer to 0 or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSettings:
    """The figures of federated averaging.

    Attributes:
        min_contributors: clients that a key needs.
        min_participants: updates that a round needs.
        review_above: share of flagged updates above which a round ends for somebody to look at it.
        interval_s: between rounds; for whoever schedules them.
        staleness_s: age at which a delta is discarded; for whoever takes deltas in.
    """

    min_contributors: int = 5
    min_participants: int = 10
    review_above: float = 0.30
    interval_s: float = 6 * 3600.0
    staleness_s: float = 72 * 3600.0

    def __post_init__(self) -> None:
        for name in ("min_contributors", "min_participants"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not 0 < self.review_above <= 1:
            raise SettingError(name="review_above", found=self.review_above, needed="in (0, 1]")
        for name in ("interval_s", "staleness_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(name=name, found=getattr(self, name), needed="seconds above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternsWorkload:
    """Pattern weights that installations learn by counting and share as differences to the release.

    Attributes:
        data: where experiences come from.
        space: the key space.
        learning: how patterns are made.
        rounds: the figures of federated averaging.
        inner: the rule for each key: the mean with no client above 20 %, or any robust one.
        max_norm: largest L2 norm of an update's values, longer ones are clipped; None for half of the longest
            that there can be.
        memory: experiences that each installation keeps.
        codec: as `federation.workload.Workload` says.
    """

    data: PatternSource = field(default_factory=GivenExperiences)
    space: KeySpace = STANDARD
    learning: BatchLearning = field(default_factory=BatchLearning)
    rounds: RoundSettings = field(default_factory=RoundSettings)
    inner: Rule = field(default_factory=Mean)
    max_norm: float | None = None
    memory: int = 2048
    codec: Codec = field(default_factory=RawCodec)

    def __post_init__(self) -> None:
        if self.max_norm is not None and not 0 < self.max_norm < math.inf:
            raise SettingError(name="max_norm", found=self.max_norm, needed="above 0 and finite")
        if self.memory < 1:
            raise SettingError(name="memory", found=self.memory, needed="1 or more")

    @property
    def kind(self) -> str:
        return "patterns"

    @property
    def keys(self) -> int:
        """How many keys there are."""
        return len(self.space.keys)

    @property
    def dimension(self) -> int:
        return dimension(self.keys)

    @property
    def rule(self) -> PatternRule:
        """`PatternRule` around ``inner``. A rule that knows nothing of keys would change nothing (`folded`)."""
        longest = math.sqrt(self.keys * len(VALUES))
        return PatternRule(
            keys=self.keys,
            inner=self.inner,
            min_contributors=self.rounds.min_contributors,
            min_participants=self.rounds.min_participants,
            max_norm=longest / 2 if self.max_norm is None else self.max_norm,
        )

    @property
    def screen(self) -> PatternScreen:
        """The anomaly filter. Weights live in [0, 1], so less than 0.05 is no deviation."""
        return PatternScreen(
            keys=self.keys,
            min_contributors=self.rounds.min_contributors,
            min_participants=self.rounds.min_participants,
            resolution=0.05,
        )

    @property
    def review_above(self) -> float:
        """Share of flagged updates above which a round ends for review."""
        return self.rounds.review_above

    def protection(self, *, radius: float) -> Protection:
        """Private rounds add values up, clipped to ``radius``; see `workloads.patterns.protection`.

        Raises:
            UnboundedRuleError: for any other ``inner`` than the mean.
        """
        if not isinstance(self.inner, Mean):
            raise UnboundedRuleError(workload=self.kind, rule=f"the inner rule {self.inner.name}")
        return protection_of(self._sum(radius))

    def settled(self, aggregate: Vector, *, protection: Protection, sigma: float) -> Row:
        """The mean changes that noisy sums and counts amount to, of the keys whose count can be told."""
        rule = protection.rule
        assert isinstance(rule, PatternSum)
        return means_of(aggregate, rule=rule, sigma=sigma)

    def _sum(self, radius: float) -> PatternSum:
        return PatternSum(
            keys=self.keys,
            radius=radius,
            min_contributors=self.rounds.min_contributors,
            min_participants=self.rounds.min_participants,
        )

    @property
    def norm_cap(self) -> float:
        """The longest row there can be: contributors 1, samples 1, values between -1 and 1, and its mark."""
        return math.sqrt(self.keys * (2 + len(VALUES)) + 1)

    def genesis(self, seed: int) -> Row:
        """Zeros: nothing is known."""
        del seed
        return np.zeros(self.dimension, np.float32)

    def learner(self, agents: Sequence[str], *, seed: int) -> PatternsLearner:
        """A learner with the shares of these agents. ``seed`` changes nothing."""
        del seed
        return PatternsLearner(
            agents, space=self.space, learning=self.learning, memory=self.memory, shares=self.data.shares(agents)
        )

    @property
    def staleness_s(self) -> float:
        return self.rounds.staleness_s

    @property
    def participants(self) -> int:
        return self.rounds.min_participants

    def admitted(self, document: bytes, *, base: Row, current: Row, round_number: int) -> Admitted:
        """The update of a `DeltaWeightVector`: its changes to ``base``, as changes to ``current``.

        Raises:
            PatternError: for anything that is no such document.
        """
        return admitted(document, base=base, current=current, space=self.space, round_number=round_number)

    def admitted_all(
        self, documents: Sequence[bytes], *, bases: Sequence[Row], current: Row, round_number: int
    ) -> AdmittedRows:
        """`admitted` of many documents at once, at a fifth of the time; faults in the place of errors."""
        return admitted_all(documents, bases=bases, current=current, space=self.space, round_number=round_number)

    def fold(self, base: Row, aggregate: Row) -> Row:
        """The base with the aggregate's changes added, key by key, within [0, 1]."""
        return folded(base, aggregate, keys=self.keys, min_contributors=self.rounds.min_contributors)

    def divergence(self, old: Row, new: Row, *, probe: int) -> float:
        """Mean KL(old || new) in nats of the confidences as probabilities of success, over half of the known keys.

        Another half for each ``probe``. Probabilities are kept within 0.01 and 0.99, so that it is finite.
        """
        before, after = columns(old, self.keys), columns(new, self.keys)
        known = np.flatnonzero((before.contributors >= PRESENT) | (after.contributors >= PRESENT))
        if not len(known):
            return 0.0
        chosen = np.random.default_rng([11, probe]).permutation(known)[: max(len(known) // 2, 1)]
        p = np.clip(before.values[chosen, 0].astype(np.float64), _LOWEST, 1 - _LOWEST)
        q = np.clip(after.values[chosen, 0].astype(np.float64), _LOWEST, 1 - _LOWEST)
        return float(max(np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))), 0.0))

    def evaluate(self, value: Row) -> Mapping[str, float]:
        """How many keys are known, and their mean confidence and stability; there is no held-out data."""
        parts = columns(value, self.keys)
        known = parts.contributors >= PRESENT
        if not known.any():
            return {"patterns": 0.0}
        return {
            "patterns": float(known.sum()),
            "mean_confidence": float(parts.values[known, 0].mean()),
            "mean_stability": float(stabilities(value, self.keys)[known].mean()),
        }

    def predict(self, value: Row, states: NDArray[np.float32]) -> NDArray[np.intp]:
        """For each row of ``(m, keys)`` states, above 0 where a key is open to choice, the most trusted open key.

        Ties, and rows in which nothing is open, go to the smaller place.

        Raises:
            ExperienceError: for states of another shape or with NaN.
        """
        found = np.asarray(states, np.float32)
        if found.ndim != 2 or found.shape[1] != self.keys or np.isnan(found).any():
            needed = f"numbers of shape (m, {self.keys})"
            raise ExperienceError(found=f"states of shape {found.shape}, or with NaN", needed=needed)
        confidence = columns(value, self.keys).values[:, 0]
        return np.where(found > 0, confidence, -1).argmax(axis=1)

    def pack_experiences(self, experiences: Sequence[object]) -> list[bytes]:
        """One line of JSON for each experience, its category within the key space.

        Raises:
            PatternError: for anything that is no experience.
        """
        return [one.to_json() for one in experiences_of(experiences, self.space)]

    def unpack_experiences(self, records: Sequence[bytes]) -> Sequence[PatternExperience]:
        """The experiences of such lines.

        Raises:
            PatternError: for anything else.
        """
        try:
            return [experience_of(json.loads(record)) for record in records]
        except (ValueError, RecursionError) as error:
            raise PatternError(what="A record", found=type(error).__name__, needed="a line of JSON") from error

    def pack(self, value: Row) -> bytes:
        """A safetensors file with the row, and the key space as metadata."""
        return packed(self.space, value)

    def unpack(self, artefact: bytes) -> Row:
        """The row of such a file; one of an earlier minor version of the key space is moved to this one.

        Raises:
            ArtefactError: for anything else, or for another key space.
        """
        return unpacked(self.space, artefact)
