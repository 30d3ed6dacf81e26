"""Installations outside of Ray: what they hold, what they submit, and what a clerk would publish for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actors.bases import GENESIS_VERSION
from actors.storage import ReleaseRecord, Storage, Submission
from workloads.patterns import DeltaWeightVector, KeySpace, PatternsWorkload, weights_of
from workloads.patterns.rows import columns

SPACE = KeySpace.of(tools=("Edit", "Grep", "Read"))
TOOLS = {"tool::Edit": 0.7, "tool::Grep": 0.9, "tool::Read": 0.8}
WORKLOAD = PatternsWorkload(space=SPACE)


def client(number: int) -> str:
    return hashlib.sha256(f"client {number}".encode()).hexdigest()


def confidences(release: Mapping[str, Any]) -> dict[str, float]:
    """key -> confidence in a release, as the swarm answers it."""
    return {key: weight.confidence for key, weight in weights_of(WORKLOAD.unpack(release["artefact"]), SPACE).items()}


class Installations:
    """Clients that agree but for 0.01, and their federation's storage in a folder."""

    def __init__(self, folder: Path, now: float = 1e9) -> None:
        self.url = f"sqlite:///{folder}/outside.sqlite"
        self.storage = Storage.open(self.url)
        self.now = now
        self.window = 0
        self.latest = GENESIS_VERSION
        self._values = {GENESIS_VERSION: WORKLOAD.genesis(0)}
        self._nonces = 0

    def submit(
        self,
        numbers: Iterable[int],
        *,
        base: str | None = "latest",
        lies: Iterable[int] = (),
        region: str = "global",
        **changes: Any,
    ) -> list[bytes]:
        """Each client says how far it is from its base; a liar says the opposite, as loudly as it can."""
        version = self.latest if base == "latest" else base
        value = self._values.get(version or GENESIS_VERSION, WORKLOAD.genesis(0))
        sent: list[Submission] = []
        for number in numbers:
            found = self._document(number, value, version, lying=number in tuple(lies))
            one = {
                "client": found.client_id,
                "region": region,
                "nonce": found.nonce,
                "window": self.window,
                "base_version": version,
                "received_at": self.now,
                "document": found.canonical(),
            }
            sent.append(Submission(**{**one, **changes}))
        self.storage.submissions.add_many(sent, now=self.now, per_day=99)
        return [one.document for one in sent]

    def close(self) -> int:
        """Close the window, and have the next round take it. The number of the one that is open now."""
        self.storage.facts.put("round", {"window": self.window})
        self.window += 1
        return self.window

    def publish(self, release: Mapping[str, Any]) -> None:
        """Make a release known, as the swarm answers it."""
        number = release["release"]["version"]
        self.latest = f"1.0.{number}"
        self._values[self.latest] = WORKLOAD.unpack(release["artefact"])
        self.storage.releases.add(
            ReleaseRecord(
                version=self.latest,
                number=number,
                window=self.window,
                created_at=self.now,
                checksum="sha256:" + "0" * 64,
                row=release["artefact"],
            )
        )

    def pending(self) -> int:
        return self.storage.submissions.count_pending()

    def _document(self, number: int, base: Any, version: str | None, *, lying: bool) -> DeltaWeightVector:
        self._nonces += 1
        parts = columns(base, len(SPACE.keys))
        weights: dict[str, Any] = {}
        for place, (key, rate) in enumerate(TOOLS.items()):
            own = rate + 0.01 * np.sin(17 * number + place)
            change = round(float(own - parts.values[SPACE.places[key], 0]), 4)
            if lying:
                change = -1.0 if change >= 0 else 1.0
            fields = dict.fromkeys(("confidence", "bestComposite", "groupMean", "toolSuccessRate"), change)
            weights[key] = {"type": "tool", "category": key[6:], "sampleSize": 30, **fields}
        return DeltaWeightVector.model_validate(
            {
                "clientId": client(number),
                "schemaVersion": "1.0",
                "baseVersion": version,
                "round": self.window,
                "nonce": f"{self._nonces:032x}",
                "timestamp": "2026-01-01",
                "totalExperiences": 90,
                "weights": weights,
            }
        )
