"""Random buckets: sums that hide their members, few enough liars in them for a robust rule across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from federation.errors import SettingError
from federation.identity import Secret
from federation.privacy.secure.fixed_point import FixedPoint
from federation.privacy.secure.graph import neighbourhood
from federation.privacy.secure.messages import SecureTerms
from federation.privacy.secure.server import BucketSum
from federation.rules.base import Aggregate, Rule
from federation.spoilage import Spoilage, most_borne


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketBound(Spoilage):
    """What bucketing leaves of the resistance to f liars among n agents.

    A liar spoils the bucket that it is in, by its row or by letting it fail, and no other. So f liars spoil between
    ceil(f / size) and min(f, B) of B buckets: f at worst, whatever the draw. A rule that needs B >= 2f' + 1 of its rows
    then bears any f < n / (2 size), the size times fewer than without buckets; that is the price of sums nobody
    sees into. Over the random draw, which liars cannot foresee, two of them often share a bucket, so more than that
    is borne with a chance that `chance_beyond` tells.

    Attributes:
        n, buckets: agents, buckets; for the others see `Spoilage`.
    """

    n: int
    buckets: int


def bucket_sizes(n: int, size: int) -> tuple[int, ...]:
    """The sizes of floor(n / size) buckets, at least one, as even as can be: each is ``size`` or more."""
    if size < 1 or n < 1:
        raise SettingError(name="n, size", found=(n, size), needed="1 or more")
    buckets = max(n // size, 1)
    return tuple(n // buckets + (bucket < n % buckets) for bucket in range(buckets))


def bucket_bound(n: int, *, f: int, size: int, rule: Rule) -> BucketBound:
    """What bucketing gives for n agents, f of whom lie, with this rule across the buckets.

    The chances are exact: bucket after bucket, hypergeometric in how many of the liars still to be placed it takes.
    """
    sizes = bucket_sizes(n, size)
    if not 0 <= f <= n:
        raise SettingError(name="f", found=f, needed=f"0 to {n}")
    # chances[p, m]: p of the buckets so far are spoilt, m liars are still to be placed.
    chances = np.zeros((len(sizes) + 1, f + 1))
    chances[0, f] = 1.0
    left = n
    for members in sizes:
        after = np.zeros_like(chances)
        for waiting in range(f + 1):
            column = chances[:, waiting]
            if not column.any():
                continue
            for taken in range(max(0, waiting - (left - members)), min(members, waiting) + 1):
                chance = (
                    math.comb(waiting, taken) * math.comb(left - waiting, members - taken) / math.comb(left, members)
                )
                if taken:
                    after[1:, waiting - taken] += chance * column[:-1]
                else:
                    after[:, waiting] += chance * column
        chances, left = after, left - members
    worst = min(f, len(sizes))
    return BucketBound(
        n=n,
        f=f,
        buckets=len(sizes),
        worst=worst,
        borne=most_borne(rule, len(sizes)),
        chances=tuple(float(chance) for chance in chances[: worst + 1, 0]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurePlan:
    """How a round is summed in secret.

    Attributes:
        size: members of a bucket, at least.
        dimension: length of a row.
        limit: largest magnitude of a value; at least the clipping radius.
        liars: most liars in one bucket that its members' updates must be hidden from.
        dropped: most drop-outs that a bucket bears.
        bits: of a word.
    """

    size: int
    dimension: int
    limit: float
    liars: int
    dropped: int
    bits: int = 32

    def sessions(self, roster: Sequence[str], *, run: str, round: int, seed: Secret) -> tuple[SecureTerms, ...]:
        """The terms of each bucket: the roster in random order, cut in pieces.

        The order is that of HMAC-SHA-256 of each agent's id under the seed, so that everybody who is shown the seed
        afterwards can check it. It is to be drawn after the roster is closed, and not to be foreseen: an agent that
        knows it can choose its bucket by its name.

        Raises:
            SecureParametersError: when a bucket cannot bear so many liars and drop-outs.
        """
        names = set(roster)
        if len(names) != len(roster) or len(roster) < 2:
            raise SettingError(name="roster", found=f"{len(roster)} names", needed="two or more, all different")
        order = sorted(names, key=lambda agent: seed.derive("bucket", run, str(round), agent).reveal())
        found: list[SecureTerms] = []
        start = 0
        for place, members in enumerate(bucket_sizes(len(order), self.size)):
            near = neighbourhood(members, liars=self.liars, dropped=self.dropped)
            found.append(
                SecureTerms(
                    run=run,
                    round=round,
                    bucket=str(place),
                    circle=tuple(order[start : start + members]),
                    degree=near.degree,
                    threshold=near.threshold,
                    dimension=self.dimension,
                    form=FixedPoint(limit=self.limit, members=members, bits=self.bits),
                    smallest=max(members - self.dropped - self.liars, near.threshold),
                )
            )
            start += members
        return tuple(found)


def aggregate_buckets(sums: Sequence[BucketSum], *, rule: Rule, spoilt: int) -> Aggregate:
    """The rule's aggregate of the buckets' means, one row a bucket, in the order of their names.

    Buckets of different sizes count alike, as the rule would have it; with none spoilt and a plain mean over buckets of
    one size it is the mean of all rows.

    Args:
        sums: of the buckets that did not fail.
        rule: across them.
        spoilt: how many of these may be poisoned: `BucketBound.worst`, or fewer at a chance that
            `BucketBound.chance_beyond` tells. Buckets that failed are not to be subtracted: they may have failed
            by drop-outs alone.

    Raises:
        RuleBoundError: when the buckets that are left are too few for the rule.
    """
    if not sums or len({total.bucket for total in sums}) != len(sums):
        raise SettingError(name="sums", found=f"{len(sums)} sums", needed="one or more, each of another bucket")
    rule.requires(len(sums), spoilt)
    ordered = sorted(sums, key=lambda total: (len(total.bucket), total.bucket))
    return rule(np.stack([total.mean for total in ordered]), f=spoilt)
