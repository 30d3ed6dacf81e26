"""Schemathesis looks for requests that the door answers otherwise than its OpenAPI document says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import rfc8785
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.parameters import ParameterLocation

from gateway.federation.settings import PREFIX, Limits
from tests.gateway.federation.served import Served, serving
from tests.gateway.federation.stand import OPERATOR, Visitor, text_of

EXAMPLES = 4
"""Of each operation: as many that fit, and as many that do not."""
LATER = ("register", "weights/submit", "reports", "weights/v/{version}", "operations/approve")
"""What fits their schemas may still be of another time, or of a key or a version that nobody knows."""
OPERATIONS = [
    ("POST", "register"),
    ("POST", "weights/submit"),
    ("GET", "weights/latest"),
    ("GET", "weights/v/{version}"),
    ("GET", "weights/manifest"),
    ("POST", "reports"),
    ("POST", "appeal"),
    ("GET", "health"),
    *(("GET", f"operations/{name}") for name in ("status", "releases", "clients", "appeals", "audit", "answers/{id}")),
    *(("POST", f"operations/{name}") for name in ("approve", "round", "resume", "pause", "rollback", "reinstate")),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = Limits(attempts=10**9, submissions=10**6, enrolments=10**6)
    with serving(tmp_path_factory.mktemp("door"), limits=limits) as found:
        yield found


@pytest.fixture(scope="module")
def one(served: Served) -> Visitor:
    made = Visitor(stand=None)  # pyright: ignore[reportArgumentType] - it asks over a connection of its own
    answer = requests.post(f"http://127.0.0.1:{served.port}{PREFIX}/register", json=made.registration(), timeout=10)
    made.token, made.id = answer.json()["clientToken"], answer.json()["clientId"]
    return made


@pytest.fixture(scope="module")
def schema(served: Served) -> Any:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}{PREFIX}/openapi.json")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_schemathesis_finds_nothing(schema: Any, one: Visitor, method: str, path: str) -> None:
    operation = schema[f"{PREFIX}/{path}"][method]
    needless: list[Any] = [
        check for check in CHECKS.get_all() if check.__name__ == "positive_data_acceptance" and path in LATER
    ]
    has_data = bool(list(operation.iter_parameters()) or operation.body)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if has_data else (GenerationMode.POSITIVE,):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case) -> None:
            shown = {} if _is_wrong(case, ParameterLocation.HEADER) else _who_asks(one, path)
            if path == "weights/submit" and isinstance(case.body, dict) and "signature" in case.body:
                shown["X-Schema-Version"] = "1.0"
                _sign(case, one, case.body)
            case.call_and_validate(headers=shown, excluded_checks=needless)

        ask()


def test_the_door_is_as_well_as_before(served: Served) -> None:
    health = requests.get(f"http://127.0.0.1:{served.port}{PREFIX}/health", timeout=10).json()
    assert (health["status"], health["latestVersion"]) == ("healthy", "1.0.2")


def _is_wrong(case: Case, where: ParameterLocation) -> bool:
    """Whether it is this part of the request that does not fit."""
    component = case.meta.components.get(where) if case.meta else None
    return component is not None and component.mode.is_negative


def _who_asks(one: Visitor, path: str) -> dict[str, str]:
    if path.startswith("operations/"):
        return {"Authorization": f"Bearer {OPERATOR}"}
    if path in ("register", "health"):
        return {}
    return {"Authorization": f"Bearer {one.token}", "X-Client-ID": one.id}


def _sign(case: Case, one: Visitor, body: dict[str, Any]) -> None:
    """Sign what may be a delta, or nothing that comes after the signature is ever reached."""
    whole = {name: value for name, value in body.items() if name != "signature"}
    ours = {"clientId": one.id, "round": 7, "baseVersion": "1.0.2", "schemaVersion": "1.0"}
    ours["timestamp"] = datetime.now(UTC).strftime("%Y-%m-%d")
    whole |= {name: value for name, value in ours.items() if type(whole.get(name)) is type(value)}
    try:
        case.body = {**whole, "signature": text_of(one.key.sign(rfc8785.dumps(json.loads(json.dumps(whole)))))}
    except (ValueError, TypeError):  # it has no canonical form
        return
