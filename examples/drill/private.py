"""The part of the drill in which rounds are private, until their budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from actors import Swarm, SwarmConfig
from actors.privacy import PrivacyConfig
from federation.privacy import PrivacyBudgetError
from telemetry import TelemetryConfig
from workloads.patterns import GivenExperiences, PatternExperience, PatternsWorkload, PatternType

_TOOLS = ("Bash", "Edit", "Read")
_EACH = 20


def private_config(agents: Sequence[str], folder: Path, telemetry: TelemetryConfig) -> SwarmConfig:
    """A swarm that learns patterns, and whose privacy budget pays for two rounds."""
    given = tuple(
        (
            agent,
            tuple(
                PatternExperience(type=PatternType.TOOL, category=tool, success=float((turn + place) % 4 > 0))
                for place, tool in enumerate(_TOOLS)
                for turn in range(_EACH)
            ),
        )
        for agent in agents
    )
    return SwarmConfig(
        workload=PatternsWorkload(data=GivenExperiences(given=given)),
        agents=tuple(agents),
        run="drill-private",
        hosts=1,
        privacy=PrivacyConfig(epsilon_round=4.0, epsilon_period=7.0, radius=2.0),
        state_dir=folder,
        telemetry=telemetry,
    )


async def spend(swarm: Swarm, say: Callable[[str], None]) -> None:
    """Run private rounds until the ledger says no."""
    try:
        while True:
            spent = (await swarm.run_round())["privacy"]["epsilon_spent"]
            say(f"a private round: epsilon {spent:.2f} is spent")
    except PrivacyBudgetError as error:
        say(f"{error.code}: {error}")
