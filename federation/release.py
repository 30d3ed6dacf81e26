"""Releases: what a round leaves behind. Versioned, content-addressed, signed, each with its parent.

Wire rules. The digest is SHA-256 over the canonical JSON of everything but digest, signature and
``created``: the same inputs give the same release, whenever it was made. A field is never removed or
given another meaning. ``form`` is part of the digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from federation.errors import ReleaseError
from federation.identity import SigningKey, verify

FORM = 1
GENESIS = bytes(32)
"""The parent of release 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of what the swarm knows.

    Attributes:
        run, kind: whose knowledge, and of what.
        version: 0 is the genesis; each release and each rollback adds 1.
        round: the round it came from; 0 for the genesis and for a rollback.
        parent: digest of the release it was made from.
        artefact: SHA-256 of the artefact, the workload's packed value.
        artefact_bytes: its size.
        rule: what aggregated it, with its parameters.
        agents, fault_bound: how many updates went into it, and how many of them might have lied.
        accepted, clipped, rejected, refused, late: the verdicts, counted; ``refused`` by the gate's codes.
        flagged: ids of agents whose updates were rejected by the screen or held against them by the gate.
        measures: what was measured when it was made: divergence, loss, accuracy, ...
        epsilon: privacy spent by this release; 0.0 when no noise was drawn.
        restores: the version whose value this release brings back; None unless it is a rollback.
        digest, signature: of all the above, and the coordinator's Ed25519 signature over it.
        created: seconds since 1970 when it was written down; not part of the digest.
    """

    run: str
    kind: str
    version: int
    round: int
    parent: bytes
    artefact: bytes
    artefact_bytes: int
    rule: str = ""
    agents: int = 0
    fault_bound: int = 0
    accepted: int = 0
    clipped: int = 0
    rejected: int = 0
    refused: Mapping[str, int] = field(default_factory=dict[str, int])
    late: int = 0
    flagged: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict[str, float])
    epsilon: float = 0.0
    restores: int | None = None
    digest: bytes = b""
    signature: bytes = b""
    created: float = 0.0

    def signed(self, key: SigningKey, *, created: float) -> Release:
        """This release with its digest, its signature and the time it was written down."""
        digest = self.content_digest()
        return replace(self, digest=digest, signature=key.sign(_message(digest)), created=created)

    def content_digest(self) -> bytes:
        """SHA-256 of the canonical content."""
        content = self.to_dict()
        for name in ("digest", "signature", "created"):
            del content[name]
        text = json.dumps({"form": FORM, **content}, sort_keys=True, separators=(",", ":"), allow_nan=True)
        return hashlib.sha256(b"swarmlore/release/1" + text.encode()).digest()

    def check(self, *, public: bytes, artefact: bytes | None = None, parent: bytes | None = None) -> None:
        """Return if this release is genuine.

        Args:
            public: the coordinator's public key.
            artefact: the packed value, when it is at hand.
            parent: digest that its parent must have, when that is known.

        Raises:
            ReleaseError: when digest, signature, artefact or parent do not fit. Nothing was applied.
        """
        if self.content_digest() != self.digest:
            raise self._wrong("a digest that is not that of the content", self.content_digest().hex())
        if not verify(public, _message(self.digest), self.signature):
            raise self._wrong("a signature by somebody else", f"one under the key {public.hex()}")
        if artefact is not None and hashlib.sha256(artefact).digest() != self.artefact:
            raise self._wrong("an artefact of another digest", self.artefact.hex())
        if parent is not None and self.parent != parent:
            raise self._wrong(f"the parent {self.parent.hex()}", parent.hex())

    def _wrong(self, found: str, needed: str) -> ReleaseError:
        return ReleaseError(version=self.version, found=found, needed=needed)

    def to_dict(self) -> dict[str, Any]:
        """The release as plain data, bytes in hex."""
        data: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        for name in ("parent", "artefact", "digest", "signature"):
            data[name] = data[name].hex()
        return {**data, "flagged": list(self.flagged), "refused": dict(self.refused), "measures": dict(self.measures)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Release:
        """The release that `to_dict` wrote. Call `check` before you believe it.

        Raises:
            ReleaseError: when a field is missing, unknown, or not what it should be.
        """
        try:
            given: dict[str, Any] = dict(data)
            for name in ("parent", "artefact", "digest", "signature"):
                given[name] = bytes.fromhex(data[name])
            given["flagged"] = tuple(data["flagged"])
            return cls(**given)
        except (KeyError, TypeError, ValueError) as error:
            found = f"a document that does not parse ({type(error).__name__}: {error})"
            raise ReleaseError(version=-1, found=found, needed="a release as to_dict writes it") from error


def _message(digest: bytes) -> bytes:
    return b"swarmlore/signed-release/1" + digest


def artefact_digest(artefact: bytes) -> bytes:
    """SHA-256: the address of an artefact."""
    return hashlib.sha256(artefact).digest()


_FIELDS = tuple(field.name for field in fields(Release))
