"""The settings of a swarm: what does not fit is refused before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actors.config import SwarmConfig
from workloads.null import NullWorkload
from workloads.patterns import PatternsWorkload


def make(n: int = 7, **changes: Any) -> SwarmConfig:
    return SwarmConfig(**{"workload": NullWorkload(dimension=2), "agents": tuple(map(str, range(n))), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"agents": ()},
        {"agents": ("a", "a")},
        {"agents": ("a", "")},
        {"unknown": 1},
        {"workload": None},
        {"workload": "null"},
        {"rule": "median"},
        {"screen": object()},
        {"adversary": object()},
        {"fault_bound": 3},
        {"fault_bound": -1},
        {"hosts": 2, "agents_per_host": 1},
        {"hosts": 0},
        {"deadline_s": 0.0},
        {"linger_s": -0.1},
        {"late_decay": 1.1},
        {"validators": 0},
        {"run": ""},
        {"weight_cap": 0.0},
        {"keep_artefacts": 0},
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"agents": ("a",)},
        {"workload": NullWorkload(dimension=2)},
        {"federation": {}},
        {"federation": {"storage": ""}},
        {"federation": {"storage": "sqlite:///x", "regions": ()}},
        {"federation": {"storage": "sqlite:///x", "regions": ("eu", "eu")}},
        {"federation": {"storage": "sqlite:///x", "regions": ("no/path",)}},
        {"federation": {"storage": "sqlite:///x", "groups": 0}},
        {"federation": {"storage": "sqlite:///x", "unknown": 1}},
        {"hosts": 1},
        {"agents_per_host": 1},
        {"error_feedback": True},
        {"adapt_epochs": True},
    ],
)
def test_a_federation_has_clients_and_no_agents(changes: dict[str, Any]) -> None:
    given = {"workload": PatternsWorkload(), "federation": {"storage": "postgresql://u:secret@db/x"}}
    config = SwarmConfig(**given)
    assert config.shares(8, 3) == []
    assert config.used_late_decay == 0
    assert "secret" not in repr(config)
    with pytest.raises(ValidationError) as caught:
        SwarmConfig(**{**given, **changes})
    assert "secret" not in str(caught.value)


def test_defaults_follow_the_number_of_agents() -> None:
    assert make().used_fault_bound == 2
    assert make(fault_bound=1).used_fault_bound == 1
    assert make().used_rule is make().workload.rule or make().used_rule == make().workload.rule
    assert make(agents=("b", "a")).agents == ("a", "b")


@pytest.mark.parametrize(
    ("n", "cpus", "nodes", "hosts"), [(100, 2, 1, 1), (257, 2, 1, 2), (10_000, 2, 1, 2), (100, 8, 3, 3), (2, 8, 3, 2)]
)
def test_hosts_follow_nodes_and_work(n: int, cpus: int, nodes: int, hosts: int) -> None:
    assert len(make(n).shares(cpus, nodes)) == hosts


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 9), st.sampled_from(["hosts", "agents_per_host", None]))
def test_shares_hold_every_agent_once_and_evenly(n: int, count: int, name: str | None) -> None:
    config = make(n, **({name: count} if name else {}))
    shares = config.shares(2)
    assert sorted(agent for share in shares for agent in share) == list(config.agents)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1
    if name == "agents_per_host":
        assert max(sizes) <= count
