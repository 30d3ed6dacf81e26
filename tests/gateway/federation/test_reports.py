"""Reports, appeals, health, and what operators see and ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.storage import ClientState
from federation.rollout import Rollout
from gateway.federation.desk import Desk
from gateway.federation.documents import Asked, ClerkAnswer, Health, RolloutShown, Status
from gateway.federation.operations import ASKED
from telemetry import semconv
from tests.gateway.federation.stand import DAY, NOON, SERVER, opened, problem, text_of


async def test_reports_of_a_day_replace_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        for errors in (5, 3):
            body = {"version": "1.0.2", "day": DAY, "calls": 10, "errors": errors}
            answer = await stand.post("reports", body, one.headers)
            assert (answer.status_code, answer.content) == (204, b"")
        assert stand.storage.reports.figures("1.0.2") == {one.id: (10, 3)}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"errors": 11}, 400, "INVALID_SCHEMA"),
        ({"calls": 0}, 400, "INVALID_SCHEMA"),
        ({"calls": 10**9}, 400, "INVALID_SCHEMA"),
        ({"text": "x"}, 400, "INVALID_SCHEMA"),
        ({"version": "1.0.9"}, 404, "UNKNOWN_VERSION"),
        ({"day": "2026-03-12"}, 400, "STALE_SUBMISSION"),
        ({"day": "2026-03-17"}, 400, "STALE_SUBMISSION"),
    ],
)
async def test_a_report_that_cannot_be_is_refused(
    tmp_path: Path, changes: dict[str, Any], status: int, code: str
) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        body = {"version": "1.0.2", "day": DAY, "calls": 10, "errors": 1, **changes}
        problem(await stand.post("reports", body, one.headers), status, code)
        assert stand.storage.reports.figures("1.0.2") == {}


async def test_a_quarantined_client_appeals_and_its_words_reach_the_operator(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        stand.storage.clients.set_state(one.id, ClientState.QUARANTINED, NOON)
        for text in ("first", "second"):
            answer = await stand.post("appeal", {"text": text}, one.headers)
            assert (answer.status_code, answer.json()) == (202, {"status": "recorded"})
        found = (await stand.operate("GET", "appeals")).json()["appeals"]
        assert [(entry["client"], entry["statement"], entry["at"]) for entry in found] == [(one.id, "second", NOON)]
        assert stand.storage.audit.list(action="appeal")[0].name == one.id
        (event, _) = [event for event in stand.capture.events if event.name == semconv.EVENT_CLIENT_APPEALED]
        assert "second" not in repr(event.attributes)
        for text in ("", "x" * 1001, "a\0b"):
            problem(await stand.post("appeal", {"text": text}, one.headers), 400, "INVALID_SCHEMA")
        problem(await stand.post("appeal", {"text": "x"}, {}), 401, "UNAUTHORIZED")


async def test_health_says_what_clients_need_and_nothing_else(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        await stand.registered()
        answer = await stand.client.get("/federation/v1/health")
        assert answer.json() == {
            "status": "healthy",
            "currentRound": 7,
            "activeClients": 0,  # counted every ten looks
            "latestVersion": "1.0.2",
            "nextAggregation": "2026-03-15T14:00:00Z",
            "schemaVersion": "1.0",
            "serverPublicKey": text_of(SERVER.public),
        }
        stand.storage.facts.put("paused", {"code": "operator", "detail": "who and why", "since": NOON})
        await stand.look()
        answer = await stand.client.get("/federation/v1/health")
        assert Health.model_validate_json(answer.content).status == "paused"
        assert answer.json()["pause"] == {"code": "operator", "since": "2026-03-15T12:00:00Z"}
        stand.storage.facts.put("publishing", {"code": "storage.unavailable", "detail": "", "since": NOON})
        await stand.look()
        assert (await stand.client.get("/federation/v1/health")).json()["status"] == "degraded"


async def test_operators_need_their_token(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        for token in ("", "wrong", one.token):
            answer = await stand.operate("GET", "status", token=token)
            problem(answer, 401, "OPERATOR_TOKEN")
            problem(await stand.operate("POST", "round", {}, token=token), 401, "OPERATOR_TOKEN")
            problem(await stand.client.get("/metrics"), 401, "OPERATOR_TOKEN")
        assert stand.storage.facts.all().keys() == {"served", "window"}


async def test_without_an_operators_token_there_are_no_operations(tmp_path: Path) -> None:
    async with opened(tmp_path, operator_token=None) as stand:
        problem(await stand.operate("GET", "status"), 401, "OPERATOR_TOKEN")
        problem(await stand.operate("POST", "rollback", {"version": "1.0.1"}, token=""), 401, "OPERATOR_TOKEN")
        assert (await stand.client.get("/metrics")).status_code == 200


async def test_an_operator_sees_the_federation(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered("one")
        await stand.registered("two")
        await one.submit()
        stand.storage.facts.put("short", {"found": 1, "needed": 10, "since": NOON, "extended": 2})
        found = Status.model_validate_json((await stand.operate("GET", "status")).content)
        assert (found.pending, found.clients) == (1, {"active": 2, "quarantined": 0, "deregistered": 0})
        assert (found.window, found.served[0]) == ({"number": 7, "closesAt": NOON + 7200}, "1.0.2")
        assert (found.model_extra or {})["short"]["extended"] == 2
        first = (await stand.operate("GET", "clients?limit=1")).json()
        rest = (await stand.operate("GET", f"clients?after={first['next']}&state=active")).json()
        assert len({first["clients"][0]["id"], rest["clients"][0]["id"]}) == 2
        assert "tokenHash" not in first["clients"][0]
        releases = (await stand.operate("GET", "releases?limit=2")).json()
        assert [entry["version"] for entry in releases["releases"]] == ["1.0.2", "1.0.1"]
        older = (await stand.operate("GET", f"releases?after={releases['next']}")).json()
        assert ([entry["version"] for entry in older["releases"]], older["next"]) == (["1.0.0"], None)
        audit = (await stand.operate("GET", "audit?limit=1")).json()
        assert audit["entries"][0]["action"] == "register"
        assert (await stand.operate("GET", f"audit?after={audit['next']}")).json()["next"] is None
        for query in ("limit=0", "limit=x", "after=%20", "state=gone", "limit=%ff"):
            problem(await stand.operate("GET", f"clients?{query}"), 400, "INVALID_SCHEMA")


@pytest.mark.parametrize("what", sorted(ASKED))
async def test_what_only_the_clerk_can_do_is_left_on_its_desk_and_answered_there(tmp_path: Path, what: str) -> None:
    bodies = {
        "rollback": {"version": "1.0.1"},
        "reinstate": {"client": "a" * 64},
        "quarantine": {"client": "a" * 64},
        "pause": {"detail": "why"},
        "resume": {"discard": True},
    }
    async with opened(tmp_path) as stand:
        answer = await stand.operate("POST", what, bodies.get(what))
        assert answer.status_code == 202
        asked = Asked.model_validate_json(answer.content)
        assert answer.headers["location"] == asked.answer
        desk = Desk(stand.storage)
        (request,) = desk.waiting()
        assert (request.id, request.what, request.by, request.at) == (asked.id, what, "operator", NOON)
        assert dict(request.arguments) == bodies.get(what, {})
        waiting = await stand.operate("GET", f"answers/{asked.id}")
        assert ClerkAnswer.model_validate_json(waiting.content).state == "waiting"
        desk.answer(request, NOON + 1, result={"window": 7})
        done = ClerkAnswer.model_validate_json((await stand.operate("GET", f"answers/{asked.id}")).content)
        assert (done.state, done.ok, done.code, done.result) == ("done", True, "ok", {"window": 7})
        assert stand.storage.audit.list(action=f"ask.{what}")[0].name == "operator"
        problem(await stand.operate("POST", what, {"what": "else"}), 400, "INVALID_SCHEMA")
        problem(await stand.operate("GET", "answers/none"), 404, "UNKNOWN_REQUEST")


async def test_an_operator_agrees_to_the_next_stage(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        stand.storage.rollouts.put(Rollout(version="1.0.2", parent="1.0.1", entered_at=NOON, stage="staged"))
        answer = await stand.operate("POST", "approve", {"version": "1.0.2"})
        assert answer.status_code == 200
        assert RolloutShown.model_validate_json(answer.content).stage == "staged"
        found = stand.storage.rollouts.get()
        assert found is not None
        assert (found.approved_by, found.approved_at) == ("operator", NOON)
        problem(await stand.operate("POST", "approve", {"version": "1.0.9"}), 404, "UNKNOWN_VERSION")
        problem(await stand.operate("POST", "approve", {}), 400, "INVALID_SCHEMA")
        problem(
            await stand.operate("POST", "approve", {"version": "1.0.0"}), 400, "INVALID_SCHEMA"
        )  # at its last stage
