"""Whole rounds on the stage: what they answer, and what survives when an actor is killed anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from actors.config import AGGREGATOR, COORDINATOR, host_name, validator_name
from federation.aggregation import screened
from federation.errors import QuorumError
from federation.update import UpdateBatch

FIELDS = {
    "round", "total_duration_ms", "local_training_ms", "aggregation_ms", "convergence_ms", "distribution_ms",
    "agents_count", "byzantine_count", "kl_divergence", "avg_local_loss", "converged", "verdicts", "release",
}  # fmt: skip


async def rounds(stage: Any, count: int) -> list[dict[str, Any]]:
    """Run rounds as the handle does: asking again, by request id, when the coordinator was lost."""
    records: list[dict[str, Any]] = []
    for number in range(count):
        while True:
            try:
                records.append(await stage.coordinator.run_round.remote(f"request-{number}"))
                break
            except ActorDiedError:
                await asyncio.sleep(0.01)
    return records


async def test_a_round_answers_with_the_fields_of_the_specification(stage: Callable[..., Any]) -> None:
    play = stage()
    [record] = await rounds(play, 1)
    assert record.keys() >= FIELDS
    assert record["agents_count"] == 8
    assert record["release"]["version"] == 1
    assert record["verdicts"]["accepted"] == 8


async def test_the_same_seed_gives_the_same_releases_however_agents_are_hosted(
    stage: Callable[..., Any], tmp_path: Any
) -> None:
    digests = set()
    for hosts in (1, 2, 3):
        play = stage(hosts=hosts, state_dir=tmp_path / str(hosts))
        digests.add(tuple(record["release"]["digest"] for record in await rounds(play, 3)))
    assert len(digests) == 1


async def test_an_answered_request_is_answered_the_same_again(stage: Callable[..., Any]) -> None:
    play = stage()
    first = await play.coordinator.run_round.remote("the same")
    again = await play.coordinator.run_round.remote("the same")
    assert again == first
    assert (await play.coordinator.status.remote())["rounds"] == 1


class Silent:
    """One agent never sends anything, so that the round is closed by its quorum and not by the last answer."""

    agents = frozenset({"agent-000"})

    def corrupt(self, learner: Any) -> Any:
        return learner

    def send(self, batch: UpdateBatch) -> list[UpdateBatch]:
        return [batch.rows([row for row, agent in enumerate(batch.agents) if agent not in self.agents])]


METHODS = [
    (host_name(0), "learn"),
    (host_name(1), "apply"),
    (AGGREGATOR, "open"),
    (AGGREGATOR, "submit"),
    (AGGREGATOR, "aggregate"),
    (AGGREGATOR, "finish"),
    (validator_name(0), "measure"),
    (COORDINATOR, "run_round"),
]


@pytest.mark.parametrize(("name", "method"), METHODS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_killed_actor_changes_no_release(
    stage: Callable[..., Any], tmp_path: Any, name: str, method: str, when: str
) -> None:
    # Only a round that does not end with its last answer has to ask for the aggregate.
    asked = method == "aggregate"
    settings: dict[str, Any] = {"adversary": Silent(), "linger_s": 0.05} if asked else {"linger_s": 2.0}
    undisturbed = await rounds(stage(state_dir=tmp_path / "calm", **settings), 3)
    play = stage(state_dir=tmp_path / "killed", **settings)
    await play.coordinator.start.remote()

    def second(who: str, what: str, nth: int) -> bool:
        return (who, what) == (name, method) and nth == 2

    setattr(play, f"kill_{when}", second)
    disturbed = await rounds(play, 3)
    assert play.deaths == [name]
    assert [record["release"]["digest"] for record in disturbed] == [
        record["release"]["digest"] for record in undisturbed
    ]
    assert [record["agents_count"] for record in disturbed] == [7 if asked else 8] * 3


async def test_too_few_replies_end_in_the_numbers_and_not_in_a_wait(stage: Callable[..., Any]) -> None:
    play = stage(deadline_s=0.6)
    await play.coordinator.start.remote()
    play.gone.add(host_name(1))
    with pytest.raises(QuorumError) as caught:
        await play.coordinator.run_round.remote()
    error = caught.value
    assert (error.valid, error.quorum, error.n, error.f, error.missing) == (4, 6, 8, 2, 4)
    play.gone.clear()
    record = await play.coordinator.run_round.remote()
    assert record["agents_count"] == 8


async def test_a_round_is_aggregated_once_however_its_batches_meet(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(rows: Any, **settings: Any) -> Any:
        calls.append(len(rows))
        return screened(rows, **settings)

    monkeypatch.setattr("actors.aggregator.screened", counted)
    await rounds(stage(hosts=8), 5)
    assert calls == [8] * 5
