"""Releases in force: blended, promoted, idempotent, never backwards; and the deltas against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.client import FederationClient
from gateway.client.errors import OutdatedError
from gateway.client.memory import Swapped
from gateway.client.outbox import Sent
from gateway.client.releases import PROTOCOL_VERSION, Found
from gateway.client.sync import Progress, Step
from tests.gateway.client.conftest import Clock, experiences
from tests.gateway.client.strangers import Stranger, answers, release, weight
from workloads.patterns import PatternType

Make = Callable[..., FederationClient]
LATEST, SUBMIT = "GET /weights/latest", "POST /weights/submit"


def confidence(client: FederationClient, key: str = "tool::Read") -> float:
    found = client.weights
    assert found is not None
    return found.weights[key].confidence


class TestBlending:
    def test_a_newcomers_share_is_a_tenth(self, client: FederationClient) -> None:
        own = client.load().own.patterns["tool::Read"].confidence
        done = client.sync()
        assert done.swapped is not None
        assert done.swapped.ratio == 0.1
        assert confidence(client) == pytest.approx(0.1 * own + 0.9 * 0.8)
        assert confidence(client, "tool::Bash") == 0.4

    @pytest.mark.parametrize(("count", "share"), [(100, 0.3), (1000, 0.5)])
    def test_who_has_lived_through_more_keeps_more(self, client: FederationClient, count: int, share: float) -> None:
        client.learn(experiences(count))
        client.sync()
        assert client.weights is not None
        assert client.weights.ratio == share

    def test_on_request_own_patterns_weigh_most(self, client: FederationClient, make: Make) -> None:
        again = make(local_priority=True)
        again.sync()
        assert again.weights is not None
        assert again.weights.ratio == 0.7

    def test_twice_is_once(self, client: FederationClient, make: Make) -> None:
        client.sync()
        files = _files(client)
        for again in (client.hot_swap(), make().hot_swap()):
            assert not again.anything
        client.pull(anew=True)
        assert not client.hot_swap().anything
        assert _files(client) == files

    def test_what_is_learned_comes_into_force_at_once(self, client: FederationClient) -> None:
        client.sync()
        before = confidence(client)
        client.learn(experiences(60, success=0.2))
        assert confidence(client) < before


class TestVersions:
    def test_a_newer_release_is_taken(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        server.publish("1.0.1", weight("Read", 0.5))
        done = client.sync()
        assert done.pulled is not None
        assert (done.pulled.status, done.pulled.group) == (Found.NEW, "general")
        assert client.version == "1.0.1"

    def test_the_same_is_not_sent_again(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        assert client.pull().status is Found.CURRENT
        assert server.seen[-1][2]["If-None-Match"] == '"v1.0.0"'

    @pytest.mark.parametrize("older", ["0.9.9", "1.0.1"])
    def test_an_older_one_is_never_applied(self, client: FederationClient, server: Stranger, older: str) -> None:
        server.publish("1.0.2", weight("Read", 0.5))
        client.sync()
        before = client.weights
        server.fault(LATEST, answers(release(older, server.key, weight("Read", 0.1))))
        found = client.pull()
        assert (found.status, found.version, found.offered) == (Found.OLDER, "1.0.2", older)
        client.hot_swap()
        assert client.weights == before

    def test_a_rollback_is_a_newer_version(self, client: FederationClient, server: Stranger) -> None:
        server.publish("1.0.1", weight("Read", 0.1))
        client.sync()
        server.publish("1.0.2", weight("Read", 0.8), parent_version="1.0.1")
        client.sync()
        assert client.version == "1.0.2"

    def test_no_release_yet_is_no_trouble(self, make: Make, server: Stranger) -> None:
        server.release = None
        client = make()
        client.give_consent()
        client.learn(experiences())
        done = client.sync()
        assert done.ok
        assert done.pulled is not None
        assert done.pulled.status is Found.NONE
        assert server.accepted[0].base_version is None
        assert server.accepted[0].weights["tool::Read"].confidence > 0.7  # all of it

    def test_another_major_schema_is_not_read(self, client: FederationClient, server: Stranger) -> None:
        server.publish("2.0.0", weight("Read", 0.5), schema="2.0")
        with pytest.raises(Exception, match=r"reads 1\.x"):
            client.pull()

    def test_a_later_minor_schema_is(self, client: FederationClient, server: Stranger) -> None:
        server.publish("1.1.0", weight("Brew", 0.5), schema="1.7")
        assert client.sync().ok
        assert confidence(client, "tool::Brew") == 0.5
        assert "tool::Brew" not in client.extract_delta().weights


class TestStaleClients:
    @pytest.mark.parametrize(("offered", "stale"), [("1.0.5", False), ("1.0.6", True)])
    def test_who_missed_more_than_five_versions_goes_by_the_release(
        self, client: FederationClient, server: Stranger, offered: str, stale: bool
    ) -> None:
        client.learn(experiences(200))
        client.sync()
        server.publish(offered, weight("Read", 0.5))
        done = client.sync()
        assert done.pulled is not None
        assert done.pulled.fresh_start is stale
        assert client.weights is not None
        assert client.weights.ratio == (0.1 if stale else 0.3)

    def test_it_stays_so_until_the_next_release(self, client: FederationClient, server: Stranger) -> None:
        client.learn(experiences(200))
        client.sync()
        server.publish("1.0.9", weight("Read", 0.5))
        client.sync()
        client.pull(anew=True)
        client.learn(experiences(10))
        assert client.weights is not None
        assert client.weights.ratio == 0.1
        server.publish("1.0.10", weight("Read", 0.5))
        client.sync()
        assert client.weights.ratio == 0.3

    @pytest.mark.parametrize(("between", "stale"), [(4, False), (5, True)])
    def test_across_minor_versions_the_manifest_counts(
        self, client: FederationClient, server: Stranger, between: int, stale: bool
    ) -> None:
        client.sync()
        for patch in range(between):
            server.publish(f"1.0.{patch + 1}", weight("Read", 0.5))
        server.publish("1.1.0", weight("Read", 0.5))
        found = client.pull()
        assert found.fresh_start is stale
        assert server.asked("GET /weights/manifest") == 1

    def test_who_cannot_tell_goes_by_the_release(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        server.publish("1.1.0", weight("Read", 0.5))
        server.fault("GET /weights/manifest", answers({"versions": 3}))
        assert client.pull().fresh_start

    def test_a_release_for_newer_clients_is_left_alone(self, client: FederationClient, server: Stranger) -> None:
        server.publish("1.0.1", weight("Read", 0.5))
        client.sync()
        for version, least in (("1.1.0", PROTOCOL_VERSION), ("1.2.0", "0.1.9")):
            server.publish(version, weight("Read", 0.9))
            server.fault("GET /weights/manifest", answers({"versions": [], "minSupportedClient": least}))
            assert client.pull().version == version
        server.publish("1.3.0", weight("Read", 0.9))
        server.fault("GET /weights/manifest", answers({"versions": [], "minSupportedClient": "0.3.0"}))
        with pytest.raises(OutdatedError, match=r"1\.3\.0 needs a client that speaks 0\.3\.0.*Update the plugin"):
            client.pull()
        assert client.version == "1.0.1"
        assert client.pull().version == "1.3.0"

    def test_a_newcomer_has_missed_nothing(self, client: FederationClient, server: Stranger) -> None:
        server.publish("1.0.40", weight("Read", 0.5))
        assert not client.pull().fresh_start


class TestFastCache:
    def test_patterns_go_in_and_out_as_releases_come(self, make: Make, server: Stranger) -> None:
        told: list[Swapped] = []
        watched = make(on_change=told.append)
        watched.give_consent()
        watched.learn(experiences(success=0.8))
        assert watched.fast == {}
        server.publish("1.0.1", weight("Read", 0.95), weight("Bash", 0.99))
        watched.sync()
        assert watched.load().cache.keys == {"tool::Read"}  # nobody here has used Bash
        assert [one.promoted for one in told if one.promoted] == [("tool::Read",)]
        assert make().fast["tool::Read"]["confidence"] == pytest.approx(confidence(watched))
        server.publish("1.0.2", weight("Read", 0.2))
        watched.sync()
        assert told[-1].demoted == ("tool::Read",)
        assert (told[-1].previous, told[-1].version) == ("1.0.1", "1.0.2")
        assert "tool::Read" in told[-1].changed
        assert make().fast == {}

    def test_own_failures_take_a_pattern_out_without_any_server(
        self, client: FederationClient, server: Stranger
    ) -> None:
        server.publish("1.0.1", weight("Read", 0.95))
        client.sync()
        server.shutdown()
        client.learn(experiences(1, success=0.0))
        assert client.fast == {}

    def test_nobody_is_told_of_no_change(self, client: FederationClient, make: Make) -> None:
        client.sync()
        told: list[Swapped] = []
        watched = make(on_change=told.append)
        watched.hot_swap()
        watched.sync()
        assert told == []

    def test_a_callback_may_ask_the_client(self, make: Make, client: FederationClient) -> None:
        seen: list[str] = []
        watched = make(on_change=lambda _: seen.append(watched.version))
        watched.sync()
        assert seen == ["1.0.0"]


class TestDeltas:
    def test_a_delta_is_the_difference_to_the_release(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        (sent,) = server.accepted
        own = client.load().own.patterns["tool::Read"]
        assert sent.base_version == "1.0.0"
        assert sent.round == 7
        assert sent.total_experiences == 12
        assert sent.weights["tool::Read"].confidence == pytest.approx(own.confidence - 0.8, abs=1e-4)
        assert sent.weights["tool::Read"].tool_success_rate == pytest.approx(own.success_rate - 0.8, abs=1e-4)
        assert set(sent.weights) == {"tool::Read"}

    def test_base_and_delta_are_the_own_weights_again(self, client: FederationClient, server: Stranger) -> None:
        client.learn([{"type": "team", "category": "leader", "success": s, "team_size": 3} for s in (1.0, 0.2, 0.1)])
        server.publish("1.0.1", weight("Read", 0.3), weight("leader", 0.9, PatternType.TEAM, team_size=5))
        client.sync()
        held = client.load().held
        assert held is not None
        for key, change in server.accepted[-1].weights.items():
            base = held.document.weights[key]
            own = client.load().own.patterns[key]
            assert base.confidence + change.confidence == pytest.approx(own.confidence, abs=1e-4)
            assert (base.group_mean or 0) + (change.group_mean or 0) == pytest.approx(own.group_mean, abs=1e-4)

    def test_one_is_sent_for_a_round_and_another_for_the_next(
        self, client: FederationClient, server: Stranger, clock: Clock
    ) -> None:
        for _ in range(3):
            assert client.sync().ok
            client.learn(experiences(2))
        assert len(server.accepted) == 1
        server.round += 1
        done = client.sync()
        assert done.pushed is not None
        assert done.pushed.status is Sent.ACCEPTED
        assert [one.round for one in server.accepted] == [7, 8]

    def test_a_round_that_is_put_off_hears_what_is_new_and_later_the_same(
        self, client: FederationClient, server: Stranger, clock: Clock
    ) -> None:
        client.sync()
        clock.now += 6 * 3600
        assert client.sync().pushed == _pushed(round=7)
        client.learn(experiences(2))
        client.sync()
        assert len(server.accepted) == 2
        clock.now += 48 * 3600
        client.sync()
        assert len(server.accepted) == 3

    def test_without_patterns_there_is_nothing_to_say(self, make: Make, server: Stranger) -> None:
        client = make()
        client.give_consent()
        done = client.sync()
        assert done.ok
        assert done.pushed == _pushed()
        assert server.asked(SUBMIT) == 0
        assert server.asked("GET /health") == 0

    def test_the_same_delta_is_not_queued_twice(self, client: FederationClient, server: Stranger) -> None:
        server.fault(SUBMIT, *[answers({}, 503)] * 2)
        assert client.push().nonce == client.push().nonce
        assert len(client.outbox.queue.items) == 1


class TestSync:
    def test_a_newcomer_is_registered_and_all_steps_are_told(self, make: Make, server: Stranger) -> None:
        client = make()
        client.give_consent()
        client.record(experiences())
        steps: list[Progress] = []
        done = client.sync(steps.append)
        assert done.ok
        order = list(dict.fromkeys(one.step for one in steps))
        assert order == list(Step)
        downloads = [one for one in steps if one.step is Step.PULL and one.done]
        assert downloads[-1].done == downloads[-1].total == len(server.release or b"")

    def test_reports_follow(self, client: FederationClient, server: Stranger, clock: Clock) -> None:
        client.sync()
        client.record(experiences(3, success=0.8))
        done = client.sync()
        assert server.reports == [{"version": "1.0.0", "day": "2026-11-21", "calls": 30, "errors": 6}]
        assert done.reported is not None
        assert (done.reported.before, done.reported.after) == (pytest.approx(0.1), pytest.approx(0.2))
        client.sync()
        assert len(server.reports) == 1
        client.record(experiences(1, success=0.0))
        client.sync()
        assert server.reports[-1] == {"version": "1.0.0", "day": "2026-11-21", "calls": 40, "errors": 16}

    def test_experiences_count_for_the_version_they_were_made_under(
        self, client: FederationClient, server: Stranger
    ) -> None:
        client.sync()
        client.record(experiences(2))
        server.publish("1.0.1", weight("Read", 0.5))
        client.pull()
        client.hot_swap()
        client.sync()
        client.record(experiences(1))
        client.sync()
        assert [(one["version"], one["calls"]) for one in server.reports] == [("1.0.0", 20), ("1.0.1", 10)]

    def test_what_is_not_served_any_more_is_not_told_again(self, client: FederationClient, server: Stranger) -> None:
        client.sync()
        client.record(experiences(1))
        server.fault("POST /reports", answers({"code": "UNKNOWN_VERSION"}, 404))
        assert client.sync().ok
        client.sync()
        assert server.asked("POST /reports") == 1

    def test_days_long_past_are_not_told(self, client: FederationClient, server: Stranger, clock: Clock) -> None:
        client.sync()
        client.record(experiences(1))
        clock.now += 5 * 86400
        assert client.sync().ok
        assert server.reports == []


def _pushed(**fields: Any) -> Any:
    from gateway.client.outbox import Pushed

    return Pushed(status=Sent.NOTHING, **fields)


def _files(client: FederationClient) -> dict[str, bytes]:
    names = ("installed.json", "installed.json.good", "cache.json", "release.json")
    return {name: (client.folder.path / name).read_bytes() for name in names}
