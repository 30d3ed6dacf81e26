"""Which secret sums an installation takes part in. That it does so over HTTP is in the gateway's federation tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.identity import Secret, SigningKey
from federation.privacy.secure import AdvertisedKeys, FixedPoint, SecureTerms, draw_commitment, to_wire
from gateway.client import ClientSettings, FederationClient
from gateway.client.delta import Delta
from gateway.client.errors import ParticipationError, TermsError
from gateway.client.participation import FILE, Participation, ParticipationSettings
from workloads.patterns import STANDARD
from workloads.patterns.buckets import addend_dimension

NAME = "ab" * 32
DELTA = Delta(weights={}, base_version="1.0.0", experiences=1)
OTHERS = {f"{number:064x}": SigningKey.of(Secret(bytes([number] * 32))).public for number in range(1, 9)}
SEED = Secret(bytes(range(32)))


class Proposed:
    """An installation that has joined round 7, and what the server proposes to it."""

    def __init__(self, folder: Path) -> None:
        self.client = FederationClient(ClientSettings.of("http://127.0.0.1:9", state_dir=folder, keychain=False))
        self.client.give_consent()
        self.client.account.update(client=NAME)
        self.public = SigningKey.of(Secret(self.client.account.identity.seed)).public
        settings = ParticipationSettings(members=8, rows=5)
        self.part = Participation(self.client, settings, clock=lambda: 0.0, draw=lambda count: bytes(range(count)))
        dimension = addend_dimension(len(STANDARD.keys))
        self.part._row = np.zeros(dimension)
        self.keys = {NAME: self.public, **OTHERS}
        self.terms = SecureTerms(
            run="swarm:global:1.0.0",
            round=7,
            bucket="0",
            circle=tuple(sorted(self.keys, key=lambda name: _place(name))),
            degree=8,
            threshold=5,
            dimension=dimension,
            form=FixedPoint(limit=1.0, members=9),
            smallest=5,
        )

    def body(self, **told: Any) -> str:
        identities = {name: base64.b64encode(key).decode() for name, key in self.keys.items()}
        commitment = draw_commitment(SEED, run="swarm", round=7)
        found = {"terms": to_wire(self.terms).decode(), "identities": identities, "commitment": commitment}
        return json.dumps(found | told)

    def begin(self, **told: Any) -> Any:
        return self.part._begun(self.body(**told), DELTA, 7)


def _place(name: str) -> bytes:
    return SEED.derive("bucket", "swarm:global:1.0.0", "7", name).reveal()


@pytest.fixture
def proposed(tmp_path: Path) -> Proposed:
    return Proposed(tmp_path)


def test_an_honest_session_is_begun_once_and_that_is_written_down_first(proposed: Proposed) -> None:
    keys = proposed.begin()
    assert isinstance(keys, AdvertisedKeys)
    assert keys.agent == NAME
    assert proposed.client.folder.get(FILE)[0] == {"round": 7}
    with pytest.raises(TermsError, match="terms twice"):
        proposed.begin()


LIES: dict[str, tuple[Callable[[SecureTerms], SecureTerms], str]] = {
    "round": (lambda terms: replace(terms, round=8), "round 8"),
    "base": (lambda terms: replace(terms, run="swarm:global:1.0.7"), "base 1.0.7"),
    "small": (lambda terms: replace(terms, circle=terms.circle[:7], degree=6, threshold=4), "7 members"),
    "few": (lambda terms: replace(terms, smallest=4, threshold=4), "sums of 4 rows"),
    "shares": (lambda terms: replace(terms, threshold=4), "4 of 8 shares"),
    "rows": (lambda terms: replace(terms, dimension=8), "rows of 8"),
    "numbers": (lambda terms: replace(terms, form=FixedPoint(limit=2.0, members=9)), "other numbers"),
    "bits": (lambda terms: replace(terms, form=FixedPoint(limit=1.0, members=9, bits=16)), "other numbers"),
}


@pytest.mark.parametrize("lie", LIES)
def test_terms_that_are_not_what_it_takes_part_in_are_left(proposed: Proposed, lie: str) -> None:
    change, said = LIES[lie]
    proposed.terms = change(proposed.terms)
    with pytest.raises(TermsError, match=said) as left:
        proposed.begin()
    assert left.value.code == "client.untrusted.terms"
    assert proposed.client.folder.get(FILE)[0] is None


def test_keys_that_are_not_the_members_are_refused(proposed: Proposed) -> None:
    whole = dict(proposed.keys)
    first, second = sorted(OTHERS)[:2]
    for keys, said in (
        (whole | {NAME: bytes(32)}, "another key in this installation's place"),
        (whole | {first: whole[second]}, "a key twice"),
        ({name: key for name, key in whole.items() if name != first}, "keys of others"),
        (whole | {first: b"short"}, "keys of another length"),
    ):
        proposed.keys = keys
        with pytest.raises(TermsError, match=said):
            proposed.begin()


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"terms": 1, "identities": {}}', '{"terms": "x", "identities": 1}'])
def test_what_is_no_proposal_is_refused(proposed: Proposed, body: str) -> None:
    with pytest.raises(TermsError):
        proposed.part._answered("terms", body, DELTA, 7)
    with pytest.raises(TermsError):
        proposed.part._answered("ring", body, DELTA, 7)


def test_the_draw_is_checked_at_the_end(proposed: Proposed) -> None:
    proposed.begin()

    def ended(**told: Any) -> bool | None:
        return proposed.part._ended(json.dumps({"code": "", "members": 9, **told}), 7, 3).drawn

    assert ended(secret=SEED.reveal().hex()) is True
    assert ended(secret=bytes(32).hex()) is False
    assert ended(secret="no") is False
    assert ended() is None


def test_a_draw_in_another_order_than_the_secrets_is_found(proposed: Proposed) -> None:
    proposed.terms = replace(proposed.terms, circle=proposed.terms.circle[::-1])
    proposed.begin()
    end = json.dumps({"code": "", "members": 9, "secret": SEED.reveal().hex()})
    assert proposed.part._ended(end, 7, 3).drawn is False


def test_nothing_to_tell_and_no_release_are_said(proposed: Proposed) -> None:
    assert proposed.part.run(DELTA).status == "nothing"
    some = replace(DELTA, weights={"tool::Read": None})  # type: ignore[dict-item]
    with pytest.raises(ParticipationError, match="is not held"):
        proposed.part.run(some)
