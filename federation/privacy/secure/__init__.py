"""Sums that hide what they are sums of: pairwise masks inside random buckets, a robust rule across them."""

from federation.privacy.secure.buckets import (
    BucketBound,
    SecurePlan,
    aggregate_buckets,
    bucket_bound,
    bucket_sizes,
)
from federation.privacy.secure.client import SecureClient
from federation.privacy.secure.draw import draw_commitment, in_order, roster_digest
from federation.privacy.secure.fixed_point import FixedPoint
from federation.privacy.secure.graph import Neighbourhood, neighbourhood
from federation.privacy.secure.messages import (
    AdvertisedKeys,
    Closed,
    DealtShares,
    FromClient,
    FromServer,
    KeyRing,
    MaskedRow,
    Parcel,
    ReceivedShares,
    Revealed,
    SecureTerms,
    UnmaskRequest,
)
from federation.privacy.secure.server import BucketSum, Outgoing, SecureServer
from federation.privacy.secure.wire import from_wire, to_wire

__all__ = [
    "AdvertisedKeys",
    "BucketBound",
    "BucketSum",
    "Closed",
    "DealtShares",
    "FixedPoint",
    "FromClient",
    "FromServer",
    "KeyRing",
    "MaskedRow",
    "Neighbourhood",
    "Outgoing",
    "Parcel",
    "ReceivedShares",
    "Revealed",
    "SecureClient",
    "SecurePlan",
    "SecureServer",
    "SecureTerms",
    "UnmaskRequest",
    "aggregate_buckets",
    "bucket_bound",
    "bucket_sizes",
    "draw_commitment",
    "from_wire",
    "in_order",
    "neighbourhood",
    "roster_digest",
    "to_wire",
]
