"""The queueing simulation: nothing is lost, luck is reproducible, adaptations do what they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.agent import Adaptation
from examples.workflows.episode import run
from examples.workflows.fleet import COSTS, NO_ACTION, TURN, Fleet, TurnReport
from examples.workflows.policies import at_random, clairvoyant, fixed_rule
from examples.workflows.profiles import MET, MIXED, UNMET, Kind, Systems, draw
from examples.workflows.weather import Sky, Weather
from federation.errors import SettingError

CALM = Kind(name="calm", bursts=0, releases=0, bad_releases=0, crashes=0, drift=0, wander=0, outages=0)
BUSY = Kind(name="busy", bursts=0, releases=0, bad_releases=0, crashes=0, drift=0, wander=0, outages=0, headroom=0.8)


def fleet_of(kind: Kind, n: int = 40, seed: int = 0) -> tuple[Fleet, Sky]:
    rng = np.random.default_rng(seed)
    systems = draw([kind], n, rng)
    return Fleet(systems, np.random.default_rng(seed + 1)), Sky(systems, np.random.default_rng(seed + 2))


def live(fleet: Fleet, weather: Weather, action: int = NO_ACTION) -> TurnReport:
    return fleet.turn(weather, np.full(len(fleet), action, np.intp))


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), action=st.integers(-1, 3))
def test_every_request_is_served_queued_or_dropped(seed: int, action: int) -> None:
    systems = draw([*MET, *UNMET], 2, np.random.default_rng(seed))
    fleet, sky = Fleet(systems, np.random.default_rng(1)), Sky(systems, np.random.default_rng(seed))
    before = fleet.queue.copy()
    for _ in range(6):
        report = live(fleet, sky.next(TURN), action)
        np.testing.assert_array_equal(before + report.arrived, report.served + report.queued + report.dropped)
        assert (report.failed <= report.served).all()
        assert (report.good <= report.served - report.failed + 1e-9).all()
        assert (report.queued <= systems.room).all()
        assert (report.queued >= 0).all()
        before = report.queued


def test_the_same_seed_gives_the_same_episode_and_another_seed_does_not() -> None:
    systems = draw([MIXED], 6, np.random.default_rng(3))
    first, again, other = (run(systems, fixed_rule, seed=seed, turns=12) for seed in (5, 5, 6))
    for name in ("states", "actions", "rewards", "values"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.rewards != other.rewards).any()


def test_weather_does_not_depend_on_what_is_done() -> None:
    systems = draw([MIXED], 5, np.random.default_rng(3))
    whole = Sky(systems, np.random.default_rng(4)).next(60)
    assert len(whole) == 60
    # Copies of a system under several policies meet the same arrivals.
    index = np.tile(np.arange(5), 2)
    fleet = Fleet(systems.pick(index), np.random.default_rng(0))
    actions = np.repeat([NO_ACTION, Adaptation.ROLL_BACK], 5)
    report = fleet.turn(whole, actions, places=index)
    np.testing.assert_array_equal(report.arrived[:5], report.arrived[5:])


def test_a_copy_lives_its_own_life() -> None:
    fleet, sky = fleet_of(MIXED)
    live(fleet, sky.next(TURN))
    copy, weather = fleet.copy(), sky.next(TURN)
    tick, queue = fleet.tick, fleet.queue.copy()
    first = live(copy, weather)
    assert fleet.tick == tick
    np.testing.assert_array_equal(fleet.queue, queue)
    np.testing.assert_array_equal(live(fleet, weather).value, first.value)


def test_increasing_resources_serves_faster_at_once_for_three_turns() -> None:
    fleet, sky = fleet_of(CALM)
    before = fleet.work_s
    fleet.adapt(np.full(40, Adaptation.INCREASE_RESOURCES))
    np.testing.assert_allclose(fleet.work_s, before / 1.4)
    fleet.adapt(np.full(40, Adaptation.INCREASE_RESOURCES))
    fleet.adapt(np.full(40, Adaptation.INCREASE_RESOURCES))
    np.testing.assert_allclose(fleet.work_s, before / 1.8)  # there are two levels
    for _ in range(3):
        live(fleet, sky.next(TURN))
    np.testing.assert_allclose(fleet.work_s, before)


def test_optimising_takes_drift_out_slowly_and_wears_off() -> None:
    fleet, sky = fleet_of(CALM)
    fleet.drift[:] = 0.5
    before = fleet.work_s
    fleet.adapt(np.full(40, Adaptation.OPTIMIZE_WORKFLOW))
    np.testing.assert_array_equal(fleet.work_s, before)
    live(fleet, sky.next(10))
    partly = fleet.work_s
    live(fleet, sky.next(TURN))
    assert (fleet.work_s < partly).all()
    assert (partly < before).all()
    assert np.log(before / fleet.work_s).mean() > 0.25
    sound, clear = fleet_of(CALM)
    sound.adapt(np.full(40, Adaptation.OPTIMIZE_WORKFLOW))
    live(sound, clear.next(TURN))
    best = sound.work_s
    assert np.log(sound.systems.service_s / best).max() < 0.1  # little to gain where nothing drifted
    for _ in range(20):
        live(sound, clear.next(TURN))
    assert (sound.work_s > best).all()


def test_scaling_out_adds_servers_after_their_start_and_for_eight_turns() -> None:
    fleet, sky = fleet_of(CALM)
    fleet.adapt(np.full(40, Adaptation.SCALE_OUT))
    assert (fleet.extra == 0).all()
    assert (fleet.starting >= 1).all()
    live(fleet, sky.next(12))
    np.testing.assert_array_equal(fleet.extra, np.maximum(np.round(fleet.systems.servers / 4), 1))
    assert (fleet.starting == 0).all()
    for _ in range(8):
        live(fleet, sky.next(TURN))
    assert (fleet.extra == 0).all()


def test_rolling_back_mends_a_bad_release_and_harms_with_a_good_one() -> None:
    fleet, sky = fleet_of(CALM)
    fleet.bad_error[:], fleet.bad_slow[:], fleet.age[:] = 0.3, 0.5, 0.0
    other, weather = fleet.copy(), sky.next(TURN)
    ill, mended = live(fleet, weather), live(other, weather, Adaptation.ROLL_BACK)
    assert (mended.failed / mended.served).mean() < 0.02 < 0.25 < (ill.failed / ill.served).mean()
    assert mended.reward.mean() > ill.reward.mean() + 0.1
    good, sky = fleet_of(BUSY)
    live(good, sky.next(TURN))
    other, weather = good.copy(), sky.next(TURN)
    assert live(other, weather, Adaptation.ROLL_BACK).value.mean() < live(good, weather).value.mean()


@pytest.mark.parametrize("adaptation", [Adaptation.INCREASE_RESOURCES, Adaptation.SCALE_OUT])
def test_more_capacity_helps_under_a_burst_and_only_costs_in_a_calm(adaptation: Adaptation) -> None:
    for kind, helps in ((BUSY, True), (CALM, False)):
        fleet, sky = fleet_of(kind)
        fleet.systems.arrivals[:] *= 1.4 if helps else 1.0
        other = fleet.copy()
        gain = np.zeros(40)
        for turn in range(4):
            weather = sky.next(TURN)
            gain += live(other, weather, adaptation if turn == 0 else NO_ACTION).reward - live(fleet, weather).reward
        assert (gain.mean() > 0.2) if helps else (gain.mean() == pytest.approx(-COSTS[adaptation], abs=0.02))


def test_the_fixed_rule_beats_chance_and_clairvoyance_beats_the_rule() -> None:
    systems = draw([*MET, *UNMET], 8, np.random.default_rng(1))
    chance, rule, best = (
        run(systems, choose, seed=2, turns=30).rewards.mean(0)
        for choose in (at_random(np.random.default_rng(0)), fixed_rule, clairvoyant)
    )
    assert rule.mean() > chance.mean() + 0.01
    assert best.mean() > rule.mean() + 0.01


def test_systems_act_only_when_they_suffer() -> None:
    systems = draw([CALM], 10, np.random.default_rng(0))
    assert (run(systems, fixed_rule, seed=0, turns=10).actions == NO_ACTION).all()


def test_no_system_is_no_fleet() -> None:
    for kinds, number in (((), 3), ((MIXED,), 0)):
        with pytest.raises(SettingError):
            draw(kinds, number, np.random.default_rng(0))


def test_picked_systems_keep_their_parameters() -> None:
    systems: Systems = draw([*MET], 2, np.random.default_rng(0))
    picked = systems.pick(np.array([7, 0, 0]))
    assert picked.kinds == ("drifting", "bursty", "bursty")
    np.testing.assert_array_equal(picked.servers, systems.servers[[7, 0, 0]])
