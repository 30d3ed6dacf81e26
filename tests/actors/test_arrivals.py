"""What all arrivals share: the storage that they are in is opened when it is needed, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.arrivals import ClientRows, StoredArrivals
from actors.config import FederationConfig
from actors.group_arrivals import GroupRows
from actors.secure_arrivals import BucketRows
from actors.storage import StorageUnavailableError
from federation.identity import Secret
from workloads.patterns import GroupedPatternsWorkload, KeySpace, PatternsWorkload

WORKLOAD = PatternsWorkload(space=KeySpace.of(tools=("Edit", "Read")))
GROUPED = GroupedPatternsWorkload.of(WORKLOAD)


def of(kind: type[StoredArrivals], url: str) -> ClientRows | GroupRows | BucketRows:
    federation = FederationConfig(storage=url)
    if kind is GroupRows:
        return GroupRows("global", federation, GROUPED, run="test", seed=0, secret=Secret(bytes(32)))
    if kind is BucketRows:
        return BucketRows("global", federation, GROUPED, seed=0)
    return ClientRows("global", federation, WORKLOAD, seed=0)


@pytest.mark.parametrize("kind", [ClientRows, GroupRows, BucketRows])
def test_a_storage_that_is_away_is_asked_for_when_it_is_needed(kind: type[StoredArrivals], tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.write_text("in the way")
    arrivals = of(kind, f"sqlite:///{folder}/federation.db")
    arrivals.close()
    with pytest.raises(StorageUnavailableError):
        arrivals.taken()
    folder.unlink()
    assert arrivals.taken() is None
    assert (folder / "federation.db").is_file()
    for _ in range(2):
        arrivals.close()
    assert arrivals.taken() is None
    arrivals.close()
