"""The gate: every refusal, who is to blame for it, and an outcome that no order of arrival changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.compression import Int8Codec
from federation.gate import CULPABLE, FORGETTABLE, Gate, Refusal
from federation.identity import Statement
from federation.update import UpdateBatch

Case = tuple[Gate, object]


def with_statement(fleet: Any, **changes: Any) -> Case:
    terms = fleet.terms()
    return fleet.gate(), fleet.batch("a", terms=replace(terms, **changes))


def forged(fleet: Any) -> Case:
    batch = fleet.batch("ab")
    return fleet.gate(), replace(batch.rows([0]), signatures=batch.rows([1]).signatures)


def lost_in_the_post(fleet: Any) -> Case:
    batch = fleet.batch("a")
    return fleet.gate(), replace(batch, payload=batch.payload + np.float32(1))


def equivocating(fleet: Any) -> Case:
    gate = fleet.gate()
    gate.judge(fleet.batch("a", [[1, 2, 3, 4]]))
    return gate, fleet.batch("a", [[4, 3, 2, 1]])


def duplicated(fleet: Any) -> Case:
    gate = fleet.gate()
    gate.judge(fleet.batch("a"))
    return gate, fleet.batch("a")


def broken_codec(fleet: Any) -> Case:
    codec = Int8Codec()
    terms = fleet.terms(codec=codec.name)
    noise = np.full((1, codec.width(4)), 255, np.uint8)
    return fleet.gate(terms, codec=codec), fleet.batch("a", terms=terms, codec=codec, payload=noise)


def uncommitted(fleet: Any) -> Case:
    terms = fleet.terms(commit_reveal=True)
    return fleet.gate(terms), fleet.batch("a", terms=terms)


def wrongly_committed(fleet: Any) -> Case:
    terms = fleet.terms(commit_reveal=True)
    gate = fleet.gate(terms)
    gate.commit(fleet.commitments(fleet.batch("a", [[1, 2, 3, 4]], terms=terms), terms=terms))
    return gate, fleet.batch("a", [[1, 2, 3, 5]], terms=terms)


def replayed(fleet: Any) -> Case:
    batch = fleet.batch("a")
    return fleet.gate(previous={"a": batch.digests[0].tobytes()}), batch


CASES: dict[Refusal, Callable[[Any], Case]] = {
    Refusal.MALFORMED: lambda fleet: (fleet.gate(), replace(fleet.batch("a"), weights=np.ones(2))),
    Refusal.RUN: lambda fleet: with_statement(fleet, run="other"),
    Refusal.STALE: lambda fleet: with_statement(fleet, round=2),
    Refusal.FUTURE: lambda fleet: with_statement(fleet, round=4),
    Refusal.KIND: lambda fleet: with_statement(fleet, kind="other"),
    Refusal.BASE: lambda fleet: with_statement(fleet, base=b"b" * 32),
    Refusal.CODEC: lambda fleet: with_statement(fleet, codec="other"),
    Refusal.SHAPE: lambda fleet: (fleet.gate(), fleet.batch("a", [[1, 2, 3, 4, 5]])),
    Refusal.UNKNOWN_AGENT: lambda fleet: (fleet.gate(), fleet.batch(["stranger"])),
    Refusal.QUARANTINED: lambda fleet: (fleet.gate(fleet.terms(quarantined=("a",))), fleet.batch("a")),
    Refusal.UNSIGNED: lambda fleet: (
        fleet.gate(), replace(fleet.batch("a"), signatures=np.zeros((1, 64), np.uint8))
    ),
    Refusal.DIGEST: lost_in_the_post,
    Refusal.SIGNATURE: forged,
    Refusal.DUPLICATE: duplicated,
    Refusal.EQUIVOCATION: equivocating,
    Refusal.UNCOMMITTED: uncommitted,
    Refusal.COMMITMENT: wrongly_committed,
    Refusal.ENCODING: broken_codec,
    Refusal.NOT_FINITE: lambda fleet: (fleet.gate(), fleet.batch("a", [[1, np.nan, 0, 0]])),
    Refusal.WEIGHT: lambda fleet: (fleet.gate(), fleet.batch("a", weights=[-1.0])),
    Refusal.NORM: lambda fleet: (fleet.gate(), fleet.batch("a", [[1e6] * 4])),
    Refusal.REPLAYED: replayed,
}  # fmt: skip


def test_every_code_has_its_case() -> None:
    assert CASES.keys() == set(Refusal) - {Refusal.LATE}  # late updates are accepted, for the next round
    assert not CULPABLE & FORGETTABLE


@pytest.mark.parametrize("code", CASES)
def test_each_refusal(fleet: Any, code: Refusal) -> None:
    gate, found = CASES[code](fleet)
    before = gate.counts.copy()
    report = gate.judge(found)
    assert report.accepted == ()
    assert report.rows.shape == (0, 4)
    assert set((gate.counts - before).keys()) == {code}
    if code is not Refusal.MALFORMED:
        assert set(report.refused.values()) == {code}
    if code not in CULPABLE and code not in (Refusal.QUARANTINED, Refusal.DUPLICATE, Refusal.UNCOMMITTED):
        proper = gate.judge(fleet.batch("a", [[7, 7, 7, 7]], terms=gate.terms, codec=gate._codec))
        blocked = code in (Refusal.COMMITMENT, Refusal.REPLAYED)  # another payload for the same round, both signed
        assert proper.refused == ({"a": Refusal.EQUIVOCATION} if blocked else {})
        assert proper.accepted == (() if blocked else ("a",))


def spoil(batch: UpdateBatch, **columns: Any) -> UpdateBatch:
    return replace(batch, **columns)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda batch: spoil(batch, payload=batch.payload * np.float32(2)),
        lambda batch: spoil(batch, signatures=np.zeros_like(batch.signatures)),
        lambda batch: spoil(batch, signatures=batch.signatures ^ np.uint8(1)),
        lambda batch: spoil(batch, weights=batch.weights + 1),
        lambda batch: spoil(batch, digests=batch.digests ^ np.uint8(1)),
        lambda batch: spoil(batch, nonces=None),
        lambda batch: spoil(batch, nonces=np.zeros_like(batch.nonces)),
        lambda batch: spoil(batch, statement=replace(batch.statement, round=2)),
        lambda batch: spoil(batch, agents=("b",)),
    ],
)
def test_what_others_did_to_an_update_never_blocks_the_agents_own(fleet: Any, tamper: Any) -> None:
    terms = fleet.terms(commit_reveal=True)
    gate, batch = fleet.gate(terms), fleet.batch("a", terms=terms)
    gate.commit(fleet.commitments(batch, terms=terms))
    refused = gate.judge(tamper(batch))
    assert refused.accepted == ()
    assert not CULPABLE & set(refused.refused.values())
    assert gate.judge(batch).accepted == ("a",)
    assert gate.judge(tamper(batch)).withdrawn == ()


GARBAGE = [None, 0, "text", b"bytes", [], {}, object(), UpdateBatch, np.zeros((3, 3)), float("nan")]


@pytest.mark.parametrize("found", GARBAGE)
def test_garbage_is_malformed_and_never_raises(fleet: Any, found: object) -> None:
    gate = fleet.gate()
    assert gate.judge(found).accepted == ()
    assert gate.commit(found) == {}
    assert gate.counts == {Refusal.MALFORMED: 2}


def test_names_that_cannot_be_encoded_are_strangers(fleet: Any) -> None:
    batch = replace(fleet.batch("ab"), agents=("a", "\ud800"), host="\udfff")
    gate = fleet.gate()
    report = gate.judge(batch)
    assert report.accepted == ("a",)
    assert report.refused == {"\ud800": Refusal.UNKNOWN_AGENT}
    terms = fleet.terms(commit_reveal=True)
    sealed = fleet.sign_commitments("ab", np.zeros((2, 32), np.uint8), terms)
    gate = fleet.gate(terms)
    assert gate.commit(replace(sealed, agents=("a", "\ud800"))) == {"\ud800": Refusal.UNKNOWN_AGENT}
    assert gate.committed == {"a"}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([0.0, 1.0, -3.0, np.nan, np.inf, -np.inf, 1e20, 3e38]), min_size=4, max_size=4),
    st.sampled_from([1.0, 1000.0, 0.0, -1.0, 1001.0, 1e300, np.nan, np.inf, -np.inf]),
)
def test_only_finite_rows_and_weights_within_the_caps_come_through(fleet: Any, row: list[float], weight: float) -> None:
    report = fleet.gate().judge(fleet.batch("ab", [row, [1, 1, 1, 1]], weights=[weight, 5.0]))
    assert "b" in report.accepted
    assert np.isfinite(report.rows).all()
    assert (np.linalg.norm(report.rows.astype(np.float64), axis=1) <= 100.0).all()
    assert ((report.weights > 0) & (report.weights <= 1000.0)).all()
    sound = bool(np.isfinite(row).all()) and float(np.linalg.norm(row)) <= 100 and 0 < weight <= 1000
    assert ("a" in report.accepted) == sound


def test_one_broken_row_is_refused_alone(fleet: Any) -> None:
    codec = Int8Codec()
    terms = fleet.terms(codec=codec.name)
    values = np.array([[1, 2, 3, 4]] * 3, np.float32)
    payload = codec.encode(values)
    payload[1] = 255
    report = fleet.gate(terms, codec=codec).judge(fleet.batch("abc", terms=terms, codec=codec, payload=payload))
    assert report.accepted == ("a", "c")
    assert report.refused == {"b": Refusal.ENCODING}
    np.testing.assert_allclose(report.rows, values[:2], rtol=0.05)


def test_results_do_not_alias_the_batch(fleet: Any) -> None:
    batch = fleet.batch("ab")
    for column in (batch.payload, batch.weights, batch.losses, batch.digests):
        column.flags.writeable = False  # as from Ray
    report = fleet.gate().judge(batch)
    for mine in (report.rows, report.weights, report.losses, report.digests):
        assert not any(np.shares_memory(mine, theirs) for theirs in (batch.payload, batch.weights, batch.losses))
        assert mine.flags.writeable


def test_equivocation_across_batches_withdraws_and_proves(fleet: Any) -> None:
    gate = fleet.gate()
    assert gate.judge(fleet.batch("ab")).accepted == ("a", "b")
    report = gate.judge(fleet.batch("a", [[9, 9, 9, 9]]))
    assert report.withdrawn == ("a",)
    assert report.refused == {"a": Refusal.EQUIVOCATION}
    [proof] = report.proofs
    assert proof.holds(fleet.publics["a"])
    assert gate.judge(fleet.batch("a", [[8, 8, 8, 8]])).proofs == ()  # once is enough
    assert gate.judge(fleet.batch("a")).refused == {"a": Refusal.DUPLICATE}


def test_equivocation_within_one_batch_counts_neither(fleet: Any) -> None:
    gate = fleet.gate()
    report = gate.judge(fleet.batch("aab", [[1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]]))
    assert report.accepted == ("b",)
    assert report.withdrawn == ()
    assert report.proofs[0].holds(fleet.publics["a"])
    assert gate.counts == {Refusal.EQUIVOCATION: 2}


def test_duplicates_change_nothing(fleet: Any) -> None:
    gate = fleet.gate()
    gate.judge(fleet.batch("ab"))
    for _ in range(3):
        report = gate.judge(fleet.batch("ab"))
        assert (report.accepted, report.proofs, report.withdrawn, report.evidence) == ((), (), (), ())
    assert gate.counts == {Refusal.DUPLICATE: 6}
    twice = fleet.gate().judge(fleet.batch("aa", [[1, 1, 1, 1]] * 2))
    assert twice.accepted == ("a",)
    assert twice.refused == {}


def test_late_updates_are_told_apart(fleet: Any) -> None:
    gate = fleet.gate()
    gate.judge(fleet.batch("a"))
    gate.closed = True
    report = gate.judge(fleet.batch("b"))
    assert report.late
    assert report.accepted == ("b",)
    assert gate.counts == {Refusal.LATE: 1}


PIECES = ["a", "a", "a2", "b", "b-norm", "c", "c-forged", "d-nan", "e-replayed", "e", "f", "g-unsigned", "g", "x"]


def piece(fleet: Any, name: str) -> UpdateBatch:
    agent, _, kind = name.partition("-")
    match kind, agent:
        case "norm", _:
            return fleet.batch(agent, [[1e6] * 4])
        case "nan", _:
            return fleet.batch(agent, [[np.nan] * 4])
        case "forged", _:
            return replace(fleet.batch(agent), signatures=fleet.batch("b").signatures)
        case "unsigned", _:
            return replace(fleet.batch(agent), signatures=np.zeros((1, 64), np.uint8))
        case "replayed", _:
            return fleet.batch(agent, [[5, 5, 5, 6]])
        case _, "a2":
            return fleet.batch("a", [[2, 2, 2, 2]])
        case _, "x":
            return fleet.batch(["stranger"])
        case _:
            return fleet.batch(agent)


def joined(batches: list[UpdateBatch]) -> UpdateBatch:
    """One batch of several."""
    columns = {
        name: np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("payload", "weights", "digests", "signatures", "losses")
    }
    return replace(batches[0], agents=tuple(agent for batch in batches for agent in batch.agents), **columns)


@settings(deadline=None, max_examples=80)
@given(st.permutations(PIECES), st.lists(st.integers(1, 5), min_size=14, max_size=14))
def test_no_order_of_arrival_changes_what_counts(fleet: Any, order: list[str], sizes: list[int]) -> None:
    gate = fleet.gate(previous={"e": piece(fleet, "e-replayed").digests[0].tobytes()})
    accepted: set[str] = set()
    convicted: set[str] = set()
    left, total = list(order), 0
    for size in sizes:
        parts, left = left[:size], left[size:]
        if not parts:
            break
        report = gate.judge(joined([piece(fleet, name) for name in parts]))
        accepted = (accepted | set(report.accepted)) - set(report.withdrawn)
        for proof in report.proofs:
            assert proof.holds(fleet.publics[proof.agent])
            convicted.add(proof.agent)
    total = sum(gate.counts.values())
    assert not left
    assert accepted == {"c", "f", "g"}  # a, b and e signed two payloads; d's is no number
    assert convicted == {"a", "b", "e"}
    assert total + len(accepted) == len(PIECES)
    calm = (Refusal.SIGNATURE, Refusal.UNSIGNED, Refusal.UNKNOWN_AGENT, Refusal.NOT_FINITE, Refusal.DUPLICATE)
    assert [gate.counts[code] for code in calm] == [1] * 5


@settings(deadline=None, max_examples=40)
@given(st.permutations(PIECES), st.integers(1, 13))
def test_the_evidence_alone_brings_a_gate_to_the_same_state(fleet: Any, order: list[str], cut: int) -> None:
    previous = {"e": piece(fleet, "e-replayed").digests[0].tobytes()}
    first, again = fleet.gate(previous=previous), fleet.gate(previous=previous)
    kept: dict[str, None] = {}
    replayed_: dict[str, None] = {}
    for part in (order[:cut], order[cut:]):
        batch = joined([piece(fleet, name) for name in part])
        report = first.judge(batch)
        same = again.judge(batch.rows(report.evidence))
        for state, told in ((kept, report), (replayed_, same)):
            state.update(dict.fromkeys(told.accepted))
            for agent in told.withdrawn:
                state.pop(agent)
        assert [proof.agent for proof in report.proofs] == [proof.agent for proof in same.proofs]
    assert kept == replayed_


def test_commit_then_reveal(fleet: Any) -> None:
    terms = fleet.terms(commit_reveal=True)
    gate, batch = fleet.gate(terms), fleet.batch("ab", terms=terms)
    assert gate.commit(fleet.commitments(batch, terms=terms)) == {}
    assert gate.committed == {"a", "b"}
    assert gate.commit(fleet.commitments(batch, terms=terms)) == {}
    assert gate.judge(batch).accepted == ("a", "b")


def test_a_commitment_made_after_the_seal_does_not_bind(fleet: Any) -> None:
    terms = fleet.terms(commit_reveal=True)
    gate = fleet.gate(terms)
    early, late = fleet.batch("a", terms=terms), fleet.batch("b", terms=terms)
    gate.commit(fleet.commitments(early, terms=terms))
    gate.seal()
    assert gate.commit(fleet.commitments(late, terms=terms)) == {"b": Refusal.LATE}
    assert gate.commit(fleet.commitments(early, terms=terms)) == {}
    assert gate.judge(late).refused == {"b": Refusal.UNCOMMITTED}
    assert gate.judge(early).accepted == ("a",)


def test_copying_anothers_update_fails(fleet: Any) -> None:
    terms = fleet.terms(commit_reveal=True)
    gate = fleet.gate(terms)
    honest = fleet.batch("a", [[1, 2, 3, 4]], terms=terms)
    gate.commit(fleet.commitments(honest, terms=terms))
    # The thief has only seen a's commitment: it signs the same, and shows the same row once it is out.
    stolen = fleet.sign_commitments("b", fleet.commitments(honest, terms=terms).commitments, terms)
    assert gate.commit(stolen) == {}
    assert gate.judge(honest).accepted == ("a",)
    for nonces in (honest.nonces, fleet.batch("b", terms=terms).nonces):
        copy = replace(fleet.batch("b", [[1, 2, 3, 4]], terms=terms), nonces=nonces)
        assert gate.judge(copy).refused == {"b": Refusal.COMMITMENT}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda s: replace(s, run="x"), Refusal.RUN),
        (lambda s: replace(s, kind="x"), Refusal.KIND),
        (lambda s: replace(s, round=2), Refusal.STALE),
        (lambda s: replace(s, round=4), Refusal.FUTURE),
        (lambda s: replace(s, base=b"x"), Refusal.BASE),
    ],
)
def test_commitments_to_another_round_are_refused(
    fleet: Any, change: Callable[[Statement], Statement], code: Refusal
) -> None:
    terms = fleet.terms(commit_reveal=True)
    gate = fleet.gate(terms)
    good = fleet.commitments(fleet.batch("a", terms=terms), terms=terms)
    assert gate.commit(replace(good, statement=change(good.statement))) == {"a": code}
    assert gate.commit(replace(good, signatures=good.signatures ^ np.uint8(1))) == {"a": Refusal.SIGNATURE}
    assert gate.commit(good) == {}
    other = fleet.commitments(fleet.batch("a", [[9, 9, 9, 9]], terms=terms), terms=terms)
    assert gate.commit(other) == {"a": Refusal.DUPLICATE}
