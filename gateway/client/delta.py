"""From own patterns and the installed release to a signed delta: the only thing that is learned from and leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import rfc8785

from federation.workload import Row
from gateway.client.identity import Identity
from gateway.client.memory import Held, State
from workloads.patterns import DeltaWeightVector, KeySpace, PatternError, extracted
from workloads.patterns.experience import LARGEST_TEAM
from workloads.patterns.rows import LATENCIES, Weights, encoded
from workloads.patterns.schema import GlobalPatternWeight, PatternWeight

MOST_BYTES = 256 << 10
"""The server takes no larger submission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What an installation would tell the federation now.

    Attributes:
        weights: key -> change to the base.
        base_version: of the release that they are changes to; None before the first.
        experiences: behind them.
    """

    weights: Mapping[str, PatternWeight]
    base_version: str | None
    experiences: int

    @property
    def digest(self) -> str:
        """The same for the same changes to the same base."""
        plain = {key: weight.plain() for key, weight in self.weights.items()}
        return hashlib.sha256(rfc8785.dumps([self.base_version, plain])).hexdigest()

    @property
    def says_anything(self) -> bool:
        """Whether there is any key in it."""
        return bool(self.weights)

    def signed(
        self, identity: Identity, *, client: str, space: KeySpace, round_number: int, nonce: str, day: date
    ) -> DeltaWeightVector:
        """The document to submit, signed by the installation's key.

        Raises:
            PatternError: when it holds a word that is not the key space's, or is too large; nothing of it may leave.
        """
        strange = set(self.weights) - set(space.places)
        if strange:
            raise PatternError(what="A delta", found=f"{len(strange)} keys", needed="keys of the key space only")
        blank = DeltaWeightVector(
            client_id=client,
            schema_version=space.version,
            base_version=self.base_version,
            round=round_number,
            nonce=nonce,
            timestamp=day,
            total_experiences=self.experiences,
            weights=dict(self.weights),
        )
        made = blank.model_copy(update={"signature": identity.sign(blank.canonical())})
        size = len(wire(made))
        if size > MOST_BYTES:
            raise PatternError(what="A delta", found=f"{size} bytes", needed=f"at most {MOST_BYTES}")
        return made


def wire(document: DeltaWeightVector) -> str:
    """The JSON that is sent: RFC 8785 of the document with its signature."""
    return rfc8785.dumps(document.plain()).decode()


def delta_of(state: State, space: KeySpace) -> Delta:
    """The changes of own patterns to the release that is held."""
    base = base_row(state.held, space) if state.held else None
    found = extracted(state.own.patterns, space=space, base=base)
    return Delta(
        weights=found.weights,
        base_version=state.held.version if state.held else None,
        experiences=state.own.experiences,
    )


def base_row(held: Held, space: KeySpace) -> Row:
    """The row of a release; keys that this key space does not name are left out."""
    weights = {key: _weights(weight) for key, weight in held.document.weights.items()}
    return encoded(weights, space, round_number=0).row


def _weights(weight: GlobalPatternWeight) -> Weights:
    latency, team = weight.avg_latency_bucket, weight.team_size
    return Weights(
        samples=weight.total_samples,
        values=(
            weight.confidence,
            weight.best_composite or 0.0,
            weight.group_mean or 0.0,
            weight.tool_success_rate or 0.0,
            0.0 if latency is None else LATENCIES.index(latency) / 2,
            0.0 if team is None else team / LARGEST_TEAM,
        ),
    )
