"""A client says what it exchanged where its host has telemetry: nothing of who it is, and nothing where it has none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from gateway.client import ClientSettings, FederationClient
from gateway.client.errors import QuarantinedError, SignatureError
from telemetry import SpanKind, semconv
from telemetry.semconv import ActorKind, Outcome
from telemetry.testing import Captured, captured
from tests.gateway.client.conftest import Clock, experiences
from tests.gateway.client.strangers import Stranger, answers, refuses, release, weight

SUBMIT, LATEST = "POST /weights/submit", "GET /weights/latest"


@pytest.fixture
def capture() -> Iterator[Captured]:
    with captured(actor_kind=ActorKind.CLIENT, instance="plugin") as found:
        yield found


@pytest.fixture
def client(place: Path, clock: Clock, server: Stranger, capture: Captured) -> FederationClient:
    settings = ClientSettings.of(server.url, state_dir=place / "state", keychain=False, timeout_s=5.0)
    found = FederationClient(settings, clock=clock, telemetry=capture.telemetry)
    found.give_consent()
    found.learn(experiences())
    found.register()
    return found


def test_a_cycle_is_told(client: FederationClient, capture: Captured) -> None:
    assert client.sync().ok
    told = {span.name: dict(span.attributes or {}) for span in capture.spans}
    assert told == {
        semconv.SPAN_CLIENT_PULL: {
            semconv.ATTR_OUTCOME: Outcome.SUCCESS,
            semconv.ATTR_RELEASE_SEMANTIC_VERSION: "1.0.0",
        },
        semconv.SPAN_CLIENT_PUSH: {semconv.ATTR_SUBMISSIONS_COUNT: 1, semconv.ATTR_ANSWER_CODE: "accepted"},
    }
    assert {span.kind for span in capture.spans} == {SpanKind.CLIENT}
    assert capture.problems() == []
    known = str(client.standing.client)
    assert known not in str([*told.values(), *capture.events])


def test_a_release_that_does_not_verify_is_told(client: FederationClient, server: Stranger, capture: Captured) -> None:
    forged = release("1.0.1", SigningKey(b"f" * 32), weight("Read", 0.1))
    server.fault(LATEST, answers(forged, headers={"ETag": '"v1.0.1"'}))
    with pytest.raises(SignatureError) as caught:
        client.pull()
    [event] = capture.events
    assert event.name == semconv.EVENT_RELEASE_REFUSED
    assert event.attributes == {
        semconv.ATTR_ERROR_TYPE: SignatureError.code,
        semconv.ATTR_DETAIL: str(caught.value),
        semconv.ATTR_RELEASE_SEMANTIC_VERSION: "1.0.1",
    }
    [span] = capture.spans
    assert dict(span.attributes or {}) == {
        semconv.ATTR_OUTCOME: Outcome.REFUSED,
        semconv.ATTR_RELEASE_SEMANTIC_VERSION: "1.0.1",
        semconv.ATTR_ERROR_TYPE: SignatureError.code,
    }
    assert capture.problems() == []


def test_a_refused_submission_is_told_with_the_servers_word(
    client: FederationClient, server: Stranger, capture: Captured
) -> None:
    server.fault(SUBMIT, refuses(403, "CLIENT_QUARANTINED"))
    with pytest.raises(QuarantinedError):
        client.push()
    [span] = capture.spans
    assert (span.attributes or {})[semconv.ATTR_ANSWER_CODE] == QuarantinedError.code
    assert capture.problems() == []


def test_without_telemetry_nothing_is_loaded(make: Callable[..., FederationClient]) -> None:
    program = """
import sys
from gateway.client import FederationClient
found = FederationClient("http://127.0.0.1:9")
assert found.outbox.queue.items == ()
assert not [name for name in sys.modules if name.startswith(("opentelemetry", "telemetry", "numpy", "pydantic"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
