"""``swarmlore federation serve --secure`` with Ray behind it: installations in buckets, a poisoned one, a release."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.client import FederationClient
from gateway.client.delta import Delta
from gateway.client.errors import RefusedError
from gateway.client.participation import ParticipationSettings
from tests.e2e.conftest import Command
from tests.e2e.test_federation import RATES, Federation, Fleet, opposite, serving

COUNT = 21
ASKED = ParticipationSettings(members=7, rows=5, patience_s=180.0)


def test_a_release_from_sums_that_the_server_sees_into_nowhere(swarmlore: Command, tmp_path: Path) -> None:
    server = tmp_path / "server"
    server.mkdir()
    buckets = ["--bucket-size", 7, "--bucket-liars", 1, "--bucket-dropped", 1, "--bucket-stage", 30]
    options = [
        "--secure",
        *buckets,
        "--interval",
        3600,
        "--min-participants",
        COUNT,
        "--epsilon",
        0,
        "--enrolments",
        100,
    ]
    with serving(swarmlore, server, *options) as federation:
        assert federation.facts["secure"] == {"buckets": 3, "size": 7, "borne": 1, "lost": pytest.approx(0.7)}
        fleet = Fleet(federation, tmp_path, COUNT)
        fleet.join()
        fleet.live(seed=1)
        with pytest.raises(RefusedError) as refused:
            fleet.clients[1].push()
        assert refused.value.fields["reason"] == "SECURE_ONLY"
        with ThreadPoolExecutor(COUNT) as pool:
            parts = [pool.submit(_poisoned if place == 0 else _took_part, client) for place, client in
                     enumerate(fleet.clients[:-1])]  # fmt: skip
            command = pool.submit(_by_command, swarmlore, federation, tmp_path / f"installation-{COUNT - 1}")
            _until_waiting(federation, COUNT)
            told = federation.operate("round")
            found = [part.result() for part in parts]
            assert command.result()["participated"]["status"] == "done"
        assert (told["version"], told["participants"], told["code"]) == ("1.0.1", COUNT, "ok")
        assert {one.status for one in found} == {"done"}
        assert all(one.drawn and one.members == 7 for one in found)
        (release, *_) = federation.operate("releases")["releases"]
        assert release["facts"]["secure"] == {"buckets": 3, "failed": 0, "members": COUNT, "window": 1}
        weights = federation.document(fleet.clients[1], "1.0.1").weights
        for tool, rate in RATES.items():
            assert weights[f"tool::{tool}"].tool_success_rate == pytest.approx(rate, abs=0.06)
        # Nothing of any session is left in what the server has written.
        kept = b"".join(path.read_bytes() for path in server.rglob("federation.db*"))
        assert b'"kind":"row"' not in kept


def _took_part(client: FederationClient) -> Any:
    return client.participate(ASKED)


def _poisoned(client: FederationClient) -> Any:
    honest = client.extract_delta()
    poisoned: Delta = replace(honest, weights={key: opposite(weight) for key, weight in honest.weights.items()})
    client.extract_delta = lambda: poisoned  # type: ignore[method-assign]
    return client.participate(ASKED)


def _by_command(swarmlore: Command, federation: Federation, folder: Path) -> dict[str, Any]:
    options = ["--state-dir", folder, "--url", federation.facts["url"]]
    return swarmlore.document(folder, "client", *options, "push", "--secure", "--members", 7, SWARMLORE_KEYCHAIN="0")


def _until_waiting(federation: Federation, count: int) -> None:
    deadline = time.monotonic() + 90
    while federation.status()["pending"] < count:
        if time.monotonic() > deadline:
            pytest.fail(json.dumps(federation.status()))
        time.sleep(0.2)
