"""Releases as clients get them: signed documents, written once, and the lists that lead to them.

Rules of the files. ``v1.2.47.json`` holds a `GlobalWeightVector`, ``v1.2.47.frontend.json`` the part of it for one
domain with a checksum and a signature of its own; both are RFC 8785 and never change once they are written.
``manifest.json`` lists them, newest first; ``latest.json`` is the newest that everybody gets. Those two are written
anew and hold nothing that is not in a signed file.

What is signed is `GlobalWeightVector.canonical`, by the federation's key (`federation_key`). A document depends on
nothing but the release, the window and the key, so that writing it a second time writes the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

from federation.errors import ReleaseError
from federation.identity import Secret, SigningKey, verify
from federation.release import Release
from federation.workload import Row
from workloads.patterns import Domain, GlobalWeightVector, KeySpace, checksum, weights_of
from workloads.patterns.schema import GlobalMetadata

MANIFEST = "manifest.json"
LATEST = "latest.json"
MIN_CLIENT = "0.2.0"
"""The oldest protocol version of a client that can read these documents. Clients compare it with their own, when they
read the manifest; what a plugin calls its own version says nothing about it, so nobody is refused by that."""

_PREFIX = "ed25519:"


def federation_key(secret: Secret) -> SigningKey:
    """The key that signs what clients get; another one than the coordinator's, which signs inside the swarm."""
    return SigningKey.of(secret.derive("federation"))


def file_name(version: str, domain: Domain | None = None) -> str:
    """Where the document of a version is kept."""
    return f"v{version}.json" if domain is None else f"v{version}.{domain}.json"


def domains_of(space: KeySpace) -> tuple[Domain, ...]:
    """The domains that releases have a document of their own for."""
    return tuple(sorted({domain for _, domain in space.domains if domain is not Domain.GENERAL}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What a release is called outside of the swarm.

    Attributes:
        version: semantic.
        parent: version of the release that it was made from; None for the genesis.
        window: number of the window whose submissions it holds; 0 for the genesis.
        participants: clients whose submissions it holds, where each agent of the round stood for several; None for one
            an agent.
    """

    version: str
    parent: str | None
    window: int
    participants: int | None = None


def documents(
    release: Release, row: Row, space: KeySpace, edition: Edition, *, key: SigningKey
) -> dict[str, GlobalWeightVector]:
    """File name -> signed document, for the whole and for each domain."""
    parts: Sequence[Domain | None] = (None, *domains_of(space))
    return {
        file_name(edition.version, domain): _signed(release, row, space, edition, domain=domain, key=key)
        for domain in parts
    }


def wire(document: GlobalWeightVector) -> bytes:
    """The bytes that are handed out: RFC 8785 of the document with its signature."""
    return rfc8785.dumps(document.plain())


def read(data: bytes, *, public: bytes) -> GlobalWeightVector:
    """The document in these bytes, once checksum and signature were found right.

    Raises:
        ReleaseError: when it is none, or not what was signed with this key.
    """
    try:
        found = GlobalWeightVector.model_validate_json(data)
        signature = base64.b64decode(found.signature.removeprefix(_PREFIX), validate=True)
    except ValueError as error:
        raise ReleaseError(version=-1, found=f"no document ({type(error).__name__})", needed="one of ours") from error
    if not verify(public, found.canonical(), signature):
        raise ReleaseError(
            version=-1, found=f"{found.version} signed by somebody else", needed=f"a signature under {public.hex()}"
        )
    if checksum(found.weights) != found.metadata.checksum:
        raise ReleaseError(version=-1, found=f"{found.version} with another checksum", needed=found.metadata.checksum)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the manifest."""

    version: str
    created_at: float
    participants: int
    checksum: str


def manifest(listed: Iterable[Listed], *, latest: str, space: KeySpace) -> bytes:
    """The manifest of these releases, in their order."""
    lines: list[dict[str, Any]] = [
        {
            "version": one.version,
            "timestamp": _stamp(one.created_at),
            "participants": one.participants,
            "checksum": one.checksum,
        }
        for one in listed
    ]
    document = {
        "latest": latest,
        "versions": lines,
        "schemaVersion": space.version,
        "minSupportedClient": MIN_CLIENT,
        "domains": [str(domain) for domain in domains_of(space)],
    }
    return rfc8785.dumps(document)


def _signed(
    release: Release, row: Row, space: KeySpace, edition: Edition, *, domain: Domain | None, key: SigningKey
) -> GlobalWeightVector:
    weights = weights_of(row, space, domain=domain)
    blank = GlobalWeightVector(
        version=edition.version,
        schema_version=space.version,
        timestamp=_moment(release.created),
        weights=weights,
        metadata=GlobalMetadata(
            round=edition.window,
            participants=release.agents if edition.participants is None else edition.participants,
            pattern_count=len(weights),
            epsilon_spent=release.epsilon,
            parent_version=edition.parent,
            checksum=checksum(weights),
        ),
        signature=_PREFIX + "0",
    )
    signature = base64.b64encode(key.sign(blank.canonical())).decode()
    return blank.model_copy(update={"signature": _PREFIX + signature})


def _moment(created: float) -> datetime:
    return datetime.fromtimestamp(int(created), UTC)


def _stamp(created: float) -> str:
    return _moment(created).isoformat().replace("+00:00", "Z")
