"""All attacks in the order in which they are shown, and how configuration names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from federation.errors import SettingError
from workloads.attacks.base import Attack
from workloads.attacks.crafted import ALittleIsEnough, InnerProduct, Mimic, MinMax
from workloads.attacks.crude import (
    Gaussian,
    HugeWeight,
    LabelFlip,
    NotFinite,
    Replay,
    Scaled,
    SignFlip,
    Sybil,
    Zero,
)

ALL_ATTACKS: tuple[type[Any], ...] = (
    SignFlip,
    Scaled,
    Gaussian,
    LabelFlip,
    ALittleIsEnough,
    InnerProduct,
    Mimic,
    MinMax,
    NotFinite,
    Zero,
    Replay,
    Sybil,
    HugeWeight,
)


def attack_from(description: Attack | str | Mapping[str, Any]) -> Attack:
    """The attack that configuration describes: its name, or a mapping with a name and parameters.

    Raises:
        SettingError: for an unknown name or parameter, with the nearest valid one.
    """
    if isinstance(description, str):
        description = {"name": description}
    if not isinstance(description, Mapping):
        if isinstance(description, Attack):
            return description
        raise SettingError(name="attack", found=description, needed="a name, or a mapping with a name")
    settings = dict(description)
    name = settings.pop("name", None)
    kinds = {kind.name: kind for kind in ALL_ATTACKS}
    wanted = str(name).lower().replace("-", "_")
    if wanted not in kinds:
        raise SettingError(name="attack", found=name, needed=_nearest(wanted, list(kinds)))
    kind = kinds[wanted]
    known = [field.name for field in fields(kind)]
    for setting in settings:
        if setting not in known:
            needed = _nearest(setting, known) if known else "left out: it has no parameters"
            raise SettingError(name=f"a parameter of {wanted}", found=setting, needed=needed)
    return kind(**settings)


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return "one of " + ", ".join(known) + (f" (nearest: {close[0]!r})" if close else "")
