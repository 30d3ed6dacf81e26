"""What a door process is started with: plain values, which cross to other processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from actors.secure import SecureConfig
from federation.errors import SettingError
from federation.identity import Secret
from gateway.federation.exchange import BODY_LIMIT
from telemetry import TelemetryConfig
from workloads.patterns import STANDARD, KeySpace

PREFIX = "/federation/v1"
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken (the protocol's sections 7.3 and 9.2).

    Attributes:
        body: bytes of a request's body, as it comes and inflated.
        submissions: of a client and day.
        behind: served versions that a delta's base may be behind the current one.
        staleness_s: age of a submission's day above which it is refused; nonces are kept as long.
        windows: rounds that a submission may be behind the open one.
        attempts: requests with a body that a client may send in a minute to one process.
        enrolments: new installations of an address and day; /64 networks count as one address.
        token_s: how long a client token holds.
        purge_s: time within which a deregistered client is forgotten.
        fresh_s: how long a process holds on to what it knows of a token. A revocation takes that long at most.
        waiting: submissions, and tokens, that may wait for the storage.
    """

    body: int = BODY_LIMIT
    submissions: int = 4
    behind: int = 5
    staleness_s: float = 72 * 3600.0
    windows: int = 12
    attempts: int = 60
    enrolments: int = 20
    token_s: float = 90 * DAY_S
    purge_s: float = DAY_S
    fresh_s: float = 5.0
    waiting: int = 2048

    def __post_init__(self) -> None:
        for name in ("body", "submissions", "windows", "attempts", "enrolments", "waiting"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """What a door process is started with.

    Attributes:
        storage: URL of the storage.
        releases: URL of the store of releases.
        secret: of the server; client ids are made with it.
        public_key: that releases are signed with: 32 bytes, Ed25519. Told to clients at registration.
        regions: that clients may choose among; the first is for those who do not choose.
        space: of the keys; its version is the schema version.
        operator_token: SHA-256 of what operators send; None where no operations are offered.
        enrolment_code: SHA-256 of what new installations send; None where anybody may come.
        limits: see `Limits`.
        secure: how clients are summed in secret; None where they submit their deltas.
        scrapes: folder in which processes leave what they have measured; None where there is only this one.
        telemetry: where spans, metrics and events go.
    """

    storage: str
    releases: str
    secret: Secret = field(repr=False)
    public_key: bytes
    regions: tuple[str, ...] = ("global",)
    space: KeySpace = STANDARD
    operator_token: bytes | None = field(default=None, repr=False)
    enrolment_code: bytes | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)
    secure: SecureConfig | None = None
    scrapes: Path | None = None
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
