"""The agent's loop end to end against a live system."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.agent import Adaptation, AgentLoop, Policy, state_of
from examples.workflows.managed import ManagedSystem
from examples.workflows.policies import COLUMN
from examples.workflows.profiles import MIXED, Kind, draw
from examples.workflows.signals import FEATURES
from telemetry.semconv import ActorKind
from telemetry.testing import captured

CALM = Kind(name="calm", bursts=0, releases=0, bad_releases=0, crashes=0, drift=0, wander=0, outages=0, headroom=0.5)


def operator(states: NDArray[np.float32]) -> NDArray[np.intp]:
    """Rolls back what fails soon after a release, and adds servers otherwise."""
    suspect = (states[:, COLUMN["fresh_release"]] > 0.3) & (states[:, COLUMN["failing"]] > 0)
    return np.where(suspect, Adaptation.ROLL_BACK, Adaptation.SCALE_OUT).astype(np.intp)


def managed(kind: Kind = CALM, seed: int = 0) -> ManagedSystem:
    rng = np.random.default_rng(seed)
    return ManagedSystem(draw([kind], 1, rng), rng)


@pytest.mark.parametrize("policy", [operator], ids=["operator"])
async def test_a_bad_release_is_seen_rolled_back_and_gone(policy: Policy) -> None:
    system = managed()
    with captured(actor_kind=ActorKind.AGENT) as capture:
        loop = AgentLoop("a0", telemetry=capture.telemetry, adaptations=system)
        loop.adopt(1, policy)
        for _ in range(5):
            quiet = await loop.turn(reading=system.advance())
            assert quiet.cycle.symptoms == ()
        system.release(bad_error=0.35)
        ill = system.advance()
        turn = await loop.turn(reading=ill)
        assert "failing" in [symptom.name for symptom in turn.cycle.symptoms]
        assert [outcome.action.name for outcome in turn.cycle.outcomes] == ["roll_back"]
        well = system.advance()
        after = await loop.turn(reading=well)
        assert after.lived is not None
        assert after.lived.action == Adaptation.ROLL_BACK
        assert well.reward > ill.reward + 0.2
        assert "failing" not in [complaint.name for complaint in well.complaints]
        assert (await loop.turn(reading=system.advance())).cycle.symptoms == ()


async def test_the_loop_asks_the_policy_with_the_state_that_was_learned_from() -> None:
    system = managed(MIXED, seed=4)
    with captured(actor_kind=ActorKind.AGENT) as capture:
        loop = AgentLoop("a0", telemetry=capture.telemetry, adaptations=system)
        loop.adopt(1, operator)
        acted = 0
        for _ in range(80):
            reading = system.advance()
            assert system.signals is not None
            expected = system.signals.states[0]
            assert expected.shape == (len(FEATURES),)
            np.testing.assert_allclose(state_of(loop.settings, loop.knowledge, reading), expected, rtol=1e-6)
            acted += len((await loop.turn(reading=reading)).cycle.outcomes)
        assert acted > 5
        assert len(loop.knowledge.history) == 64
