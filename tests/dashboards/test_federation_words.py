"""Words that dashboards cannot import are those that the federation says."""

from __future__ import annotations

from pathlib import Path

from actors.storage.records import Outcome
from dashboards import doors
from dashboards.federation_alerts import NEARLY_SPENT, OPERATOR, TAKEN
from gateway.federation import clerk_state
from gateway.federation.settings import PREFIX
from telemetry import semconv
from tests.gateway.federation.stand import opened


def test_an_operators_pause() -> None:
    assert clerk_state.OPERATOR == OPERATOR


def test_what_is_no_refusal() -> None:
    assert {Outcome.ACCEPTED.value, Outcome.DUPLICATE.value} == set(TAKEN)
    assert 0 < NEARLY_SPENT < 1


async def test_routes(tmp_path: Path) -> None:
    assert doors.ROUTES == PREFIX
    async with opened(tmp_path) as stand:
        templates = {route.template for route in stand.door.table.routes}
    for chosen in (doors.SUBMIT, doors.LATEST):
        assert chosen[semconv.ATTR_HTTP_ROUTE] in templates
