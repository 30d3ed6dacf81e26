"""Whether a release is what the pinned server signed. Nothing is applied that did not pass here."""

from __future__ import annotations

from gateway.client.errors import ChecksumError, SchemaError, SignatureError
from gateway.client.identity import verified
from workloads.patterns import GlobalWeightVector, checksum


def release_of(content: bytes, *, server_key: str, schema_version: str) -> GlobalWeightVector:
    """The release in a download.

    The checksum comes first: it tells a damaged download, which is worth another one, from a forged release, which is
    not. A forger who makes the checksum fit fails at the signature, which covers all of the document.

    Raises:
        ChecksumError: for bytes that are no release, or not the one that its checksum is of.
        SchemaError: for another major version.
        SignatureError: unless the pinned key signed it.
    """
    try:
        found = GlobalWeightVector.model_validate_json(content)
    except ValueError as error:
        raise ChecksumError(found="no release", needed="a release document") from error
    made = checksum(found.weights)
    if made != found.metadata.checksum:
        raise ChecksumError(found=made, needed=found.metadata.checksum)
    if not verified(server_key, found.canonical(), found.signature):
        raise SignatureError(version=found.version)
    if found.schema_version.split(".")[0] != schema_version.split(".")[0]:
        raise SchemaError(found=found.schema_version, needed=f"{schema_version.split('.')[0]}.x")
    return found
