"""The sorter and its members: what buckets come to, drop-outs at each stage, lies, kills, and what is ever written."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from federation.identity import Secret
from federation.privacy.secure import MaskedRow, draw_commitment, from_wire, in_order, roster_digest, to_wire
from tests.gateway.federation.summing import CONFIG, KEYS, NOW, Gathering
from workloads.patterns import PatternError
from workloads.patterns.buckets import sum_row

Make = Callable[..., Gathering]


@pytest.fixture
def gathering(tmp_path: Path) -> Make:
    def make(count: int = 15, *, name: str = "one", **given: object) -> Gathering:
        (tmp_path / name).mkdir()
        return Gathering(tmp_path / name, count, **given)  # type: ignore[arg-type]

    return make


def summed(found: Gathering, names: list[str]) -> np.ndarray:
    return np.sum([found.rows[name] for name in names], axis=0)


async def test_each_bucket_comes_to_the_sum_of_its_members(gathering: Make) -> None:
    found = gathering()
    told = await found.sorted()
    assert (told.buckets, told.failed, told.members, told.joined) == (2, 0, 15, 15)
    for place, (state, code, members, total) in enumerate(found.totals()):
        assert (state, code, members) == ("done", "", len(found.circle(place)))
        np.testing.assert_allclose(total, summed(found, found.circle(place)), atol=1e-6)
    assert found.now == NOW  # nobody waited for a deadline


async def test_the_draw_can_be_checked_by_everybody(gathering: Make) -> None:
    found = gathering()
    await found.sorted()
    secret, facts = found.storage.mail.draw(1) or (b"", {})
    seed = Secret(secret)
    assert facts["commitment"] == draw_commitment(seed, run="test", round=1)
    assert facts["roster"] == roster_digest(one.client for one in found.storage.mail.roster(1))
    assert {end["secret"] for end in found.ends.values()} == {secret.hex()}
    for client in found.clients.values():
        assert in_order(client.terms.circle, run=client.terms.run, round=1, seed=seed)
    whole = [*found.circle(0), *found.circle(1)]
    assert in_order(whole, run="test:global:1.0.0", round=1, seed=seed)
    assert not in_order(whole[::-1], run="test:global:1.0.0", round=1, seed=seed)
    assert not in_order(whole, run="test:global:1.0.0", round=1, seed=Secret(bytes(32)))


@pytest.mark.parametrize("kind", ["terms", "ring", "shares", "unmask"])
async def test_a_member_that_drops_out_is_left_out_of_the_sum_and_no_more(gathering: Make, kind: str) -> None:
    found = gathering()
    found.silent[found.names[4]] = kind
    told = await found.sorted()
    assert (told.buckets, told.failed) == (2, 0)
    # Whoever has handed in its row counts, also when it is gone then.
    assert told.members == (15 if kind == "unmask" else 14)
    assert found.now == NOW + CONFIG.stage_s
    totals = np.sum([total for *_, total in found.totals()], axis=0)
    there = [name for name in found.names if kind == "unmask" or name != found.names[4]]
    np.testing.assert_allclose(totals, summed(found, there), atol=1e-6)


async def test_a_bucket_that_too_many_leave_fails_and_the_other_one_does_not(gathering: Make) -> None:
    twin = gathering(name="twin")
    await twin.sorted()
    found = gathering()
    for name in twin.circle(0)[:4]:
        found.silent[name] = "shares"
    told = await found.sorted()
    assert (told.buckets, told.failed, told.members) == (1, 1, len(twin.circle(1)))
    states = [(state, code) for state, code, *_ in found.totals()]
    assert states == [("failed", "secure.threshold"), ("done", "")]
    assert {found.ends[name]["code"] for name in twin.circle(0)} == {"secure.threshold"}
    assert {found.ends[name]["code"] for name in twin.circle(1)} == {""}


async def test_too_few_of_a_region_are_told_so(gathering: Make) -> None:
    found = gathering(12, region=lambda number: "eu" if number < 4 else "us")
    told = await found.sorted()
    assert (told.buckets, told.failed, told.members, told.joined) == (1, 0, 8, 12)
    for name in found.names[:4]:
        assert found.ends[name] == {"code": "secure.too_few", "found": 4, "needed": 7}


async def test_a_row_that_is_none_spoils_its_bucket_only(gathering: Make) -> None:
    found = gathering()
    liar = found.names[2]

    def twisted(name: str, kind: str, wire: bytes) -> bytes:
        if name != liar or kind != "shares":
            return wire
        message = from_wire(wire)
        assert isinstance(message, MaskedRow)
        return to_wire(MaskedRow(agent=liar, words=message.words + np.uint32(1 << 30)))

    found.twist = twisted
    told = await found.sorted()
    assert (told.buckets, told.failed) == (2, 0)  # it was not told apart from a row
    honest = next(place for place in (0, 1) if liar not in found.circle(place))
    np.testing.assert_allclose(found.totals()[honest][3], summed(found, found.circle(honest)), atol=1e-6)
    with pytest.raises(PatternError, match="numbers that no rows add up to"):
        sum_row(np.array(found.totals()[1 - honest][3]), members=8, keys=KEYS, round_number=1)


async def test_answers_that_are_none_are_refused_and_may_come_again(gathering: Make) -> None:
    found = gathering(7)
    asked: list[str] = []

    def twisted(name: str, kind: str, wire: bytes) -> bytes:
        if name == found.names[1] and kind == "terms" and not asked:
            asked.append(name)
            found._read[name] = 0  # it will answer again
            return wire.replace(b'"kind":"keys"', b'"kind":"nothing"')
        return wire

    found.twist = twisted
    told = await found.sorted()
    assert asked
    assert (told.buckets, told.members) == (1, 7)


async def test_who_is_killed_between_any_two_writes_goes_on_to_the_same(gathering: Make) -> None:
    whole = gathering(7, name="whole")
    whole.silent[whole.names[4]], whole.slow = "shares", True
    await whole.sorted()
    assert whole.writes == 1 + 7 + 7 + 6 + 1 + 6  # the draw, each answer, and the end of a stage
    for number in range(0, whole.writes, 3):
        found = gathering(7, name=f"killed-{number}")
        found.silent[found.names[4]], found.slow = "shares", True
        died: list[int] = []

        def kill(write: int, number: int = number, died: list[int] = died) -> str:
            if write != number or died:
                return ""
            died.append(write)
            return "after" if number % 2 else "before"

        found.kill_at = kill
        await found.sorted()
        assert died == [number]
        assert found.totals() == whole.totals(), number
        assert {name: end["code"] for name, end in found.ends.items()} == dict.fromkeys(found.names, "")
        found.storage.close()


async def test_no_row_is_ever_written_and_nothing_of_a_session_stays(gathering: Make) -> None:
    found = gathering(7)
    seen: list[bytes] = []
    found.looked = lambda: seen.append(
        b"".join(path.read_bytes() for path in sorted(found.path.parent.glob("federation.db*")))
    )
    rows: dict[str, np.ndarray] = {}

    def heard(name: str, kind: str, wire: bytes) -> bytes:
        message = from_wire(wire)
        if isinstance(message, MaskedRow):
            rows[name] = message.words
        return wire

    found.twist = heard
    await found.sorted()
    found.looked()
    assert len(seen) >= 4
    for name, client in found.clients.items():
        words = client.words
        # A piece of every alignment, as bytes and as base64, and as the numbers of JSON.
        raw = words[-6:].astype("<u4").tobytes()
        for blob in seen:
            assert raw not in blob
            for start in range(3):
                assert base64.b64encode(raw[start : start + 18]) not in blob
        assert (rows[name] != words).mean() > 0.9
        # Masked rows were there while they were needed, and are overwritten by now.
        masked = json.loads(to_wire(MaskedRow(agent=name, words=rows[name])))["words"].encode()
        assert any(masked in blob for blob in seen[:-1])
        assert masked not in seen[-1]
    assert found.storage.mail.taken_in("1.global.0000") == []
    (bucket,) = found.storage.mail.buckets(1)
    assert (bucket.terms, bucket.identities) == (None, {})
