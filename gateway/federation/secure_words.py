"""Words that members and server of a secret sum share, beside the messages of `federation.privacy.secure`."""

from __future__ import annotations

from collections.abc import Mapping

from federation.privacy.secure import AdvertisedKeys, DealtShares, MaskedRow, Revealed

KINDS: Mapping[str, type] = {"keys": AdvertisedKeys, "dealt": DealtShares, "row": MaskedRow, "revealed": Revealed}
"""Kinds of a member's answers, as `to_wire` names them."""

TOO_FEW = "secure.too_few"
"""Code of a session that was not opened, as too few share a region and a base."""


def run_of(run: str, region: str, base: str | None) -> str:
    """The run that terms name: it binds a session to the region and the base of its members."""
    return f"{run}:{region}:{base or ''}"
