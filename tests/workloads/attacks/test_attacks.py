from __future__ import annotations

import pickle

import numpy as np
import pytest

from federation.errors import SettingError
from federation.terms import Tuning
from workloads.attacks import (
    ALL_ATTACKS,
    Adversary,
    ALittleIsEnough,
    Attack,
    InnerProduct,
    LabelFlip,
    Mimic,
    MinMax,
    NotFinite,
    Scene,
    attack_from,
)
from workloads.gradients import GradientsWorkload
from workloads.null import NullWorkload

KINDS = pytest.mark.parametrize("kind", ALL_ATTACKS, ids=lambda kind: kind.name)


def scene(m: int = 3, h: int = 7, d: int = 20, seed: int = 0) -> Scene:
    rng = np.random.default_rng(seed)
    own, first = rng.standard_normal((2, m, d)).astype(np.float32)
    return Scene(
        own=own,
        honest=(1 + rng.standard_normal((h, d))).astype(np.float32),
        weights=np.full(m, 9.0),
        round=4,
        first=first,
        shared=np.random.default_rng(1),
        rng=np.random.default_rng(2),
    )


@KINDS
def test_contract(kind: type[Attack]) -> None:
    attack = kind()
    assert isinstance(attack, Attack)
    assert pickle.loads(pickle.dumps(attack)) == attack
    assert attack_from(kind.name) == attack
    given = scene()
    kept = (given.own.copy(), given.honest.copy(), given.weights.copy(), given.first.copy())
    for column in (given.own, given.honest, given.weights, given.first):
        column.setflags(write=False)
    lie = attack.lie(given)
    assert lie.rows.shape == given.own.shape
    assert lie.rows.dtype == np.float32
    assert lie.weights.shape == (3,)
    for column, before in zip((given.own, given.honest, given.weights, given.first), kept, strict=True):
        assert np.array_equal(column, before)
        assert not np.shares_memory(lie.rows, column)
        assert not np.shares_memory(lie.weights, column)
    again = attack.lie(scene())
    assert lie.rows.tobytes() == again.rows.tobytes()
    assert np.isfinite(lie.rows).all() != isinstance(attack, NotFinite)


@KINDS
def test_one_liar_among_one_honest_agent_is_enough(kind: type[Attack]) -> None:
    lie = kind().lie(scene(m=1, h=1))
    assert lie.rows.shape == (1, 20)


def lie_of(name: str, given: Scene, **settings: float) -> np.ndarray:
    return attack_from({"name": name, **settings}).lie(given).rows


def test_each_attack_does_what_it_says() -> None:
    given = scene()
    mean, deviation = given.honest.mean(axis=0), given.honest.std(axis=0)
    assert np.array_equal(lie_of("sign_flip", given), -given.own)
    assert lie_of("scaled", given, factor=4.0) == pytest.approx(4 * given.own)
    assert not lie_of("zero", given).any()
    assert np.array_equal(lie_of("replay", given), given.first)
    assert np.array_equal(lie_of("sybil", given), np.tile(-given.own[0], (3, 1)))
    assert np.array_equal(lie_of("label_flip", given), given.own)
    assert (attack_from("huge_weight").lie(given).weights > 1e11).all()
    assert lie_of("ipm", given, epsilon=2.0)[1] == pytest.approx(-2 * mean, abs=1e-5)
    assert lie_of("alie", given, z=1.5)[0] == pytest.approx(mean - 1.5 * deviation, abs=1e-5)
    many = scene(m=4000)
    wide = attack_from("gaussian").lie(many).rows.std(axis=0)
    assert wide == pytest.approx(3 * many.honest.std(axis=0), rel=0.1)
    broken = NotFinite().lie(given).rows
    assert np.isnan(broken[0]).all()
    assert np.isinf(broken[1]).all()


def test_alie_uses_the_papers_z() -> None:
    given = scene(m=33, h=67)
    moved = (given.honest.mean(axis=0) - ALittleIsEnough().lie(given).rows[0]) / given.honest.std(axis=0)
    # n = 100, f = 33: s = 51 - 33 = 18 supporters, z = quantile of (67 - 18) / 67
    assert moved == pytest.approx(np.full(20, 0.6177), abs=1e-3)


def test_min_max_stays_as_near_as_the_farthest_honest_pair_and_no_nearer() -> None:
    given = scene(h=12)
    honest = given.honest.astype(np.float64)
    widest = max(float(np.linalg.norm(one - other)) for one in honest for other in honest)
    lie = MinMax().lie(given).rows[0].astype(np.float64)
    assert max(float(np.linalg.norm(lie - row)) for row in honest) == pytest.approx(widest, rel=1e-4)


def test_mimic_copies_the_same_kind_of_honest_row() -> None:
    given = scene(h=9)
    rows = Mimic().lie(given).rows
    assert any(np.array_equal(rows[0], row) for row in given.honest)
    assert (rows == rows[0]).all()


def test_noise_sets_copies_apart() -> None:
    given = scene(m=6)
    for attack in (ALittleIsEnough(noise=1.0), InnerProduct(noise=1.0), MinMax(noise=1.0)):
        assert len({row.tobytes() for row in attack.lie(given).rows}) > 1
        with pytest.raises(SettingError):
            type(attack)(noise=-1.0)


def test_names_are_checked_with_the_nearest_valid_one() -> None:
    assert attack_from("Sign-Flip").name == "sign_flip"
    for bad, near in (("sign_flop", "sign_flip"), ({"name": "ipm", "epsilom": 1.0}, "epsilon"), (3, "a name")):
        with pytest.raises(SettingError, match=near):
            attack_from(bad)  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        attack_from({"name": "zero", "factor": 1.0})


@KINDS
def test_marked_agents_lie_and_the_others_stay_honest(
    kind: type[Attack], workload: GradientsWorkload, agents: tuple[str, ...]
) -> None:
    base, seeds = workload.genesis(0), np.arange(12, dtype=np.uint64)
    truth = workload.learner(agents, seed=0).learn(base, round_number=1, seeds=seeds, tuning=Tuning())
    adversary = Adversary(agents=frozenset(agents[3:6]), attack=kind())
    assert pickle.loads(pickle.dumps(adversary)) == adversary
    lying = adversary.corrupt(workload.learner(agents, seed=0))
    assert lying.agents == agents
    found = lying.learn(base, round_number=1, seeds=seeds, tuning=Tuning())
    honest = [*range(3), *range(6, 12)]
    assert found.rows[honest].tobytes() == truth.rows[honest].tobytes()
    if kind.name != "replay":  # the first round's own update is what will be sent again
        assert not np.array_equal(found.rows[3:6], truth.rows[3:6])
    later = lying.learn(workload.genesis(1), round_number=2, seeds=seeds, tuning=Tuning())
    assert (later.rows[3:6].tobytes() == truth.rows[3:6].tobytes()) == (kind.name == "replay")


def test_a_host_without_liars_keeps_its_learner(workload: GradientsWorkload, agents: tuple[str, ...]) -> None:
    adversary = Adversary(agents=frozenset({"elsewhere"}), attack=attack_from("alie"))
    learner = workload.learner(agents, seed=0)
    assert adversary.corrupt(learner) is learner


def test_a_host_of_liars_alone_takes_its_own_rows_for_the_others(
    workload: GradientsWorkload, agents: tuple[str, ...]
) -> None:
    lying = Adversary(agents=frozenset(agents), attack=InnerProduct()).corrupt(workload.learner(agents, seed=0))
    found = lying.learn(workload.genesis(0), round_number=1, seeds=np.arange(12, dtype=np.uint64), tuning=Tuning())
    assert np.isfinite(found.rows).all()


def test_labels_cannot_be_flipped_where_there_are_none() -> None:
    adversary = Adversary(agents=frozenset({"a"}), attack=LabelFlip())
    with pytest.raises(SettingError, match="label"):
        adversary.corrupt(NullWorkload(dimension=4).learner(("a", "b"), seed=0))
    with pytest.raises(SettingError):
        Adversary(agents=frozenset({"a"}), attack="alie")  # type: ignore[arg-type]


def test_flipped_labels_also_spoil_what_comes_later(workload: GradientsWorkload, agents: tuple[str, ...]) -> None:
    learner = workload.learner(agents[:1], seed=0)
    before = learner.experiences(agents[0]).actions
    learner.poison(agents[:1])
    learner.poison(agents[:1])
    assert np.array_equal(learner.experiences(agents[0]).actions, 9 - before)
    share = workload.data.shares(agents[1:2])[0]
    learner.observe(agents[0], share)  # type: ignore[arg-type]
    assert np.array_equal(learner.experiences(agents[0]).actions[-256:], 9 - share.actions)
