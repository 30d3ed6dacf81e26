"""The parts of a secure sum: sharing, fixed-point numbers, masks, the graph and its parameters, the terms."""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError, UpdatesError
from federation.identity import Secret
from federation.privacy.errors import KeyReplayError, MaskedRowError, SecureParametersError
from federation.privacy.secure import FixedPoint, neighbourhood
from federation.privacy.secure.graph import neighbours
from federation.privacy.secure.masks import AgreementKey, mask, seal, unseal
from federation.privacy.secure.shamir import PRIME, combine, split
from tests.federation.privacy.secure.session import terms_of


@given(secret=st.binary(min_size=32, max_size=32), k=st.integers(1, 6), data=st.data())
@settings(deadline=None, max_examples=30)
def test_any_t_shares_make_the_secret(secret: bytes, k: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(1, k))
    shares = split(Secret(secret), threshold=threshold, points=tuple(range(1, k + 1)), seed=Secret(bytes(32)))
    for size in range(threshold, k + 1):
        for chosen in itertools.combinations(shares, size):
            found = combine({point: shares[point] for point in chosen})
            assert found is not None
            assert found.reveal() == secret


def test_fewer_shares_fit_any_secret() -> None:
    # For t - 1 shares and any other secret there is a t-th share that makes that one.
    shares = split(Secret(b"a" * 32), threshold=3, points=(1, 2, 3), seed=Secret(b"b" * 32))
    for other in range(5):
        # Lagrange at 0 over 1, 2, 3 is 3 s1 - 3 s2 + s3.
        third = (other - 3 * shares[1] + 3 * shares[2]) % PRIME
        found = combine({1: shares[1], 2: shares[2], 3: third})
        assert found is not None
        assert int.from_bytes(found.reveal(), "big") == other
    two = combine({1: shares[1], 2: shares[2]})
    assert two is None or two.reveal() != b"a" * 32


def test_the_field_is_a_prime_and_the_smallest_there() -> None:
    def prime(n: int) -> bool:
        odd, twos = n - 1, 0
        while odd % 2 == 0:
            odd, twos = odd // 2, twos + 1
        for base in range(2, 42):
            power = pow(base, odd, n)
            if power not in (1, n - 1) and all(pow(power, 1 << step, n) != n - 1 for step in range(twos)):
                return False
        return True

    assert prime(PRIME)
    assert not any(prime(candidate) for candidate in range(2**256 + 1, PRIME, 2))


@pytest.mark.parametrize("points", [(), (0, 1), (1, 1), (PRIME,)])
def test_points_are_points(points: tuple[int, ...]) -> None:
    with pytest.raises(SettingError):
        split(Secret(bytes(32)), threshold=1, points=points, seed=Secret(bytes(32)))


@given(
    rows=st.lists(st.lists(st.floats(-2.5, 2.5), min_size=3, max_size=3), min_size=1, max_size=9),
    bits=st.integers(8, 32),
)
@settings(deadline=None, max_examples=80)
def test_quantisation_stays_within_its_bound(rows: list[list[float]], bits: int) -> None:
    form = FixedPoint(limit=2.5, members=9, bits=bits)
    words = [form.encode(np.array(row)) for row in rows]
    total = sum(words, np.zeros(3, np.uint32)) & np.uint32(form.mask)
    error = np.abs(form.decode(total, count=len(rows)) - np.sum(rows, axis=0)).max()
    assert error <= len(rows) * form.step / 2 * (1 + 1e-9) + 1e-12


def test_what_is_no_row() -> None:
    form = FixedPoint(limit=1.0, members=3)
    for bad in ([1.1], [math.nan], [], [[1.0]]):
        with pytest.raises(UpdatesError):
            form.encode(np.array(bad))
    with pytest.raises(MaskedRowError):
        form.decode(np.array([1 << 31], np.uint32), count=3)
    with pytest.raises(MaskedRowError):
        form.checked([1, 2], dimension=2, agent="a")
    for settings_ in ({"limit": 0.0}, {"members": 0}, {"bits": 33}, {"bits": 8, "members": 128}):
        with pytest.raises(SettingError):
            FixedPoint(**{"limit": 1.0, "members": 3} | settings_)  # type: ignore[arg-type]


def test_chacha20_is_the_rfcs() -> None:
    # RFC 8439, appendix A.1, test vector 1: zero key, zero nonce, counter 0.
    assert mask(Secret(bytes(32)), 4).astype("<u4").tobytes().hex() == "76b8e0ada0f13d90405d6ae55386bd28"


def test_x25519_agrees_and_refuses_small_order() -> None:
    one, two = AgreementKey.of(Secret(b"1" * 32)), AgreementKey.of(Secret(b"2" * 32))
    shared = one.agree(two.public, peer="two", label=b"x").reveal()
    assert shared == two.agree(one.public, peer="one", label=b"x").reveal()
    assert shared != one.agree(two.public, peer="two", label=b"y").reveal()
    # RFC 7748, section 6.1: Alice's key pair.
    alice = Secret(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
    assert AgreementKey.of(alice).public.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    for bad in (bytes(32), b"\x01" + bytes(31), b"short"):
        with pytest.raises(KeyReplayError):
            one.agree(bad, peer="mallory", label=b"x")


def test_what_is_sealed_opens_on_its_own_route_only() -> None:
    key = Secret(b"k" * 32)
    sealed = seal(key, b"shares", route=b"a to b")
    assert unseal(key, sealed, route=b"a to b") == b"shares"
    assert unseal(key, sealed, route=b"b to a") is None
    assert unseal(Secret(b"j" * 32), sealed, route=b"a to b") is None
    assert unseal(key, b"x", route=b"a to b") is None


@pytest.mark.parametrize(("members", "degree"), [(5, 4), (6, 5), (9, 4), (12, 6), (12, 10)])
def test_the_graph_is_regular_and_mutual(members: int, degree: int) -> None:
    near = neighbours(tuple(f"{place:02d}" for place in range(members)), degree)
    for member, peers in near.items():
        assert len(set(peers)) == degree
        assert member not in peers
        assert all(member in near[peer] for peer in peers)


@pytest.mark.parametrize(("members", "liars", "dropped"), [(4, 1, 0), (10, 2, 1), (60, 6, 6), (400, 20, 40)])
def test_parameters_hold_in_random_draws(members: int, liars: int, dropped: int) -> None:
    found = neighbourhood(members, liars=liars, dropped=dropped, security_bits=20, soundness_bits=7)
    names = tuple(str(place) for place in range(members))
    near = neighbours(names, found.degree)
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(members)
        lying = {names[place] for place in order[:liars]}
        away = lying | {names[place] for place in order[liars : liars + dropped]}
        honest = set(names) - away
        assert all(len(lying & set(near[member])) < found.threshold for member in names)
        reached, queue = set[str](), deque(sorted(honest)[:1])
        while queue:
            member = queue.popleft()
            if member not in reached:
                reached.add(member)
                queue.extend(honest & set(near[member]))
        assert reached == honest


def test_parameters_of_a_large_bucket_are_logarithmic() -> None:
    small, large = (neighbourhood(n, liars=n // 20, dropped=n // 20) for n in (1_000, 10_000))
    assert large.degree < 2 * small.degree < 100
    assert large.exposure <= 2**-40
    assert large.failure <= 2**-20
    with pytest.raises(SecureParametersError) as caught:
        neighbourhood(5, liars=2, dropped=0)
    assert caught.value.needed == 6


def test_terms_bind_everything() -> None:
    terms = terms_of()
    changes = ({"run": "x"}, {"round": 2}, {"bucket": "1"}, {"threshold": 2}, {"smallest": 4}, {"dimension": 6})
    others = [replace(terms, **change) for change in changes]  # type: ignore[arg-type]
    others += [replace(terms, circle=terms.circle[::-1]), replace(terms, form=replace(terms.form, limit=1.0))]
    assert len({terms.session, *(other.session for other in others)}) == 9
    for bad in ({"threshold": 1}, {"smallest": 2}, {"smallest": 7}, {"dimension": 0}, {"circle": ("a", "a", "b")}):
        with pytest.raises(SettingError):
            replace(terms, **bad)  # type: ignore[arg-type]
