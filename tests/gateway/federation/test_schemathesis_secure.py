"""What schemathesis finds in a door that sums in secret: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import rfc8785
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.parameters import ParameterLocation

from actors.secure import SecureConfig
from gateway.federation.settings import Limits
from tests.gateway.federation.served import Served, serving
from tests.gateway.federation.stand import PREFIX, Visitor, text_of
from tests.gateway.federation.test_schemathesis import _is_wrong

EXAMPLES = 8
OPERATIONS = [("GET", "secure/mail"), ("POST", "secure/mail"), ("GET", "secure/draw"), ("POST", "secure/join")]
STATEFUL = {("POST", "secure/join"), ("POST", "secure/mail")}
"""What is refused for what went before, however well it fits."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = Limits(attempts=10**9)
    with serving(tmp_path_factory.mktemp("door"), limits=limits, secure=SecureConfig()) as found:
        yield found


@pytest.fixture(scope="module")
def one(served: Served) -> Visitor:
    made = Visitor(stand=None)  # pyright: ignore[reportArgumentType] - it asks over a connection of its own
    answer = requests.post(f"http://127.0.0.1:{served.port}{PREFIX}/register", json=made.registration(), timeout=10)
    made.token, made.id = answer.json()["clientToken"], answer.json()["clientId"]
    return made


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_schemathesis_finds_nothing(served: Served, one: Visitor, method: str, path: str) -> None:
    schema: Any = schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}{PREFIX}/openapi.json")
    operation = schema[f"{PREFIX}/{path}"][method]
    needless: list[Any] = [
        check
        for check in CHECKS.get_all()
        if check.__name__ == "positive_data_acceptance" and (method, path) in STATEFUL
    ]
    who = {"Authorization": f"Bearer {one.token}", "X-Client-ID": one.id}
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case) -> None:
            negative = case.meta is not None and case.meta.generation.mode.is_negative
            headers = {} if _is_wrong(case, ParameterLocation.HEADER) else who
            if path == "secure/join" and isinstance(case.body, dict) and "signature" in case.body and not negative:
                whole = {**case.body, "clientId": one.id, "round": 7, "baseVersion": "1.0.2"}
                del whole["signature"]
                case.body = {**whole, "signature": text_of(one.key.sign(rfc8785.dumps(whole)))}
            case.call_and_validate(headers=headers, excluded_checks=needless)

        ask()
