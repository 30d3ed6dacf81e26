"""One clerk at a time: a second one waits or leaves, one who was killed is followed, one who was cut off ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.storage import LeaseError, StorageUnavailableError
from gateway.exits import Exit, exit_of
from gateway.federation.clerk_state import ClerkSettings
from gateway.federation.schedule import Wait
from gateway.federation.tenure import LASTS_S, NAME, Tenure
from tests.gateway.federation.office_hours import OfficeHours


@pytest.fixture
def office(tmp_path: Path) -> OfficeHours:
    return OfficeHours(tmp_path, settings=ClerkSettings(interval_s=100.0))


def tenure(office: OfficeHours, holder: str | None) -> Tenure:
    return Tenure(office.storage, holder, clock=lambda: office.now, sleep=office.sleep)


async def test_a_second_clerk_is_told_who_is_there_and_leaves(office: OfficeHours) -> None:
    await tenure(office, "here:1").begin(wait=False)
    office.now += 5
    with pytest.raises(LeaseError, match=r"held by here:1, for 15 s more") as caught:
        await tenure(office, "there:2").begin(wait=False)
    assert (caught.value.name, caught.value.left_s) == (NAME, 15.0)
    assert exit_of(caught.value) == Exit.STATE


async def test_one_who_waits_follows_when_the_lease_of_a_killed_one_has_run_out(office: OfficeHours) -> None:
    await tenure(office, "here:1").begin(wait=False)
    told: list[LeaseError] = []
    began, second = office.now, tenure(office, "there:2")
    await second.begin(wait=True, told=told.append)
    assert [one.holder for one in told] == ["here:1"]
    assert office.now - began == LASTS_S
    assert second.lease is not None
    assert second.lease.holder == "there:2"


async def test_one_who_leaves_lets_the_next_in_at_once(office: OfficeHours) -> None:
    first = tenure(office, "here:1")
    await first.begin(wait=False)
    await first.end()
    await tenure(office, "there:2").begin(wait=False)
    await first.end()
    assert office.slept == []


async def test_a_name_is_nobody_elses(office: OfficeHours) -> None:
    assert tenure(office, None).holder != tenure(office, None).holder


async def test_a_clerk_renews_it_at_his_turns_but_not_at_each(office: OfficeHours) -> None:
    mine = tenure(office, "here:1")
    await mine.begin(wait=False)
    clerk, began = office.hired(mine), office.now
    await clerk.start()
    while not isinstance(await clerk.turn(), Wait):
        pass
    assert mine.lease is not None
    assert mine.lease.expires == began + LASTS_S
    for _ in range(100):
        office.now += 1
        await clerk.turn()
    assert office.now < mine.lease.expires <= office.now + LASTS_S
    assert mine.lease.since == began


async def test_one_who_was_cut_off_does_nothing_more(office: OfficeHours) -> None:
    mine = tenure(office, "here:1")
    await mine.begin(wait=False)
    first = office.hired(mine)
    await first.start()
    office.now += LASTS_S
    theirs = tenure(office, "there:2")
    await theirs.begin(wait=False)
    second = office.hired(theirs)
    await second.start()
    written = office.storage.facts.get("clerk")
    with pytest.raises(LeaseError, match="there:2"):
        await first.turn()
    with pytest.raises(LeaseError, match="there:2"):  # in the middle of a turn
        await first._books.keep(first.state, short={"found": 1})
    office.ask("stop", "pause")
    with pytest.raises(LeaseError, match="there:2"):  # what an operator asks for is the other's to answer
        await first._books.answer("stop", office.now)
    assert office.storage.facts.get("request.stop") is not None
    office.storage.facts.put("request.stop", None)
    assert office.storage.facts.get("clerk") == written
    assert office.storage.facts.get("short") is None
    office.submit(12)
    office.now = second.state.window.closes_at
    while second.state.window.number == 1:
        await second.turn()
    with pytest.raises(LeaseError):
        await mine.keep()


async def test_whoever_keeps_it_waits_for_a_storage_that_is_away(
    office: OfficeHours, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tenure(office, "here:1")
    await mine.begin(wait=False)
    take, times = office.storage.leases.take, [0]

    def away(*arguments: object, **named: object) -> object:
        times[0] += 1
        if times[0] < 3:
            raise StorageUnavailableError(url="sqlite:///x", found="away")
        if times[0] == 5:
            take(NAME, "there:2", now=office.now + 1000, lasts_s=LASTS_S)
        return take(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(office.storage.leases, "take", away)
    with pytest.raises(LeaseError):
        await mine.keep()
    assert times[0] == 5
