from __future__ import annotations

import pickle

import numpy as np
import pytest
from safetensors.numpy import load, save

from federation.errors import ArtefactError, ExperienceError, SettingError
from federation.terms import Tuning
from federation.workload import Workload
from workloads.gradients import DigitsBandit, Experience, GradientsWorkload


def test_it_is_a_workload_that_travels_small(workload: GradientsWorkload) -> None:
    assert isinstance(workload, Workload)
    workload.evaluate(workload.genesis(0))
    travelled = pickle.dumps(workload)
    assert len(travelled) < 10_000
    there = pickle.loads(travelled)
    assert there == workload
    assert (there.kind, there.dimension) == ("gradients", 985)
    assert there.genesis(5).tobytes() == workload.genesis(5).tobytes()
    assert not np.array_equal(workload.genesis(5), workload.genesis(6))


def test_artefacts_come_back_as_they_were(workload: GradientsWorkload) -> None:
    value = workload.genesis(1)
    artefact = workload.pack(value)
    assert workload.unpack(artefact).tobytes() == value.tobytes()
    assert workload.pack(workload.unpack(artefact)) == artefact
    tensors = load(artefact)
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "w1": (64, 13),
        "b1": (13,),
        "w2": (13, 10),
        "b2": (10,),
    }
    states = workload.data.held_out().states
    by_hand = np.tanh(states @ tensors["w1"] + tensors["b1"]) @ tensors["w2"] + tensors["b2"]
    assert np.array_equal(workload.predict(value, states), by_hand.argmax(axis=1))


def test_other_bytes_are_refused(workload: GradientsWorkload, digits: DigitsBandit) -> None:
    artefact = workload.pack(workload.genesis(1))
    broken = workload.genesis(1)
    broken[100] = np.nan
    tensors = load(artefact)
    for bad in (
        b"",
        b"not safetensors at all",
        artefact[:-1],
        save(tensors),
        save(tensors, metadata={"swarmlore": "[]"}),
        workload.pack(broken),
        GradientsWorkload(data=digits, hidden=12).pack(GradientsWorkload(data=digits, hidden=12).genesis(0)),
        pickle.dumps(tensors),
    ):
        with pytest.raises(ArtefactError):
            workload.unpack(bad)


def test_fold_adds_and_aliases_nothing(workload: GradientsWorkload, digits: DigitsBandit) -> None:
    base, change = workload.genesis(0), workload.genesis(1)
    base.setflags(write=False)
    change.setflags(write=False)
    found = workload.fold(base, change)
    assert found == pytest.approx(base + change)
    assert found.dtype == np.float32
    assert found.flags.writeable
    half = GradientsWorkload(data=digits, server_step=0.5)
    assert half.fold(base, change) == pytest.approx(base + 0.5 * change)


def test_divergence_is_the_policies_kl_on_probe_states(workload: GradientsWorkload, digits: DigitsBandit) -> None:
    old, new = workload.genesis(0), workload.genesis(1)
    assert workload.divergence(old, old, probe=0) == 0
    first = workload.divergence(old, new, probe=0)
    assert first == workload.divergence(old, new, probe=0)
    assert first != workload.divergence(old, new, probe=1)
    assert first == pytest.approx(workload.divergence(old, new, probe=1), rel=0.2)
    sharper = GradientsWorkload(data=digits, temperature=0.5)
    assert sharper.divergence(old, new, probe=0) > 10 * first


def test_predict_refuses_states_that_do_not_fit(workload: GradientsWorkload) -> None:
    value = workload.genesis(0)
    assert workload.predict(value, np.zeros((0, 64), np.float32)).shape == (0,)
    for bad in (np.zeros(64, np.float32), np.zeros((1, 63), np.float32), np.full((1, 64), np.inf, np.float32)):
        with pytest.raises(ExperienceError):
            workload.predict(value, bad)


def test_agents_learn_from_what_they_observe(workload: GradientsWorkload) -> None:
    learner = workload.learner(("stranger",), seed=0)
    base, seeds = workload.genesis(0), np.array([3], np.uint64)
    assert learner.learn(base, round_number=1, seeds=seeds, tuning=Tuning()).idle.all()
    lived = [Experience(state=[0.5] * 64, action=number % 10, reward=float(number % 10 == 4)) for number in range(40)]
    assert learner.observe("stranger", lived) == 40
    assert learner.histogram().tolist() == [[0.1] * 10]
    value = base
    for number in range(1, 30):
        value = value + learner.learn(value, round_number=number, seeds=seeds, tuning=Tuning()).rows[0]
    assert workload.predict(value, np.full((1, 64), 0.5, np.float32)).tolist() == [4]
    for bad in ([Experience(state=[0.5], action=0, reward=0.0)], [object()]):
        with pytest.raises(ExperienceError):
            learner.observe("stranger", bad)
    with pytest.raises(ExperienceError):
        learner.observe("nobody", lived)
    assert learner.observe("stranger", []) == 40


@pytest.mark.parametrize("bad", [{"temperature": 0.0}, {"server_step": -1.0}, {"hidden": 0}, {"norm_cap": np.inf}])
def test_settings_out_of_range_are_refused(digits: DigitsBandit, bad: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        GradientsWorkload(data=digits, **bad)  # type: ignore[arg-type]
