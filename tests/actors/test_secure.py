"""Doors that see sums only: whole rounds of buckets, poisoned ones among them, and what is erased when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from actors.clientele import ParticipantsError
from actors.config import FederationConfig, SwarmConfig, host_name
from actors.privacy import PrivacyConfig
from actors.secure import SecureConfig
from actors.secure_arrivals import NAMES_KEPT
from actors.storage import Storage, StoredBucket
from federation.rules import Median
from tests.actors.conftest import Stage
from tests.actors.installations import SPACE, WORKLOAD
from workloads.patterns import GroupedPatternsWorkload, weights_of
from workloads.patterns.buckets import addend
from workloads.patterns.rows import Weights, encoded

ROBUST = GroupedPatternsWorkload.of(replace(WORKLOAD, inner=Median()))
SMALL = SecureConfig(size=7, liars=1, dropped=1)
KEYS = len(SPACE.keys)
TOOL = SPACE.keys[0]


class Buckets:
    """A federation of buckets on the stage; their sums are put where a sorter leaves them."""

    def __init__(self, folder: Path, regions: tuple[str, ...] = ("global",)) -> None:
        self.url = f"sqlite:///{folder}/federation.db"
        federation = FederationConfig(storage=self.url, regions=regions, secure=SMALL)
        self.play = Stage(
            SwarmConfig(workload=ROBUST, federation=federation, state_dir=folder / "state", deadline_s=5.0)
        )
        self.storage = Storage.open(self.url)
        self.window = 0

    def summed(self, *totals: np.ndarray, members: int = 7, region: str = "global", base: str | None = None) -> None:
        """Sums of one window."""
        self.window += 1
        opened = [
            StoredBucket(
                id=f"{self.window}.{region}.{place:04d}",
                window=self.window,
                region=region,
                base_version=base,
                members=members,
            )
            for place in range(len(totals))
        ]
        self.storage.mail.begin(self.window, secret=bytes(32), facts={}, buckets=opened, letters=[])
        for one, total in zip(opened, totals, strict=True):
            self.storage.mail.advance(replace(one, state="done", total=total))
        self.storage.facts.put("round", {"window": self.window, "limit": None})

    async def round(self) -> dict[str, Any]:
        return await self.play.coordinator.run_round.remote()

    async def known(self) -> float:
        found = await self.play.coordinator.release.remote()
        return weights_of(WORKLOAD.unpack(found["artefact"]), SPACE)[TOOL].confidence


@pytest.fixture
def buckets(tmp_path: Path) -> Buckets:
    return Buckets(tmp_path)


def row(value: float) -> np.ndarray:
    weights = {TOOL: Weights(samples=30, values=(value, 0.0, 0.0, value, 0.0, 0.0))}
    return addend(encoded(weights, SPACE, round_number=0).row, keys=KEYS)


async def test_a_round_of_buckets_bears_poisoned_ones(buckets: Buckets) -> None:
    good = [7 * row(value) for value in (0.29, 0.3, 0.3, 0.31, 0.3)]
    # One liar's legal row, a bucket of liars, and a sum that no rows make.
    buckets.summed(*good, 6 * row(0.3) + row(-1.0), 7 * row(1.0), 1e6 * row(1.0))
    record = await buckets.round()
    assert record["agents_count"] == 7
    assert await buckets.known() == pytest.approx(0.3, abs=0.011)
    assert buckets.storage.mail.summed(1) == {"buckets": 7, "members": 49, "failed": 1, "window": 1}
    told = (await buckets.play.coordinator.status.remote())["actors"][host_name(0)]
    assert (told["buckets"], told["clients"], told["left_out"]) == (7, 49, {"patterns.invalid": 1})
    assert [one.total for one in buckets.storage.mail.buckets(1)] == [None] * 8  # counted, and gone
    # The next window's buckets are others. Their members changed the genesis, which knew nothing.
    buckets.summed(*[7 * row(0.1)] * 3)
    assert (await buckets.round())["agents_count"] == 3
    assert await buckets.known() == pytest.approx(0.1, abs=0.011)


async def test_too_few_members_open_no_round_and_their_sums_go_with_the_next_window(buckets: Buckets) -> None:
    buckets.summed(7 * row(0.3))
    with pytest.raises(ParticipantsError) as few:
        await buckets.round()
    assert (few.value.found, few.value.needed) == (7, 10)
    buckets.summed(7 * row(0.2), 7 * row(0.2), 7 * row(0.2))
    assert (await buckets.round())["agents_count"] == 3
    assert await buckets.known() == pytest.approx(0.2, abs=0.001)
    assert [one.state for one in buckets.storage.mail.buckets(1)] == ["counted"]


async def test_buckets_of_long_ago_are_forgotten(buckets: Buckets) -> None:
    buckets.summed(*[7 * row(0.3)] * 3)
    await buckets.round()
    names = {one["agent"] for one in await buckets.play.coordinator.agents.remote()}
    assert names == {f"1.global.{place:04d}" for place in range(3)}
    buckets.window = NAMES_KEPT
    buckets.summed(*[7 * row(0.3)] * 3)
    await buckets.round()
    for _ in range(200):
        names = {one["agent"] for one in await buckets.play.coordinator.agents.remote()}
        if len(names) == 3:
            break
        await asyncio.sleep(0.01)
    assert names == {f"{1 + NAMES_KEPT}.global.{place:04d}" for place in range(3)}


async def test_a_door_that_is_killed_brings_the_same_sums(buckets: Buckets) -> None:
    buckets.summed(*[7 * row(0.3)] * 3)
    killed: list[str] = []

    def kill(name: str, method: str, _: int) -> bool:
        if name == host_name(0) and method == "learn" and not killed:
            killed.append(name)
            return True
        return False

    buckets.play.kill_after = kill
    assert (await buckets.round())["agents_count"] == 3
    assert killed
    assert await buckets.known() == pytest.approx(0.3, abs=0.001)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"workload": WORKLOAD}, "sums in secret needs one whose rows are of groups"),
        ({"privacy": PrivacyConfig()}, "with secure sums nobody sees one"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    federation = FederationConfig(storage=f"sqlite:///{tmp_path}/x.db", secure=SMALL)
    with pytest.raises(ValidationError, match=said):
        SwarmConfig(**{"workload": ROBUST, "federation": federation, **change})


def test_streaming_and_buckets_that_hold_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="streaming folds what each client sends"):
        FederationConfig(storage="sqlite:///x.db", streaming=True, secure=SMALL)
    made: Callable[..., SecureConfig] = SecureConfig
    with pytest.raises(ValidationError, match="cannot bear 2 liars and 3 drop-outs"):
        made(size=7)
    with pytest.raises(ValidationError, match="which clients refuse"):
        made(size=5, liars=1, dropped=1)


@pytest.mark.parametrize(("clients", "borne"), [(16, 0), (47, 0), (48, 1), (80, 2), (320, 9)])
def test_how_many_liars_a_round_bears_whatever_the_draw(clients: int, borne: int) -> None:
    config = SecureConfig()
    assert config.borne(clients, rule=Median()) == borne
    assert config.bound(clients, liars=borne, rule=Median()).chance_lost == 0.0
    assert config.bound(clients, liars=borne + 1, rule=Median()).chance_lost > 0
