"""The REST interface, over a real coordinator with its actors on the stage without Ray."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from actors import Swarm, SwarmConfig
from actors.config import host_name
from gateway.service import service
from tests.actors.conftest import Stage
from workloads.attacks import Adversary, NotFinite
from workloads.null import NullWorkload

AGENTS = tuple(f"agent-{number:03d}" for number in range(8))
TOKEN = "a-token-that-is-long-enough"


def config(folder: Path, **settings: Any) -> SwarmConfig:
    made: dict[str, Any] = {"workload": NullWorkload(dimension=16), "deadline_s": 30.0, "linger_s": 0.5}
    return SwarmConfig(**{"agents": AGENTS, "state_dir": folder, **made, **settings})


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(config(tmp_path))


@pytest.fixture
def client(stage: Stage) -> Iterator[TestClient]:
    with client_of(stage) as made:
        yield made


def client_of(stage: Stage, **settings: Any) -> TestClient:
    swarm = Swarm({}, owns_cluster=False, find=stage.find)
    return TestClient(service(swarm, **settings), raise_server_exceptions=False)


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert (found["code"], found["status"], found["type"]) == (code, status, f"urn:swarmlore:error:{code}")
    assert found["title"]
    assert found["detail"]
    return found


def test_a_round_is_run_read_and_listed(client: TestClient) -> None:
    ran = client.post("/v1/rounds")
    assert ran.status_code == 200
    assert ran.headers["location"] == "/v1/rounds/1"
    record = ran.json()
    assert record["release"]["version"] == 1
    read = client.get("/v1/rounds/1").json()
    assert [row["agent"] for row in read["verdicts"]["agents"]] == list(AGENTS)
    assert read["total_duration_ms"] == record["total_duration_ms"]
    client.post("/v1/rounds")
    page = client.get("/v1/rounds", params={"limit": 1}).json()
    assert [one["round"] for one in page["rounds"]] == [1]
    assert "agents" not in page["rounds"][0]["verdicts"]
    rest = client.get("/v1/rounds", params={"limit": 5, "after": page["next"]}).json()
    assert ([one["round"] for one in rest["rounds"]], rest["next"]) == ([2], None)


def test_the_same_key_is_answered_with_the_same_round_and_another_with_another(client: TestClient) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first, again = client.post("/v1/rounds", headers=key).json(), client.post("/v1/rounds", headers=key).json()
    assert first == again
    assert client.post("/v1/rounds", headers={"Idempotency-Key": "another"}).json()["round"] == 2


def test_the_key_outlives_the_gateway_and_the_coordinator(stage: Stage) -> None:
    with client_of(stage) as client:
        first = client.post("/v1/rounds", headers={"Idempotency-Key": "k"}).json()
    successor = Stage(stage.config)
    with client_of(successor) as client:
        assert client.post("/v1/rounds", headers={"Idempotency-Key": "k"}).json() == first


@pytest.mark.parametrize("key", ["", "a" * 256, "with blank"])
def test_a_key_that_is_none_is_refused(client: TestClient, key: str) -> None:
    found = problem(client.post("/v1/rounds", headers={"Idempotency-Key": key}), 400, "request.key")
    assert found["found"] == len(key)
    assert client.get("/v1/rounds").json()["rounds"] == []


def test_who_does_not_want_to_wait_gets_an_address(client: TestClient) -> None:
    begun = client.post("/v1/rounds", headers={"Idempotency-Key": "later/1", "Prefer": "respond-async"})
    assert begun.status_code == 202
    assert begun.headers["preference-applied"] == "respond-async"
    where = begun.headers["location"]
    assert where == "/v1/requests/later%2F1"
    done = client.post("/v1/rounds", headers={"Idempotency-Key": "later/1", "Prefer": "wait=30"})
    assert done.status_code == 200


def test_a_request_says_what_became_of_it(client: TestClient) -> None:
    problem(client.get("/v1/requests/never"), 404, "request.unknown")
    client.post("/v1/rounds", headers={"Idempotency-Key": "one"})
    assert client.get("/v1/requests/one").json() == {
        "request": "one",
        "state": "ended",
        "round": 1,
        "location": "/v1/rounds/1",
    }


def test_a_round_without_a_quorum_is_a_problem_with_its_numbers(tmp_path: Path) -> None:
    stage = Stage(config(tmp_path, deadline_s=3.0))
    with client_of(stage) as client:
        client.post("/v1/rounds")
        stage.gone.add(host_name(0))
        found = problem(client.post("/v1/rounds", headers={"Idempotency-Key": "short"}), 409, "round.quorum")
        assert (found["round"], found["valid"], found["quorum"], found["n"], found["f"]) == (2, 4, 6, 8, 2)
        assert found["title"] == "A round that ended without enough valid updates."
        assert client.get("/v1/rounds/2").json()["error"]["code"] == "round.quorum"
        assert client.get("/v1/requests/short").json()["error"]["code"] == "round.quorum"
        # The same key again is the same end, not another round.
        problem(client.post("/v1/rounds", headers={"Idempotency-Key": "short"}), 409, "round.quorum")
        assert client.get("/v1/status").json()["rounds"] == 2


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/rounds/7", "round.unknown"),
        ("/v1/rounds/0", "round.unknown"),
        ("/v1/releases/7", "release.unknown"),
        ("/v1/releases/7/artefact", "release.unknown"),
        ("/v1/agents/nobody", "agent.unknown"),
        ("/v1/agents/nobody/verdicts", "agent.unknown"),
        ("/nowhere", "http.not_found"),
        ("/page/latest/passwords", "http.not_found"),
        ("/page/latest/..%2fguard.py", "http.not_found"),
    ],
)
def test_what_is_not_there_is_a_404(client: TestClient, path: str, code: str) -> None:
    problem(client.get(path), 404, code)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "after=-1", "after=x"])
def test_a_bad_query_says_where_it_is_wrong_and_repeats_nothing(client: TestClient, query: str) -> None:
    found = problem(client.get(f"/v1/rounds?{query}&limit=999999"), 422, "request.invalid")
    assert found["errors"][0]["where"][0] == "query"
    assert "999999" not in json.dumps(found)


def test_other_methods_and_large_bodies_are_problems_too(client: TestClient) -> None:
    problem(client.delete("/v1/rounds"), 405, "http.method_not_allowed")
    problem(client.post("/v1/rounds", content=b"x" * 70_000), 413, "http.content_too_large")
    chunks = (b"x" * 1000 for _ in range(70))
    assert client.post("/v1/rounds", content=chunks).status_code in (200, 413)


def test_releases_are_listed_verified_by_their_tag_and_rolled_back(client: TestClient) -> None:
    for _ in range(3):
        client.post("/v1/rounds")
    listed = client.get("/v1/releases", params={"limit": 2}).json()["releases"]
    assert [one["version"] for one in listed] == [3, 2]
    one = client.get("/v1/releases/2")
    assert one.headers["etag"] == f'"{listed[1]["digest"]}"'
    assert len(bytes.fromhex(one.json()["public_key"])) == 32
    known = client.get("/v1/releases/2", headers={"If-None-Match": one.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    artefact = client.get("/v1/releases/2/artefact")
    assert hashlib.sha256(artefact.content).hexdigest() == one.json()["release"]["artefact"]
    back = client.post("/v1/releases/2/rollback")
    assert back.status_code == 201
    assert back.headers["location"] == "/v1/releases/4"
    assert back.json()["restores"] == 2
    restored = client.get("/v1/releases/4").json()["release"]
    assert restored["artefact"] == one.json()["release"]["artefact"]
    problem(client.post("/v1/releases/99/rollback"), 404, "release.unknown")


def test_an_agents_history_is_paged(client: TestClient) -> None:
    for _ in range(3):
        client.post("/v1/rounds")
    page = client.get("/v1/agents/agent-003/verdicts", params={"limit": 2}).json()
    assert [one["round"] for one in page["verdicts"]] == [1, 2]
    rest = client.get("/v1/agents/agent-003/verdicts", params={"limit": 2, "after": page["next"]}).json()
    assert ([one["round"] for one in rest["verdicts"]], rest["next"]) == ([3], None)
    assert client.get("/v1/agents/agent-003").json()["standing"] == "active"
    agents = client.get("/v1/agents", params={"limit": 5}).json()
    assert [one["agent"] for one in agents["agents"]] == list(AGENTS[:5])
    rest = client.get("/v1/agents", params={"limit": 5, "after": agents["next"]}).json()
    assert ([one["agent"] for one in rest["agents"]], rest["next"]) == (list(AGENTS[5:]), None)


def test_agents_whose_ids_hold_slashes_can_be_asked_about(tmp_path: Path) -> None:
    names = ("a/b", "a/b/verdicts", "c", "d")
    with client_of(Stage(config(tmp_path, agents=names))) as client:
        client.post("/v1/rounds")
        for name in names:
            assert client.get(f"/v1/agents/{name.replace('/', '%2F')}/verdicts").json()["verdicts"][0]["agent"] == name


def test_liars_show_in_columns_in_the_snapshot_and_in_quarantine(tmp_path: Path) -> None:
    liars = frozenset(AGENTS[:2])
    stage = Stage(config(tmp_path, adversary=Adversary(agents=liars, attack=NotFinite())))
    with client_of(stage) as client:
        for _ in range(4):
            client.post("/v1/rounds")
        found = client.get("/v1/verdicts").json()
        assert found["agents"] == list(AGENTS)
        columns = [one["column"] for one in found["columns"]]
        assert columns[0] == "gg" + 6 * "a"
        assert columns[3] == "qq" + 6 * "a"
        snapshot = client.get("/v1/snapshot").json()
        assert [one["column"] for one in snapshot["rounds"]] == columns
        assert {one["agent"] for one in snapshot["apart"]} == liars
        assert snapshot["status"]["quarantined"] == sorted(liars)
        apart = client.get("/v1/agents", params={"standing": "quarantined"}).json()["agents"]
        assert {one["agent"] for one in apart} == liars
        assert all(one["quarantine_rounds"] > 0 for one in apart)


def test_health_and_readiness(stage: Stage, client: TestClient) -> None:
    assert client.get("/healthz").json() == {"alive": True}
    before = client.get("/readyz")
    assert before.status_code == 503
    assert before.json()["checks"]["release"]["ready"] is False
    client.post("/v1/rounds")
    cast("Any", client.app).state.feed._asked_actors = -1e9
    ready = client.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert ready.json()["checks"]["quorum"] | {"detail": ""} == {"ready": True, "detail": "", "reached": 8, "needed": 6}
    stage.gone.add(host_name(1))
    cast("Any", client.app).state.feed._asked_actors = -1e9
    short = client.get("/readyz")
    assert short.status_code == 503
    assert short.json()["silent"] == [host_name(1)]
    assert short.json()["checks"]["quorum"]["reached"] == 4
    assert client.get("/healthz").status_code == 200


def test_without_the_coordinator_the_process_lives_and_is_not_ready(stage: Stage) -> None:
    swarm = Swarm({}, owns_cluster=False, find=lambda name: stage.find("nobody"))
    with TestClient(service(swarm), raise_server_exceptions=False) as client:
        assert client.get("/healthz").status_code == 200
        down = client.get("/readyz")
        assert down.status_code == 503
        assert down.json()["checks"]["swarm"]["code"] == "cluster.no_swarm"
        answer = client.get("/v1/status")
        problem(answer, 503, "cluster.no_swarm")
        assert answer.headers["retry-after"] == "5"


def test_openapi_describes_every_operation_with_an_example(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert {"/v1/rounds", "/v1/rounds/{number}", "/v1/releases", "/v1/events", "/healthz", "/readyz"} <= set(
        document["paths"]
    )
    mine = ("/v1/rounds", "/v1/releases", "/v1/agents", "/v1/snapshot", "/v1/verdicts", "/healthz", "/readyz")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            if path.startswith(mine) and not path.endswith("artefact"):
                done = operation["responses"].get("200") or operation["responses"]["201"]
                assert "example" in done["content"]["application/json"], (method, path)
    assert document["components"]["schemas"]["Problem"]["required"]
    run = document["paths"]["/v1/rounds"]["post"]["responses"]
    assert "application/problem+json" in run["409"]["content"]


def test_a_token_is_asked_for_everywhere_but_at_the_probes_and_the_page(stage: Stage) -> None:
    with client_of(stage, token=TOKEN) as client:
        for path in ("/healthz", "/readyz", "/"):
            assert client.get(path).status_code in (200, 503)
        for path in ("/v1/rounds", "/v1/events", "/v1/snapshot", "/openapi.json", "/metrics"):
            refused = client.get(path)
            problem(refused, 401, "access.token")
            assert refused.headers["www-authenticate"].startswith("Bearer")
        for wrong in ("Bearer no", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff"):
            assert client.get("/v1/rounds", headers=[(b"Authorization", wrong.encode("latin-1"))]).status_code == 401
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/v1/rounds", headers=right).status_code == 200
        assert client.get("/openapi.json", headers=right).json()["security"] == [{"token": []}]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, "access.origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "access.origin"),
        ({"Origin": "null"}, "access.origin"),
        ({"Host": "evil.example"}, "access.host"),
        ({"Host": "[broken"}, "access.host"),
    ],
)
def test_pages_of_other_sites_change_nothing(stage: Stage, headers: dict[str, str], code: str) -> None:
    with client_of(stage, names=["testserver", "localhost"]) as client:
        problem(client.post("/v1/rounds", headers=headers), 403, code)
        assert client.get("/v1/rounds").json()["rounds"] == []
        own = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
        assert client.post("/v1/rounds", headers=own).status_code == 200


def test_the_page_may_load_nothing_of_others_and_its_files_are_kept_by_content(client: TestClient) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-cache"
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "latest" not in page.text
    files = re.findall(r'(?:href|src)="(page/[0-9a-f]{16}/[a-z]+\.(?:js|css|svg))"', page.text)
    assert len(files) >= 7
    for name in files:
        found = client.get(f"/{name}")
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
        assert found.headers["x-content-type-options"] == "nosniff"
    stale = client.get("/page/0123456789abcdef/page.css")
    assert stale.headers["cache-control"] == "no-cache"


def test_an_error_that_was_not_foreseen_tells_nothing_of_the_inside(
    stage: Stage, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret path")

    monkeypatch.setattr(Swarm, "releases", fail)
    found = problem(client.get("/v1/releases"), 500, "unexpected")
    assert "secret" not in json.dumps(found)


def test_what_is_served_is_valid_json_whatever_a_measure_is(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Callable[..., Any] = Swarm.releases

    async def unmeasured(self: Swarm, limit: int = 100) -> list[dict[str, Any]]:
        return [{**one, "measures": {"kl_divergence": float("nan")}} for one in await read(self, limit)]

    monkeypatch.setattr(Swarm, "releases", unmeasured)
    client.post("/v1/rounds")
    answer = client.get("/v1/releases")
    assert json.loads(answer.text, parse_constant=pytest.fail)["releases"][0]["measures"]["kl_divergence"] is None
