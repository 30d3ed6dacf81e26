"""The bytes that were signed are found in whatever form a body comes, and always the same ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.identity import Secret, SigningKey
from gateway.federation.canonical import cut, without
from gateway.federation.errors import InvalidSchemaError, RefusalError
from gateway.federation.submissions import authentic
from tests.gateway.federation.stand import text_of

KEY = SigningKey.of(Secret(b"k" * 32))
_SCORE = st.floats(-1, 1, allow_nan=False).map(lambda value: round(value, 4))
_DELTAS = st.fixed_dictionaries(
    {
        "clientId": st.just("a" * 64),
        "schemaVersion": st.just("1.0"),
        "round": st.integers(0, 2**53 - 1),
        "nonce": st.integers(0, 2**100).map(lambda value: f"{value:032x}"),
        "timestamp": st.dates().map(str),
        "totalExperiences": st.integers(0, 2**53 - 1),
        "weights": st.dictionaries(
            st.from_regex(r"\A[A-Za-z][A-Za-z0-9_.-]{0,9}\Z"),
            st.fixed_dictionaries({"confidence": _SCORE, "sampleSize": st.integers(1, 1000)}),
            max_size=3,
        ),
    },
    optional={"baseVersion": st.just("1.2.3")},
)


def delta_of(body: dict[str, Any]) -> dict[str, Any]:
    """A delta whose keys say what they hold."""
    weights = {
        f"tool::{category}": {"type": "tool", "category": category, **weight}
        for category, weight in body["weights"].items()
    }
    return {**body, "weights": weights}


@settings(max_examples=40, deadline=None)
@given(body=_DELTAS)
def test_every_form_of_a_body_has_the_same_signed_bytes(body: dict[str, Any]) -> None:
    made = delta_of(body)
    signed = rfc8785.dumps(made)
    whole = {**made, "signature": text_of(KEY.sign(signed))}
    canonical = rfc8785.dumps(whole)
    assert cut(canonical) == (signed, whole["signature"])
    for form in (canonical, json.dumps(whole).encode(), json.dumps(whole, indent=1, ensure_ascii=False).encode()):
        delta, found, signature = authentic(form, KEY.public)
        assert (found, signature) == (signed, KEY.sign(signed))
        assert delta.canonical() == signed


@settings(max_examples=60, deadline=None)
@given(body=_DELTAS, place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_changed_bit_passes(body: dict[str, Any], place: int, bit: int) -> None:
    made = delta_of(body)
    sent = bytearray(rfc8785.dumps({**made, "signature": text_of(KEY.sign(rfc8785.dumps(made)))}))
    sent[place % len(sent)] ^= 1 << bit
    try:
        _, signed, _ = authentic(bytes(sent), KEY.public)
    except RefusalError:
        return
    # Bits of base64 that say nothing, and white space between members.
    assert signed == rfc8785.dumps(made)


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for body in (raw, b'{"a":1,"signature":"' + raw, b'{"a":1,"signature":"x","b":' + raw + b"}"):
        with pytest.raises(RefusalError):
            authentic(body, KEY.public)


@pytest.mark.parametrize(
    "body",
    [
        b'{"signature":"x"}',
        b'{"a":1,"signature":"x}',
        b'{"a":1,"signature":"x"',
        b'{"a":1,"signature":5}',
        b'{"a":1,"signature":"x"]}',
        b'{"a":"' + b"x" * 2000 + b'","signature":"x"}',
    ],
)
def test_what_is_not_in_canonical_form_is_not_cut(body: bytes) -> None:
    assert cut(body) is None


def test_a_member_is_taken_out_and_the_rest_is_canonical() -> None:
    assert without(b'{"b":1.0,"a":[1e2,"\\u0041"],"proof":"p"}', "proof") == (b'{"a":[100,"A"],"b":1}', "p")
    assert without(b"{}", "proof") == (b"{}", None)
    with pytest.raises(InvalidSchemaError):
        without(b'{"a":18446744073709551616}', "proof")


@pytest.mark.parametrize(("body", "told"), [(b"", "no JSON"), (b"hello", "no JSON"), (b"[1]", "no JSON object")])
def test_what_is_no_json_is_called_so(body: bytes, told: str) -> None:
    with pytest.raises(InvalidSchemaError, match=told):
        without(body, "signature")
