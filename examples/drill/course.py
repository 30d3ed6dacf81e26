"""The course of the drill: rounds under attack, without a quorum, with crashes, and whatever else can happen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np

from actors import Swarm, SwarmConfig, cluster
from actors.agent import Complaint, Reading
from actors.config import AGGREGATOR, COORDINATOR, host_name, validator_name
from examples.drill.federated import federated, federated_config
from examples.drill.ingestion import take_in
from examples.drill.parts import FEATURES, Systems, TornWorkload, write_experiences
from examples.drill.private import private_config, spend
from examples.drill.troublemakers import Script, Trouble, Troublemakers
from examples.drill.window import secured, streamed, windows
from federation.errors import SwarmError
from gateway.learning import agent_names
from gateway.metrics import Gathering
from telemetry import Telemetry, TelemetryConfig, semconv
from workloads.gradients import Experience, ExperienceFiles
from workloads.null import NullWorkload

RUN = "drill"
AGENTS = agent_names(12)
HOSTS = 4
LIAR, BROKEN, TWO_FACED = AGENTS[0], AGENTS[3], AGENTS[6]
SLOW = AGENTS[9:12]
"""The agents of the last host: as many as may be missing."""

SCRIPT: Script = {
    2: dict.fromkeys(SLOW, Trouble.DAWDLE),
    3: dict.fromkeys(AGENTS[:4], Trouble.LEAN),
    4: {BROKEN: Trouble.NOT_FINITE, LIAR: Trouble.LIE},
    5: {LIAR: Trouble.LIE},
    6: {LIAR: Trouble.LIE},
    7: {TWO_FACED: Trouble.EQUIVOCATE},
    8: dict.fromkeys((BROKEN, *SLOW), Trouble.NOT_FINITE),
}
CALM_FROM = 9
DRAINS = 10
MOST_ROUNDS = 34
"""A quarantine lasts ten rounds, and three on probation come after it."""

Say = Callable[[str], None]


async def drill(endpoint: str, folder: Path, say: Say = print) -> None:
    """Run everything on a Ray cluster of its own, with telemetry to an OTLP/HTTP receiver.

    Args:
        endpoint: base URL of the receiver.
        folder: for data and state.
        say: told of each step.
    """
    telemetry = TelemetryConfig(endpoint=endpoint, timeout_s=10.0, environment="drill")
    gateway = Telemetry.start(telemetry, actor_kind=semconv.ActorKind.GATEWAY, instance="gateway")
    await asyncio.to_thread(cluster.join, "local")  # one cluster for all swarms; the process leaves it at its end
    async with _swarm(_troubled(folder, telemetry)) as swarm:
        await _rounds(swarm, say)
        await _drained(swarm, say)
        await _crashes(swarm, say)
        await _agents(swarm, say)
        await _back(swarm, say)
        say("gateway: a scrape, and telemetry of agents taken in")
        await Gathering(swarm, gateway).snapshots()
        await take_in(swarm, gateway, AGENTS[1])
        await _drained(swarm, say)
        await asyncio.to_thread(gateway.drain, 5.0)
    async with _swarm(_committed(folder, telemetry)) as swarm:
        say("commit and reveal")
        await swarm.run_round()
        await _drained(swarm, say)
    async with _swarm(private_config(AGENTS, folder / "private", telemetry)) as swarm:
        await spend(swarm, say)
        await _drained(swarm, say)
    for name, course in (("federated", windows), ("streamed", streamed), ("secured", secured)):
        below = folder / name
        config = federated_config(below, telemetry, streaming=course is streamed, secure=course is secured)
        async with _swarm(config) as swarm, federated(swarm, config, below) as federation:
            await course(federation, say)
            await _drained(swarm, say)
    await asyncio.to_thread(gateway.stop, 5.0)
    await asyncio.to_thread(cluster.leave)


def _troubled(folder: Path, telemetry: TelemetryConfig) -> SwarmConfig:
    path, state = folder / "experiences.jsonl", folder / "troubled"
    write_experiences(path, AGENTS, each=40, seed=3)
    marked = frozenset(agent for troubles in SCRIPT.values() for agent in troubles)
    return SwarmConfig(
        workload=TornWorkload(data=ExperienceFiles(paths=(str(path),))),
        agents=AGENTS,
        run=RUN,
        seed=3,
        hosts=HOSTS,
        validators=2,
        # Every round counts as converged for whoever agrees, so that converging is part of the drill.
        threshold=1.0,
        min_rounds=1,
        patience=1,
        deadline_s=8.0,
        linger_s=0.2,
        systems=Systems(),
        adapt_epochs=True,
        adversary=Troublemakers(agents=marked, script=SCRIPT, run=RUN, secret=state / "secret"),
        state_dir=state,
        telemetry=telemetry,
    )


def _committed(folder: Path, telemetry: TelemetryConfig) -> SwarmConfig:
    return SwarmConfig(
        workload=NullWorkload(dimension=16),
        agents=AGENTS[:4],
        run="drill-committed",
        hosts=1,
        commit_reveal=True,
        state_dir=folder / "committed",
        telemetry=telemetry,
    )


@contextlib.asynccontextmanager
async def _swarm(config: SwarmConfig) -> AsyncIterator[Swarm]:
    swarm = await Swarm.start(config, address="local")
    try:
        yield swarm
    finally:
        await swarm.stop()


async def _drained(swarm: Swarm, say: Say) -> None:
    """Have everything delivered: a killed actor takes what still waits with it."""
    waiting: list[str] = []
    for _ in range(DRAINS):
        waiting = [name for name, done in (await swarm.drain()).items() if not done]
        if not waiting:
            return
    say(f"telemetry still waits in {', '.join(waiting)}")


async def _rounds(swarm: Swarm, say: Say) -> None:
    """The scripted rounds; one of them ends without a release, as it must."""
    for number in range(1, CALM_FROM):
        say(f"round {number}: {_told(SCRIPT.get(number, {}))} -> {await _round(swarm)}")
        if number == 2:
            await asyncio.sleep(Troublemakers.dawdling_s)  # so that what is late has arrived when the next one opens


def _told(troubles: Any) -> str:
    return ", ".join(f"{agent} {trouble}" for agent, trouble in troubles.items()) or "calm"


async def _round(swarm: Swarm) -> str:
    try:
        record = await swarm.run_round()
    except SwarmError as error:
        return f"{error.code}: {error}"
    return f"release {record['release']['version']}, {record['byzantine_count']} flagged"


async def _crashes(swarm: Swarm, say: Say) -> None:
    """An actor of each kind is killed in mid-round and comes back."""
    import ray

    for name in (AGGREGATOR, validator_name(0), host_name(1), COORDINATOR):
        under_way = asyncio.create_task(_round(swarm))
        await asyncio.sleep(0.02)
        ray.kill(cluster.find(name), no_restart=False)
        say(f"{name} killed -> {await under_way}")


async def _agents(swarm: Swarm, say: Say) -> None:
    """Agents manage systems that complain, and find that their tasks have changed."""
    rng = np.random.default_rng(5)
    for turn in range(4):
        complaint = Complaint(name="failing", severity=0.9, impact=0.5, detail=f"turn {turn}")
        features = tuple(float(value) for value in rng.random(FEATURES - 3))
        answer = await swarm.manage(AGENTS[1], Reading(features=features, complaints=(complaint,)))
        say(f"{AGENTS[1]} manages: {answer['outcomes']}")
    failed = [Experience(state=rng.random(FEATURES).tolist(), action=0, reward=0.0) for _ in range(64)]
    await swarm.observe(AGENTS[2], failed)
    await asyncio.sleep(0.5)
    await swarm.stop_learning()
    say(f"{AGENTS[2]} asked to be retrained")
    await swarm.rollback(1)
    say("rolled back to release 1")


async def _back(swarm: Swarm, say: Say) -> None:
    """Rounds until who was quarantined for lies counts again."""
    while (last := int((await swarm.status())["rounds"])) < MOST_ROUNDS:
        standing = {agent["agent"]: agent["standing"] for agent in await swarm.agents()}
        if standing[LIAR] == "active":
            say(f"{LIAR} is back after round {last}")
            return
        await _round(swarm)
    say(f"{LIAR} is not back after {MOST_ROUNDS} rounds")
