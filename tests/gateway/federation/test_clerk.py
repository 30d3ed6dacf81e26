"""The clerk at work: the tables of failures, rollouts, operators, and kills between any two calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.releases import UnknownReleaseError
from actors.storage import ClientState, StorageUnavailableError, StoredWindow
from federation.errors import ReviewError, RoundAbortedError, RuleBoundError
from federation.privacy import PrivacyBudgetError
from federation.rollout import Stage
from gateway.federation.clerk_state import ClerkSettings
from gateway.federation.publishing import read
from gateway.federation.schedule import Extend, List, Publish, RunRound, Seal, Settle
from tests.gateway.federation.office_hours import KEY, START, OfficeHours

STAGES = (
    Stage(name="canary", share=0.98, lasts_s=20.0),
    Stage(name="staged", share=0.99, lasts_s=20.0, approval=True),
    Stage(name="full", share=1.0, lasts_s=0.0),
)
FULL = (Stage(name="full", share=1.0, lasts_s=0.0),)
SHORT = ClerkSettings(interval_s=100.0, stages=STAGES)
AT_ONCE = ClerkSettings(interval_s=100.0, stages=FULL)


@pytest.fixture
async def office(tmp_path: Path) -> OfficeHours:
    found = OfficeHours(tmp_path, settings=AT_ONCE)
    await found.start()
    await found.work()
    return found


@pytest.fixture
async def staged(tmp_path: Path) -> OfficeHours:
    found = OfficeHours(tmp_path, settings=SHORT)
    await found.start()
    await found.work()
    return found


def latest(office: OfficeHours) -> Any:
    return json.loads(office.files.get("latest.json") or b"{}")


def served(office: OfficeHours) -> list[str]:
    return office.storage.facts.get("served")["versions"]


async def round_of(office: OfficeHours, count: int = 12, **submitted: Any) -> list[type]:
    """The kinds of steps of the round of a window that so many clients submitted in."""
    office.submit(count, **submitted)
    office.now = office.clerk.state.window.closes_at
    return [type(step) for step in await office.work()]


async def test_the_genesis_is_published_and_everybodys(office: OfficeHours) -> None:
    assert read(office.files.get("v1.0.0.json") or b"", public=KEY.public).weights == {}
    assert office.storage.facts.get("window") == {"number": 1, "opened_at": START, "closes_at": START + 100}
    rollout = office.storage.rollouts.get()
    assert rollout is not None
    assert (rollout.version, rollout.is_full, served(office)) == ("1.0.0", True, ["1.0.0"])
    await office.hired().start()  # twice changes nothing
    assert [one.version for one in office.storage.releases.list()] == ["1.0.0"]


async def test_a_window_becomes_a_signed_release(office: OfficeHours) -> None:
    kinds = await round_of(office)
    assert kinds[:5] == [Seal, RunRound, Publish, List, Settle]
    whole = read(office.files.get("v1.0.1.json") or b"", public=KEY.public)
    assert (whole.metadata.round, whole.metadata.participants, whole.metadata.parent_version) == (1, 12, "1.0.0")
    part = read(office.files.get("v1.0.1.frontend.json") or b"", public=KEY.public)
    assert set(part.weights) == {"tool::Edit"}
    assert latest(office)["version"] == "1.0.1"
    manifest = json.loads(office.files.get("manifest.json") or b"{}")
    assert (manifest["latest"], [one["version"] for one in manifest["versions"]]) == ("1.0.1", ["1.0.1", "1.0.0"])
    assert office.storage.facts.get("window")["number"] == 2
    assert office.storage.facts.get("last_round") | {"at": 0} == {
        "window": 1,
        "version": "1.0.1",
        "participants": 12,
        "attempts": 1,
        "epsilon": 0.0,
        "quarantined": 0,
        "reinstated": 0,
        "code": "ok",
        "at": 0,
    }
    assert office.storage.submissions.count_pending() == 0


async def test_too_few_participants_extend_the_window(office: OfficeHours) -> None:
    assert Extend in await round_of(office, 9)
    state = office.clerk.state
    assert (state.window.number, state.window.closes_at, state.window.extended) == (1, START + 200, 1)
    assert office.storage.facts.get("short")["found"] == 9
    assert Seal in await round_of(office, 3, first=9)
    assert office.storage.facts.get("short") is None


async def test_a_round_with_too_few_valid_submissions_leaves_them_for_the_next(office: OfficeHours) -> None:
    office.swarm.script = [RuleBoundError(rule="PatternRule", n=8, f=0, needed=10, bound="n >= 10")]
    await round_of(office)
    assert office.storage.facts.get("short")["found"] == 8
    assert office.storage.facts.get("last_round")["code"] == "rule.bound"
    assert office.storage.submissions.count_pending() == 12
    await round_of(office)
    assert office.storage.facts.get("last_round")["version"] == "1.0.1"


async def test_mass_anomaly_pauses_until_an_operator_has_looked(office: OfficeHours) -> None:
    office.swarm.script = [ReviewError(round=1, flagged=5, received=12, share=0.3, bound=3, agents=("a",))]
    await round_of(office)
    paused = office.storage.facts.get("paused")
    assert (paused["code"], paused["review"], paused["until"]) == ("round.mass_anomaly", True, None)
    await office.work(until=office.now + 1000)
    assert len(office.storage.releases.list()) == 1
    office.ask("go", "resume", discard=True)
    await office.work()
    assert office.answer("go")["ok"]
    assert office.storage.facts.get("paused") is None
    assert office.storage.submissions.count_pending() == 0
    await round_of(office, first=100)
    assert latest(office)["version"] == "1.0.1"


async def test_what_doors_have_folded_is_discarded_too(office: OfficeHours) -> None:
    office.submit(3)
    windows = office.storage.windows
    begun = windows.begin(StoredWindow(region="global", number=1, base=b"", state=b"", facts={"clients": 3}))
    windows.fold(begun, windows.waiting(begun, since=0.0), flagged=(), unread=())
    assert (windows.count(), office.storage.submissions.count_pending()) == (3, 0)
    office.ask("stop", "pause")
    office.ask("go", "resume", discard=False)
    await office.work()
    assert windows.count() == 3
    office.ask("again", "resume", discard=True)
    await office.work()
    assert (windows.count(), windows.get("global")) == (0, None)


async def test_a_submission_is_dropped_at_the_age_that_was_set(office: OfficeHours) -> None:
    office.clerk.settings = replace(AT_ONCE, interval_s=10_000.0, staleness_s=500.0, tidy_s=100.0, min_participants=20)
    office.submit(3)
    begun = office.now
    await office.work(until=begun + 450)
    assert office.storage.submissions.count_pending() == 3
    await office.work(until=begun + 700)
    assert office.storage.submissions.count_pending() == 0


async def test_a_spent_budget_pauses_until_its_renewal(office: OfficeHours) -> None:
    renews = START + 5000
    spent = PrivacyBudgetError(
        limit="period", spent=7.9, asked=1.0, total=8.4, budget=8.0, delta=1e-5, renews_at=renews
    )
    office.swarm.script = [spent]
    await round_of(office)
    paused = office.storage.facts.get("paused")
    assert (paused["code"], paused["until"]) == ("privacy.budget", renews)
    office.submit(12)
    await office.work(until=renews - 1)
    assert len(office.swarm.rounds) == 1
    await office.work(until=renews + 100)
    assert office.storage.facts.get("paused") is None
    assert latest(office)["version"] == "1.0.1"


async def test_an_operators_pause_outlasts_that_of_a_spent_budget(office: OfficeHours) -> None:
    renews = START + 5000
    office.swarm.script = [
        PrivacyBudgetError(limit="period", spent=7.9, asked=1.0, total=8.4, budget=8.0, delta=1e-5, renews_at=renews)
    ]
    await round_of(office)
    office.ask("a" * 32, "pause", detail="a look at it")
    await office.work(until=renews + 100)
    paused = office.storage.facts.get("paused")
    assert (paused["code"], paused["detail"]) == ("operator", "a look at it")
    assert len(office.swarm.rounds) == 1


async def test_a_round_that_hangs_is_ended_and_tried_with_half(office: OfficeHours) -> None:
    office.clerk.settings = ClerkSettings(interval_s=100.0, stages=FULL, aggregation_s=0.02)
    ended, run = asyncio.Event(), office.swarm.run_round

    async def hang(request: str = "") -> dict[str, Any]:
        if request.endswith("-1"):
            await ended.wait()
            raise RoundAbortedError(round=1, reason="federation.too_slow")
        return await run(request)

    async def abort(reason: str) -> bool:
        assert reason == "federation.too_slow"
        ended.set()
        return True

    office.swarm.run_round, office.swarm.abort_round = hang, abort
    await round_of(office, 40)
    assert list(office.swarm.rounds) == ["window-1-2"]
    assert office.swarm.limits == [20]
    assert office.storage.facts.get("last_round")["attempts"] == 2


async def test_failed_writes_are_tried_three_times_more_and_then_stop_publishing(office: OfficeHours) -> None:
    put, broken = office.files.put_once, True

    def failing(name: str, data: bytes) -> bool:
        if broken:
            raise StorageUnavailableError(url="memory:///", found="disk full")
        return put(name, data)

    office.files.put_once = failing
    await round_of(office)
    assert office.slept == [1.0, 5.0, 25.0]
    assert office.storage.facts.get("publishing")["code"] == "federation.publishing"
    office.submit(12)
    await office.work(until=office.now + 500)
    assert len(office.swarm.rounds) == 1  # no further round while one cannot be published
    broken = False
    office.ask("go", "resume")
    await office.work()
    assert office.storage.facts.get("publishing") is None
    assert latest(office)["version"] == "1.0.1"


async def test_a_storage_that_is_away_is_waited_for(office: OfficeHours) -> None:
    facts, away = office.storage.facts.all, 3

    def failing() -> dict[str, Any]:
        nonlocal away
        away -= 1
        if away >= 0:
            raise StorageUnavailableError(url="sqlite:///x", found="locked")
        return facts()

    office.storage.facts.all = failing

    async def sleep(seconds: float) -> None:
        office.now += seconds
        if office.now > START + 5:
            raise asyncio.CancelledError

    office.clerk._sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        await office.clerk.run()
    assert away < 0


async def test_a_rollout_goes_through_its_stages_and_waits_for_approval(staged: OfficeHours) -> None:
    await round_of(staged)
    staged.report(v1_0_0=0.02, v1_0_1=0.02)
    seen = []
    for _ in range(8):
        await staged.work(until=staged.now + 10)
        rollout = staged.storage.rollouts.get()
        assert rollout is not None
        seen.append(rollout.stage)
    assert seen[0] == "canary"
    assert seen[-1] == "staged"
    assert latest(staged)["version"] == "1.0.0"
    staged.storage.rollouts.approve("1.0.1", "ops", staged.now)
    await staged.work(until=staged.now + 10)
    rollout = staged.storage.rollouts.get()
    assert rollout is not None
    assert rollout.is_full
    assert latest(staged)["version"] == "1.0.1"


async def test_while_a_rollout_is_under_way_further_releases_wait_and_the_newest_goes_next(staged: OfficeHours) -> None:
    staged.report(v1_0_0=0.02, v1_0_1=0.02)
    for number in range(3):
        await round_of(staged, first=20 * number)
    await staged.work(until=staged.now + 25)
    assert served(staged) == ["1.0.1", "1.0.0"]
    staged.storage.rollouts.approve("1.0.1", "ops", staged.now)
    await staged.work(until=staged.now + 25)
    rollout = staged.storage.rollouts.get()
    assert rollout is not None
    assert (rollout.version, rollout.parent) == ("1.0.3", "1.0.1")
    assert {one.version: one.state for one in staged.storage.releases.list()}["1.0.2"] == "skipped"
    assert served(staged) == ["1.0.3", "1.0.1", "1.0.0"]


async def test_worse_error_rates_roll_back_to_a_new_version(staged: OfficeHours) -> None:
    await round_of(staged)
    await round_of(staged, first=50)  # based on the bad one, and waiting
    staged.report(v1_0_0=0.02, v1_0_1=0.2)
    staged.submit(12, base="1.0.1", first=200)
    await staged.work(until=staged.now + 10)
    records = {one.version: one for one in staged.storage.releases.list()}
    assert [(one.version, one.state) for one in records.values()] == [
        ("1.0.3", "published"),
        ("1.0.2", "withdrawn"),
        ("1.0.1", "withdrawn"),
        ("1.0.0", "published"),
    ]
    assert records["1.0.3"].restores == "1.0.0"
    before, after = (staged.files.get(f"v{version}.json") or b"" for version in ("1.0.0", "1.0.3"))
    assert read(after, public=KEY.public).weights == read(before, public=KEY.public).weights
    assert latest(staged)["version"] == "1.0.3"
    assert served(staged) == ["1.0.3", "1.0.0"]
    assert staged.clerk.state.recall is None
    assert [one.action for one in staged.storage.audit.list(limit=2)] == ["rollback", "recall"]


async def test_an_operator_rolls_back_runs_rounds_and_pauses(office: OfficeHours) -> None:
    await round_of(office)
    office.ask("early", "round")
    await office.work()
    assert (office.answer("early")["ok"], office.answer("early")["code"]) == (False, "federation.participants")
    office.submit(12)
    office.ask("now", "round")
    await office.work()
    assert office.answer("now")["result"]["version"] == "1.0.2"
    office.ask("back", "rollback", version="1.0.1")
    await office.work()
    assert office.answer("back")["result"] == {"version": "1.0.3", "restores": "1.0.1"}
    assert latest(office)["version"] == "1.0.3"
    office.ask("none", "rollback", version="9.9.9")
    office.ask("what", "dance")
    office.ask("stop", "pause", detail="a look at it")
    await office.work()
    assert office.answer("none")["code"] == "storage.version"
    assert office.answer("what")["code"] == "config.setting"
    assert office.storage.facts.get("paused")["detail"] == "a look at it"
    office.submit(12, first=30)
    office.ask("no", "round")
    await office.work(until=office.now + 300)
    assert office.answer("no")["code"] == "operator"
    assert len(office.swarm.rounds) == 2


async def test_a_value_that_the_swarm_no_longer_has_ends_the_rollback(office: OfficeHours) -> None:
    await round_of(office)

    async def gone(version: int) -> dict[str, Any]:
        raise UnknownReleaseError(version=version, current=1)

    office.swarm.rollback = gone
    office.ask("back", "rollback", version="1.0.0")
    await office.work()
    assert office.answer("back")["code"] == "release.unknown"
    assert (office.clerk.state.recall, latest(office)["version"]) == (None, "1.0.1")


async def test_clients_stand_as_the_ledger_says(office: OfficeHours) -> None:
    names = office.submit(12)
    office.swarm.quarantined = {names[3]}
    await round_of(office)
    quarantined = office.storage.clients.get(names[3])
    assert quarantined is not None
    assert quarantined.state is ClientState.QUARANTINED
    assert office.storage.facts.get("last_round")["quarantined"] == 1
    assert office.storage.audit.list(name=names[3])[0].action == "quarantine"
    office.ask("mercy", "reinstate", client=names[3])
    await office.work()
    assert office.answer("mercy")["ok"]
    assert office.storage.clients.get(names[3]).state is ClientState.ACTIVE  # type: ignore[union-attr]
    office.ask("who", "reinstate", client="f" * 64)
    await office.work()
    assert office.answer("who")["code"] == "federation.client"


async def test_who_has_left_is_forgotten_and_what_is_stale_is_dropped(office: OfficeHours) -> None:
    names = office.submit(3)
    office.storage.clients.deregister(names[0], office.now)
    await office.work(until=office.now + 700)
    assert office.storage.clients.get(names[0]) is None
    assert office.swarm.forgotten == [names[0]]
    assert office.storage.submissions.count_pending() == 2
    office.now += 73 * 3600
    await office.work()
    assert office.storage.submissions.count_pending() == 0


def folder_of(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name


async def whole_story(folder: Path, kill_at: Callable[[int], bool]) -> tuple[Any, int]:
    """What is there after rounds, a quarantine, a rollback and a purge; and how often he was killed."""
    office = OfficeHours(folder, settings=replace(SHORT, tidy_s=60.0))
    office.kill_at = kill_at
    await office.start()
    names = office.submit(12)
    office.now = office.clerk.state.window.closes_at
    await office.work()
    office.swarm.quarantined = {names[0]}
    office.submit(12, first=12)
    office.ask("more", "round")
    await office.work()
    office.report(v1_0_0=0.02, v1_0_1=0.3)
    await office.work(until=office.now + 5)
    office.storage.clients.deregister(names[1], office.now)
    await office.work(until=office.now + 70)
    facts, releases = office.storage.facts, office.storage.releases.list()
    there = {
        "releases": releases,
        "files": [office.files.get(f"v{one.version}.json") for one in releases],
        "latest": office.files.get("latest.json"),
        "manifest": office.files.get("manifest.json"),
        "served": facts.get("served"),
        "swarm": [release.to_dict() for release, _ in office.swarm.chain],
        "rounds": sorted(office.swarm.rounds),
        "pending": office.storage.submissions.count_pending(),
        "window": facts.get("window")["number"],
        "answers": (office.answer("more")["ok"], office.answer("more")["result"]["version"]),
        "clients": [(one.id, one.state) for one in office.storage.clients.list()],
        "rollouts": [(one.version, one.stage, one.state) for one in office.storage.rollouts.list()],
    }
    office.storage.close()
    return there, office.deaths


async def test_killed_anywhere_he_goes_on_and_nothing_is_lost_or_published_twice(tmp_path: Path) -> None:
    calm, _ = await whole_story(folder_of(tmp_path, "calm"), lambda _: False)
    assert [one.version for one in calm["releases"]] == ["1.0.3", "1.0.2", "1.0.1", "1.0.0"]
    assert (calm["pending"], calm["served"]["versions"]) == (0, ["1.0.3", "1.0.0"])
    every = 13  # the longest step makes 11 calls with a start before it: he gets through, and no call is spared
    for place in range(0, every, 2):
        folder = folder_of(tmp_path, str(place))
        found, deaths = await whole_story(folder, lambda number, place=place: number % every == place)
        assert deaths > 3
        assert found == calm, f"killed at calls {place}, {place + every}, ..."
