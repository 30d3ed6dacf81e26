"""Versions go up by the part that the change deserves, and never down."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from federation.versions import Version

schemas = st.tuples(st.integers(0, 3), st.integers(0, 12))


def _text(schema: tuple[int, int]) -> str:
    return f"{schema[0]}.{schema[1]}"


@pytest.mark.parametrize("text", ["1.2.47", "v1.2.47"])
def test_a_version_is_read_as_it_is_written(text: str) -> None:
    version = Version.parse(text)
    assert version == Version(1, 2, 47)
    assert str(version) == "1.2.47"


@pytest.mark.parametrize("text", ["", "1.2", "1.2.3.4", "01.2.3", "1.2.-3", "1.2.3 ", "1.2.3\n", "vv1.2.3", "1.2.٣"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SettingError):
        Version.parse(text)


def test_versions_are_ordered_as_numbers() -> None:
    assert Version.parse("1.2.10") > Version.parse("1.2.9")
    assert Version.parse("1.10.0") > Version.parse("1.9.99")


def test_weights_are_a_patch_a_category_is_minor_a_broken_schema_is_major() -> None:
    version = Version.first("1.2")
    assert str(version) == "1.2.0"
    assert str(version.after("1.2", "1.2")) == "1.2.1"
    assert str(version.after("1.2", "1.3")) == "1.3.0"
    assert str(version.after("1.2", "2.0")) == "2.0.0"


def test_a_schema_never_goes_back() -> None:
    with pytest.raises(SettingError, match=r"1\.3 or above"):
        Version(1, 3, 5).after("1.3", "1.2")


@settings(deadline=None, max_examples=60)
@given(st.lists(schemas, min_size=2, max_size=12))
def test_a_history_of_releases_only_goes_up(found: list[tuple[int, int]]) -> None:
    history = sorted(found)
    versions = [Version.first(_text(history[0]))]
    for before, now in pairwise(history):
        new = versions[-1].after(_text(before), _text(now))
        last = versions[-1]
        changed = (new.major != last.major, new.minor != last.minor and new.major == last.major)
        assert changed == (now[0] > before[0], now[0] == before[0] and now[1] > before[1])
        versions.append(new)
    assert all(low < high for low, high in pairwise(versions))
    assert [Version.parse(str(version)) for version in versions] == versions
