"""`federation serve --secure`: what its options come to, which do not go together, and what is said of the bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federation.errors import SettingError
from federation.rules import Median
from gateway.federation.opening import Opening
from gateway.federation.serving import _bound
from gateway.output import Output
from telemetry import TelemetryConfig
from workloads.patterns import GroupedPatternsWorkload

SILENT = TelemetryConfig()


def opening(folder: Path, **changes: Any) -> Opening:
    known: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "workers": 1, "state_dir": folder}
    return Opening(**known | {"secure": True, "epsilon": 0.0, "min_participants": 48, **changes})


def test_door_and_swarm_sum_in_secret_with_a_rule_that_bears_liars(tmp_path: Path) -> None:
    made = opening(tmp_path, bucket_size=20, bucket_liars=1, bucket_dropped=2, stage_s=5.0)
    config, door = made.swarm(SILENT), made.door(SILENT)
    assert config.federation is not None
    assert door.secure == config.federation.secure == made.sums
    assert made.sums is not None
    assert (made.sums.size, made.sums.liars, made.sums.dropped, made.sums.stage_s) == (20, 1, 2, 5.0)
    assert isinstance(config.workload, GroupedPatternsWorkload)
    assert isinstance(config.workload.inner, Median)
    assert config.privacy is None
    assert opening(tmp_path, secure=False).door(SILENT).secure is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epsilon": 1.0}, "0 with --secure"),
        ({"streaming": True}, "left out with --secure"),
        ({"min_participants": 15}, "16 or more, the members of one bucket"),
        ({"bucket_size": 7}, "cannot bear 2 liars and 3 drop-outs"),
        ({"bucket_size": 5, "bucket_liars": 1, "bucket_dropped": 1}, "which clients refuse"),
    ],
)
def test_what_does_not_hold_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        opening(tmp_path, **changes).swarm(SILENT)


def test_what_liars_can_do_is_said_with_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _bound(opening(tmp_path, secure=False), Output()) == {}
    found = _bound(opening(tmp_path, min_participants=80), Output())["secure"]
    assert (found["buckets"], found["size"], found["borne"]) == (5, 16, 2)
    assert found["lost"] == pytest.approx(0.499, abs=0.001)
    assert "raise --min-participants" not in capsys.readouterr().err
    assert _bound(opening(tmp_path, min_participants=32), Output())["secure"]["borne"] == 0
    told = capsys.readouterr()
    assert "2 buckets bear no lying client at all: raise --min-participants to 48 or more" in " ".join(told.err.split())
