"""What the door answers to members of secret sums, as models: for OpenAPI, and for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from gateway.federation.documents import Id
from workloads.patterns.schema import Version

Digest = Annotated[str, Field(pattern=r"^[a-f0-9]{64}$")]


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Joined(_Answer):
    """The client is on the roster, which closes at that time, or later where too few take part."""

    status: Literal["joined"]
    round: Annotated[int, Field(ge=1)]
    closes_at: datetime


class Letter(_Answer):
    """What a member is told: a message of `federation.privacy.secure`, or terms, or the end, as JSON."""

    number: Annotated[int, Field(ge=1, le=5)]
    kind: Literal["terms", "ring", "shares", "unmask", "end"]
    body: str


class Letters(_Answer):
    """What there is for a member; `joined` is whether it is on the roster of that round."""

    round: Annotated[int, Field(ge=1)]
    current_round: Annotated[int, Field(ge=0)]
    joined: bool
    closes_at: datetime
    letters: list[Letter]


class TakenIn(_Answer):
    """The answer waits for the sorter, who judges it."""

    status: Literal["accepted"]
    round: Annotated[int, Field(ge=1)]


class BucketShown(_Answer):
    """A bucket of the round."""

    region: str
    members: Annotated[int, Field(ge=0)]
    state: Literal["open", "done", "failed", "counted"]


class MemberShown(_Answer):
    """Somebody who took part."""

    client: Id
    region: str
    base_version: Version | None


class Draw(_Answer):
    """How buckets were drawn: the commitment before, and the secret when all are over."""

    round: Annotated[int, Field(ge=1)]
    commitment: Digest | None
    roster_digest: Digest | None
    secret: Digest | None
    buckets: list[BucketShown]
    roster: list[MemberShown]
    next: Id | None
