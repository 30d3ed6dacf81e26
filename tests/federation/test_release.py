"""Releases: addressed by content, signed, and refused when anything does not fit."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ReleaseError
from federation.identity import Secret, SigningKey
from federation.release import GENESIS, Release, artefact_digest

KEY = SigningKey.of(Secret(bytes(32)))
OTHER = SigningKey.of(Secret(b"1" * 32))
ARTEFACT = b"artefact"


def release(**changes: Any) -> Release:
    made = Release(
        run="run", kind="null", version=3, round=2, parent=b"p" * 32, artefact=artefact_digest(ARTEFACT),
        artefact_bytes=len(ARTEFACT), rule="Median()", agents=7, fault_bound=2, accepted=5, clipped=1, rejected=1,
        refused={"gate.norm": 1}, late=1, flagged=("a",), measures={"kl": 0.5}, epsilon=0.25, restores=1,
    )  # fmt: skip
    return replace(made, **changes)


CHANGES: dict[str, Any] = {
    "run": "other", "kind": "other", "version": 4, "round": 3, "parent": GENESIS, "artefact": bytes(32),
    "artefact_bytes": 9, "rule": "Mean()", "agents": 6, "fault_bound": 1, "accepted": 4, "clipped": 2, "rejected": 2,
    "refused": {"gate.norm": 2}, "late": 0, "flagged": ("b",), "measures": {"kl": 0.5000000001}, "epsilon": 0.0,
    "restores": None,
}  # fmt: skip


def test_the_digest_covers_every_field_but_itself_signature_and_time() -> None:
    assert CHANGES.keys() == {field.name for field in fields(Release)} - {"digest", "signature", "created"}
    digests = {release(**{name: value}).content_digest() for name, value in CHANGES.items()}
    assert len(digests | {release().content_digest()}) == len(CHANGES) + 1


def test_the_digest_is_independent_of_time_and_the_same_inputs_give_the_same_bytes() -> None:
    one, two = release().signed(KEY, created=1.0), release().signed(KEY, created=2.0)
    assert (one.digest, one.signature) == (two.digest, two.signature)
    reordered = release(refused={"b": 1, "a": 2}).signed(KEY, created=0.0)
    assert reordered.digest == release(refused={"a": 2, "b": 1}).signed(KEY, created=0.0).digest
    assert release().signed(OTHER, created=1.0).digest == one.digest


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(max_size=5), st.floats()), st.lists(st.text(max_size=5)), st.none() | st.integers(0, 9))
def test_a_release_survives_json(measures: dict[str, float], flagged: list[str], restores: int | None) -> None:
    made = release(measures=measures, flagged=tuple(flagged), restores=restores).signed(KEY, created=5.5)
    back = Release.from_dict(json.loads(json.dumps(made.to_dict())))
    back.check(public=KEY.public, artefact=ARTEFACT, parent=b"p" * 32)
    assert back.digest == made.digest
    if not any(map(math.isnan, measures.values())):
        assert back == made


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_field_is_found_out(name: str) -> None:
    with pytest.raises(ReleaseError):
        replace(release().signed(KEY, created=1.0), **{name: CHANGES[name]}).check(public=KEY.public)


def test_check_refuses_another_key_artefact_or_parent() -> None:
    made = release().signed(KEY, created=1.0)
    made.check(public=KEY.public, artefact=ARTEFACT, parent=b"p" * 32)
    for wrong in ({"public": OTHER.public}, {"public": b""}):
        with pytest.raises(ReleaseError, match="somebody else"):
            made.check(**wrong)
    with pytest.raises(ReleaseError, match="artefact"):
        made.check(public=KEY.public, artefact=b"other")
    with pytest.raises(ReleaseError, match="parent"):
        made.check(public=KEY.public, parent=GENESIS)
    with pytest.raises(ReleaseError) as caught:
        replace(made, signature=bytes(64)).check(public=KEY.public)
    assert caught.value.version == 3
    with pytest.raises(ReleaseError):
        release().check(public=KEY.public)  # never signed
    made_by_other = release().signed(OTHER, created=1.0)
    with pytest.raises(ReleaseError):
        made_by_other.check(public=KEY.public)


@pytest.mark.parametrize(
    "change", [{"parent": "zz"}, {"digest": None}, {"flagged": 3}, {"unknown": 1}, {"artefact": b"bytes"}]
)
def test_what_is_no_release_says_so(change: dict[str, Any]) -> None:
    data = {**release().signed(KEY, created=0.0).to_dict(), **change}
    with pytest.raises(ReleaseError):
        Release.from_dict(data)
    with pytest.raises(ReleaseError):
        Release.from_dict({name: value for name, value in data.items() if name not in ("run", *change)})
