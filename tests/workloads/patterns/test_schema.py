"""The documents: their JSON Schema, what is signed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from jsonschema import Draft202012Validator, ValidationError
from pydantic import ValidationError as Refused

from workloads.patterns import DeltaWeightVector, GlobalWeightVector, checksum, json_schemas


def delta(**changes: Any) -> dict[str, Any]:
    read = {"type": "tool", "category": "Read", "confidence": -0.25, "sampleSize": 45, "toolSuccessRate": 0.95}
    return {
        "clientId": "a" * 64, "schemaVersion": "1.0", "baseVersion": "1.2.46", "timestamp": "2026-03-15",
        "totalExperiences": 234, "round": 48, "nonce": "0" * 32, "weights": {"tool::Read": read}, **changes,
    }  # fmt: skip


def release() -> dict[str, Any]:
    weight = {"type": "tool", "category": "Read", "confidence": 0.5, "totalSamples": 9, "contributorCount": 5}
    metadata = {
        "round": 1,
        "participants": 12,
        "patternCount": 1,
        "epsilonSpent": 0.5,
        "checksum": "sha256:" + "0" * 64,
    }
    return {
        "version": "1.0.1", "schemaVersion": "1.0", "timestamp": "2026-03-15T06:00:00Z",
        "weights": {"tool::Read": weight}, "metadata": metadata, "signature": "ed25519:AAAA",
    }  # fmt: skip


def test_schemas_are_valid_and_take_what_the_models_write() -> None:
    schemas = json_schemas()
    for found in schemas.values():
        Draft202012Validator.check_schema(found)
    made = DeltaWeightVector.model_validate(delta()).plain()
    assert made == delta()
    Draft202012Validator(schemas["DeltaWeightVector"]).validate(made)
    vector = GlobalWeightVector.model_validate(release())
    Draft202012Validator(schemas["GlobalWeightVector"]).validate(vector.plain())
    assert set(schemas["DeltaWeightVector"]["required"]) >= {"clientId", "schemaVersion", "timestamp", "weights"}
    assert checksum(vector.weights).startswith("sha256:")


def test_what_is_signed_is_canonical_and_leaves_the_signature_out() -> None:
    plain = delta()
    one = DeltaWeightVector.model_validate({**plain, "signature": "ed25519:AAAA"})
    other = DeltaWeightVector.model_validate(dict(reversed(list(plain.items()))))
    assert one.canonical() == other.canonical() == rfc8785.dumps(plain)
    moved = DeltaWeightVector.model_validate(delta(nonce="1" * 32))
    assert moved.canonical() != one.canonical()


@pytest.mark.parametrize(
    "changes",
    [
        {"clientId": "mia"}, {"nonce": None}, {"round": -1}, {"timestamp": "2026-03-15T12:00:00Z"}, {"user": "mia"},
        {"schemaVersion": "1"}, {"baseVersion": "latest"}, {"signature": "mia"},
        {"weights": {"tool::Edit": delta()["weights"]["tool::Read"]}},
        {"weights": {"tool::Read": {**delta()["weights"]["tool::Read"], "confidence": 1.5}}},
        {"weights": {"tool::Read": {**delta()["weights"]["tool::Read"], "sampleSize": 0}}},
        {"weights": {"tool::/home": {**delta()["weights"]["tool::Read"], "category": "/home"}}},
        {"weights": {"tool::Read": {**delta()["weights"]["tool::Read"], "note": "x"}}},
    ],
)  # fmt: skip
def test_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        DeltaWeightVector.model_validate(delta(**changes))
    if "tool::Edit" not in changes.get("weights", {}) and changes.get("timestamp") is None:
        with pytest.raises(ValidationError):
            Draft202012Validator(json_schemas()["DeltaWeightVector"]).validate(delta(**changes))
