"""Doors, and those who ask them, killed at every step: the releases stay the same, and nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.config import AGGREGATOR, COORDINATOR
from actors.host import AbstainingError
from federation.release import Release
from tests.actors.outside import DOOR, Outside


async def run(swarm: Outside) -> list[tuple[str, int]]:
    """Two rounds of clients that come and go; while each runs, some submit again."""
    found: list[tuple[str, int]] = []
    learn = swarm.play.kill_before
    for number in (0, 1):
        swarm.submit(range(number, number + 12))
        again: list[int] = []

        def meanwhile(name: str, method: str, nth: int, again: list[int] = again) -> bool:
            if method == "submit" and not again:
                again.append(nth)
                swarm.submit((2, 3), lies=(2, 3))
            return learn(name, method, nth)

        swarm.play.kill_before = meanwhile
        record = await swarm.round()
        found.append((record["release"]["digest"], record["agents_count"]))
    swarm.play.kill_before = learn
    return found


@pytest.fixture(scope="module")
async def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[str, int]], int, int]:
    """What the rounds come to when nobody is killed; the transactions of the door; who waits at the end."""
    swarm = Outside(tmp_path_factory.mktemp("calm"), linger_s=2.0)
    return await run(swarm), swarm.play.positions[DOOR], swarm.pending()


async def same(swarm: Outside, calm: tuple[list[tuple[str, int]], int, int], deaths: list[str]) -> None:
    wanted, _, waiting = calm
    assert [agents for _, agents in wanted] == [12, 12]
    assert await run(swarm) == wanted
    assert swarm.play.deaths == deaths
    assert await swarm.play.coordinator.proofs.remote() == []
    await swarm.play.actor(COORDINATOR)._members.followed_up()
    assert swarm.pending() == waiting == 2  # those who submitted again while the second round ran


@pytest.mark.parametrize(
    ("name", "method", "when"),
    [
        (DOOR, "present", "before"),
        (DOOR, "present", "after"),
        (DOOR, "learn", "before"),
        (DOOR, "learn", "after"),
        (DOOR, "apply", "before"),
        (DOOR, "apply", "after"),
        (AGGREGATOR, "open", "after"),
        (AGGREGATOR, "submit", "after"),
        (COORDINATOR, "judged", "before"),
        (COORDINATOR, "judged", "after"),
    ],
)
async def test_killed_at_any_step_the_release_has_the_same_bytes(
    outside: Callable[..., Outside], calm: Any, name: str, method: str, when: str
) -> None:
    swarm = outside(linger_s=2.0)
    setattr(swarm.play, f"kill_{when}", lambda *call: call == (name, method, 2))
    await same(swarm, calm, [name])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_any_transaction_the_release_has_the_same_bytes(
    outside: Callable[..., Outside], calm: Any, when: str
) -> None:
    _, positions, _ = calm
    assert positions >= 4  # takes and erases, in two rounds
    for position in range(1, positions + 1):
        swarm = outside(str(position), linger_s=2.0)
        swarm.play.kill_in = lambda *at, wanted=(DOOR, position): when if at == wanted else ""
        await same(swarm, calm, [DOOR])


async def test_the_coordinator_may_be_killed_at_any_transaction_too(outside: Callable[..., Outside], calm: Any) -> None:
    for position in (2, 3, 4, 6):
        swarm = outside(str(position), linger_s=2.0)
        swarm.play.kill_in = lambda *at, wanted=(COORDINATOR, position): "after" if at == wanted else ""
        await same(swarm, calm, [COORDINATOR])


async def test_a_door_that_is_asked_again_says_the_same_whatever_has_come_in(outside: Callable[..., Outside]) -> None:
    swarm = outside()
    swarm.submit(range(12))
    await swarm.round()
    swarm.submit(range(12))
    await swarm.round()
    swarm.submit(range(12))
    door, coordinator = swarm.play.find(DOOR), swarm.play.actor(COORDINATOR)
    swarm.storage.facts.put("round", {"window": swarm.window})
    terms = await coordinator._terms(3)
    _, [first] = await door.learn.remote(terms)
    swarm.window += 1
    swarm.submit(range(12), lies=range(12))  # all of them, for the next window
    swarm.play.kill(DOOR)
    await door.apply.remote(*(await _release(swarm)))
    _, [again] = await door.learn.remote(terms)
    assert again.to_wire() == first.to_wire()
    with pytest.raises(AbstainingError):
        await door.learn.remote(replace(terms, round=4))


async def _release(swarm: Outside) -> tuple[Release, bytes, bytes]:
    found = await swarm.play.coordinator.release.remote()
    return Release.from_dict(found["release"]), found["artefact"], bytes.fromhex(found["public_key"])
