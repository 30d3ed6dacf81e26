"""Who may ask, as far as it is decided without a request; and when a swarm is ready."""

from __future__ import annotations

from typing import Any

import pytest

from federation.errors import SettingError
from gateway.guard import checked_token, is_loopback
from gateway.problems import status_of
from gateway.rest.health import readiness


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_what_others_cannot_reach(host: str, found: bool) -> None:
    assert is_loopback(host) is found


@pytest.mark.parametrize(
    "token", ["", "short", "a" * 15, "with a blank in it, long", "café-café-café-café", "a" * 20 + "\x00"]
)
def test_a_token_that_is_no_secret_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(SettingError) as refused:
        checked_token(token)
    assert not token.strip() or token not in str(refused.value)


def test_a_token_loses_the_line_end_of_its_file() -> None:
    assert checked_token("0123456789abcdef\n") == "0123456789abcdef"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("round.quorum", 409),
        ("round.unknown", 404),
        ("request.key", 400),
        ("request.busy", 429),
        ("cluster.no_swarm", 503),
        ("config.setting", 422),
        ("journal.unusable", 500),
        ("never.heard_of", 500),
    ],
)
def test_the_whole_code_goes_before_its_first_part(code: str, status: int) -> None:
    assert status_of(code) == status


def status(
    *, idle: int = 0, hosts: tuple[tuple[int, int] | None, ...] = ((5, 0), (5, 0)), **fields: Any
) -> dict[str, Any]:
    actors: dict[str, Any] = {
        f"swarmlore-host-{number}": None if host is None else {"agents": host[0], "idle": host[1]}
        for number, host in enumerate(hosts)
    }
    actors |= {"swarmlore-aggregator": {"mape": {}}, "swarmlore-validator-0": {"mape": {}}}
    made = {"run": "r", "agents": 10, "idle": idle, "fault_bound": 3, "release": {"version": 0}, "actors": actors}
    return made | fields


@pytest.mark.parametrize(
    ("found", "ready", "reached", "needed"),
    [
        (status(), True, 10, 7),
        (status(hosts=((5, 0), None)), False, 5, 7),
        (status(hosts=((7, 0), None)), True, 7, 7),
        # Idle agents make a smaller roster with a smaller bound; where all are idle, all are asked.
        (status(idle=6, hosts=((5, 3), (5, 3))), True, 4, 3),
        (status(idle=6, hosts=((5, 3), None)), False, 2, 3),
        (status(idle=10, hosts=((5, 5), (5, 5))), True, 10, 7),
        (status(release=None), False, 10, 7),
    ],
)
def test_a_swarm_is_ready_when_a_round_could_close(
    found: dict[str, Any], ready: bool, reached: int, needed: int
) -> None:
    answer = readiness(found)
    quorum = answer["checks"]["quorum"]
    assert (answer["ready"], quorum["reached"], quorum["needed"]) == (ready, reached, needed)


@pytest.mark.parametrize("silent", ["swarmlore-aggregator", "swarmlore-validator-0"])
def test_without_a_judge_it_is_not(silent: str) -> None:
    found = status()
    found["actors"][silent] = None
    answer = readiness(found)
    assert not answer["ready"]
    assert silent in answer["checks"]["judges"]["detail"]
