"""The errors of privacy: a code of their own, plain data, and the same after a journey between processes."""

from __future__ import annotations

import inspect
import json
import pickle

import pytest

import federation.errors
import federation.privacy.errors
from federation.errors import SwarmError
from tests.federation.test_errors import LEAVES, example

OURS: list[type[SwarmError]] = [
    kind
    for kind in vars(federation.privacy.errors).values()
    if inspect.isclass(kind) and issubclass(kind, SwarmError) and kind is not SwarmError
]


@pytest.mark.parametrize("kind", OURS)
def test_an_error_survives_pickling_and_json(kind: type[SwarmError]) -> None:
    error = example(kind)
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.fields) == (kind, str(error), error.fields)
    assert json.loads(json.dumps(error.to_dict()))["code"] == kind.code


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in (*LEAVES, *OURS)]
    assert len(set(codes)) == len(codes)
