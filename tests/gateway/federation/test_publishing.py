"""Documents of releases: what is in them, that they verify, and that nothing changes unnoticed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from federation.errors import ReleaseError
from federation.identity import Secret
from federation.release import GENESIS, Release
from gateway.client.releases import PROTOCOL_VERSION
from gateway.federation.publishing import Edition, Listed, documents, domains_of, federation_key, manifest, read, wire
from workloads.patterns import Domain, KeySpace, PatternsWorkload
from workloads.patterns.rows import columns

SPACE = KeySpace.of(
    tools=("Edit", "Read"), teams=("leader",), domains={"tool::Edit": "frontend", "team::leader": "backend"}
)
KEY = federation_key(Secret(bytes(range(32))))
EDITION = Edition(version="1.0.7", parent="1.0.6", window=12)


def row() -> np.ndarray:
    made = PatternsWorkload(space=SPACE).genesis(0)
    parts = columns(made, len(SPACE.keys))
    for key, confidence in (("tool::Edit", 0.7), ("tool::Read", 0.9), ("team::leader", 0.4)):
        place = SPACE.places[key]
        parts.contributors[place], parts.samples[place], parts.values[place, 0] = 12, 0.0004, confidence
    return made


def release(**changes: object) -> Release:
    made = Release(run="r", kind="patterns", version=7, round=9, parent=GENESIS, artefact=bytes(32), artefact_bytes=1)
    return replace(made, agents=12, epsilon=0.98, created=1_773_576_000.6, **changes)  # type: ignore[arg-type]


def test_a_release_becomes_a_document_and_one_for_each_domain() -> None:
    found = documents(release(), row(), SPACE, EDITION, key=KEY)
    assert list(found) == ["v1.0.7.json", "v1.0.7.backend.json", "v1.0.7.frontend.json"]
    whole = json.loads(wire(found["v1.0.7.json"]))
    assert set(whole["weights"]) == {"tool::Edit", "tool::Read", "team::leader"}
    assert whole["metadata"] | {"checksum": ""} == {
        "round": 12,
        "participants": 12,
        "patternCount": 3,
        "epsilonSpent": 0.98,
        "parentVersion": "1.0.6",
        "checksum": "",
    }
    assert (whole["version"], whole["schemaVersion"], whole["timestamp"]) == ("1.0.7", "1.0", "2026-03-15T12:00:00Z")
    frontend = json.loads(wire(found["v1.0.7.frontend.json"]))
    assert set(frontend["weights"]) == {"tool::Edit", "tool::Read"}
    assert frontend["metadata"]["checksum"] != whole["metadata"]["checksum"]


def test_the_same_release_makes_the_same_bytes_and_each_verifies() -> None:
    first, second = (documents(release(), row(), SPACE, EDITION, key=KEY) for _ in range(2))
    for name, document in first.items():
        assert wire(document) == wire(second[name])
        assert read(wire(document), public=KEY.public) == document


@pytest.mark.parametrize("part", ["weight", "metadata", "signature", "key", "json"])
def test_what_was_changed_does_not_verify(part: str) -> None:
    data = wire(documents(release(), row(), SPACE, EDITION, key=KEY)["v1.0.7.json"])
    found, public = json.loads(data), KEY.public
    match part:
        case "weight":
            found["weights"]["tool::Edit"]["confidence"] = 1.0
        case "metadata":
            found["metadata"]["participants"] = 10_000
        case "signature":
            found["signature"] = "ed25519:" + "A" * 86 + "=="
        case "key":
            public = federation_key(Secret(bytes(32))).public
        case _:
            found["more"] = 1
    with pytest.raises(ReleaseError):
        read(json.dumps(found).encode(), public=public)


def test_a_signed_document_with_a_wrong_checksum_is_refused() -> None:
    [whole, *_] = documents(release(), row(), SPACE, EDITION, key=KEY).values()
    wrong = whole.model_copy(update={"metadata": whole.metadata.model_copy(update={"checksum": "sha256:" + "0" * 64})})
    import base64

    signature = "ed25519:" + base64.b64encode(KEY.sign(wrong.canonical())).decode()
    with pytest.raises(ReleaseError, match="checksum"):
        read(wire(wrong.model_copy(update={"signature": signature})), public=KEY.public)


def test_the_genesis_knows_nothing_and_has_no_parent() -> None:
    genesis = PatternsWorkload(space=SPACE).genesis(0)
    edition = Edition(version="1.0.0", parent=None, window=0)
    whole = json.loads(wire(documents(release(version=0), genesis, SPACE, edition, key=KEY)["v1.0.0.json"]))
    assert whole["weights"] == {}
    assert "parentVersion" not in whole["metadata"]


def test_the_manifest_lists_releases_in_the_documents_shape() -> None:
    one = Listed(version="1.0.7", created_at=1_773_576_000.0, participants=12, checksum="sha256:" + "a" * 64)
    assert json.loads(manifest([one], latest="1.0.6", space=SPACE)) == {
        "latest": "1.0.6",
        "versions": [
            {
                "version": "1.0.7",
                "timestamp": "2026-03-15T12:00:00Z",
                "participants": 12,
                "checksum": "sha256:" + "a" * 64,
            }
        ],
        "schemaVersion": "1.0",
        "minSupportedClient": PROTOCOL_VERSION,
        "domains": ["backend", "frontend"],
    }
    assert domains_of(SPACE) == (Domain.BACKEND, Domain.FRONTEND)


def test_the_federations_key_is_not_the_coordinators() -> None:
    secret = Secret(bytes(range(32)))
    assert federation_key(secret).public == federation_key(secret).public
    assert "Secret" not in repr(federation_key(secret))
