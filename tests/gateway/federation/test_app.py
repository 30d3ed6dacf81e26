"""The door as a whole: paths, methods, metrics, OpenAPI, and that no body brings it down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from gateway.federation import openapi
from gateway.federation.examples import ANSWERS, BODIES
from gateway.federation.exchange import refused
from gateway.problems import SCHEMA
from telemetry import semconv
from tests.gateway.federation.stand import OPERATOR, Stand, opened, problem, squeezed
from workloads.patterns import DeltaWeightVector

OPERATIONS = {"Authorization": f"Bearer {OPERATOR}"}


async def test_a_path_that_is_none_and_a_method_that_a_path_lacks_are_problems(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        for path in ("/", "/federation/v1", "/federation/v1/", "/federation/v1/weights/v/", "/federation/v2/health"):
            problem(await stand.client.get(path), 404, "NOT_FOUND")
        problem(await stand.client.get("/federation/v1/weights/v/1/2"), 404, "NOT_FOUND")
        answer = await stand.client.put("/federation/v1/register")
        problem(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == "DELETE, POST"
        problem(await stand.client.post("/metrics"), 405, "METHOD_NOT_ALLOWED")
        problem(await stand.client.request("BREW", "/federation/v1/health"), 405, "METHOD_NOT_ALLOWED")


async def test_head_is_get_without_its_body(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()
        for path in ("health", "weights/latest", "openapi.json"):
            whole = await stand.client.get(f"/federation/v1/{path}", headers=one.headers)
            head = await stand.client.head(f"/federation/v1/{path}", headers=one.headers)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(whole.content))


async def test_metrics_are_those_of_all_processes(tmp_path: Path) -> None:
    async with opened(tmp_path, scrapes=tmp_path / "scrapes") as stand:
        await stand.registered()
        page = (await stand.client.get("/metrics", headers=OPERATIONS)).text
        assert "federated_learning_request_duration_seconds_count" in page
        assert 'http_route="/federation/v1/register"' in page
        assert 'federated_learning_submissions_total{federated_learning_answer_code="RATE_LIMITED"' in page


async def test_unknown_paths_and_methods_make_no_series_of_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        await stand.client.get("/federation/v1/x/1")
        await stand.client.request("BREW", "/federation/v1/weights/v/1.0.0")
        points = stand.capture.points(semconv.METRIC_REQUEST_DURATION)
        routes = {(point.attributes or {})[semconv.ATTR_HTTP_ROUTE] for point in points}
        methods = {(point.attributes or {})[semconv.ATTR_HTTP_REQUEST_METHOD] for point in points}
        assert (routes, methods) == ({"other"}, {"GET", "_OTHER"})


async def test_an_error_that_was_not_foreseen_is_a_problem_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as stand:
        one = await stand.registered()

        def broken(*_: Any, **__: Any) -> Any:
            raise RuntimeError("inside")

        monkeypatch.setattr(stand.storage.submissions, "add_many", broken)
        answer = await one.submit()
        problem(answer, 500, "UNEXPECTED")
        assert "inside" not in answer.text
        assert "inside" in caplog.text
        assert one.token not in caplog.text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_WEIGHT = st.fixed_dictionaries(
    {"type": st.sampled_from(["tool", "x"]), "category": st.sampled_from(["Read", "", "/"])},
    optional={"confidence": st.floats() | _JSON, "sampleSize": st.integers() | _JSON, "teamSize": _JSON},
)
_FORMS = st.sampled_from(["signed", "any", "raw"])
_CHANGES = st.dictionaries(
    st.sampled_from(["baseVersion", "round", "nonce", "timestamp", "totalExperiences", "weights", "clientId", "z"]),
    _JSON | st.dictionaries(st.sampled_from(["tool::Read", "x"]), _WEIGHT, max_size=2),
    max_size=3,
)


async def test_any_body_is_taken_or_refused_and_never_an_error_of_ours(tmp_path: Path) -> None:
    from gateway.federation.settings import Limits

    limits = Limits(attempts=10**9, submissions=10**6, enrolments=10**6)
    async with opened(tmp_path, limits=limits) as stand:
        one = await stand.registered()
        bodies: list[bytes] = []

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
        @given(
            changes=_CHANGES, whole=_JSON, raw=st.binary(max_size=20), form=st.sampled_from(["signed", "any", "raw"])
        )
        def collect(changes: dict[str, Any], whole: Any, raw: bytes, form: str) -> None:
            if form == "raw":
                bodies.append(raw)
                return
            if form == "any":
                bodies.append(json.dumps(whole).encode())
                return
            try:
                bodies.append(json.dumps(one.delta(**changes)).encode())
            except ValueError:  # has no canonical form, so that nobody can sign it
                bodies.append(json.dumps({**one.delta(), **changes}).encode())

        collect()
        answers = [await one.submit(body) for body in bodies]
        for path in ("register", "reports", "appeal"):
            answers += [await stand.post(path, body, one.headers) for body in bodies[::4]]
        statuses = {answer.status_code for answer in answers}
        assert statuses <= {202, 204, 400, 401, 404, 409, 413}, statuses
        assert {202, 400} <= statuses
        for answer in answers:
            if answer.status_code >= 400:
                problem(answer, answer.status_code, answer.json()["code"])


def _document(stand: Stand) -> dict[str, Any]:
    return json.loads(json.dumps(stand.door.openapi))


def _validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": document["components"], **schema}
    return Draft202012Validator(whole, format_checker=FormatChecker())


async def test_openapi_describes_every_operation_with_examples_that_fit(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        answer = await stand.client.get("/federation/v1/openapi.json")
        document = answer.json()
        assert document == _document(stand)
        assert document["openapi"] == "3.1.0"
        found = {
            (path, method): operation for path, item in document["paths"].items() for method, operation in item.items()
        }
        assert found.keys() == {(route.template, route.method.lower()) for route in stand.door.table.routes}
        checked = 0
        for operation in found.values():
            contents = [operation["requestBody"]] if "requestBody" in operation else []
            contents += list(operation["responses"].values())
            for content in contents:
                for media in content.get("content", {}).values():
                    for example in media["examples"].values():
                        _validator(document, media["schema"]).validate(example["value"])
                        checked += 1
            for parameter in operation["parameters"]:
                if "example" in parameter:
                    _validator(document, parameter["schema"]).validate(parameter["example"])
            assert operation["description"]
        assert checked > 100


async def test_every_code_of_the_protocols_table_is_described_where_it_can_come(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        operation = stand.door.openapi["paths"]["/federation/v1/weights/submit"]["post"]
        found = {
            (status, code)
            for status, content in operation["responses"].items()
            for code in content["content"].get("application/problem+json", {"examples": {}})["examples"]
        }
        assert found >= {
            ("400", "INVALID_SCHEMA"),
            ("400", "STALE_BASE_VERSION"),
            ("401", "UNAUTHORIZED"),
            ("403", "CLIENT_QUARANTINED"),
            ("413", "PAYLOAD_TOO_LARGE"),
            ("429", "RATE_LIMITED"),
        }


def test_each_refusal_has_a_code_of_its_own_and_an_example() -> None:
    from gateway.federation import errors

    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RefusalError)}
    kinds.discard(errors.RefusalError)
    assert {type(one) for one in openapi.REFUSALS} == kinds
    assert len({kind.code for kind in kinds}) == len(kinds)
    for one in openapi.REFUSALS:
        document = json.loads(refused(one, "/x").body)
        Draft202012Validator(SCHEMA).validate(document)
        assert "." in document["detail"]


def test_the_examples_are_what_the_models_take() -> None:
    DeltaWeightVector.model_validate(BODIES["submit"])
    assert ANSWERS["latest"]["version"] == "1.2.48"


async def test_examples_with_gzip_are_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as stand:
        answer: httpx2.Response = await stand.post(
            "register", squeezed(stand.visitor().registration()), {"Content-Encoding": "gzip"}
        )
        assert answer.status_code == 201
