"""The release artefact of a policy: safetensors, never a pickle.

Rules of evolution: ``form`` in the metadata is "1". Tensors are not renamed; another layout is another form.
"""

from __future__ import annotations

import json

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from federation.errors import ArtefactError
from federation.workload import Row
from workloads.gradients.policy import Policy

_KIND = "gradients"
_FORM = "1"


def packed(policy: Policy, value: Row) -> bytes:
    """The file of a row: the same bytes for the same row."""
    metadata = {"kind": _KIND, "form": _FORM, "policy": json.dumps(_shape(policy), sort_keys=True)}
    return save(
        policy.tensors(np.asarray(value, np.float32)), metadata={"swarmlore": json.dumps(metadata, sort_keys=True)}
    )


def unpacked(policy: Policy, artefact: bytes) -> Row:
    """The row of a file.

    Raises:
        ArtefactError: unless it is a file that `packed` writes for a policy of this shape, all finite.
    """
    try:
        tensors = load(artefact)
        size = int.from_bytes(artefact[:8], "little")
        header = json.loads(artefact[8 : 8 + size])["__metadata__"]["swarmlore"]
        metadata = json.loads(header)
        found = (metadata["kind"], metadata["form"], json.loads(metadata["policy"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtefactError(kind=_KIND, found=f"{type(error).__name__}: {error}") from error
    if found != (_KIND, _FORM, _shape(policy)):
        raise ArtefactError(kind=_KIND, found=f"a {found[0]} of form {found[1]} and shape {found[2]}")
    shapes = policy.shapes()
    if set(tensors) != set(shapes):
        raise ArtefactError(kind=_KIND, found=f"tensors {sorted(tensors)}")
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.dtype != np.float32 or tensor.shape != shape or not np.isfinite(tensor).all():
            raise ArtefactError(kind=_KIND, found=f"{name} of {tensor.dtype} and shape {tensor.shape}, or not finite")
    return policy.row(tensors)


def _shape(policy: Policy) -> dict[str, int]:
    return {"features": policy.features, "hidden": policy.hidden, "actions": policy.actions}
