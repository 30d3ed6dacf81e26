"""One registry in both syntaxes: the same signals, and the diagnostics that each syntax has."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.checker.checking import CheckOptions, check, exit_code
from telemetry.checker.model import Level
from telemetry.checker.registry import Registry, load

HOME = Path(__file__).parent / "registries"
FIRST, SECOND = HOME / "first", HOME / "second"
OURS = Path(__file__).resolve().parents[3] / "registry"


def test_the_first_syntax_has_nothing_to_say_even_of_the_future() -> None:
    assert check(CheckOptions(registry=str(FIRST), future=True)) == ()


def test_the_second_syntax_is_unstable_and_fails_in_the_future() -> None:
    found = check(CheckOptions(registry=str(SECOND)))
    assert [diagnostic.fault.kind for diagnostic in found] == ["UnstableFileFormat"]
    assert exit_code(found) == 0
    assert exit_code(check(CheckOptions(registry=str(SECOND), future=True))) == 1


def test_our_own_registry_has_nothing_to_say_even_of_the_future() -> None:
    assert check(CheckOptions(registry=str(OURS), future=True)) == ()


@pytest.mark.parametrize("registry", [load(FIRST), load(SECOND)], ids=["first", "second"])
def test_both_say_the_same(registry: Registry) -> None:
    assert registry.schema_url == "https://example.org/schemas/fl-swarm/0.1.0"
    assert set(registry.attributes) == {"fl.round.number", "fl.client.id", "fl.aggregation.rule"}
    assert [member.value for member in registry.attributes["fl.aggregation.rule"].members] == [
        "krum",
        "trimmed_mean",
        "median",
    ]
    duration = registry.metrics["fl.round.duration"]
    assert (duration.instrument, duration.unit) == ("histogram", "s")
    assert duration.levels == {"fl.aggregation.rule": Level.REQUIRED}
    assert registry.metrics["fl.client.updates"].levels == {"fl.aggregation.rule": Level.RECOMMENDED}
    event = registry.events["fl.update.rejected"]
    assert event.levels == {"fl.client.id": Level.REQUIRED, "fl.round.number": Level.RECOMMENDED}
    span = registry.span("fl.round")
    assert span is not None
    assert (span.kind, span.at(Level.REQUIRED)) == ("internal", ("fl.aggregation.rule", "fl.round.number"))
