"""The workload as the round sees it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from federation.aggregation import aggregated, screened
from federation.compression import Int8Codec, TopKCodec
from federation.errors import ArtefactError, ExperienceError, RuleBoundError, SettingError
from federation.rules import Median
from federation.terms import Tuning
from federation.verdict import Verdicts
from federation.workload import Remembering, Workload
from workloads.patterns import GivenExperiences, KeySpace, PatternError, PatternsWorkload, RoundSettings, weights_of
from workloads.patterns.key_space import STANDARD, Domain
from workloads.patterns.rows import columns, decoded, value_columns

SEEDS = np.arange(12, dtype=np.uint64)


def learned(workload: PatternsWorkload, base: Any) -> Any:
    learner = workload.learner(workload.data.agents, seed=0)
    return learner.learn(base, round_number=1, seeds=SEEDS, tuning=Tuning())


@pytest.fixture
def workload(space: KeySpace, fleet: Callable[..., GivenExperiences]) -> PatternsWorkload:
    return PatternsWorkload(space=space, data=fleet(12))


def test_it_is_a_workload_that_travels(workload: PatternsWorkload) -> None:
    assert isinstance(workload, Workload)
    assert isinstance(workload, Remembering)
    there = pickle.loads(pickle.dumps(workload))
    assert there == workload
    assert there.dimension == 10 * len(workload.space.keys)


def test_a_release_is_the_mean_of_what_the_clients_know(workload: PatternsWorkload, rates: dict[str, float]) -> None:
    base = workload.genesis(0)
    for _ in range(3):
        found = learned(workload, base)
        assert not found.idle.any()
        assert (np.linalg.norm(found.rows, axis=1) <= workload.norm_cap).all()
        base = workload.fold(base, workload.rule(found.rows, f=3, weights=found.weights).value)  # pyright: ignore[reportArgumentType]
        known = decoded(base, workload.space)
        for tool, rate in rates.items():
            assert known[f"tool::{tool}"].values[3] == pytest.approx(rate, abs=0.06)
            assert known[f"tool::{tool}"].values[0] < rate
            assert known[f"tool::{tool}"].samples == 12 * 60
    weights = weights_of(base, workload.space)
    assert weights["tool::Read"].contributor_count == 12
    assert workload.evaluate(base)["patterns"] == 4
    again = learned(workload, base).rows
    assert np.abs(again[:, value_columns(workload.keys)].mean(axis=0)).max() < 1e-4  # at rest


def test_a_row_depends_on_base_and_data_alone(workload: PatternsWorkload) -> None:
    base = workload.genesis(0)
    together = learned(workload, base).rows
    for place, agent in enumerate(workload.data.agents[:3]):
        alone = workload.learner([agent], seed=9).learn(base, round_number=1, seeds=SEEDS[:1], tuning=Tuning()).rows
        assert alone[0].tobytes() == together[place].tobytes()


def test_a_learner_without_data_is_idle_and_learns_when_told(workload: PatternsWorkload) -> None:
    learner = workload.learner(["new"], seed=0)
    base = workload.genesis(0)
    assert learner.learn(base, round_number=1, seeds=SEEDS[:1], tuning=Tuning()).idle.all()
    share = workload.data.shares([workload.data.agents[0]])[0]
    assert learner.observe("new", share) == 240
    assert not learner.learn(base, round_number=1, seeds=SEEDS[:1], tuning=Tuning()).idle.any()
    with pytest.raises(PatternError):
        learner.observe("nobody", share)
    with pytest.raises(PatternError):
        learner.observe("new", [*share, {"type": "tool"}])
    assert learner.observe("new", ()) == 240
    assert learner.histogram().sum() == pytest.approx(1)
    records = workload.pack_experiences(share[:5])
    assert list(workload.unpack_experiences(records)) == list(share[:5])
    with pytest.raises(PatternError):
        workload.unpack_experiences([b"\x80\x04."])


def test_private_names_become_other(workload: PatternsWorkload) -> None:
    record = workload.pack_experiences([{"type": "tool", "category": "mcp__acme_payroll", "success": 1.0}])[0]
    assert b"acme" not in record


@pytest.mark.parametrize("codec", [Int8Codec(), TopKCodec(fraction=0.8)], ids=lambda codec: codec.name)
def test_compressed_rows_still_say_who_contributed(workload: PatternsWorkload, codec: Any) -> None:
    rows = learned(workload, workload.genesis(0)).rows
    found = codec.decode(codec.encode(rows), workload.dimension)
    assert np.array_equal(found[:, : workload.keys] >= 0.5, rows[:, : workload.keys] >= 0.5)
    plain, coarse = (workload.rule(part, f=0).value for part in (rows, found))
    assert np.abs(plain - coarse)[value_columns(workload.keys)].max() < 0.02


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 1000), size=st.floats(0, 1e6))
def test_a_release_stays_within_its_range_whatever_is_folded_in(seed: int, size: float) -> None:
    workload = PatternsWorkload(space=KeySpace.of(tools=["Read"]))
    rng = np.random.default_rng(seed)
    base = workload.genesis(0)
    for _ in range(3):
        change = (size * rng.standard_normal(workload.dimension)).astype(np.float32)
        before = base.copy()
        base.flags.writeable = change.flags.writeable = False
        made = workload.fold(base, change)
        assert np.array_equal(base, before)
        assert not np.shares_memory(made, base)
        assert workload.unpack(workload.pack(made)).tobytes() == made.tobytes()
        base = made


def test_keys_below_the_minimum_keep_their_value(workload: PatternsWorkload) -> None:
    base = workload.genesis(0)
    change = workload.genesis(0)
    parts = columns(change, workload.keys)
    parts.values[:] = 0.5
    parts.contributors[:] = np.arange(workload.keys)
    made = columns(workload.fold(base, change), workload.keys)
    assert (made.values[:5] == 0).all()
    assert (made.values[5:] == 0.5).all()


def test_a_rule_that_counts_nobody_changes_nothing(workload: PatternsWorkload) -> None:
    base = workload.genesis(0)
    rows = learned(workload, base).rows
    assert np.array_equal(workload.fold(base, Median()(rows, f=3).value), base)  # pyright: ignore[reportArgumentType]
    assert workload.fold(base, PatternsWorkload(space=workload.space, inner=Median()).rule(rows, f=3).value).any()  # pyright: ignore[reportArgumentType]


def test_divergence_and_choice(workload: PatternsWorkload) -> None:
    base = workload.genesis(0)
    rows = learned(workload, base).rows
    value = workload.fold(base, workload.rule(rows, f=0).value)  # pyright: ignore[reportArgumentType]
    assert workload.divergence(base, base, probe=0) == 0.0
    assert workload.divergence(value, value, probe=1) == 0.0
    assert workload.divergence(base, value, probe=1) > 0.1
    places = workload.space.places
    states = np.zeros((2, workload.keys), np.float32)
    states[0, [places["tool::Write"], places["tool::Edit"]]] = 1
    states[1, [places["tool::Grep"], places["tool::Edit"]]] = 1
    assert workload.predict(value, states).tolist() == [places["tool::Edit"], places["tool::Grep"]]
    with pytest.raises(ExperienceError):
        workload.predict(value, states[:, :3])


def test_other_bytes_are_refused(workload: PatternsWorkload) -> None:
    artefact = workload.pack(workload.genesis(0))
    out_of_range = workload.genesis(0)
    out_of_range[value_columns(workload.keys)] = 2
    other = PatternsWorkload(space=KeySpace.of(tools=["Bash"]))
    for bad in (
        b"", artefact[:-1], save(load(artefact)), pickle.dumps(1), workload.pack(out_of_range),
        other.pack(other.genesis(0)), save(load(artefact), metadata={"swarmlore": "[]"}),
    ):  # fmt: skip
        with pytest.raises(ArtefactError):
            workload.unpack(bad)


def test_settings_are_checked() -> None:
    assert (RoundSettings().interval_s, RoundSettings().staleness_s) == (21_600, 259_200)
    for bad in ({"max_norm": 0}, {"memory": 0}):
        with pytest.raises(SettingError):
            PatternsWorkload(**bad)  # pyright: ignore[reportArgumentType]
    for bad in ({"interval_s": 0}, {"min_participants": 0}):
        with pytest.raises(SettingError):
            RoundSettings(**bad)
    for keys in (
        ("tool::x",),
        (*STANDARD.keys, "tool::a b"),
        (*STANDARD.keys, STANDARD.keys[0]),
        (*STANDARD.keys, "x::y"),
    ):
        with pytest.raises(SettingError):
            KeySpace(version="1.0", keys=keys)
    with pytest.raises(SettingError):
        KeySpace(version="1.0", keys=STANDARD.keys, domains=(("tool::nothing", Domain.BACKEND),))


def test_ten_that_came_are_enough_when_three_of_them_are_rejected() -> None:
    workload = PatternsWorkload(space=KeySpace.of(tools=["Read"]))
    rows = np.zeros((10, workload.dimension), np.float32)
    rows[:, : workload.keys] = 1  # all have every key
    found = screened(rows, screen=workload.screen, budget=3)
    outcome = aggregated(
        rows[:7],
        np.ones(7),
        rule=workload.rule,
        screening=Verdicts.accepting(7, rule="patterns"),
        f=3,
        rng=np.random.default_rng(0),
    )
    assert outcome.value.shape == (workload.dimension,)
    assert found.standing_out == 0
    with pytest.raises(RuleBoundError, match="10"):
        screened(rows[:9], screen=workload.screen, budget=3)
    with pytest.raises(RuleBoundError):
        workload.rule.requires(6, 3)
