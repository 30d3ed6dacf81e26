"""How installations come in, renew their tokens, and leave; and what keeps many false ones out."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from actors.storage import ClientState
from gateway.federation.documents import Deregistered, Registered
from gateway.federation.registration import key_bytes, moment, network_of
from gateway.federation.settings import Limits
from telemetry import semconv
from tests.gateway.federation.stand import CODE, NOON, SECRET, SERVER, hashed, opened, problem, text_of

DAY_S = 86_400.0


async def test_an_installation_gets_a_token_and_the_key_to_pin(tmp_path: Path) -> None:
    async with opened(tmp_path, regions=("global", "europe")) as stand:
        one = stand.visitor()
        answer = await one.register(region="europe")
        assert answer.status_code == 201
        found = Registered.model_validate_json(answer.content)
        assert found.server_public_key == text_of(SERVER.public)
        assert (found.expires_at.timestamp(), found.region) == (NOON + 90 * DAY_S, "europe")
        wanted = hmac.new(
            SECRET.derive("federation-clients").reveal(), b"sha256:" + hashed("one").hex().encode(), hashlib.sha256
        )
        assert found.client_id == wanted.hexdigest()
        kept = stand.storage.clients.get(one.id)
        assert kept is not None
        assert (kept.public_key, kept.region, kept.platform, kept.analytics) == (
            one.key.public,
            "europe",
            "linux",
            False,
        )
        assert kept.token_hash == hashlib.sha256(one.token.encode()).digest()
        assert one.token.encode() not in (tmp_path / "federation.db").read_bytes()
        (entry,) = stand.storage.audit.list()
        assert (entry.action, entry.name, entry.code) == ("register", one.id, "ok")


async def test_a_second_registration_gives_a_new_token_and_ends_the_old_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        before, who = one.headers, one.id
        again = await one.register()
        assert (again.status_code, one.id) == (200, who)
        assert one.headers != before
        problem(await stand.post("weights/submit", one.delta(), before), 401, "UNAUTHORIZED")
        assert (await one.submit()).status_code == 202
        assert stand.capture.total(semconv.METRIC_CLIENT_TRANSITIONS) == 2


async def test_another_key_does_not_take_an_installation_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        await stand.registered("one")
        thief = stand.visitor("two")
        body = thief.registration(installationHash="sha256:" + hashed("one").hex())
        problem(await stand.post("register", body, {}), 409, "KEY_MISMATCH")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"installationHash": "sha256:x"}, "INVALID_SCHEMA"),
        ({"publicKey": "ed25519:AAAA"}, "INVALID_SCHEMA"),
        ({"platform": "a b"}, "INVALID_SCHEMA"),
        ({"platform": None}, "INVALID_SCHEMA"),
        ({"schemaVersion": "2.0"}, "INVALID_SCHEMA"),
        ({"region": "mars"}, "INVALID_SCHEMA"),
        ({"extra": True}, "INVALID_SCHEMA"),
        ({"consent": {"federation": True}}, "INVALID_SCHEMA"),
        ({"consent": {"federation": False, "timestamp": "2026-03-15T00:00:00Z"}}, "CONSENT_REQUIRED"),
    ],
)
async def test_a_registration_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    async with opened(tmp_path) as stand:
        problem(await stand.visitor().register(**changes), 400, code)
        assert stand.storage.clients.count() == 0


async def test_a_region_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    async with opened(tmp_path, regions=("global", "europe")) as stand:
        found = problem(await stand.visitor().register(region="mars"), 400, "INVALID_SCHEMA")
        assert "region is mars; here it is one of global, europe" in found["detail"]


async def test_who_does_not_hold_the_key_is_not_registered(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        body = stand.visitor("one").registration()
        body["platform"] = "win32"
        problem(await stand.post("register", body, {}), 400, "INVALID_SIGNATURE")
        body["proof"] = "ed25519:AA"
        problem(await stand.post("register", body, {}), 400, "INVALID_SIGNATURE")


async def test_an_address_brings_so_many_new_installations_a_day(tmp_path: Path) -> None:
    async with opened(tmp_path, limits=Limits(enrolments=2)) as stand:
        one = await stand.registered("one")
        await stand.registered("two")
        answer = await stand.visitor("three").register()
        found = problem(answer, 429, "ENROLMENT_LIMITED")
        assert int(answer.headers["retry-after"]) == found["retry_after_s"] == 12 * 3600
        assert (await one.register()).status_code == 200  # a known one is no new one
        stand.clock.now += DAY_S
        await stand.registered("three")


async def test_with_a_code_only_who_sends_it_comes_in_and_guessing_is_counted(tmp_path: Path) -> None:
    async with opened(tmp_path, enrolment_code=hashed(CODE), limits=Limits(enrolments=2)) as stand:
        problem(await stand.visitor("one").register(), 403, "ENROLMENT_REFUSED")
        problem(await stand.visitor("one").register(enrolmentCode="guess"), 403, "ENROLMENT_REFUSED")
        problem(await stand.visitor("one").register(enrolmentCode="again"), 429, "ENROLMENT_LIMITED")
        one = await stand.registered("one", enrolmentCode=CODE)  # guesses use nothing up of who knows it
        assert (await one.register()).status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix", ""),
    ],
)
def test_a_network_of_one_household_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_who_leaves_is_forgotten_within_a_day(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        assert (await one.submit()).status_code == 202
        answer = await stand.client.delete("/federation/v1/register", headers=one.headers)
        assert answer.status_code == 202
        assert Deregistered.model_validate_json(answer.content).purge_by.timestamp() == NOON + DAY_S
        assert stand.storage.submissions.count_pending() == 0
        problem(await one.submit(), 401, "UNAUTHORIZED")
        problem(await stand.client.delete("/federation/v1/register", headers=one.headers), 401, "UNAUTHORIZED")
        assert stand.storage.clients.purge(NOON + DAY_S) == 1
        assert stand.storage.clients.get(one.id) is None
        assert [entry.name for entry in stand.storage.audit.list()] == ["", ""]


async def test_nobody_leaves_quarantine_by_leaving_and_its_token_can_be_renewed_for_an_appeal(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        stand.storage.clients.set_state(one.id, ClientState.QUARANTINED, NOON)
        assert (await one.register()).status_code == 200
        problem(await one.submit(), 403, "CLIENT_QUARANTINED")
        assert (await stand.client.delete("/federation/v1/register", headers=one.headers)).status_code == 202
        assert (await one.register()).status_code == 200
        problem(await one.submit(), 403, "CLIENT_QUARANTINED")


async def test_a_registration_is_told_as_the_registry_says(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        (event,) = [event for event in stand.capture.events if event.name == semconv.EVENT_CLIENT_REGISTERED]
        assert event.attributes == {
            semconv.ATTR_CLIENT_ID: one.id,
            semconv.ATTR_REGION: "global",
            semconv.ATTR_PLATFORM: "linux",
        }
        (span,) = [span for span in stand.capture.spans if span.name == semconv.SPAN_CLIENT_REGISTRATION]
        assert dict(span.attributes or {})[semconv.ATTR_HTTP_RESPONSE_STATUS_CODE] == 201


@pytest.mark.parametrize("text", ["ed25519:", "ed25519:!!!!", "ed25519:A", "x"])
def test_what_is_no_key_is_empty(text: str) -> None:
    assert len(key_bytes(text)) < 32


def test_a_key_is_read_in_both_alphabets() -> None:
    raw = bytes(range(224, 256))
    assert key_bytes(text_of(raw)) == raw
    assert key_bytes(text_of(raw).replace("+", "-").replace("/", "_").rstrip("=")) == raw
    assert moment(NOON + 0.9) == "2026-03-15T12:00:00Z"
