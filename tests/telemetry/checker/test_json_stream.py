"""JSON values from streams, in whatever pieces they come."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.checker import json_stream
from telemetry.checker.json_stream import JsonStreamError, values

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Trickle(io.BytesIO):
    """Gives out a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self.step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.step)


@given(st.lists(anything, max_size=5), st.integers(1, 7), st.booleans())
def test_whatever_is_written_is_read(found: list[Any], step: int, ascii: bool) -> None:
    array = json.dumps(found, ensure_ascii=ascii).encode()
    assert list(values(Trickle(array, step))) == found
    objects = [{"v": value} for value in found]
    lines = "\n".join(json.dumps(value, ensure_ascii=ascii) for value in objects).encode()
    assert list(values(Trickle(lines, step))) == objects
    assert list(values(Trickle(b"12 345 6", step))) == [12, 345, 6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'[{"a": 1}', "the end of the array"),
        (b'[{"a": 1} {}]', "a comma or the end"),
        (b"[1] 2", "nothing after the array"),
        (b"{", "must be JSON"),
        (b"[1, NaN]", "NaN is no JSON"),
        (b"[Infinity]", "no JSON"),
        (b"\xff", "no UTF-8"),
        (b'{"a": "\xc3', "no UTF-8"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(text: bytes, said: str) -> None:
    with pytest.raises(JsonStreamError, match=said):
        list(values(io.BytesIO(text)))


def test_a_value_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "LONGEST", 1000)
    monkeypatch.setattr(json_stream, "CHUNK", 100)
    read = 0

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal read
            read += size or 0
            return b"a" * (size or 0)

    stream = Endless()
    with pytest.raises(JsonStreamError, match="at most 1000"):
        next(values(_Joined(b'["', stream)))
    assert read < 10_000


class _Joined(io.BytesIO):
    def __init__(self, first: bytes, rest: io.BytesIO) -> None:
        super().__init__(first)
        self._rest = rest

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size) or self._rest.read(size)
