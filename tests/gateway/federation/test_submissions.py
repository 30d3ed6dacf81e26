"""Submitting: what is taken, what is refused and how, and that what is refused leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from actors.storage import ClientState
from gateway.federation.documents import Accepted
from gateway.federation.settings import Limits
from telemetry import semconv
from tests.gateway.federation.stand import DAY, NOON, Stand, Visitor, opened, problem, squeezed, text_of
from workloads.patterns import DeltaWeightVector

DAY_S = 86_400.0


async def test_a_delta_is_taken_and_kept_as_the_bytes_that_were_signed(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        body = one.delta()
        answer = await one.submit(body)
        assert answer.status_code == 202
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "status": "accepted",
            "round": 7,
            "estimatedAggregation": "2026-03-15T14:00:00Z",
            "currentVersion": "1.0.2",
        }
        Accepted.model_validate_json(answer.content)
        (kept,) = stand.storage.submissions.pending("global", 7)
        assert kept.document == DeltaWeightVector.model_validate(body).canonical()
        assert text_of(kept.signature) == body["signature"]
        assert (kept.client, kept.nonce, kept.window, kept.base_version, kept.experiences, kept.received_at) == (
            one.id,
            body["nonce"],
            7,
            "1.0.2",
            40,
            NOON,
        )


@pytest.mark.parametrize("form", ["indented", "reordered", "ascii", "squeezed"])
async def test_a_body_in_another_form_is_kept_in_its_canonical_one(tmp_path: Path, form: str) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        body = one.delta()
        match form:
            case "indented":
                sent = json.dumps(body, indent=2).encode()
            case "reordered":
                sent = json.dumps(dict(reversed(body.items()))).encode()
            case "ascii":
                sent = json.dumps(body).replace("tool::Read", "tool::\\u0052ead").encode()
            case _:
                sent = squeezed(body)
        headers = {"Content-Encoding": "gzip"} if form == "squeezed" else {}
        assert (await one.submit(sent, **headers)).status_code == 202
        (kept,) = stand.storage.submissions.pending("global", 7)
        assert kept.document == DeltaWeightVector.model_validate(body).canonical()


async def test_the_same_nonce_is_answered_alike_and_counts_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        body = one.delta()
        answers = [await one.submit(body) for _ in range(6)]
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1
        assert stand.storage.submissions.count_pending() == 1
        other = one.delta(nonce=body["nonce"], totalExperiences=41)
        problem(await one.submit(other), 409, "NONCE_REUSED")
        assert stand.capture.total(semconv.METRIC_SUBMISSIONS) == 7


async def test_the_fifth_of_a_day_is_one_too_many_and_the_next_day_is_another(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        for _ in range(4):
            assert (await one.submit()).status_code == 202
        refused = await one.submit()
        found = problem(refused, 429, "RATE_LIMITED")
        assert int(refused.headers["retry-after"]) == found["retry_after_s"] == 12 * 3600 + 1
        assert stand.storage.submissions.count_pending() == 1  # the last of a window counts
        stand.clock.now += DAY_S
        assert (await one.submit()).status_code == 202


async def test_who_asks_too_often_is_stopped_before_the_body_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path, limits=Limits(attempts=3)) as stand:
        one = await stand.registered()
        for _ in range(3):
            problem(await one.submit(b"{}"), 400, "INVALID_SCHEMA")
        refused = await one.submit(b"{}")
        problem(refused, 429, "RATE_LIMITED")
        assert refused.headers["retry-after"] == "60"
        stand.clock.now += 60
        problem(await one.submit(b"{}"), 400, "INVALID_SCHEMA")


def _without(name: str) -> dict[str, Any]:
    return {name: None}


@pytest.mark.parametrize(
    "changes",
    [
        _without("nonce"),
        _without("weights"),
        _without("round"),
        {"nonce": "x"},
        {"totalExperiences": -1},
        {"extra": 1},
        {"timestamp": "yesterday"},
        {"weights": {"tool::Read": {"type": "tool", "category": "Edit", "confidence": 0.1, "sampleSize": 1}}},
        {"weights": {"tool::Read": {"type": "tool", "category": "Read", "confidence": 1.5, "sampleSize": 1}}},
        {"weights": {"tool::Read": {"type": "tool", "category": "/home/a", "confidence": 0.5, "sampleSize": 1}}},
        {"schemaVersion": "2.0"},
        {"weights": {}},
        {"weights": {"tool::mine": {"type": "tool", "category": "mine", "confidence": 0.5, "sampleSize": 1}}},
    ],
)
async def test_a_delta_that_does_not_fit_its_schema_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        found = problem(await one.submit(one.delta(**changes)), 400, "INVALID_SCHEMA")
        assert found["instance"] == "/federation/v1/weights/submit"
        assert stand.storage.submissions.count_pending() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":' + b"9" * 400 + b"}",
        b"[" * 5000 + b"]" * 5000,
        b'{"a":' * 20 + b"1" + b"}" * 20,
        b'{"a":"\\ud800"}',
        b'{"a":1,"signature":"ed25519:AA"}',
    ],
)
async def test_a_body_that_is_no_delta_is_refused(tmp_path: Path, body: bytes) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        problem(await one.submit(body), 400, "INVALID_SCHEMA")


async def test_what_was_sent_is_not_repeated(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        answer = await one.submit(one.delta(timestamp="the-secret"))
        problem(answer, 400, "INVALID_SCHEMA")
        assert "the-secret" not in answer.text


async def test_the_schema_version_stands_in_the_header_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        problem(await one.submit(None, **{"X-Schema-Version": "1.1"}), 400, "INVALID_SCHEMA")
        assert (await one.submit(one.delta(schemaVersion="1.1"), **{"X-Schema-Version": "1.1"})).status_code == 202


async def test_signatures_of_others_none_and_of_something_else_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one, two = await stand.registered("one"), await stand.registered("two")
        body = one.delta()
        problem(await one.submit({**body, "totalExperiences": 41}), 400, "INVALID_SIGNATURE")
        forged = text_of(two.key.sign(rfc8785.dumps({name: body[name] for name in body if name != "signature"})))
        problem(await one.submit({**body, "signature": forged}), 400, "INVALID_SIGNATURE")
        problem(await one.submit({**body, "signature": "ed25519:AA"}), 400, "INVALID_SIGNATURE")
        problem(await one.submit({**body, "signature": "rsa:" + "A" * 88}), 400, "INVALID_SIGNATURE")
        problem(await one.submit({**body, "signature": 5}), 400, "INVALID_SCHEMA")
        del body["signature"]
        problem(await one.submit(body), 400, "INVALID_SCHEMA")
        assert stand.storage.submissions.count_pending() == 0


async def test_a_second_signature_is_no_way_around(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        body = one.delta()
        inner = {**body, "signature": "ed25519:AAAA"}
        again = text_of(one.key.sign(rfc8785.dumps(inner)))
        sent = rfc8785.dumps(inner).replace(b',"signature"', b',"signature":"%s","signature"' % again.encode(), 1)
        problem(await one.submit(sent), 400, "INVALID_SCHEMA")


@pytest.mark.parametrize("base", ["1.0.9", "0.9.0", None])
async def test_a_base_that_was_never_served_is_stale(tmp_path: Path, base: str | None) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        found = problem(await one.submit(one.delta(baseVersion=base)), 400, "STALE_BASE_VERSION")
        assert (found["current"], found["behind"]) == ("1.0.2", 5)


async def test_a_base_may_be_five_versions_behind_and_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        for number in range(3, 7):
            stand.publish(number, parent=number - 1)
        await stand.look()
        assert (await one.submit(one.delta(baseVersion="1.0.1"))).status_code == 202
        problem(await one.submit(one.delta(baseVersion="1.0.0")), 400, "STALE_BASE_VERSION")


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"round": 8}, "round"),
        ({"round": 2**52}, "round"),
        ({"timestamp": "2026-03-12"}, "timestamp"),
        ({"timestamp": "2026-03-17"}, "timestamp"),
        ({"timestamp": "0001-01-01"}, "timestamp"),
        ({"timestamp": "9999-12-31"}, "timestamp"),
    ],
)
async def test_a_submission_of_another_time_is_stale(tmp_path: Path, changes: dict[str, Any], member: str) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        assert problem(await one.submit(one.delta(**changes)), 400, "STALE_SUBMISSION")["member"] == member


async def test_a_delta_that_waited_for_twelve_rounds_is_taken_into_the_open_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        stand.storage.facts.put("window", {"number": 15, "opened_at": NOON, "closes_at": NOON + 60})
        await stand.look()
        answer = await one.submit(one.delta(round=3, timestamp="2026-03-13"))
        assert (answer.status_code, answer.json()["round"]) == (202, 15)
        problem(await one.submit(one.delta(round=2)), 400, "STALE_SUBMISSION")


async def test_a_window_that_was_closed_unseen_is_not_submitted_to(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        stand.storage.facts.put("window", {"number": 8, "opened_at": NOON, "closes_at": NOON + 60})
        assert (await one.submit()).json()["round"] == 8  # the door has not looked yet


@pytest.mark.parametrize("compressed", [False, True])
async def test_more_than_256_kib_is_refused_unread(tmp_path: Path, compressed: bool) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        large = one.delta(extra="x" * 262_144)
        headers = {"Content-Encoding": "gzip"} if compressed else {}
        answer = await one.submit(squeezed(large) if compressed else large, **headers)
        assert problem(answer, 413, "PAYLOAD_TOO_LARGE")["limit"] == 262_144
        answer = await one.submit(large, **{"Content-Length": "300000"})
        problem(answer, 413, "PAYLOAD_TOO_LARGE")


async def test_a_gzip_bomb_is_not_inflated(tmp_path: Path) -> None:
    import zlib

    squeezer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeezer.compress(b"\0" * 2**20) for _ in range(100)) + squeezer.flush()  # 100 MB of nothing
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        problem(await one.submit(bomb, **{"Content-Encoding": "gzip"}), 413, "PAYLOAD_TOO_LARGE")
        problem(await one.submit(b"no gzip", **{"Content-Encoding": "gzip"}), 400, "INVALID_SCHEMA")
        problem(await one.submit(b"x", **{"Content-Encoding": "br"}), 415, "UNSUPPORTED_MEDIA_TYPE")
        problem(await one.submit(b"x", **{"Content-Type": "text/plain"}), 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_tokens_that_do_not_hold_are_unauthorized(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one, two = await stand.registered("one"), await stand.registered("two")
        body = one.delta()
        for headers in (
            {"Authorization": ""},
            {"Authorization": "Basic abc"},
            {"Authorization": "Bearer fed_unknown"},
            {"Authorization": "Bearer " + "fed_" + "x" * 300},
            {"Authorization": f"Bearer {two.token}"},
            {"X-Client-ID": two.id},
            {"X-Client-ID": ""},
        ):
            answer = await one.submit(body, **headers)
            problem(answer, 401, "UNAUTHORIZED")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        theirs = two.delta()
        problem(await one.submit(theirs), 400, "INVALID_SIGNATURE")
        problem(await one.submit(one.delta(clientId=two.id)), 401, "UNAUTHORIZED")
        stand.clock.now += 90 * DAY_S
        problem(await one.submit(body), 401, "UNAUTHORIZED")


async def test_a_quarantined_client_is_told_where_to_appeal(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        assert (await one.submit()).status_code == 202
        stand.storage.clients.set_state(one.id, ClientState.QUARANTINED, NOON)
        stand.clock.now += 5  # what the door knows of a token it holds on to for that long
        found = problem(await one.submit(), 403, "CLIENT_QUARANTINED")
        assert found["appeal"] == "/federation/v1/appeal"
        problem(await one.get("weights/latest"), 403, "CLIENT_QUARANTINED")
        stand.storage.clients.set_state(one.id, ClientState.ACTIVE, NOON)
        stand.clock.now += 5
        assert (await one.submit()).status_code == 202


async def test_while_rounds_are_paused_deltas_are_taken(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        stand.storage.facts.put("paused", {"code": "privacy.budget", "detail": "spent", "since": NOON})
        await stand.look()
        assert (await one.submit()).status_code == 202


async def test_the_audit_log_has_who_submitted_and_nothing_of_what(tmp_path: Path) -> None:
    async with opened(tmp_path, lookout=True) as stand:
        one = await stand.registered()
        body = one.delta()
        await one.submit(body)
        await one.submit(body)
        stand.clock.now += DAY_S
        await stand.door.close()
        entries = stand.storage.audit.list(action="submit")
        assert [(entry.actor, entry.name, entry.code) for entry in reversed(entries)] == [
            ("client", one.id, "accepted"),
            ("client", one.id, "duplicate"),
        ]
        client = stand.storage.clients.get(one.id)
        assert client is not None
        assert client.seen_at == NOON - NOON % DAY_S + DAY_S


async def test_a_submission_is_told_as_the_registry_says(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one: Visitor = await stand.registered()
        assert (await one.submit()).status_code == 202
        problem(await one.submit(b"{}"), 400, "INVALID_SCHEMA")
        spans = [span for span in stand.capture.spans if span.name == semconv.SPAN_CLIENT_SUBMISSION]
        told = [dict(span.attributes or {}) for span in spans]
        assert [one[semconv.ATTR_ANSWER_CODE] for one in told] == ["accepted", "INVALID_SCHEMA"]
        assert told[0][semconv.ATTR_CLIENT_ID] == one.id
        assert not [one for one in told if DAY in map(str, one.values())]
        (event,) = [event for event in stand.capture.events if event.name == semconv.EVENT_SUBMISSIONS_RECEIVED]
        assert event.attributes[semconv.ATTR_SUBMISSIONS_COUNT] == 1
        _nothing_secret(stand, one)


def _nothing_secret(stand: Stand, one: Visitor) -> None:
    told = [
        *(dict(span.attributes or {}) for span in stand.capture.spans),
        *(e.attributes for e in stand.capture.events),
    ]
    assert told
    assert one.token not in repr(told)
    assert "ed25519:" not in repr(told)
