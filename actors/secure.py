"""How clients are summed in secret: the settings of a federation that sees no single update."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from federation.errors import SwarmError
from federation.privacy.secure import BucketBound, Neighbourhood, SecurePlan, bucket_bound, neighbourhood
from federation.rules.base import Rule
from federation.spoilage import most_borne
from workloads.patterns.buckets import ADDEND_LIMIT, addend_dimension

LEAST = 4


class SecureConfig(BaseModel):
    """Clients' rows are added up under masks, in random buckets; a round has a row for each bucket.

    Attributes:
        size: members of a bucket, at least.
        liars: most liars in one bucket that its members' updates are hidden from.
        dropped: most drop-outs that a bucket bears.
        stage_s: seconds that members have for each of the four answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=16, ge=LEAST, le=1024)
    liars: int = Field(default=2, ge=0)
    dropped: int = Field(default=3, ge=0)
    stage_s: Annotated[float, Field(gt=0, le=3600)] = 60.0

    @model_validator(mode="after")
    def _holds(self) -> SecureConfig:
        try:
            for members in (self.size, 2 * self.size - 1):
                near = neighbourhood(members, liars=self.liars, dropped=self.dropped)
                if 2 * near.threshold <= near.degree:
                    raise ValueError(
                        f"in a bucket of {members} members {near.threshold} of {near.degree} shares make a secret, no "
                        "more than half, which clients refuse: take larger buckets, or bear fewer drop-outs or liars"
                    )
        except SwarmError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def neighbourhood(self) -> Neighbourhood:
        """Of a member of a smallest bucket."""
        return neighbourhood(self.size, liars=self.liars, dropped=self.dropped)

    def plan(self, keys: int) -> SecurePlan:
        """How rows of so many keys are summed."""
        return SecurePlan(
            size=self.size,
            dimension=addend_dimension(keys),
            limit=ADDEND_LIMIT,
            liars=self.liars,
            dropped=self.dropped,
        )

    def bound(self, clients: int, *, liars: int, rule: Rule) -> BucketBound:
        """What so many lying clients can do to a round of so many, with this rule across the buckets."""
        return bucket_bound(clients, f=min(liars, clients), size=self.size, rule=rule)

    def borne(self, clients: int, *, rule: Rule) -> int:
        """How many lying clients a round of so many bears whatever the draw; -1 where it bears not even none."""
        return most_borne(rule, max(clients // self.size, 1))
