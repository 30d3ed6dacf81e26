"""The drill's troublemakers do what the script says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nacl.signing import VerifyKey

from actors.signing import Signatory
from examples.drill.course import AGENTS, SCRIPT
from examples.drill.parts import FEATURES, write_experiences
from examples.drill.troublemakers import Trouble, Troublemakers
from federation.compression import RawCodec
from federation.identity import Secret
from federation.terms import Terms, Tuning
from workloads.gradients import ExperienceFiles
from workloads.null import NullLearner

SECRET = Secret(bytes(range(32)))


def troublemakers(folder: Path, **script: Trouble) -> Troublemakers:
    path = folder / "secret"
    path.write_bytes(bytes(range(32)))
    return Troublemakers(agents=frozenset(script), script={2: script}, run="drill", secret=path, dawdling_s=0.0)


def test_rows_are_changed_only_in_their_round(tmp_path: Path) -> None:
    makers = troublemakers(tmp_path, a=Trouble.LIE, b=Trouble.NOT_FINITE, c=Trouble.LEAN, d=Trouble.DAWDLE)
    agents = ("a", "b", "c", "d", "e")
    learner, honest = makers.corrupt(NullLearner(agents, 8)), NullLearner(agents, 8)
    base, seeds = np.zeros(8, np.float32), np.arange(5, dtype=np.uint64) << np.uint64(50)
    for number in (1, 2):
        known = honest.learn(base, round_number=number, seeds=seeds, tuning=Tuning()).rows
        found = learner.learn(base, round_number=number, seeds=seeds, tuning=Tuning()).rows
        if number == 1:
            assert (found == known).all()
            continue
        assert np.allclose(found[0], -50 * known[0])
        assert np.isnan(found[1]).all()
        assert np.allclose(found[2], -8 * known[2])
        assert (found[3:] == known[3:]).all()


def test_who_is_two_faced_signs_both(tmp_path: Path) -> None:
    makers = troublemakers(tmp_path, a=Trouble.EQUIVOCATE)
    signatory = Signatory("host", ("a", "b"), RawCodec(), SECRET.derive("host"), "drill")
    learned = NullLearner(("a", "b"), 8).learn(
        np.zeros(8, np.float32), round_number=2, seeds=np.arange(2, dtype=np.uint64), tuning=Tuning()
    )
    for number, batches in ((1, 1), (2, 2)):
        terms = Terms(
            run="drill",
            round=number,
            kind="null",
            base_version=0,
            base=bytes(32),
            roster=("a", "b"),
            fault_bound=0,
            dimension=8,
            codec=RawCodec().name,
            norm_cap=1e6,
            weight_cap=1e6,
            deadline_s=1.0,
            linger_s=0.0,
            seed=0,
        )
        sent = makers.send(signatory.sign(terms, learned, [0, 1], None))
        assert len(sent) == batches
        if batches == 1:
            continue
        first, second = sent
        assert second.agents == ("a",)
        key = VerifyKey(signatory.public["a"])
        for batch in sent:
            [message] = batch.statement.messages(("a",), batch.digests[:1])
            assert key.verify(message, batch.signatures[0].tobytes())
        assert (first.digests[0] != second.digests[0]).any()


def test_the_script_leaves_a_quorum_in_most_rounds() -> None:
    for number, troubles in SCRIPT.items():
        assert set(troubles) <= set(AGENTS)
        assert number == 8 or len(troubles) <= 4
    assert len(SCRIPT[8]) > 3


def test_experiences_can_be_learned_from(tmp_path: Path) -> None:
    path = tmp_path / "experiences.jsonl"
    write_experiences(path, ("a", "b"), each=20, seed=1)
    data = ExperienceFiles(paths=(str(path),), strict=True)
    assert data.agents == ("a", "b")
    assert (data.features, data.actions) == (FEATURES, 4)
