"""Which release a client gets, how long it may keep it, and what it gets while storage or files are away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from federation.rollout import Rollout
from gateway.federation.documents import Health, Manifest
from telemetry import semconv
from tests.gateway.federation.stand import NOON, Stand, Visitor, opened, problem
from workloads.patterns import GlobalWeightVector


async def test_the_latest_release_is_served_as_it_was_signed(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        answer = await one.get("weights/latest")
        assert answer.status_code == 200
        assert GlobalWeightVector.model_validate_json(answer.content).version == "1.0.2"
        assert answer.content == stand.files.get("v1.0.2.json")
        assert answer.headers["etag"] == '"v1.0.2"'
        assert answer.headers["cache-control"] == "public, max-age=3600"
        assert answer.headers["x-rollout-group"] == "full"
        (span,) = [span for span in stand.capture.spans if span.name == semconv.SPAN_RELEASE_DELIVERY]
        assert dict(span.attributes or {})[semconv.ATTR_RELEASE_SEMANTIC_VERSION] == "1.0.2"


@pytest.mark.parametrize("known", ['"v1.0.2"', 'W/"v1.0.2"', '"v1.0.1", "v1.0.2"', "*"])
async def test_who_has_the_latest_release_gets_no_body(tmp_path: Path, known: str) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        answer = await one.get("weights/latest", **{"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"v1.0.2"')
        assert not [span for span in stand.capture.spans if span.name == semconv.SPAN_RELEASE_DELIVERY]
        assert (await one.get("weights/latest", **{"If-None-Match": '"v1.0.1"'})).status_code == 200


async def test_nothing_is_kept_beyond_the_end_of_the_window(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        stand.clock.now = NOON + 7_000
        assert (await one.get("weights/latest")).headers["cache-control"] == "public, max-age=200"
        stand.clock.now = NOON + 8_000
        assert (await one.get("weights/latest")).headers["cache-control"] == "public, max-age=0"


async def test_a_domain_has_a_document_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        answer = await one.get("weights/latest?domain=frontend")
        assert (answer.status_code, answer.headers["etag"]) == (200, '"v1.0.2.frontend"')
        known = {"If-None-Match": answer.headers["etag"]}
        assert (await one.get("weights/latest?domain=frontend", **known)).status_code == 304
        assert (await one.get("weights/latest", **known)).status_code == 200
        assert (await one.get("weights/v/1.0.1?domain=frontend")).headers["etag"] == '"v1.0.1.frontend"'
        problem(await one.get("weights/latest?domain=backend"), 404, "UNKNOWN_VERSION")
        for query in ("domain=mars", "domain=", "domain=frontend&domain=frontend", "domain=%ff", "domain=../x"):
            problem(await one.get(f"weights/latest?{query}"), 400, "INVALID_SCHEMA")


async def test_a_version_never_changes_and_may_be_kept_for_ever(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        answer = await one.get("weights/v/1.0.1")
        assert GlobalWeightVector.model_validate_json(answer.content).version == "1.0.1"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        for version in ("1.0.9", "1.0", "latest", "x" * 300):
            problem(await one.get(f"weights/v/{version}"), 404, "UNKNOWN_VERSION")


async def test_the_manifest_lists_what_was_served(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        stand.storage.facts.put("served", {"versions": ["1.0.2", "1.0.0"]})  # 1.0.1 was withdrawn
        await stand.look()
        found = Manifest.model_validate_json((await one.get("weights/manifest")).content)
        assert (found.latest, [entry.version for entry in found.versions]) == ("1.0.2", ["1.0.2", "1.0.0"])
        assert (found.versions[0].participants, found.min_supported_client) == (12, "0.2.0")
        assert (await one.get("weights/manifest")).headers["cache-control"] == "private, no-cache"


async def _canary(stand: Stand) -> tuple[Visitor, Visitor, Rollout]:
    """A client that gets the canary, one that does not, and the rollout."""
    rollout = Rollout(version="1.0.3", parent="1.0.2", entered_at=NOON, stage="general")
    inside = outside = None
    for number in range(100):
        one = await stand.registered(f"client {number}")
        if rollout.served(one.id) == "1.0.3":
            inside = inside or one
        else:
            outside = outside or one
        if inside and outside:
            break
    assert inside is not None
    assert outside is not None
    return inside, outside, rollout


async def test_while_a_release_is_rolled_out_each_client_gets_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        inside, outside, _ = await _canary(stand)
        stand.publish(3, parent=2, stage="general")
        await stand.look()
        for one, version in ((inside, "1.0.3"), (outside, "1.0.2")):
            answer = await one.get("weights/latest")
            assert answer.headers["etag"] == f'"v{version}"'
            assert answer.headers["cache-control"] == "private, no-cache"
            assert answer.headers["vary"] == "Authorization, X-Client-ID"
            assert (await one.get("weights/manifest")).json()["latest"] == version
            assert (await one.submit()).json()["currentVersion"] == version
        assert (await outside.get("weights/latest")).headers["x-rollout-group"] == "full"
        assert (await inside.get("weights/latest")).headers["x-rollout-group"] in ("canary", "staged", "general")
        roles = {
            str(dict(span.attributes or {})[semconv.ATTR_RELEASE_ROLE])
            for span in stand.capture.spans
            if span.name == semconv.SPAN_RELEASE_DELIVERY
        }
        assert roles == {"candidate", "current"}


async def test_a_rollout_that_is_taken_back_serves_what_was_before(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        inside, _, rollout = await _canary(stand)
        stand.publish(3, parent=2, stage="general")
        values = {**rollout.to_dict(), "state": "rolled_back"}
        stand.storage.rollouts.put(Rollout.from_dict(values))
        await stand.look()
        answer = await inside.get("weights/latest")
        assert (answer.headers["etag"], answer.headers["x-rollout-group"]) == ('"v1.0.2"', "full")


async def test_before_the_first_release_there_is_nothing_to_serve(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        stand.door.parts.viewer.view = type(stand.door.parts.viewer.view)(window=1, closes_at=NOON)
        one = await stand.registered()
        problem(await one.get("weights/latest"), 503, "UNAVAILABLE")


async def test_a_token_is_needed(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        for path in ("weights/latest", "weights/v/1.0.1", "weights/manifest"):
            problem(await stand.visitor().get(path), 401, "UNAUTHORIZED")


async def test_while_the_storage_is_away_releases_are_served_and_submissions_come_back_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one, two = await stand.registered("one"), await stand.registered("two")
        assert (await one.get("weights/latest")).status_code == 200
        _take_away(stand, tmp_path)
        await stand.look()
        for visitor in (one, two):  # one is known here, two cannot be told any more
            answer = await visitor.get("weights/latest")
            assert (answer.status_code, answer.headers["etag"]) == (200, '"v1.0.2"')
            assert answer.headers["x-federation-status"] == "degraded"
        assert (await one.get("weights/manifest")).json()["latest"] == "1.0.2"
        health = await stand.client.get("/federation/v1/health")
        assert Health.model_validate_json(health.content).status == "degraded"
        for answer in (
            await one.submit(),
            await two.submit(),
            await stand.visitor("three").register(),
            await stand.post("appeal", {"text": "x"}, one.headers),
            await stand.post(
                "reports", {"version": "1.0.2", "day": "2026-03-15", "calls": 1, "errors": 0}, one.headers
            ),
        ):
            problem(answer, 503, "UNAVAILABLE")
            assert answer.headers["retry-after"] == "30"
        assert stand.capture.total(semconv.METRIC_STORAGE_FAILURES) >= 6
        told = [event for event in stand.capture.events if event.name == semconv.EVENT_STORAGE_FAILED]
        assert str(tmp_path) not in repr([event.attributes for event in told])


async def test_files_that_are_away_are_served_from_memory_and_a_missing_one_comes_back_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        shutil.rmtree(tmp_path / "releases")
        (tmp_path / "releases").write_text("no folder")
        assert (await one.get("weights/latest")).status_code == 200
        assert (await one.get("weights/v/1.0.0")).status_code in (404, 503)


def _take_away(stand: Stand, folder: Path) -> None:
    """Put something in the database's place that is none: what was open is closed, and nothing can be opened."""
    stand.storage.close()
    for path in folder.glob("federation.db*"):
        path.unlink()
    (folder / "federation.db").mkdir()
