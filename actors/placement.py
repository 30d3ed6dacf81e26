"""How actors are made, and on which node: the head's for what is kept in files, else in turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.config import NAMESPACE, SwarmConfig, host_name
from federation.identity import Secret

Find = Callable[[str], Any]
"""From a name to an actor handle."""

HEAD = "node:__internal_head__"
"""Resource that only the head node has: journal, coordinator and aggregator live and die with it."""


def _home(number: int) -> str:
    """The node that a host is put on: nodes take turns, one turn for each of their CPUs.

    Ray's own SPREAD looks at what actors ask for; ours ask for no CPU, and all would go to one node.
    """
    import ray

    nodes: list[Any] = [node for node in ray.nodes() if node["Alive"]]
    turns = [
        node["NodeID"]
        for node in sorted(nodes, key=lambda node: node["NodeID"])
        for _ in range(max(int(node["Resources"].get("CPU", 0)), 0))
    ]
    return turns[number % len(turns)] if turns else nodes[0]["NodeID"]


def named(kind: type[Any], name: str, *, head: bool = False, node: str | None = None) -> Any:
    """A maker of an actor of this name, detached: ``named(...).remote(...)``. One that is there already is not made."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return ray.remote(kind).options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        max_task_retries=0,
        num_cpus=0,
        resources={HEAD: 0.001} if head else None,
        # Soft: when the node is gone, the actor comes back on another one.
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True) if node else "DEFAULT",
    )


def make_host(number: int, agents: tuple[str, ...], config: SwarmConfig, secret: Secret, find: Find) -> None:
    """Make a host, unless it is there."""
    from actors.host import AgentHost

    name = host_name(number)
    named(AgentHost, name, node=_home(number)).remote(name, agents, config, secret.derive("host"), find)


def make_door(number: int, region: str, config: SwarmConfig, secret: Secret, find: Find) -> None:
    """Make a door, unless it is there. Storage in a file is on the head node, and so is the door then."""
    from actors.door import Door

    assert config.federation is not None
    name, at_head = host_name(number), config.federation.storage.startswith("sqlite")
    actor = named(Door, name, head=at_head, node=None if at_head else _home(number))
    actor.remote(name, region, config, secret.derive("host"), find)


class Reviver:
    """Makes a host or a door again that Ray has given up. Held by the coordinator."""

    def __init__(self, shares: tuple[tuple[str, ...], ...], config: SwarmConfig, secret: Secret, find: Find) -> None:
        self._shares, self._config, self._secret, self._find = shares, config, secret, find

    def __call__(self, name: str) -> None:
        for number, agents in enumerate(self._shares):
            if host_name(number) == name:
                make_host(number, agents, self._config, self._secret, self._find)
        federation = self._config.federation
        for number, region in enumerate(federation.regions if federation is not None else ()):
            if host_name(number) == name:
                make_door(number, region, self._config, self._secret, self._find)
