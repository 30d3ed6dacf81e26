"""Commitments as bytes that hold no code, for the journal."""

from __future__ import annotations

import json

import numpy as np

from federation.identity import DIGEST_BYTES, SIGNATURE_BYTES, Statement
from federation.update import CommitBatch


def commitments_to_wire(batch: CommitBatch) -> bytes:
    """The batch as JSON, columns in hex."""
    statement = batch.statement
    return json.dumps(
        {
            "host": batch.host,
            "run": statement.run,
            "round": statement.round,
            "kind": statement.kind,
            "base": statement.base.hex(),
            "agents": list(batch.agents),
            "commitments": batch.commitments.tobytes().hex(),
            "signatures": batch.signatures.tobytes().hex(),
        }
    ).encode()


def commitments_from_wire(wire: bytes) -> CommitBatch:
    """The batch that `commitments_to_wire` wrote."""
    data = json.loads(wire)
    return CommitBatch(
        host=data["host"],
        statement=Statement(run=data["run"], round=data["round"], kind=data["kind"], base=bytes.fromhex(data["base"])),
        agents=tuple(data["agents"]),
        commitments=np.frombuffer(bytes.fromhex(data["commitments"]), np.uint8).reshape(-1, DIGEST_BYTES),
        signatures=np.frombuffer(bytes.fromhex(data["signatures"]), np.uint8).reshape(-1, SIGNATURE_BYTES),
    )
