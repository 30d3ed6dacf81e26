"""Section 11.1, row by row: each failure over a real connection, and what the client does about it."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.client import FederationClient
from gateway.client.errors import (
    AnswerError,
    BusyError,
    ChecksumError,
    QuarantinedError,
    RateLimitedError,
    RefusedError,
    ServerFailedError,
    SignatureError,
    TokenError,
    UnreachableError,
    WriteError,
)
from gateway.client.outbox import Sent
from gateway.client.pending import RETRIES_S
from gateway.client.releases import Found
from tests.gateway.client.conftest import Clock, experiences
from tests.gateway.client.strangers import (
    SigningKey,
    Stranger,
    answers,
    drips,
    floods,
    hangs,
    hangs_up,
    refuses,
    release,
    stops_halfway,
    weight,
)

SUBMIT, LATEST = "POST /weights/submit", "GET /weights/latest"
Make = Callable[..., FederationClient]


class TestNetworkTimeout:
    @pytest.mark.parametrize("fault", [hangs(2.0), drips(2.0)], ids=["silence", "a byte now and then"])
    def test_a_delta_waits_when_the_server_takes_too_long(
        self, client: FederationClient, make: Make, server: Stranger, clock: Clock, fault: object
    ) -> None:
        client = make(timeout_s=0.3)
        server.fault(SUBMIT, fault)  # pyright: ignore[reportArgumentType]
        found = client.push()
        assert found.status is Sent.QUEUED
        assert isinstance(found.error, UnreachableError)
        assert "0.3 s" in str(found.error) or "time limit" in str(found.error)
        assert found.due_at == clock.now + 60

    def test_by_default_thirty_seconds_are_waited(self, client: FederationClient, tmp_path: object) -> None:
        from gateway.client import ClientSettings

        assert ClientSettings(server="https://federation.example").timeout_s == 30

    @pytest.mark.parametrize("fault", [hangs_up, stops_halfway(b'{"status": "accepted"}')])
    def test_a_connection_that_breaks_is_no_answer(
        self, client: FederationClient, server: Stranger, fault: object
    ) -> None:
        server.fault(SUBMIT, fault)  # pyright: ignore[reportArgumentType]
        assert client.push().status is Sent.QUEUED

    def test_nobody_there_is_not_an_error_of_the_plugin(self, client: FederationClient, server: Stranger) -> None:
        server.shutdown()
        server.server_close()
        assert client.push().status is Sent.QUEUED
        done = client.sync()
        assert [one.code for one in done.problems] == ["client.unreachable"]
        assert client.weights is not None

    def test_a_pull_that_fails_leaves_what_is_in_force(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        before = client.weights
        server.fault(LATEST, hangs_up)
        with pytest.raises(UnreachableError):
            client.pull()
        assert client.weights == before


class TestServerError:
    def test_a_delta_is_tried_again_at_growing_intervals_with_the_same_nonce(
        self, client: FederationClient, server: Stranger, clock: Clock
    ) -> None:
        server.fault(SUBMIT, *[refuses(500, "UNEXPECTED", "oh")] * 6)
        first = client.push()
        assert isinstance(first.error, ServerFailedError)
        for wait in RETRIES_S:
            assert client.flush(clock.now + wait - 1) == ()
            clock.now += wait
            (found,) = client.flush(clock.now)
            assert found.status is Sent.QUEUED
            assert found.nonce == first.nonce
        # The sixth failure waits another twelve hours; then the server is well again.
        clock.now += RETRIES_S[-1]
        (found,) = client.flush()
        assert found.status is Sent.ACCEPTED
        assert [one.nonce for one in server.accepted] == [first.nonce]
        bodies = {body for method, path, _, body in server.seen if (method, path) == ("POST", "/weights/submit")}
        assert len(bodies) == 1
        assert client.outbox.queue.items == ()

    def test_the_server_says_when_to_come_back(self, client: FederationClient, server: Stranger, clock: Clock) -> None:
        server.fault(SUBMIT, refuses(503, "UNAVAILABLE", Retry_After="900"))
        assert client.push().due_at == clock.now + 900

    def test_five_wait_and_the_oldest_goes(self, client: FederationClient, server: Stranger) -> None:
        server.always[SUBMIT] = refuses(502)
        nonces: list[str | None] = []
        dropped: list[int] = []
        for _ in range(7):
            client.learn(experiences(1))
            found = client.push()
            nonces.append(found.nonce)
            dropped.append(found.dropped)
        assert dropped == [0, 0, 0, 0, 0, 1, 1]
        assert [one.nonce for one in client.outbox.queue.items] == nonces[2:]

    def test_an_accepted_delta_takes_the_older_ones_with_it(
        self, client: FederationClient, server: Stranger, clock: Clock
    ) -> None:
        server.fault(SUBMIT, *[refuses(502)] * 3)
        for _ in range(3):
            client.learn(experiences(1))
            client.push()
        newest = client.outbox.queue.items[-1].nonce
        clock.now += 60
        (found,) = client.flush()
        assert (found.status, found.nonce, found.dropped) == (Sent.ACCEPTED, newest, 2)
        assert client.outbox.queue.items == ()
        assert [one.nonce for one in server.accepted] == [newest]

    @pytest.mark.parametrize("fault", [hangs_up, refuses(429, "RATE_LIMITED")])
    def test_where_nothing_goes_through_one_attempt_is_enough(
        self, client: FederationClient, server: Stranger, clock: Clock, fault: object
    ) -> None:
        server.always[SUBMIT] = fault  # pyright: ignore[reportArgumentType]
        for _ in range(3):
            client.learn(experiences(1))
            client.push()
        asked = server.asked(SUBMIT)
        clock.now += 60
        assert [one.status for one in client.flush()] == [Sent.QUEUED] * 3
        assert server.asked(SUBMIT) == asked + 1
        assert {one.attempts for one in client.outbox.queue.items} == {2}

    def test_what_is_three_days_old_is_not_sent_any_more(
        self, client: FederationClient, server: Stranger, clock: Clock
    ) -> None:
        server.fault(SUBMIT, refuses(500))
        client.push()
        clock.now += 72 * 3600
        assert client.flush() == ()
        assert client.outbox.queue.items == ()

    def test_the_queue_survives_the_process(self, client: FederationClient, make: Make, server: Stranger) -> None:
        server.fault(SUBMIT, refuses(500))
        nonce = client.push().nonce
        assert [one.nonce for one in make().outbox.queue.items] == [nonce]

    def test_more_than_the_day_holds_waits_too(self, client: FederationClient, server: Stranger, clock: Clock) -> None:
        server.fault(SUBMIT, refuses(429, "RATE_LIMITED", Retry_After="7200"))
        found = client.push()
        assert isinstance(found.error, RateLimitedError)
        assert found.due_at == clock.now + 7200

    @pytest.mark.parametrize(
        ("status", "code"), [(400, "INVALID_SCHEMA"), (413, "PAYLOAD_TOO_LARGE"), (409, "NONCE_REUSED")]
    )
    def test_what_the_server_will_always_refuse_is_dropped(
        self, client: FederationClient, server: Stranger, status: int, code: str
    ) -> None:
        server.fault(SUBMIT, refuses(status, code, "no"))
        with pytest.raises(RefusedError) as caught:
            client.push()
        assert (caught.value.status, caught.value.reason) == (status, code)
        assert client.outbox.queue.items == ()

    def test_a_stale_base_is_pulled_anew_and_told_once_more(self, client: FederationClient, server: Stranger) -> None:
        server.fault(SUBMIT, refuses(400, "STALE_BASE_VERSION"))
        done = client.sync()
        assert done.ok
        assert done.pushed is not None
        assert done.pushed.status is Sent.ACCEPTED
        assert (server.asked(SUBMIT), server.asked(LATEST)) == (2, 2)


class TestInvalidSignature:
    def test_a_release_of_another_key_is_refused_and_noted(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        before = client.weights
        forged = release("1.0.1", SigningKey(b"f" * 32), weight("Read", 0.1))
        server.fault(LATEST, answers(forged, headers={"ETag": '"v1.0.1"'}))
        with pytest.raises(SignatureError, match=r"1\.0\.1"):
            client.pull()
        client.hot_swap()
        assert client.weights == before
        assert server.asked(LATEST) == 2  # a forgery is not worth another download
        events = [json.loads(line) for line in (client.folder.path / "sync-log.jsonl").read_bytes().splitlines()]
        assert {"event": "release refused", "error": "client.untrusted.signature"}.items() <= events[-1].items()

    @pytest.mark.parametrize(
        "signature", ["ed25519:0", "ed25519:AAAA", "ed25519:" + "A" * 88, "ed25519:" + "A" * 86 + "=="]
    )
    def test_what_is_no_signature_signs_nothing(
        self, client: FederationClient, server: Stranger, signature: str
    ) -> None:
        plain = json.loads(release("1.0.1", server.key, weight("Read", 0.1)))
        server.fault(LATEST, answers({**plain, "signature": signature}))
        with pytest.raises(SignatureError):
            client.pull()

    def test_every_field_is_signed(self, client: FederationClient, server: Stranger) -> None:
        plain = json.loads(release("1.0.1", server.key, weight("Read", 0.1)))
        for change in (
            {"version": "9.9.9"},
            {"timestamp": "2030-01-01T00:00:00Z"},
            {"metadata": {**plain["metadata"], "participants": 99}},
        ):
            server.fault(LATEST, answers({**plain, **change}))
            with pytest.raises(SignatureError):
                client.pull()

    def test_sync_alerts_and_goes_on(self, client: FederationClient, server: Stranger) -> None:
        forged = release("1.0.1", SigningKey(b"f" * 32), weight("Read", 0.1))
        server.fault(LATEST, answers(forged))
        done = client.sync()
        assert [one.code for one in done.problems] == ["client.untrusted.signature"]
        assert done.pushed is not None


class TestChecksumMismatch:
    def damaged(self, server: Stranger) -> bytes:
        return release("1.0.1", server.key, weight("Read", 0.5), checksum="sha256:" + "0" * 64)

    def test_one_fresh_download_is_tried(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        server.fault(LATEST, answers(self.damaged(server), headers={"ETag": '"v1.0.1"'}))
        server.publish("1.0.1", weight("Read", 0.5))
        found = client.pull()
        assert (found.status, found.version, found.downloads) == (Found.NEW, "1.0.1", 2)
        fresh = server.seen[-1][2]
        assert "If-None-Match" not in fresh
        assert fresh["Cache-Control"] == "no-cache"

    def test_a_second_damaged_one_is_refused(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        before = client.weights
        server.fault(LATEST, *[answers(self.damaged(server))] * 2)
        with pytest.raises(ChecksumError, match="twice"):
            client.pull()
        client.hot_swap()
        assert client.weights == before

    @pytest.mark.parametrize("content", [b"", b"{}", b"[1", b"\xff\xfe", b"null", b"[" * 50_000])
    def test_no_document_at_all_is_damage(self, client: FederationClient, server: Stranger, content: bytes) -> None:
        server.fault(LATEST, answers(content), answers(content))
        with pytest.raises(ChecksumError):
            client.pull()

    def test_a_version_does_not_change_its_content(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        server.publish("1.0.0", weight("Read", 0.1))
        server.etag = '"other"'
        with pytest.raises(ChecksumError, match="another"):
            client.pull()


class TestCorruptLocalPatterns:
    @pytest.mark.parametrize("damage", [b"", b"{", b'{"sha256": "", "body": "{}"}', b"\x00" * 100])
    @pytest.mark.parametrize("name", ["patterns.json", "installed.json", "release.json", "cache.json"])
    def test_the_last_good_state_is_taken_and_the_release_fetched_again(
        self, client: FederationClient, make: Make, server: Stranger, name: str, damage: bytes
    ) -> None:
        client.sync()
        before, own = client.weights, client.load().own
        (client.folder.path / name).write_bytes(damage)
        again = make()
        assert again.weights == before
        assert again.load().own == own
        asked = server.asked(LATEST)
        assert again.sync().ok
        if name != "cache.json":
            assert server.asked(LATEST) == asked + 1
            assert "If-None-Match" not in [one for one in server.seen if one[1] == "/weights/latest"][-1][2]
        assert not again.load().reset
        assert again.weights == before

    def test_with_both_copies_damaged_the_fleet_is_what_is_left(
        self, client: FederationClient, make: Make, server: Stranger
    ) -> None:
        client.sync()
        for name in ("patterns.json", "installed.json", "release.json"):
            for copy in (name, f"{name}.good"):
                (client.folder.path / copy).write_bytes(b"damage")
        again = make()
        assert again.load().reset
        done = again.sync()
        assert done.ok
        assert not again.load().reset
        found = again.weights
        assert found is not None
        assert found.version == "1.0.0"
        assert found.weights["tool::Bash"].confidence == 0.4

    def test_a_lost_folder_of_weights_does_not_make_an_older_release_welcome(
        self, client: FederationClient, make: Make, server: Stranger
    ) -> None:
        server.publish("1.0.3", weight("Read", 0.7))
        client.sync()
        for name in ("installed.json", "installed.json.good", "release.json", "release.json.good"):
            (client.folder.path / name).unlink()
        server.publish("1.0.2", weight("Read", 0.2))
        assert make().pull().status is Found.OLDER

    def test_an_old_copy_of_a_release_is_not_put_into_force(
        self, client: FederationClient, make: Make, server: Stranger
    ) -> None:
        client.sync()
        old = (client.folder.path / "release.json").read_bytes()
        server.publish("1.0.1", weight("Read", 0.5))
        client.sync()
        before = client.weights
        (client.folder.path / "release.json").write_bytes(b"damage")
        (client.folder.path / "release.json.good").write_bytes(old)
        again = make()
        assert not again.hot_swap().anything
        assert again.weights == before
        assert again.status()["damaged"]
        assert again.sync().ok
        assert not again.status()["damaged"]
        assert again.weights == before

    def test_a_damaged_identity_is_taken_from_its_copy_and_never_made_anew(
        self, client: FederationClient, make: Make
    ) -> None:
        before = client.account.identity
        (client.folder.path / "identity.json").write_bytes(b"damage")
        assert make().account.identity == before
        (client.folder.path / "identity.json.good").write_bytes(b"damage")
        with pytest.raises(Exception, match="damaged copy"):
            make().account.identity  # noqa: B018

    def test_consent_that_cannot_be_read_is_none(self, client: FederationClient, make: Make, server: Stranger) -> None:
        for name in ("standing.json", "standing.json.good"):
            (client.folder.path / name).write_bytes(b"damage")
        seen = len(server.seen)
        done = make().sync()
        assert done.skipped is not None
        assert done.skipped.code == "client.consent"
        assert len(server.seen) == seen


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow: the system refuses the write itself."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestDiskFull:
    def test_sync_is_skipped_and_work_goes_on(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        server.publish("1.0.1", weight("Read", 0.2))
        before, files = client.weights, _contents(client)
        with full_disk():
            done = client.sync()
            assert isinstance(done.skipped, WriteError)
            assert client.weights == before
            assert client.fast == client.fast
            assert client.extract_delta().weights
        assert _contents(client) == files
        assert client.sync().ok
        assert client.version == "1.0.1"

    def test_a_delta_that_cannot_be_noted_is_not_sent(self, client: FederationClient, server: Stranger) -> None:
        with full_disk(), pytest.raises(WriteError):
            client.push()
        assert server.asked(SUBMIT) == 0

    def test_experiences_stay_recorded(self, client: FederationClient) -> None:
        client.record(experiences(4, tool="Edit"))
        with full_disk(), pytest.raises(WriteError):
            client.learn()
        assert client.learn().experiences == 4


class TestTokenExpired:
    def test_the_token_is_renewed_and_the_request_sent_once_more(
        self, client: FederationClient, server: Stranger
    ) -> None:
        server.tokens.clear()
        assert client.push().status is Sent.ACCEPTED
        assert server.asked("POST /register") == 2
        assert server.asked(SUBMIT) == 2

    def test_a_second_refusal_is_told(self, client: FederationClient, server: Stranger) -> None:
        server.always[SUBMIT] = refuses(401, "UNAUTHORIZED", "never")
        with pytest.raises(TokenError, match="never"):
            client.push()
        assert server.asked("POST /register") == 2
        assert server.asked(SUBMIT) == 2
        assert len(client.outbox.queue.items) == 1  # it waits for better days

    def test_a_lost_token_is_renewed(self, client: FederationClient, make: Make, server: Stranger) -> None:
        (client.folder.path / "token.json").unlink()
        assert make().pull().status is Found.NEW

    def test_a_token_is_renewed_in_its_last_week(
        self, client: FederationClient, server: Stranger, clock: Clock
    ) -> None:
        client.sync()
        assert server.asked("POST /register") == 1
        clock.now += 85 * 86400
        client.sync()
        assert server.asked("POST /register") == 2


class TestQuarantined:
    def test_the_user_is_told_and_can_appeal(self, client: FederationClient, make: Make, server: Stranger) -> None:
        server.fault(SUBMIT, refuses(403, "CLIENT_QUARANTINED", "out of line"))
        with pytest.raises(QuarantinedError, match="appeal"):
            client.push()
        assert client.outbox.queue.items == ()
        assert make().status()["quarantined"]
        client.appeal("My tools are odd, not bad.")
        assert server.appeals == ["My tools are odd, not bad."]
        assert client.push().status is Sent.ACCEPTED
        assert not client.status()["quarantined"]

    def test_sync_tells_it_and_keeps_what_is_in_force(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        before = client.weights
        server.always[LATEST] = server.always[SUBMIT] = refuses(403, "CLIENT_QUARANTINED")
        client.learn(experiences(3))
        server.round += 1
        done = client.sync()
        assert done.quarantined
        assert client.status()["quarantined"]
        assert client.weights is not None
        assert before is not None
        assert client.weights.version == before.version

    def test_another_403_is_just_a_refusal(self, client: FederationClient, server: Stranger) -> None:
        server.fault("POST /register", refuses(403, "ENROLMENT_REFUSED"))
        with pytest.raises(RefusedError) as caught:
            client.register()
        assert caught.value.reason == "ENROLMENT_REFUSED"


class TestOddAnswers:
    def test_no_more_is_read_than_a_release_may_have(self, client: FederationClient, make: Make, server: Stranger):
        client = make(most_bytes=100_000)
        server.fault(LATEST, floods(64))
        with pytest.raises(AnswerError, match="more than 100000"):
            client.pull()
        server.fault(LATEST, answers(b"x" * 200_000))
        with pytest.raises(AnswerError, match="200000"):
            client.pull()

    @pytest.mark.parametrize("body", [b"", b"[]", b'"word"', b"{", b"\xff"])
    def test_an_acceptance_that_cannot_be_read_is_asked_for_again(
        self, client: FederationClient, server: Stranger, clock: Clock, body: bytes
    ) -> None:
        server.fault(SUBMIT, answers(body, 202))
        assert client.push().status is Sent.QUEUED
        clock.now += 60
        assert client.flush()[0].status is Sent.ACCEPTED
        assert len({one.nonce for one in server.accepted}) == 1

    def test_an_unasked_encoding_is_not_unpacked(self, client: FederationClient, server: Stranger) -> None:
        server.fault(LATEST, answers(b"x", headers={"Content-Encoding": "gzip"}))
        with pytest.raises(AnswerError, match="gzip"):
            client.pull()

    def test_words_of_the_server_do_not_reach_the_terminal_as_they_are(
        self, client: FederationClient, server: Stranger
    ) -> None:
        server.fault(SUBMIT, refuses(400, "INVALID_SCHEMA", "\x1b[2Jboo\r\n" + "y" * 5000))
        with pytest.raises(RefusedError) as caught:
            client.push()
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 600

    def test_an_unasked_304_is_no_release(self, client: FederationClient, server: Stranger) -> None:
        server.fault(LATEST, answers(None, 304))
        with pytest.raises(AnswerError, match="304"):
            client.pull()


def test_one_process_at_a_time_syncs(client: FederationClient, make: Make) -> None:
    with client.exclusive():
        done = make().sync()
    assert isinstance(done.skipped, BusyError)


def _contents(client: FederationClient) -> dict[str, bytes]:
    skipped = ("sync-log.jsonl", ".lock")
    return {
        str(path): path.read_bytes()
        for path in client.folder.path.rglob("*")
        if path.is_file() and not path.name.endswith(skipped)
    }
