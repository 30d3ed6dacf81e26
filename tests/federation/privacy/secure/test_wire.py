"""Sessions over bytes come to the same; whatever else comes is refused with one error."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.privacy.errors import SecureMessageError
from federation.privacy.secure import MaskedRow, from_wire, to_wire
from tests.federation.privacy.secure.session import Session, rows_of, terms_of

LOST = {"shares": ["a004"], "rows": ["a001"]}


def carried(message: Any) -> Any:
    return from_wire(to_wire(message))


def spoken() -> list[Any]:
    """Every message of a session with drop-outs, both ways."""
    told: list[Any] = []
    terms = terms_of(7)
    Session(terms, rows_of(terms), lost=LOST, carried=lambda message: told.append(message) or message).run()
    return [terms, *told]


SPOKEN = spoken()


def test_a_session_over_bytes_comes_to_the_same_sum() -> None:
    terms = terms_of(7)
    plain, wired = (Session(terms, rows_of(terms), lost=LOST, carried=way).run() for way in (lambda one: one, carried))
    assert plain.result is not None
    assert wired.result is not None
    assert wired.result.members == plain.result.members == ("a000", "a002", "a003", "a005", "a006")
    np.testing.assert_array_equal(wired.result.total, plain.result.total)


def test_every_message_comes_back_and_is_written_the_same_again() -> None:
    assert {type(message).__name__ for message in SPOKEN} == {
        *("SecureTerms", "AdvertisedKeys", "KeyRing", "DealtShares", "ReceivedShares"),
        *("MaskedRow", "UnmaskRequest", "Revealed"),
    }
    for message in SPOKEN:
        wire = to_wire(message)
        back = from_wire(wire)
        assert type(back) is type(message)
        assert to_wire(back) == wire
        if not isinstance(message, MaskedRow):
            assert back == message
    assert from_wire(to_wire(SPOKEN[0])).session == SPOKEN[0].session  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff",
        b"[1]",
        b"{}",
        b'{"form":true,"kind":"ring","keys":[]}',
        b'{"form":2,"kind":"ring","keys":[]}',
        b'{"form":1,"kind":"closed","stage":"keys"}',
        b'{"form":1,"kind":"ring"}',
        b'{"form":1,"kind":"ring","keys":[],"more":1}',
        b'{"form":1,"kind":"ring","keys":[{"agent":"a"}]}',
        b'{"form":1,"kind":"row","agent":"a","words":"AAA="}',
        b'{"form":1,"kind":"row","agent":"a","words":""}',
        b'{"form":1,"kind":"revealed","agent":"a","seeds":{"b":"-1"},"keys":{}}',
        b'{"form":1,"kind":"revealed","agent":"a","seeds":{"b":"1_0"},"keys":{}}',
        b'{"form":1,"kind":"unmask","survivors":[1],"dropped":[]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_refused(bad: bytes) -> None:
    with pytest.raises(SecureMessageError) as caught:
        from_wire(bad)
    assert len(str(caught.value)) < 400
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_row_of_another_length_is_refused_before_it_is_added() -> None:
    row = next(message for message in SPOKEN if isinstance(message, MaskedRow))
    assert isinstance(from_wire(to_wire(row), dimension=5), MaskedRow)
    with pytest.raises(SecureMessageError, match="5 words"):
        from_wire(to_wire(row), dimension=6)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(SPOKEN), st.data())
def test_a_field_that_is_changed_is_a_message_or_refused(message: Any, data: st.DataObject) -> None:
    plain = json.loads(to_wire(message))
    plain[data.draw(st.sampled_from(sorted(plain)))] = data.draw(VALUES)
    try:
        again = from_wire(json.dumps(plain).encode())
    except SecureMessageError:
        return
    assert to_wire(again)
