"""What a status says to people about telemetry that was not delivered."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.reports import _lost_telemetry as lost_telemetry

HOST: dict[str, Any] = {"telemetry_dropped": {"spans": 3, "events": 1}}


@pytest.mark.parametrize(
    ("own", "actors", "said"),
    [
        ({}, {"swarmlore-host-0": {"telemetry_dropped": {}}, "swarmlore-host-1": None}, None),
        ({"spans": 0, "events": 0}, {"swarmlore-host-0": {"telemetry_dropped": {"spans": 0}}}, "nothing dropped"),
        ({"spans": 2}, {"swarmlore-host-0": HOST}, "dropped 5 spans and 1 events; by 2: coordinator, swarmlore-host-0"),
        ({"spans": 0}, {"swarmlore-host-0": HOST}, "dropped 3 spans and 1 events; by 1: swarmlore-host-0"),
    ],
)
def test_losses_are_summed_and_who_lost_them_is_named(own: dict[str, int], actors: Any, said: str | None) -> None:
    assert lost_telemetry({"telemetry_dropped": own, "actors": actors}) == said
