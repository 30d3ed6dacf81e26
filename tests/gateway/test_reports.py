"""What a status says to people about telemetry that was not delivered, and about privacy."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.reports import _lost_telemetry as lost_telemetry
from gateway.reports import budget_line, budget_outlook

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


def test_a_privacy_budget_says_how_far_it_goes() -> None:
    privacy = {"epsilon_spent": 2.0, "epsilon_budget": 8.0, "paused": False, "rounds_left": 31, "renews_at": 1e9}
    assert budget_line(privacy) == "epsilon 2.00 of 8 spent, 31 rounds left until 2001-09-09 01:46 UTC"


def test_a_budget_that_is_spent_before_its_period_ends_says_when() -> None:
    privacy = {"epsilon_spent": 0.0, "epsilon_budget": 8.0, "paused": False, "rounds_left": 38, "renews_at": 1e9}
    told = budget_outlook(privacy, interval_s=21_600.0, now=1e9 - 86_400 * 365)
    assert told.startswith(budget_line(privacy))
    assert "by 2000-09-18 13:46 UTC" in told
    for enough in ({**privacy, "rounds_left": 2000}, {**privacy, "paused": True, "rounds_left": 0}):
        assert budget_outlook(enough, interval_s=21_600.0, now=1e9 - 86_400 * 365) == budget_line(enough)
