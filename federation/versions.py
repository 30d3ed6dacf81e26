"""Semantic versions of what a federation releases (the architecture's section 4.4).

``major.minor.patch``: major when the schema breaks, minor when there are new categories, patch for new weights, a
rollback included. Versions only go up: what brings an old value back is a new version, because a client never takes an
older one than it has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from federation.errors import SettingError

_VERSION: Final = re.compile(r"v?(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)
_SCHEMA: Final = re.compile(r"(\d{1,9})\.(\d{1,9})", re.ASCII)
_NEEDED: Final = "major.minor.patch, such as 1.2.47"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version, ordered as numbers and not as text: 1.2.10 is above 1.2.9."""

    major: int
    minor: int
    patch: int

    def __post_init__(self) -> None:
        for part in (self.major, self.minor, self.patch):
            if not 0 <= part < 10**9:
                raise SettingError(name="version", found=str(self), needed="parts from 0 to 999999999")

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @classmethod
    def parse(cls, text: str) -> Version:
        """The version that a text names; a ``v`` before it, as in file names and ETags, does not matter.

        Raises:
            SettingError: when it names none.
        """
        found = _VERSION.fullmatch(text)
        if found is None:
            raise SettingError(name="version", found=text[:64], needed=_NEEDED)
        return cls(*(int(part) for part in found.groups()))

    @classmethod
    def first(cls, schema: str) -> Version:
        """The version of the first release under a schema: ``1.2`` begins with 1.2.0."""
        return cls(*_parts(schema), 0)

    def after(self, schema_before: str, schema_now: str) -> Version:
        """The version of the next release.

        A schema's ``minor`` counts its additions, ours the releases that brought some: several additions at once are
        one step. The parts that follow a raised one begin at 0 again.

        Args:
            schema_before: ``major.minor`` of the schema of this version.
            schema_now: that of the next release. A schema never goes back.

        Raises:
            SettingError: when it does.
        """
        before, now = _parts(schema_before), _parts(schema_now)
        if now < before:
            raise SettingError(name="schema", found=schema_now, needed=f"{schema_before} or above")
        if now[0] > before[0]:
            return Version(max(now[0], self.major + 1), 0, 0)
        if now > before:
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)


def _parts(schema: str) -> tuple[int, int]:
    found = _SCHEMA.fullmatch(schema)
    if found is None:
        raise SettingError(name="schema", found=schema[:64], needed="major.minor, such as 1.2")
    major, minor = found.groups()
    return int(major), int(minor)
