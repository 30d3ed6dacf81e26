"""What a federation is opened with: from the options of `federation serve` to swarm, clerk and door."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from federation.errors import ExtraError, SettingError
from federation.rollout import STAGES, Stage
from gateway.federation.office import OPERATOR_VARIABLE
from gateway.federation.publishing import federation_key
from gateway.federation.settings import DoorSettings, Limits
from gateway.federation.transport import Tls
from gateway.guard import checked_token, is_loopback

if TYPE_CHECKING:
    from actors import SwarmConfig
    from actors.secure import SecureConfig
    from gateway.federation.clerk_state import ClerkSettings
    from telemetry import TelemetryConfig
    from workloads.patterns import KeySpace

SCRAPES = "scrapes"
ENROLMENT_VARIABLE = "SWARMLORE_ENROLMENT_CODE"
_SHORTEST_CODE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The options of a federation. What they mean stands at those of the command."""

    host: str
    port: int
    workers: int
    state_dir: Path
    storage: str | None = None
    releases: str | None = None
    regions: tuple[str, ...] = ("global",)
    streaming: bool = False
    groups: int = 16
    secure: bool = False
    bucket_size: int = 16
    bucket_liars: int = 2
    bucket_dropped: int = 3
    stage_s: float = 60.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    insecure: bool = False
    proxies: str = ""
    operator_token_file: Path | None = None
    enrolment_code_file: Path | None = None
    enrolments: int = 20
    keys: Path | None = None
    interval_s: float = 21_600.0
    min_participants: int = 10
    min_contributors: int = 5
    staleness_s: float = 259_200.0
    aggregation_s: float = 300.0
    deadline_s: float = 30.0
    rollout: str | None = None
    epsilon: float = 1.0
    epsilon_year: float = 8.0
    clip: float | None = None
    unscreened: bool = False
    seed: int = 0
    run_id: str = "swarm"
    stand_by: bool = True
    otlp: str | None = None

    @property
    def tls(self) -> Tls | None:
        """The files of TLS; None for plain HTTP.

        Raises:
            SettingError: when they are not complete, or are missing where other machines could listen in.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingError(name="tls-cert", found="one file", needed="--tls-cert and --tls-key together")
        if self.tls_cert is not None and self.tls_key is not None:
            return Tls(certificate=self.tls_cert, key=self.tls_key, client_authority=self.client_ca)
        if self.client_ca is not None:
            raise SettingError(name="client-ca", found=str(self.client_ca), needed="--tls-cert and --tls-key with it")
        if not self.insecure and not is_loopback(self.host):
            raise SettingError(
                name="host",
                found=self.host,
                needed="a loopback address, as tokens would cross the network in the clear: give --tls-cert and "
                "--tls-key, or --insecure behind a proxy that speaks TLS",
            )
        return None

    @property
    def storage_url(self) -> str:
        """URL of the storage, with a path that means the same to every process."""
        if self.storage is None:
            return f"sqlite:///{self.state_dir.resolve()}/federation.db"
        head, mark, path = self.storage.partition("sqlite:///")
        if not head and mark and path and not path.startswith("/"):
            return f"sqlite:///{Path(path).resolve()}"
        return self.storage

    @property
    def releases_url(self) -> str:
        """URL of the store of releases; by default a folder beside the database."""
        return self.releases or f"file://{quote(str(self.state_dir.resolve() / 'releases'))}"

    @property
    def space(self) -> KeySpace:
        """The keys that the federation learns about."""
        from gateway.patterns import key_space
        from workloads.patterns import STANDARD

        return STANDARD if self.keys is None else key_space(self.keys)

    @property
    def sums(self) -> SecureConfig | None:
        """How clients are summed in secret; None where they submit.

        Raises:
            SettingError: for options that do not hold, or do not go together.
        """
        if not self.secure:
            return None
        from pydantic import ValidationError

        from actors.secure import SecureConfig

        if self.streaming:
            needed = "left out with --secure: what is folded as it comes is seen, and what is summed in secret is not"
            raise SettingError(name="streaming", found=True, needed=needed)
        if self.epsilon > 0:
            needed = "0 with --secure: noise is for a bound of each client's row, which nobody can hold a masked one to"
            raise SettingError(name="epsilon", found=self.epsilon, needed=needed)
        if self.min_participants < self.bucket_size:
            needed = f"{self.bucket_size} or more, the members of one bucket (--bucket-size)"
            raise SettingError(name="min-participants", found=self.min_participants, needed=needed)
        try:
            return SecureConfig(
                size=self.bucket_size, liars=self.bucket_liars, dropped=self.bucket_dropped, stage_s=self.stage_s
            )
        except ValidationError as error:
            found = f"{self.bucket_size}, {self.bucket_liars} and {self.bucket_dropped}"
            told = "; ".join(one["msg"] for one in error.errors(include_url=False))
            raise SettingError(name="bucket-size, -liars and -dropped", found=found, needed=told) from None

    def swarm(self, telemetry: TelemetryConfig) -> SwarmConfig:
        """The configuration of the swarm behind the door."""
        from actors import SwarmConfig
        from actors.config import FederationConfig
        from actors.privacy import PrivacyConfig
        from federation.rules import Median
        from workloads.patterns import GroupedPatternsWorkload, PatternsWorkload, RoundSettings

        rounds = RoundSettings(
            min_contributors=self.min_contributors,
            min_participants=self.min_participants,
            interval_s=self.interval_s,
            staleness_s=self.staleness_s,
        )
        sums = self.sums
        workload = PatternsWorkload(space=self.space, rounds=rounds)
        if sums is not None:
            # A bucket with a liar in it is anything: only a rule that bears that is of use.
            workload = replace(workload, inner=Median())
        if self.streaming or sums is not None:
            workload = GroupedPatternsWorkload.of(workload)
        privacy = None
        if self.epsilon > 0 and self.streaming:
            needed = "0 with --streaming: noise is made for a row of each client, and these have been summed up"
            raise SettingError(name="epsilon", found=self.epsilon, needed=needed)
        if self.epsilon > 0:
            radius: dict[str, Any] = {} if self.clip is None else {"radius": self.clip}
            privacy = PrivacyConfig(
                epsilon_round=self.epsilon, epsilon_period=self.epsilon_year, screened=not self.unscreened, **radius
            )
        elif self.clip is not None or self.unscreened:
            raise SettingError(name="epsilon", found=0, needed="above 0 with --clip or --unscreened")
        return SwarmConfig(
            workload=workload,
            federation=FederationConfig(
                storage=self.storage_url,
                regions=self.regions,
                streaming=self.streaming,
                groups=self.groups,
                secure=sums,
            ),
            privacy=privacy,
            run=self.run_id,
            seed=self.seed,
            deadline_s=self.deadline_s,
            state_dir=self.state_dir,
            telemetry=telemetry,
        )

    def clerk(self) -> ClerkSettings:
        """The hours that the clerk keeps."""
        from gateway.federation.clerk_state import ClerkSettings

        return ClerkSettings(
            interval_s=self.interval_s,
            min_participants=self.min_participants,
            staleness_s=self.staleness_s,
            aggregation_s=self.aggregation_s,
            stages=STAGES if self.rollout is None else stages_of(self.rollout),
        )

    def door(self, telemetry: TelemetryConfig) -> DoorSettings:
        """The settings of the processes that serve the door."""
        from actors.cluster import stored_secret

        secret = stored_secret(self.state_dir)
        _check_proxies(self.proxies)
        windows = math.ceil(self.staleness_s / self.interval_s)
        return DoorSettings(
            storage=self.storage_url,
            releases=self.releases_url,
            secret=secret,
            public_key=federation_key(secret).public,
            regions=self.regions,
            space=self.space,
            operator_token=_hashed(self.operator_token_file, OPERATOR_VARIABLE, "operator-token-file"),
            enrolment_code=_hashed(self.enrolment_code_file, ENROLMENT_VARIABLE, "enrolment-code-file", _SHORTEST_CODE),
            secure=self.sums,
            limits=Limits(enrolments=self.enrolments, staleness_s=self.staleness_s, windows=max(1, windows)),
            scrapes=self.state_dir.resolve() / SCRAPES,
            telemetry=telemetry,
        )

    def telemetry(self) -> TelemetryConfig:
        """Where spans, metrics and events go; metrics are kept at hand for a scrape in any case.

        Raises:
            SettingError: when that is no receiver.
            ExtraError: when a package is missing.
        """
        from telemetry.config import MissingGrpcError, shown
        from telemetry.environment import VariableError, configured

        try:
            return configured(os.environ, endpoint=self.otlp, prometheus=True)
        except MissingGrpcError as error:
            raise ExtraError(package="an OTLP exporter", extra="grpc", purpose="OTLP over gRPC") from error
        except VariableError as error:
            raise SettingError(name=error.name, found=error.found, needed=error.needed) from error
        except ValueError as error:
            given = shown(self.otlp or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""))
            raise SettingError(name="otlp", found=given, needed="the base URL of an OTLP/HTTP receiver") from error


def _check_proxies(text: str) -> None:
    """Refuse what would never be the address of a proxy: all clients would silently have the proxy's."""
    for part in text.split(",") if text else ():
        try:
            if part.strip() != "*":
                ipaddress.ip_network(part.strip(), strict=False)
        except ValueError as error:
            needed = "IP addresses or networks, by commas; * for anybody"
            raise SettingError(name="proxy", found=part.strip(), needed=needed) from error


def stages_of(text: str) -> tuple[Stage, ...]:
    """The stages of a rollout, as ``name:share:seconds[:approve]``, separated by commas; the last one has everybody.

    Raises:
        SettingError: when they are no such stages.
    """
    needed = "name:share:seconds[:approve] for each stage, by commas, shares growing to 1: " + ",".join(
        f"{stage.name}:{stage.share:g}:{stage.lasts_s:g}{':approve' if stage.approval else ''}" for stage in STAGES
    )
    stages: list[Stage] = []
    for part in text.split(","):
        name, _, rest = part.strip().partition(":")
        share, _, rest = rest.partition(":")
        lasts, _, approve = rest.partition(":")
        if not name or approve not in ("", "approve"):
            raise SettingError(name="rollout", found=part, needed=needed)
        try:
            stage = Stage(name=name, share=float(share), lasts_s=float(lasts or 0), approval=bool(approve))
        except ValueError:
            raise SettingError(name="rollout", found=part, needed=needed) from None
        stages.append(stage)
    shares = [stage.share for stage in stages]
    if shares != sorted(shares) or shares[-1] != 1 or len({stage.name for stage in stages}) != len(stages):
        raise SettingError(name="rollout", found=text, needed=needed)
    return tuple(stages)


def _hashed(path: Path | None, variable: str, option: str, shortest: int | None = None) -> bytes | None:
    """SHA-256 of a secret in a file, else in a variable; None where there is none."""
    text: Any = os.environ.get(variable)
    if path is not None:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(name=option, found=str(path), needed="a file that can be read") from error
    if not text and path is None:
        return None
    if shortest is None:
        return hashlib.sha256(checked_token(text).encode()).digest()
    code = text.strip()
    if not shortest <= len(code) <= 200:
        raise SettingError(name=option, found=f"{len(code)} characters", needed=f"{shortest} to 200 characters")
    return hashlib.sha256(code.encode()).digest()
