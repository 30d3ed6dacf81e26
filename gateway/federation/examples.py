"""Examples for OpenAPI, one for each body and each answer. Tests hold them against their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CLIENT = "3f0c9a4e" * 8
_KEY = "ed25519:" + "A" * 42 + "A="
_SIGNATURE = "ed25519:" + "B" * 85 + "A=="
_CHECKSUM = "sha256:" + "4be1c0d2" * 8
_DAY = "2026-03-15"
_NOON = f"{_DAY}T12:00:00Z"
_REQUEST = "9d2f6c11" * 4

_ASKED = {
    name: {"id": _REQUEST, "what": name, "answer": f"/federation/v1/operations/answers/{_REQUEST}"}
    for name in ("round", "resume", "pause", "rollback", "reinstate", "quarantine")
}

BODIES: Mapping[str, dict[str, Any]] = {
    "register": {
        "installationHash": "sha256:" + "0badcafe" * 8,
        "pluginVersion": "1.3.0",
        "schemaVersion": "1.0",
        "platform": "linux",
        "consent": {"federation": True, "analytics": False, "timestamp": f"{_DAY}T00:00:00Z"},
        "publicKey": _KEY,
        "proof": _SIGNATURE,
    },
    "submit": {
        "clientId": _CLIENT,
        "schemaVersion": "1.0",
        "baseVersion": "1.2.46",
        "round": 48,
        "nonce": "5e8d3b0f" * 4,
        "timestamp": _DAY,
        "totalExperiences": 234,
        "weights": {
            "tool::Read": {
                "type": "tool",
                "category": "Read",
                "confidence": 0.047,
                "bestComposite": 0.012,
                "groupMean": -0.034,
                "sampleSize": 45,
                "toolSuccessRate": 0.05,
                "avgLatencyBucket": "fast",
            },
            "team::leader": {
                "type": "team",
                "category": "leader",
                "confidence": 0.02,
                "sampleSize": 12,
                "teamSize": 3,
                "domain": "backend",
            },
        },
        "signature": _SIGNATURE,
    },
    "secure_join": {
        "clientId": _CLIENT,
        "round": 48,
        "baseVersion": "1.2.47",
        "nonce": "5e8d3b0f" * 4,
        "signature": _SIGNATURE,
    },
    "secure_answer": {"form": 1, "kind": "row", "agent": _CLIENT, "words": "K7QgmA=="},
    "report": {"version": "1.2.48", "day": _DAY, "calls": 412, "errors": 9},
    "appeal": {"text": "Our build farm moved to slower machines that week; the numbers are real."},
    "operations_approve": {"version": "1.2.48"},
    "operations_round": {},
    "operations_resume": {"discard": False},
    "operations_pause": {"detail": "looking at window 48"},
    "operations_rollback": {"version": "1.2.47"},
    "operations_reinstate": {"client": _CLIENT},
    "operations_quarantine": {"client": _CLIENT},
}
"""operation -> a body that it takes."""

_WEIGHTS: dict[str, Any] = {
    "version": "1.2.48",
    "schemaVersion": "1.0",
    "timestamp": _NOON,
    "weights": {
        "tool::Read": {
            "type": "tool",
            "category": "Read",
            "confidence": 0.847,
            "bestComposite": 0.912,
            "groupMean": 0.634,
            "totalSamples": 15320,
            "contributorCount": 301,
            "toolSuccessRate": 0.95,
            "avgLatencyBucket": "fast",
            "stability": 0.98,
        }
    },
    "metadata": {
        "round": 48,
        "participants": 342,
        "patternCount": 1,
        "epsilonSpent": 0.98,
        "parentVersion": "1.2.47",
        "checksum": _CHECKSUM,
    },
    "signature": _SIGNATURE,
}

ANSWERS: Mapping[str, dict[str, Any]] = {
    "register": {
        "clientToken": "fed_" + "C" * 43,
        "clientId": _CLIENT,
        "expiresAt": "2026-06-13T00:00:00Z",
        "serverPublicKey": _KEY,
        "region": "global",
    },
    "deregister": {"status": "deregistered", "purgeBy": "2026-03-16T12:00:00Z"},
    "submit": {"status": "accepted", "round": 48, "estimatedAggregation": _NOON, "currentVersion": "1.2.47"},
    "secure_join": {"status": "joined", "round": 48, "closesAt": f"{_DAY}T18:00:00Z"},
    "secure_mail": {
        "round": 48,
        "currentRound": 49,
        "joined": True,
        "closesAt": f"{_DAY}T18:00:00Z",
        "letters": [{"number": 2, "kind": "ring", "body": '{"form":1,"keys":[],"kind":"ring"}'}],
    },
    "secure_answer": {"status": "accepted", "round": 48},
    "secure_draw": {
        "round": 48,
        "commitment": "4be1c0d2" * 8,
        "rosterDigest": "0badcafe" * 8,
        "secret": None,
        "buckets": [{"region": "global", "members": 16, "state": "open"}],
        "roster": [{"client": _CLIENT, "region": "global", "baseVersion": "1.2.47"}],
        "next": None,
    },
    "latest": _WEIGHTS,
    "version": _WEIGHTS,
    "manifest": {
        "latest": "1.2.48",
        "versions": [
            {"version": "1.2.48", "timestamp": _NOON, "participants": 342, "checksum": _CHECKSUM},
            {"version": "1.2.47", "timestamp": f"{_DAY}T06:00:00Z", "participants": 298, "checksum": _CHECKSUM},
        ],
        "schemaVersion": "1.0",
        "minSupportedClient": "0.2.0",
    },
    "appeal": {"status": "recorded"},
    "health": {
        "status": "healthy",
        "currentRound": 48,
        "activeClients": 1247,
        "latestVersion": "1.2.48",
        "nextAggregation": f"{_DAY}T18:00:00Z",
        "schemaVersion": "1.0",
        "serverPublicKey": _KEY,
    },
    "operations_status": {
        "window": {"number": 48, "closesAt": 1773597600.0},
        "paused": None,
        "publishing": None,
        "short": None,
        "privacy": {"epsilon_spent": 2.5, "epsilon_budget": 8.0, "rounds_left": 30, "paused": False},
        "served": ["1.2.48", "1.2.47"],
        "rollout": {"version": "1.2.48", "parent": "1.2.47", "stage": "canary", "share": 0.01},
        "lastRound": None,
        "clerk": {"name": "clerk", "holder": "host:4711:0f3c9a1e", "since": 1773576000.0, "expires": 1773590420.0},
        "clients": {"active": 1247, "quarantined": 3, "deregistered": 1},
        "pending": 342,
    },
    "operations_releases": {"releases": [{"version": "1.2.48", "number": 48, "state": "published"}], "next": None},
    "operations_clients": {"clients": [{"id": _CLIENT, "region": "global", "state": "active"}], "next": None},
    "operations_appeals": {"appeals": [{"client": _CLIENT, "at": 1773576000.0, "statement": "The numbers are real."}]},
    "operations_audit": {
        "entries": [
            {"sequence": 1, "at": 1773576000.0, "action": "register", "actor": "client", "name": _CLIENT, "code": "ok"}
        ],
        "next": None,
    },
    "operations_answer": {
        "id": _REQUEST,
        "what": "round",
        "by": "operator",
        "at": 1773576000.0,
        "doneAt": 1773576002.5,
        "ok": True,
        "code": "ok",
        "detail": "",
        "result": {"window": 48},
        "state": "done",
    },
    "operations_approve": {"version": "1.2.48", "parent": "1.2.47", "stage": "staged", "share": 0.1},
    **{f"operations_{name}": answer for name, answer in _ASKED.items()},
}
"""operation -> an answer of it."""

VARIABLES: Mapping[str, dict[str, Any]] = {
    "version": {
        "description": "The semantic version.",
        "schema": {"type": "string", "pattern": r"^\d{1,9}\.\d{1,9}\.\d{1,9}$"},
        "example": "1.2.46",
    },
    "id": {
        "description": "Of the request, as the operation answered it.",
        "schema": {"type": "string", "pattern": "^[a-f0-9]{32}$"},
        "example": _REQUEST,
    },
}
"""variable of a path -> what OpenAPI says of it."""
