"""A federation that streams, as the command opens it."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.errors import SettingError
from gateway.federation.opening import Opening
from telemetry import TelemetryConfig
from workloads.patterns import GroupedPatternsWorkload


def test_the_command_opens_it_with_a_workload_for_groups(tmp_path: Path) -> None:
    given = {"host": "127.0.0.1", "port": 0, "workers": 1, "state_dir": tmp_path, "streaming": True, "groups": 4}
    config = Opening(**given, epsilon=0.0).swarm(TelemetryConfig())  # pyright: ignore[reportArgumentType]
    assert isinstance(config.workload, GroupedPatternsWorkload)
    assert config.federation is not None
    assert (config.federation.streaming, config.federation.groups, config.privacy) == (True, 4, None)
    with pytest.raises(SettingError, match="epsilon"):
        Opening(**given).swarm(TelemetryConfig())  # pyright: ignore[reportArgumentType]
