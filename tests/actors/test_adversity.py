"""Rounds among liars, crashes and laggards: each ends in a stated verdict or error, never in a wrong release."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from actors import faults
from actors.config import AGGREGATOR, COORDINATOR, host_name, validator_name
from actors.host import AgentHost
from federation.errors import QuorumError, RoundAbortedError, RuleBoundError, SwarmError
from federation.identity import EquivocationProof, Secret, SigningKey, payload_digests
from federation.release import Release
from federation.terms import Terms
from federation.update import UpdateBatch
from federation.workload import Learned, Learner
from workloads.null import NullWorkload

SECRET = Secret(bytes(range(32)))
AGENTS = tuple(f"agent-{number:03d}" for number in range(8))


@dataclass(frozen=True)
class Liars:
    """Marked agents whose rows are replaced, and whose batches are sent otherwise."""

    agents: frozenset[str]
    lie: Callable[[np.ndarray], np.ndarray] = lambda row: row
    sends: Callable[[UpdateBatch], Sequence[UpdateBatch]] = lambda batch: [batch]

    def corrupt(self, learner: Learner) -> Learner:
        return _Lying(learner, self)  # type: ignore[return-value]

    def send(self, batch: UpdateBatch) -> Sequence[UpdateBatch]:
        return self.sends(batch)


class _Lying:
    def __init__(self, learner: Learner, liars: Liars) -> None:
        self.agents, self._learner, self._liars = learner.agents, learner, liars

    def __getattr__(self, name: str) -> Any:
        return getattr(self._learner, name)

    def learn(self, *arguments: Any, **named: Any) -> Learned:
        learned = self._learner.learn(*arguments, **named)
        rows = learned.rows.copy()
        for row, agent in enumerate(self.agents):
            if agent in self._liars.agents:
                rows[row] = self._liars.lie(rows[row])
        return replace(learned, rows=rows)


async def until(there: Callable[[], bool]) -> None:
    """Let the others go on until it is so."""
    while not there():  # noqa: ASYNC110 - there is no event to wait for: actors do not know that they are watched
        await asyncio.sleep(0)


def key_of(agent: str) -> SigningKey:
    return SigningKey.of(SECRET.derive("host").derive("agent", "swarm", agent))


def signed_otherwise(batch: UpdateBatch, row: int, factor: float) -> UpdateBatch:
    """A second update of one agent for the same round, genuinely signed."""
    other = batch.rows([row])
    payload = other.payload * np.float32(factor)
    digests = payload_digests(batch.codec, payload, other.weights)
    [message] = batch.statement.messages(other.agents, digests)
    signature = np.frombuffer(key_of(other.agents[0]).sign(message), np.uint8)[None]
    return replace(other, payload=payload, digests=digests, signatures=signature)


@dataclass(frozen=True, kw_only=True)
class Scripted(NullWorkload):
    """A workload whose validators measure what they are told, in turn."""

    script: list[float] = field(default_factory=list)

    def divergence(self, old: np.ndarray, new: np.ndarray, *, probe: int) -> float:
        return self.script.pop(0) if self.script else 1.0


def honest_rows(seed_terms: Terms, agents: Sequence[str]) -> np.ndarray:
    learner = NullWorkload(dimension=16).learner(agents, seed=0)
    return learner.learn(
        np.zeros(16, np.float32),
        round_number=seed_terms.round,
        seeds=seed_terms.seeds(tuple(agents)),
        tuning=seed_terms.tuning,
    ).rows


@pytest.mark.parametrize("lie", [lambda row: row * np.float32(-50), lambda row: row + np.float32(1e4)])
@pytest.mark.parametrize("count", [2, 3])
async def test_liars_up_to_the_bound_are_told_and_one_more_is_never_believed(
    stage: Callable[..., Any], lie: Any, count: int
) -> None:
    liars = frozenset(AGENTS[:count])
    play = stage(adversary=Liars(liars, lie))
    try:
        record = await play.coordinator.run_round.remote()
    except (RoundAbortedError, RuleBoundError):
        assert count > 2
        assert (await play.coordinator.status.remote())["release"]["version"] == 0
        return
    current = play.actor(COORDINATOR)._releases.current
    honest = honest_rows(play.actor(COORDINATOR)._journal.terms(1), [a for a in AGENTS if a not in liars])
    assert (current.value >= honest.min(axis=0) - 1e-6).all()
    assert (current.value <= honest.max(axis=0) + 1e-6).all()
    if count > 2:  # one more than f = 2: all are counted, under a median that bears three
        assert (record["rule"], record["fault_bound"], record["standing_out"]) == ("Median()", 3, 3)
        return
    assert set(record["verdicts"]["agents"]) == liars
    assert record["detection"] == {"precision": 1.0, "recall": 1.0}


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
async def test_rows_that_are_no_numbers_are_refused_with_their_code(stage: Callable[..., Any], value: float) -> None:
    play = stage(adversary=Liars(frozenset(AGENTS[:2]), lambda row: np.full_like(row, value)))
    record = await play.coordinator.run_round.remote()
    reasons = {verdict["reason"] for verdict in record["verdicts"]["agents"].values()}
    assert reasons == {"gate.norm" if value == 1e30 else "gate.not_finite"}
    assert record["agents_count"] == 6
    assert np.isfinite(play.actor(COORDINATOR)._releases.current.value).all()


async def test_an_agent_that_equivocates_convicts_itself(stage: Callable[..., Any]) -> None:
    def twice(batch: UpdateBatch) -> list[UpdateBatch]:
        return [batch, signed_otherwise(batch, 0, 2.0)] if AGENTS[0] in batch.agents else [batch]

    play = stage(adversary=Liars(frozenset(AGENTS[:1]), sends=twice))
    record = await play.coordinator.run_round.remote()
    assert record["verdicts"]["agents"][AGENTS[0]]["reason"] == "gate.equivocation"
    [proof] = await play.coordinator.proofs.remote()
    public = bytes.fromhex(proof.pop("public_key"))
    assert EquivocationProof.from_dict(proof).holds(public)
    assert (await play.coordinator.status.remote())["quarantined"] == [AGENTS[0]]
    after = await play.coordinator.run_round.remote()
    assert after["verdicts"]["agents"][AGENTS[0]]["reason"] == "gate.quarantined"
    assert after["agents_count"] == 7


async def test_an_equivocation_that_comes_too_late_is_judged_in_the_next_round(stage: Callable[..., Any]) -> None:
    play = stage()
    await play.coordinator.run_round.remote()
    [batch] = (await play.actor(host_name(0))._learned(play.actor(COORDINATOR)._journal.terms(1), ""))[:1]
    await play.find(AGGREGATOR).submit.remote([signed_otherwise(batch, 0, 3.0)])
    play.kill(AGGREGATOR)  # the proof is in the journal
    record = await play.coordinator.run_round.remote()
    assert record["byzantine_count"] == 1
    assert [proof["round"] for proof in await play.coordinator.proofs.remote()] == [1]
    assert (await play.coordinator.status.remote())["quarantined"] == [AGENTS[0]]


class Garbage(AgentHost):
    async def learn(self, terms: Terms, traceparent: str = "") -> Any:
        return 4, [b"garbage", None, {"agents": 3}]


class Raising(AgentHost):
    async def learn(self, terms: Terms, traceparent: str = "") -> Any:
        raise ZeroDivisionError("a host may fail in any way")

    async def apply(self, release: Release, artefact: bytes, public: bytes, traceparent: str = "") -> int:
        if self._force.version is not None:
            raise ZeroDivisionError("also here")
        return await super().apply(release, artefact, public, traceparent)


def make_host(play: Any, number: int, kind: type[AgentHost]) -> None:
    agents = play.actor(COORDINATOR)._members.hosts[host_name(number)]
    secret = SECRET.derive("host")
    play.makers[host_name(number)] = lambda: kind(host_name(number), agents, play.config, secret, play.find)


@pytest.mark.parametrize("kind", [Garbage, Raising])
async def test_a_bad_host_costs_its_agents_only(stage: Callable[..., Any], kind: type[AgentHost]) -> None:
    play = stage(hosts=4)
    make_host(play, 3, kind)
    record = await play.coordinator.run_round.remote()
    assert record["agents_count"] == 6
    assert record["refusals"] == ({"gate.malformed": 3} if kind is Garbage else {})
    assert record["hosts_applied"] == (4 if kind is Garbage else 3)


async def test_bad_hosts_of_more_than_f_agents_end_the_round_with_the_numbers(stage: Callable[..., Any]) -> None:
    play = stage(hosts=2, deadline_s=0.2)
    make_host(play, 1, Garbage)
    with pytest.raises(QuorumError) as caught:
        await play.coordinator.run_round.remote()
    assert (caught.value.valid, caught.value.missing) == (4, 4)
    play.kill(COORDINATOR)
    with pytest.raises(QuorumError):
        await play.coordinator.run_round.remote()


class Slow(AgentHost):
    """Learns when it is let."""

    gate: asyncio.Event

    async def learn(self, terms: Terms, traceparent: str = "") -> tuple[int, list[UpdateBatch]]:
        answer = await super().learn(terms, traceparent)
        await self.gate.wait()
        return answer


async def test_all_agents_late_is_an_error_and_not_a_wait(stage: Callable[..., Any]) -> None:
    play = stage(deadline_s=0.2, late_decay=0.0)
    Slow.gate = asyncio.Event()
    for number in range(2):
        make_host(play, number, Slow)
    with pytest.raises(QuorumError) as caught:
        await play.coordinator.run_round.remote()
    assert (caught.value.valid, caught.value.missing) == (0, 8)
    Slow.gate.set()
    assert (await play.coordinator.run_round.remote())["agents_count"] == 8


@pytest.mark.parametrize("killed", [False, True])
async def test_a_late_update_counts_in_the_next_round_decayed(stage: Callable[..., Any], killed: bool) -> None:
    play = stage(hosts=4, linger_s=0.0)
    Slow.gate = asyncio.Event()
    make_host(play, 3, Slow)
    first = await play.coordinator.run_round.remote()
    assert first["agents_count"] == 6
    Slow.gate.set()
    await until(lambda: play.actor(AGGREGATOR)._intake.waiting == 2)
    if killed:
        play.kill(AGGREGATOR)
    play.gone.add(host_name(3))
    second = await play.coordinator.run_round.remote()
    assert (second["agents_count"], second["stale_counted"]) == (6, 2)
    third = await play.coordinator.run_round.remote()
    assert third["stale_counted"] == 0  # once


async def test_commit_then_reveal_end_to_end(stage: Callable[..., Any]) -> None:
    play = stage(commit_reveal=True)
    record = await play.coordinator.run_round.remote()
    assert record["agents_count"] == 8
    calls = play.calls
    assert max(i for i, call in enumerate(calls) if call.endswith(".commit")) < min(
        i for i, call in enumerate(calls) if call.endswith(".submit")
    )


async def test_three_flagged_rounds_are_quarantine_and_clean_ones_the_way_back(stage: Callable[..., Any]) -> None:
    lying = [True]
    liars = Liars(frozenset(AGENTS[:1]), lambda row: row * np.float32(-50 if lying[0] else 1))
    play = stage(adversary=liars)
    seen: list[str] = []
    for number in range(1, 20):
        lying[0] = number <= 3
        record = await play.coordinator.run_round.remote()
        verdict = record["verdicts"]["agents"].get(AGENTS[0])
        seen.append("accepted" if verdict is None else verdict["reason"])
        assert record["agents_count"] >= 7
    assert set(seen[:3]) <= {"screen.distance", "gate.norm"}
    assert set(seen[3:13]) == {"gate.quarantined"}
    assert set(seen[13:16]) == {"trust.observed"}
    assert set(seen[16:]) == {"accepted"}
    assert len(await play.coordinator.verdicts.remote(None, AGENTS[0])) == 19


async def test_observed_agents_do_not_make_a_quorum(stage: Callable[..., Any]) -> None:
    play = stage(hosts=8, deadline_s=0.2)
    await play.coordinator.start.remote()
    coordinator = play.actor(COORDINATOR)
    trust = coordinator._ledger.trust
    standing = trust.standing.copy()
    standing[:2] = 1  # on probation
    coordinator._ledger = replace(coordinator._ledger, trust=replace(trust, standing=standing))
    record = await play.coordinator.run_round.remote()
    assert [v["reason"] for v in record["verdicts"]["agents"].values()] == ["trust.observed"] * 2
    play.gone.add(host_name(7))
    with pytest.raises(QuorumError) as caught:
        await play.coordinator.run_round.remote()
    assert (caught.value.valid, caught.value.quorum) == (5, 6)


async def test_the_swarm_answers_while_a_round_runs(stage: Callable[..., Any]) -> None:
    free, begun = threading.Event(), threading.Event()

    def wait(row: np.ndarray) -> np.ndarray:
        begun.set()
        assert free.wait(5.0)
        return row

    play = stage(adversary=Liars(frozenset(AGENTS[:1]), wait))
    await play.coordinator.start.remote()
    running = asyncio.ensure_future(play.coordinator.run_round.remote())
    await until(begun.is_set)
    status = await play.coordinator.status.remote()
    assert (status["round"], status["phase"]) == (1, "collecting")
    assert status["actors"][host_name(0)]["learning"]
    assert await play.coordinator.records.remote() == []
    assert (await play.coordinator.release.remote())["release"]["version"] == 0
    host = play.find(await play.coordinator.host_of.remote(AGENTS[0]))
    assert (await host.predict.remote(AGENTS[0], np.zeros((2, 3)))).tolist() == [0, 0]
    assert not running.done()
    waiting = asyncio.ensure_future(play.coordinator.records.remote(0, wait_s=5.0))
    free.set()
    assert (await running)["agents_count"] == 8
    assert [record["round"] for record in await waiting] == [1]
    assert await play.coordinator.records.remote(1, wait_s=0.01) == []


async def test_learning_stops_after_the_round_that_is_under_way(stage: Callable[..., Any]) -> None:
    play = stage()
    await play.coordinator.start_learning.remote(0.0)
    await play.coordinator.records.remote(0, wait_s=5.0)
    await play.coordinator.stop_learning.remote()
    status = await play.coordinator.status.remote()
    assert (status["learning"], status["round"]) == (False, None)
    assert len(await play.coordinator.records.remote()) == status["rounds"]  # none was left open
    await play.coordinator.start_learning.remote(0.0, rounds=2)
    await play.actor(COORDINATOR)._learning.finished()
    assert (await play.coordinator.status.remote())["rounds"] == status["rounds"] + 2


async def test_a_round_can_be_stopped(stage: Callable[..., Any]) -> None:
    play = stage()
    Slow.gate = asyncio.Event()
    make_host(play, 0, Slow)
    assert not await play.coordinator.abort_round.remote("nothing runs")
    running = asyncio.ensure_future(play.coordinator.run_round.remote())
    await until(lambda: play.actor(COORDINATOR)._conductor is not None)
    assert await play.coordinator.abort_round.remote("the operator asked")
    with pytest.raises(RoundAbortedError, match="the operator asked"):
        await running
    Slow.gate.set()


async def test_a_rollback_is_a_release_of_its_own(stage: Callable[..., Any]) -> None:
    play = stage()
    for _ in range(2):
        await play.coordinator.run_round.remote()
    first = (await play.coordinator.release.remote(1))["artefact"]
    back = await play.coordinator.rollback.remote(1)
    assert (back["version"], back["restores"], back["hosts_applied"]) == (3, 1, 2)
    assert (await play.coordinator.release.remote())["artefact"] == first
    with pytest.raises(SwarmError) as caught:
        await play.coordinator.rollback.remote(99)
    assert caught.value.code == "release.unknown"
    record = await play.coordinator.run_round.remote()
    assert record["release"]["parent"] == back["digest"]


async def test_a_value_that_no_host_would_take_is_never_written(stage: Callable[..., Any]) -> None:
    class Overflowing(NullWorkload):
        def fold(self, base: np.ndarray, aggregate: np.ndarray) -> np.ndarray:
            return aggregate * np.float32(np.inf)

    play = stage(workload=Overflowing(dimension=16))
    with pytest.raises(SwarmError) as caught:
        await play.coordinator.run_round.remote()
    assert caught.value.code == "release.artefact"
    play.kill(COORDINATOR)
    assert (await play.coordinator.start.remote())["release"]["version"] == 0


async def test_validators_disagree_and_one_of_them_is_dead(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "RETRY_S", (0.0,))
    play = stage(validators=3, workload=Scripted(dimension=16, script=[0.001, 0.5, 0.002]))
    record = await play.coordinator.run_round.remote()
    assert record["validators_disagree"]
    assert record["kl_divergence"] == 0.002
    assert (await play.coordinator.status.remote())["mape"]["symptoms"] == {"validators_disagree": 1}
    play.gone.add(validator_name(1))
    assert len((await play.coordinator.run_round.remote())["validators"]) == 2
    play.gone |= {validator_name(0), validator_name(2)}
    with pytest.raises(RoundAbortedError, match="none of 3 validators"):
        await play.coordinator.run_round.remote()


ALTERNATING = [0.1, 1.0] * 15


@pytest.mark.parametrize(
    ("script", "rounds", "tuning"),
    [
        ([0.5 + 0.01 * (3 * number % 7) for number in range(25)], 20, {"learning_rate_scale": 0.7}),
        ([0.5 * 0.99**number for number in range(26)], 20, {"epochs_scale": 1.5}),
        (ALTERNATING, 24, {"learning_rate_scale": 0.5}),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_validators_ask_for_is_done_once_and_then_given_time(
    stage: Callable[..., Any], script: list[float], rounds: int, tuning: dict[str, float], restarted: bool
) -> None:
    play = stage(workload=Scripted(dimension=16, script=list(script)))
    changed: list[int] = []
    for number in range(1, rounds + 6):
        before = play.actor(COORDINATOR)._ledger.tuning
        await play.coordinator.run_round.remote()
        after = play.actor(COORDINATOR)._ledger.tuning
        if after != before:
            changed.append(number)
            assert {name: getattr(after, name) / getattr(before, name) for name in tuning} == pytest.approx(tuning)
        if restarted:
            play.kill(validator_name(0))
            play.kill(COORDINATOR)
            await play.coordinator.start.remote()
    assert changed
    assert all(later - earlier >= 10 for earlier, later in pairwise(changed))


@pytest.mark.parametrize("killed", [False, True])
async def test_divergence_is_answered_with_the_last_good_release(stage: Callable[..., Any], killed: bool) -> None:
    play = stage(workload=Scripted(dimension=16, script=[0.5, 0.4, float("nan"), 0.3]))
    for _ in range(2):
        await play.coordinator.run_round.remote("")
    good = (await play.coordinator.release.remote(2))["artefact"]
    if killed:  # the release that diverged is written; its rollback is not
        play.kill_in = lambda name, nth: "after" if (name, nth) == (COORDINATOR, 3 + 3 * 2 + 2) else ""
        with pytest.raises(Exception, match="actor"):
            await play.coordinator.run_round.remote("third")
    assert (await play.coordinator.run_round.remote("third"))["release"]["version"] == 3
    now = await play.coordinator.release.remote()
    assert (now["release"]["version"], now["release"]["restores"], now["artefact"]) == (4, 2, good)
    assert (await play.coordinator.status.remote())["tuning"]["learning_rate_scale"] == 0.5
    assert (await play.coordinator.run_round.remote())["release"]["version"] == 5


async def test_the_coordinators_loop_revives_a_host(stage: Callable[..., Any]) -> None:
    play = stage(hosts=4)
    await play.coordinator.start.remote()
    play.gone.add(host_name(3))
    assert (await play.coordinator.run_round.remote())["agents_count"] == 6
    assert play.gone == set()
    assert (await play.coordinator.run_round.remote())["agents_count"] == 8
