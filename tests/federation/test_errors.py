"""Every error: a code of its own, plain data, and the same after a journey between processes."""

from __future__ import annotations

import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import federation.errors
from federation.errors import SettingError, SwarmError

LEAVES: list[type[SwarmError]] = [
    kind
    for kind in vars(federation.errors).values()
    if inspect.isclass(kind) and issubclass(kind, SwarmError) and kind is not SwarmError
]
VALUES: dict[str, Any] = {"int": 3, "str": "word", "tuple[str, ...]": ("a", "b"), "tuple[int, ...]": (1, 2)}


def example(kind: type[SwarmError]) -> SwarmError:
    names = inspect.signature(kind).parameters.values()
    return kind(**{name.name: VALUES.get(str(name.annotation), 0.5) for name in names})


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_survives_pickling_and_json(kind: type[SwarmError]) -> None:
    error = example(kind)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (str(back), back.fields, back.code) == (str(error), error.fields, error.code)
    for name, value in error.fields.items():
        assert getattr(back, name) == value
    data = json.loads(json.dumps(error.to_dict()))
    assert data["code"] == kind.code
    assert data["message"] == str(error)
    with pytest.raises(AttributeError):
        _ = error.unknown


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in LEAVES]
    assert len(set(codes)) == len(codes)
    assert SwarmError.code not in codes


@pytest.mark.parametrize("found", [np.int64(3), b"bytes", Path("x"), (1, (object, None)), {"a": 1}, float("nan")])
def test_whatever_was_found_can_be_written_down(found: object) -> None:
    assert json.dumps(SettingError(name="x", found=found, needed="y").to_dict())
