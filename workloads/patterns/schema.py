"""The documents of pattern weights: what a client sends, and what it gets.

Rules of evolution: ``schemaVersion`` is the key space's ``major.minor``. A field is not removed or given another
meaning within a major version. Unknown fields are refused, so that nothing travels that nobody knows of.

Departures from the document's section 6: the scores of a delta are changes, so they lie between -1 and 1 and not
between 0 and 1; a delta names its round and has a nonce, by which it is known when it comes twice; the signature is
over everything but itself, and not over the weights alone, so that no weights can be sent again as somebody else's.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Annotated, Any

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from workloads.patterns.experience import LARGEST_COUNT, LARGEST_TEAM
from workloads.patterns.key_space import MOST_KEYS, Domain, PatternType, key_of

Change = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Category = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$", max_length=64)]
SchemaVersion = Annotated[str, Field(pattern=r"^\d{1,9}\.\d{1,9}$")]
Version = Annotated[str, Field(pattern=r"^\d{1,9}\.\d{1,9}\.\d{1,9}$")]
Latency = Annotated[str, Field(pattern=r"^(fast|medium|slow)$")]
Signature = Annotated[str, Field(pattern=r"^ed25519:[A-Za-z0-9+/_=-]{1,128}$")]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    def plain(self) -> dict[str, Any]:
        """The document as JSON has it, without fields that were left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class PatternWeight(_Document):
    """What one client says of one pattern: changes to the scores, and counts as they are."""

    type: PatternType
    category: Category
    confidence: Change
    best_composite: Change | None = None
    group_mean: Change | None = None
    sample_size: Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
    consecutive_successes: Count | None = None
    update_count: Count | None = None
    tool_success_rate: Change | None = None
    avg_latency_bucket: Latency | None = None
    team_size: Annotated[int, Field(ge=0, le=LARGEST_TEAM)] | None = None
    domain: Domain | None = None


class GlobalPatternWeight(_Document):
    """What the fleet knows of one pattern."""

    type: PatternType
    category: Category
    confidence: Score
    best_composite: Score | None = None
    group_mean: Score | None = None
    total_samples: Annotated[int, Field(ge=0)]
    contributor_count: Annotated[int, Field(ge=0)]
    tool_success_rate: Score | None = None
    avg_latency_bucket: Latency | None = None
    team_size: Annotated[int, Field(ge=0, le=LARGEST_TEAM)] | None = None
    domain: Domain | None = None
    stability: Score | None = None


class _Signed(_Document):
    def canonical(self) -> bytes:
        """The bytes that are signed: RFC 8785 of everything but the signature."""
        plain = self.plain()
        plain.pop("signature", None)
        return rfc8785.dumps(plain)


class DeltaWeightVector(_Signed):
    """A client's changes to pattern weights."""

    client_id: Annotated[str, Field(pattern=r"^[a-f0-9]{64}$")]
    schema_version: SchemaVersion
    base_version: Version | None = None
    round: Annotated[int, Field(ge=0, lt=2**53)]
    nonce: Annotated[str, Field(pattern=r"^[a-f0-9]{32}$")]
    timestamp: date
    total_experiences: Annotated[int, Field(ge=0, lt=2**53)] = 0
    weights: Annotated[dict[str, PatternWeight], Field(max_length=MOST_KEYS)]
    signature: Signature | None = None

    @model_validator(mode="after")
    def _keys_say_what_they_hold(self) -> DeltaWeightVector:
        _check_keys(self.weights)
        return self


class GlobalMetadata(_Document):
    """Where a global vector comes from."""

    round: Annotated[int, Field(ge=0)]
    participants: Annotated[int, Field(ge=0)]
    pattern_count: Annotated[int, Field(ge=0)]
    epsilon_spent: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    parent_version: Version | None = None
    checksum: Annotated[str, Field(pattern=r"^sha256:[a-f0-9]{64}$")]


class GlobalWeightVector(_Signed):
    """The weights that the fleet gets."""

    version: Version
    schema_version: SchemaVersion
    timestamp: datetime
    weights: Annotated[dict[str, GlobalPatternWeight], Field(max_length=MOST_KEYS)]
    metadata: GlobalMetadata
    signature: Signature

    @model_validator(mode="after")
    def _keys_say_what_they_hold(self) -> GlobalWeightVector:
        _check_keys(self.weights)
        return self


def _check_keys(weights: dict[str, Any]) -> None:
    for key, weight in weights.items():
        if key != key_of(weight.type, weight.category):
            raise ValueError("a key is not type::category of its weight")


def checksum(weights: dict[str, GlobalPatternWeight]) -> str:
    """``sha256:`` and the hash of the weights' RFC 8785 form."""
    plain = {key: weight.plain() for key, weight in weights.items()}
    return "sha256:" + hashlib.sha256(rfc8785.dumps(plain)).hexdigest()


def json_schemas() -> dict[str, dict[str, Any]]:
    """title -> JSON Schema (2020-12) of the two documents."""
    models = (DeltaWeightVector, GlobalWeightVector)
    return {model.__name__: {"$schema": DIALECT, **model.model_json_schema(by_alias=True)} for model in models}
