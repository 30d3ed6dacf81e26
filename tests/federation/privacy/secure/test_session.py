"""Whole sessions: sums are exact for whoever stays, below the threshold there is an error, and lies are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.privacy.errors import (
    KeyReplayError,
    MaskedRowError,
    SecureStageError,
    SecureThresholdError,
    ShareError,
    UnmaskError,
)
from federation.privacy.secure import (
    AdvertisedKeys,
    Closed,
    DealtShares,
    FromClient,
    MaskedRow,
    Revealed,
    SecureServer,
    UnmaskRequest,
)
from tests.federation.privacy.secure.session import Session, rows_of, terms_of

STAGES = ("keys", "shares", "rows", "unmask")


@given(data=st.data(), size=st.integers(4, 8), bits=st.sampled_from([16, 24, 32]), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_masks_cancel_for_any_drop_outs_above_the_threshold(
    data: st.DataObject, size: int, bits: int, seed: int
) -> None:
    terms = terms_of(size, threshold=2, smallest=3, bits=bits)
    rows = rows_of(terms, seed)
    gone = data.draw(st.lists(st.sampled_from(terms.circle), unique=True, max_size=size - 4))
    lost = {stage: [name for name in gone if data.draw(st.sampled_from(STAGES)) == stage] for stage in STAGES}
    shuffled = data.draw(st.randoms(use_true_random=False))
    session = Session(
        terms, rows, seed=seed, lost=lost, order=lambda said: sorted(said, key=lambda _: shuffled.random())
    )
    result = session.run().result
    assert result is not None
    out = {name for stage in ("keys", "shares", "rows") for name in lost[stage]}
    assert result.members == tuple(name for name in terms.circle if name not in out)
    expected = sum(rows[name] for name in result.members)
    assert np.abs(result.total - expected).max() <= len(result.members) * terms.form.step / 2 + 1e-12
    np.testing.assert_allclose(result.mean, expected / len(result.members), atol=terms.form.step)


@pytest.mark.parametrize("stage", STAGES)
def test_below_the_threshold_there_is_an_error_with_numbers(stage: str) -> None:
    terms = terms_of(6, threshold=4, smallest=4)
    with pytest.raises(SecureThresholdError) as caught:
        Session(terms, rows_of(terms), lost={stage: terms.circle[:3]}).run()
    assert (caught.value.stage, caught.value.found, caught.value.needed) == (stage, 3, 4)


def test_a_sparse_graph_sums_as_well() -> None:
    terms = terms_of(14, threshold=3, degree=6, smallest=8)
    rows = rows_of(terms)
    lost = {"keys": ["a001"], "shares": ["a005"], "rows": ["a008", "a012"], "unmask": ["a003"]}
    result = Session(terms, rows, lost=lost).run().result
    assert result is not None
    expected = sum(rows[name] for name in result.members)
    assert len(result.members) == 10
    np.testing.assert_allclose(result.total, expected, atol=10 * terms.form.step)


def test_the_same_secrets_give_the_same_messages() -> None:
    terms = terms_of()
    one, two = (Session(terms, rows_of(terms)) for _ in range(2))
    one.run()
    two.run()
    assert repr(one.seen) == repr(two.seen)
    other = Session(terms, rows_of(terms), seed=1)
    other.run()
    assert repr(one.seen) != repr(other.seen)


def test_what_the_server_sees_of_a_row_is_noise() -> None:
    terms = replace(terms_of(4), dimension=20_000)
    rows = {name: np.zeros(20_000) for name in terms.circle}
    session = Session(terms, rows)
    server = session.run()
    for message in session.seen:
        if isinstance(message, MaskedRow):
            counts = np.bincount(message.words >> np.uint32(28), minlength=16)
            # 16 bins of 1,250: chi-square with 15 degrees of freedom is above 44 once in 10,000.
            assert ((counts - 1250) ** 2 / 1250).sum() < 44
    assert server.result is not None
    assert (server.result.total == 0).all()


def test_a_row_stays_hidden_from_all_that_is_revealed() -> None:
    # With the members' own masks known, as after unmasking, each row still lies under its pairwise masks.
    terms = terms_of(4)
    session = Session(terms, rows_of(terms))
    server = session.run()
    assert not any(revealed.keys for revealed in server.revealed.values())
    assert all(set(revealed.seeds) == set(terms.circle) - {name} for name, revealed in server.revealed.items())
    assert "secret" not in repr(session.clients["a000"]).replace("secret=Secret(32 bytes)", "")


def altered(kind: type[FromClient], **changes: object) -> object:
    return lambda message: replace(message, **changes) if isinstance(message, kind) else message


def test_keys_of_another_session_are_refused() -> None:
    terms, old = terms_of(), Session(replace(terms_of(), round=2), rows_of(terms_of()))
    old.run()
    replayed = next(one for one in old.seen if isinstance(one, AdvertisedKeys) and one.agent == "a000")
    session = Session(
        terms, rows_of(terms), tamper={"a000": lambda m: replayed if isinstance(m, AdvertisedKeys) else m}
    )
    result = session.run().result
    assert isinstance(session.errors[0], KeyReplayError)
    assert result is not None
    assert "a000" not in result.members


def test_keys_twice_and_strangers_are_refused() -> None:
    terms = terms_of()
    session = Session(terms, rows_of(terms))
    session.run()
    shown = [one for one in session.seen if isinstance(one, AdvertisedKeys)]
    server = SecureServer(terms=terms, identities=session.clients["a000"].identities)
    server, _ = server.handle(shown[0])
    with pytest.raises(KeyReplayError, match="already"):
        server.handle(shown[0])
    with pytest.raises(SecureStageError):
        server.handle(replace(shown[1], agent="mallory"))
    with pytest.raises(SecureStageError):
        server.handle(MaskedRow(agent="a001", words=np.zeros(5, np.uint32)))
    assert server.handle(Closed(stage="rows")) == (server, ())


@pytest.mark.parametrize(
    "words",
    [np.zeros(4, np.uint32), np.zeros(5), np.full(5, 1 << 24), np.full(5, -1), np.zeros((1, 5), np.uint32)],
)
def test_masked_rows_out_of_range_are_refused(words: np.ndarray) -> None:
    terms = terms_of(bits=24)
    session = Session(terms, rows_of(terms), tamper={"a002": altered(MaskedRow, words=words)})  # type: ignore[dict-item]
    result = session.run().result
    assert [type(error) for error in session.errors] == [MaskedRowError, SecureStageError][: len(session.errors)]
    assert result is not None
    assert "a002" not in result.members


def test_a_sum_that_rows_cannot_make_is_refused() -> None:
    terms = terms_of()
    huge, zeros = np.full(5, 1 << 31, np.uint32), {name: np.zeros(5) for name in terms.circle}

    def push(message: FromClient) -> FromClient:
        return replace(message, words=message.words + huge) if isinstance(message, MaskedRow) else message

    with pytest.raises(MaskedRowError, match="bucket 0"):
        Session(terms, zeros, lost={"rows": ["a005"]}, tamper={"a002": push}).run()


def test_a_wrong_share_is_named_and_the_others_are_enough() -> None:
    terms, rows = terms_of(), rows_of(terms_of())

    def lie(message: FromClient) -> FromClient:
        if isinstance(message, Revealed):
            return replace(message, seeds={name: share + 1 for name, share in message.seeds.items()})
        return message

    session = Session(terms, rows, tamper={"a000": lie})
    result = session.run().result
    assert isinstance(session.errors[0], ShareError)
    assert session.errors[0].agent == "a000"
    assert result is not None
    np.testing.assert_allclose(result.total, sum(rows.values()), atol=6 * terms.form.step)


def test_a_dealer_is_held_to_its_seed() -> None:
    terms = terms_of()
    session = Session(terms, rows_of(terms), tamper={"a003": altered(DealtShares, proof=bytes(32))})  # type: ignore[dict-item]
    with pytest.raises(ShareError) as caught:
        session.run()
    assert caught.value.agent == "a003"


def test_parcels_that_do_not_open_are_noted_by_their_holders() -> None:
    terms, rows = terms_of(), rows_of(terms_of())

    def spoil(message: FromClient) -> FromClient:
        if isinstance(message, DealtShares):
            first = replace(message.parcels[0], sealed=b"x" * 40)
            return replace(message, parcels=(first, *message.parcels[1:]))
        return message

    session = Session(terms, rows, tamper={"a005": spoil})
    result = session.run().result
    assert [fault.agent for fault in session.clients["a000"].faults] == ["a005"]
    assert result is not None
    np.testing.assert_allclose(result.total, sum(rows.values()), atol=6 * terms.form.step)


def test_parcels_must_reach_every_neighbour() -> None:
    terms = terms_of()
    session = Session(terms, rows_of(terms), tamper={"a005": altered(DealtShares, parcels=())})  # type: ignore[dict-item]
    result = session.run().result
    assert isinstance(session.errors[0], ShareError)
    assert result is not None
    assert "a005" not in result.members


@pytest.mark.parametrize(
    ("survivors", "dropped"),
    [
        (("a000", "a001"), ("a002", "a003", "a004", "a005")),
        (("a000", "a001", "a002", "a003"), ("a003", "a004", "a005")),
        (("a000", "a001", "a002", "a003"), ("a004",)),
        (("a001", "a002", "a003", "a004", "a005"), ("a000",)),
        (("a000", "a001", "a002", "a003", "a004", "a005", "eve"), ()),
    ],
)
def test_a_client_does_not_unmask_too_little_or_twice(survivors: tuple[str, ...], dropped: tuple[str, ...]) -> None:
    terms = terms_of()
    session = Session(terms, rows_of(terms), lost={"rows": ["a005"]})
    session.run()
    client = replace(session.clients["a000"], step="unmask")
    with pytest.raises(UnmaskError):
        client.handle(UnmaskRequest(survivors=survivors, dropped=dropped))
    with pytest.raises(SecureStageError):
        session.clients["a000"].handle(UnmaskRequest(survivors=terms.circle, dropped=()))
    assert not session.clients["a000"].held
