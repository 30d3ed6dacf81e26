"""What a door that streams says of its folds."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config import FederationConfig, SwarmConfig
from actors.door import Door
from actors.fold_telling import FoldTelling
from actors.group_arrivals import GroupRows
from federation.identity import Secret
from telemetry import semconv
from telemetry.semconv import ActorKind
from telemetry.testing import captured
from tests.actors.installations import WORKLOAD, Installations
from workloads.patterns import GroupedPatternsWorkload

EU = {semconv.ATTR_REGION: "eu"}


def test_folds_and_the_aggregate_of_a_region_are_told(tmp_path: Path) -> None:
    there = Installations(tmp_path)
    there.submit(range(40), region="eu")
    federation = FederationConfig(storage=there.url, regions=("eu",), streaming=True, groups=8)
    config = SwarmConfig(workload=GroupedPatternsWorkload.of(WORKLOAD), federation=federation, state_dir=tmp_path / "s")
    with captured(actor_kind=ActorKind.DOOR, instance="swarmlore-host-0") as capture:
        name, now = "swarmlore-host-0", lambda: there.now
        door = Door(name, "eu", config, Secret(bytes(32)), lambda _: None, capture.telemetry, clock=now)
        rows = door._arrivals
        assert isinstance(rows, GroupRows)
        assert rows.take(1).clients == 40
        rows.close()
        [span] = [one for one in capture.spans if one.name == semconv.SPAN_REGION_FOLD]
        told = {**EU, semconv.ATTR_SUBMISSIONS_COUNT: 40, semconv.ATTR_GROUPS_COUNT: 8}
        assert {key: (span.attributes or {})[key] for key in told} == told
        [event] = [one for one in capture.events if one.name == semconv.EVENT_REGION_FOLDED]
        assert {key: event.attributes[key] for key in told} == told
        assert capture.total(semconv.METRIC_SUBMISSIONS_FOLDED, EU) == 40
        assert capture.total(semconv.METRIC_FOLD_DURATION, EU) == 1
        assert capture.problems() == []


def test_a_fold_that_fails_is_told_as_such_and_counts_nothing() -> None:
    with captured(actor_kind=ActorKind.DOOR) as capture:
        telling = FoldTelling("eu", 8, capture.telemetry)
        with pytest.raises(OSError, match="gone"), telling.fold(3, 7):
            raise OSError("gone")
        [span] = capture.spans
        assert (span.attributes or {})[semconv.ATTR_ERROR_TYPE] == "OSError"
        assert capture.total(semconv.METRIC_SUBMISSIONS_FOLDED, EU) == 0
        assert capture.points(semconv.METRIC_FOLD_DURATION) == ()
        assert capture.problems() == []
