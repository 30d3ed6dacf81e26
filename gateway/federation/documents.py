"""What the door answers, as models: for OpenAPI, and for tests that hold the answers against it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from workloads.patterns.schema import SchemaVersion, Version

Id = Annotated[str, Field(pattern=r"^[a-f0-9]{64}$")]
Key = Annotated[str, Field(pattern=r"^ed25519:[A-Za-z0-9+/]{43}=$")]


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Registered(_Answer):
    """A token for the client, and the key that releases are signed with: pin it."""

    client_token: Annotated[str, Field(pattern=r"^fed_[A-Za-z0-9_-]{43}$")]
    client_id: Id
    expires_at: datetime
    server_public_key: Key
    region: str


class Deregistered(_Answer):
    """The token has ended; what is known of the client goes by then."""

    status: Literal["deregistered"]
    purge_by: datetime


class Accepted(_Answer):
    """The delta is written down; the same nonce again is answered with the same round."""

    status: Literal["accepted"]
    round: Annotated[int, Field(ge=0)]
    estimated_aggregation: datetime
    current_version: Version | None


class ManifestEntry(_Answer):
    """One release."""

    version: Version
    timestamp: datetime
    participants: Annotated[int, Field(ge=0)]
    checksum: Annotated[str, Field(pattern=r"^sha256:[a-f0-9]{64}$")]


class Manifest(_Answer):
    """The releases that clients may have, newest first; `latest` is what the asking client gets."""

    latest: Version | None
    versions: list[ManifestEntry]
    schema_version: SchemaVersion
    min_supported_client: Version


class PauseShown(_Answer):
    """Why no rounds are run."""

    code: str
    since: datetime


class Health(_Answer):
    """How the federation is: `paused` runs no rounds, `degraded` answers from before."""

    status: Literal["healthy", "degraded", "paused"]
    current_round: Annotated[int, Field(ge=0)]
    active_clients: Annotated[int, Field(ge=0)]
    latest_version: Version | None
    next_aggregation: datetime
    schema_version: SchemaVersion
    server_public_key: Key
    pause: PauseShown | None = None


class Recorded(_Answer):
    """It is written down."""

    status: Literal["recorded"]


class Asked(_Answer):
    """The clerk will see to it; `answer` is where it says what came of it."""

    id: Annotated[str, Field(pattern=r"^[a-f0-9]{32}$")]
    what: str
    answer: str


class ClerkAnswer(BaseModel):
    """What came of a request to the clerk."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow", frozen=True)

    id: str
    what: str
    state: Literal["waiting", "done"]
    ok: bool | None = None
    code: str | None = None
    detail: str | None = None
    result: dict[str, Any] | None = None


class Listed(BaseModel):
    """A part of a list, under its name; `next` is the `after` of the part that follows."""

    model_config = ConfigDict(extra="allow", frozen=True)

    next: str | None = None


class Status(BaseModel):
    """What the federation is doing."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow", frozen=True)

    window: dict[str, Any]
    served: list[str]
    clients: dict[str, int]
    pending: int


class RolloutShown(BaseModel):
    """How far a release has come."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow", frozen=True)

    version: Version
    parent: Version | None
    stage: str
    share: float
