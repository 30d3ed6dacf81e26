"""The release artefact of pattern weights: safetensors, never a pickle.

Rules of evolution: ``form`` is "1", the layout that of `workloads.patterns.rows`. Another layout is another form. The
key space is in the metadata as a whole, so that an artefact can be read without anything else.
"""

from __future__ import annotations

import json

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from federation.errors import ArtefactError, SettingError
from federation.workload import Row
from workloads.patterns.key_space import KeySpace
from workloads.patterns.rows import dimension, migrated, value_columns

_KIND = "patterns"
_FORM = "1"


def packed(space: KeySpace, value: Row) -> bytes:
    """The file of a row: the same bytes for the same row."""
    metadata = {
        "kind": _KIND,
        "form": _FORM,
        "version": space.version,
        "keys": list(space.keys),
        "domains": dict(space.domains),
    }
    row = np.ascontiguousarray(value, np.float32)
    return save({"value": row}, metadata={"swarmlore": json.dumps(metadata, sort_keys=True)})


def unpacked(space: KeySpace, artefact: bytes) -> Row:
    """The row of a file; of one that was made for an earlier minor version of the key space, with new keys at zero.

    Raises:
        ArtefactError: unless it is a file that `packed` writes for this key space or one that it extends, all finite,
            values in [0, 1].
    """
    try:
        tensors = load(artefact)
        size = int.from_bytes(artefact[:8], "little")
        found = json.loads(json.loads(artefact[8 : 8 + size])["__metadata__"]["swarmlore"])
        kind, form = found["kind"], found["form"]
        theirs = (found["version"], tuple(found["keys"]), tuple(sorted(found["domains"].items())))
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArtefactError(kind=_KIND, found=f"{type(error).__name__}: {error}") from error
    made_for = space if theirs == (space.version, space.keys, space.domains) else _earlier(space, *theirs[:2])
    if (kind, form) != (_KIND, _FORM):
        raise ArtefactError(kind=_KIND, found=f"a {kind!s:.20} of form {form!s:.20}")
    if made_for is None:
        other = f"one of key space {theirs[0]!s:.20} with {len(theirs[1])} keys"
        ours = f"{space.version} with {len(space.keys)} keys does not extend: add keys below a higher minor version"
        raise ArtefactError(kind=_KIND, found=f"{other}, which {ours}, and change none")
    value = tensors.get("value")
    keys = len(made_for.keys)
    if value is None or len(tensors) != 1 or value.dtype != np.float32 or value.shape != (dimension(keys),):
        raise ArtefactError(kind=_KIND, found=f"tensors {sorted(tensors)[:8]} of another shape")
    values = value[value_columns(keys)]
    if not np.isfinite(value).all() or (value < 0).any() or (values > 1).any():
        raise ArtefactError(kind=_KIND, found="values that are not finite or not within [0, 1]")
    return value.copy() if made_for is space else migrated(value, made_for, space)


def _earlier(space: KeySpace, version: str, keys: tuple[str, ...]) -> KeySpace | None:
    """The key space that was extended to ``space``, if it was."""
    try:
        before = KeySpace(version=version, keys=keys)
    except (SettingError, TypeError):
        return None
    old, new = before.version.split("."), space.version.split(".")
    extended = old[0] == new[0] and int(old[1]) < int(new[1]) and space.keys[: len(keys)] == before.keys
    return before if extended else None
