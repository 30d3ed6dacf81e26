"""Nothing leaves without consent; consent can be taken back; and what leaves with it is numbers and public words."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from gateway.client import FederationClient
from gateway.client.errors import ConsentError, NotRegisteredError, PinnedKeyError
from gateway.client.outbox import Sent
from tests.gateway.client.conftest import Clock, experiences
from tests.gateway.client.strangers import SigningKey, Stranger, answers, hangs_up, refuses, stranger, weight
from workloads.patterns import STANDARD, PatternError

Make = Callable[..., FederationClient]
KEY = "ed25519:" + "A" * 43 + "="


class TestWithoutConsent:
    @pytest.mark.parametrize(
        "doing",
        [
            lambda client: client.register(),
            lambda client: client.push(),
            lambda client: client.flush(),
            lambda client: client.pull(),
            lambda client: client.report(),
            lambda client: client.appeal("let me in"),
        ],
    )
    def test_nothing_is_sent(self, make: Make, server: Stranger, doing: Callable[[FederationClient], Any]) -> None:
        client = make()
        client.learn(experiences())
        with pytest.raises(ConsentError):
            doing(client)
        assert server.seen == []

    def test_sync_learns_and_sends_nothing(self, make: Make, server: Stranger) -> None:
        client = make()
        client.record(experiences())
        done = client.sync()
        assert isinstance(done.skipped, ConsentError)
        assert done.learned is not None
        assert done.learned.experiences == 12
        assert server.seen == []
        assert client.weights is not None

    def test_it_is_off_at_first_and_stays_as_it_was_left(self, make: Make) -> None:
        assert make().consent is None
        given = make().give_consent(analytics=True)
        assert make().consent == given
        assert given.analytics
        assert given.day == "2026-11-21"

    def test_it_is_given_to_one_federation(self, make: Make, server: Stranger) -> None:
        make().give_consent()
        with stranger() as other:
            client = make(server_url=other.url)
            with pytest.raises(ConsentError, match=re.escape(other.url)):
                client.register()
            assert client.sync().skipped is not None
            assert other.seen == []
            client.give_consent()
            assert client.register().server == client.settings.server
            with pytest.raises(SettingError, match="deregister there first"):
                make().give_consent()

    def test_giving_it_sends_nothing(self, make: Make, server: Stranger) -> None:
        make().give_consent()
        assert server.seen == []


class TestRevoking:
    def test_the_server_forgets_and_the_federations_weights_go(
        self, client: FederationClient, server: Stranger
    ) -> None:
        client.sync()
        before = client.account.identity
        assert client.revoke_consent()
        assert server.keys == {}
        assert client.consent is None
        assert client.version == "0.0.0"
        found = client.weights
        assert found is not None
        assert set(found.weights) == {"tool::Read"}  # what was learned here
        assert client.load().held is None
        names = {path.name for path in client.folder.path.iterdir()}
        assert not {"token.json", "identity.json", "release.json"} & names
        # Who comes back is somebody else.
        client.give_consent()
        client.register()
        assert client.account.identity != before

    def test_it_stops_at_once_also_when_the_server_cannot_be_told(
        self, client: FederationClient, server: Stranger
    ) -> None:
        server.fault("POST /weights/submit", refuses(500))
        client.push()
        server.fault("DELETE /register", hangs_up)
        assert not client.revoke_consent()
        assert client.outbox.queue.items == ()
        assert client.status()["leaving"]
        with pytest.raises(ConsentError):
            client.push()
        seen = len(server.seen)
        done = client.sync()  # tells it now, and nothing else
        assert isinstance(done.skipped, ConsentError)
        assert [f"{method} {path}" for method, path, _, _ in server.seen[seen:]] == ["DELETE /register"]
        assert server.keys == {}
        assert not client.status()["leaving"]

    def test_an_expired_token_is_renewed_to_leave(self, client: FederationClient, server: Stranger) -> None:
        server.tokens.clear()
        client.deregister()
        assert server.keys == {}

    def test_deregistering_is_taking_consent_back(self, client: FederationClient) -> None:
        client.deregister()
        assert client.consent is None
        assert not client.status()["registered"]

    def test_who_was_never_registered_just_stops(self, make: Make, server: Stranger) -> None:
        client = make()
        client.give_consent()
        assert client.revoke_consent()
        assert server.seen == []


class TestRegistering:
    def test_the_request_says_no_more_than_it_must(self, client: FederationClient, server: Stranger) -> None:
        body = json.loads(server.seen[0][3])
        assert set(body) == {
            "installationHash", "pluginVersion", "schemaVersion", "platform", "consent", "publicKey", "proof",
        }  # fmt: skip
        assert body["consent"] == {"federation": True, "analytics": False, "timestamp": "2026-11-21T00:00:00Z"}
        assert "Authorization" not in server.seen[0][2]

    def test_the_server_key_is_pinned_and_no_other_taken(
        self, client: FederationClient, make: Make, server: Stranger
    ) -> None:
        before = client.account.vault.get()
        old = server.key
        server.key = SigningKey(b"n" * 32)
        with pytest.raises(PinnedKeyError, match="refused"):
            client.register()
        assert client.account.vault.get() == before
        assert client.standing.server_key is not None
        # Nor is what the new key signs, whatever the server says.
        server.key = old
        client.register()
        server.key = SigningKey(b"n" * 32)
        server.publish("1.0.1", weight("Read", 0.1))
        with pytest.raises(Exception, match="not signed by the pinned"):
            client.pull()

    def test_a_key_given_by_hand_is_the_only_one(self, make: Make, server: Stranger) -> None:
        other = "ed25519:" + base64.b64encode(bytes(SigningKey(b"o" * 32).verify_key)).decode()
        client = make(server_key=other)
        client.give_consent()
        with pytest.raises(PinnedKeyError):
            client.register()
        assert not client.status()["registered"]
        assert [path for _, path, _, _ in server.seen] == ["/health"]  # it is told nothing
        assert make("second", server_key=server.public_key).give_consent()

    def test_a_changed_setting_does_not_replace_the_pinned_key(
        self, client: FederationClient, make: Make, server: Stranger
    ) -> None:
        other = "ed25519:" + base64.b64encode(bytes(SigningKey(b"o" * 32).verify_key)).decode()
        seen = len(server.seen)
        with pytest.raises(PinnedKeyError):
            make(server_key=other).register()
        assert len(server.seen) == seen

    def test_a_token_goes_to_no_other_server(self, client: FederationClient, make: Make, server: Stranger) -> None:
        with stranger() as other:
            with pytest.raises(SettingError, match="deregister there first"):
                make(server_url=other.url).pull()
            assert other.seen == []

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"clientToken": "fed_\r\nX: y" + "z" * 20, "clientId": "a" * 64, "serverPublicKey": KEY},
            {"clientToken": "fed_" + "z" * 20, "clientId": "../../x", "serverPublicKey": KEY},
            {"clientToken": "fed_" + "z" * 20, "clientId": "a" * 64, "serverPublicKey": "rsa:AAAA"},
        ],
    )  # fmt: skip
    def test_an_answer_that_is_none_registers_nobody(self, make: Make, server: Stranger, answer: Any) -> None:
        client = make()
        client.give_consent()
        server.fault("POST /register", answers(answer, 201))
        with pytest.raises(Exception, match=r"client id|server key"):
            client.register()
        assert not client.status()["registered"]

    def test_pushing_needs_a_registration(self, make: Make) -> None:
        client = make()
        client.give_consent()
        client.learn(experiences())
        with pytest.raises(NotRegisteredError):
            client.push()

    def test_secrets_are_in_no_text(self, client: FederationClient) -> None:
        token, identity = client.account.vault.get() or "", client.account.identity
        text = f"{client.status()} {client.standing} {identity!r} {client.settings}"
        assert token not in text
        assert identity.seed.hex() not in text
        assert str(identity.seed) not in text
        log = (client.folder.path / "sync-log.jsonl").read_text() if client.sync() else ""
        assert token not in log


PRIVATE = (
    "Jane Doe", "jane.doe@example.com", "/home/jane/secret-project/src/main.py", "C:\\Users\\jane\\x.txt",
    "acme_internal_deploy", "4111-1111-1111-1111", "10.1.2.3", "session-81bf",
)  # fmt: skip


class TestWhatLeaves:
    def private(self) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for place in range(12):
            data = {
                "calls": 10, "successes": 9, "totalMs": 500 if place == 0 else 30_000,
                "message": f"cannot open {PRIVATE[2]} of {PRIVATE[0]}", "path": PRIVATE[3], "user": PRIVATE[1],
                "sessionId": PRIVATE[7],
            }  # fmt: skip
            made.append({"type": "tool", "category": PRIVATE[4], "data": data})
            made.append({"type": "tool", "category": "Read", "data": data})
            made.append({"type": "error", "category": PRIVATE[2][:64], "data": {"recoverable": place > 2, **data}})
        return made

    def test_no_private_word_is_on_the_wire_nor_on_the_disk(self, make: Make, server: Stranger) -> None:
        client = make()
        client.give_consent()
        client.record(self.private())
        on_disk = b"".join(path.read_bytes() for path in client.folder.path.rglob("*") if path.is_file())
        done = client.sync()
        assert done.ok
        assert done.pushed is not None
        assert done.pushed.keys >= 2
        client.learn(self.private())
        on_disk += b"".join(path.read_bytes() for path in client.folder.path.rglob("*") if path.is_file())
        wire = json.dumps([(path, headers, body.decode()) for _, path, headers, body in server.seen])
        for word in PRIVATE:
            assert word not in wire
            assert word.encode() not in on_disk

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(["tool", "error", "success", "team"]),
                    "category": st.text(min_size=1, max_size=64),
                    "success": st.floats(0, 1),
                    "errors": st.floats(0, 1),
                    "duration_s": st.none() | st.floats(0, 1e6),
                    "count": st.integers(1, 50),
                    "team_size": st.integers(0, 20),
                }
            ),
            min_size=3,
            max_size=8,
        )
    )
    def test_whatever_was_lived_through_only_words_of_the_key_space_leave(
        self, client: FederationClient, found: list[dict[str, Any]]
    ) -> None:
        client.learn([*found, *found, *found])
        delta = client.extract_delta()
        day = datetime(2026, 11, 21, tzinfo=UTC).date()
        made = delta.signed(
            client.account.identity, client="a" * 64, space=STANDARD, round_number=1, nonce="0" * 32, day=day
        )
        words = {"tool", "error", "success", "team", "fast", "medium", "slow", *(d for d in _domains())}
        for key, one in made.plain()["weights"].items():
            assert key in STANDARD.places
            strings = {value for value in one.values() if isinstance(value, str)}
            assert strings <= words | {key.partition("::")[2]}

    def test_a_strange_word_in_a_delta_stops_it(self, client: FederationClient, server: Stranger) -> None:
        delta = client.extract_delta()
        weights = dict(delta.weights)
        strange = weights["tool::Read"].model_copy(update={"category": "acme_internal_deploy"})
        made = type(delta)(weights={**weights, "tool::acme_internal_deploy": strange}, base_version=None, experiences=1)
        seen = len(server.seen)
        with pytest.raises(PatternError, match="key space"):
            client.push(made)
        assert all(path == "/health" for _, path, _, _ in server.seen[seen:])

    def test_the_day_and_no_time_is_told(self, client: FederationClient, server: Stranger, clock: Clock) -> None:
        clock.now += 3723.5
        assert client.push().status is Sent.ACCEPTED
        body = json.loads(next(body for _, path, _, body in server.seen if path == "/weights/submit"))
        assert body["timestamp"] == "2026-11-21"
        assert b":" not in body["timestamp"].encode()

    def test_scrubbing_shows_what_would_be_left(self, client: FederationClient) -> None:
        found = client.scrub({"type": "tool", "category": "Read", "confidence": 0.5, "path": "/x", "user": "jane"})
        assert found == {"type": "tool", "category": "Read", "confidence": 0.5}


def _domains() -> list[str]:
    from workloads.patterns import Domain

    return [domain.value for domain in Domain]
