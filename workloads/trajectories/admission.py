"""The door: which attributes come in. Everything that is not named stays outside, so that no message text gets in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from federation.errors import SettingError
from workloads.trajectories.conventions import CONTENTS, KEPT, SERVICE_NAME, TASK_ID

_INT64 = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is let in of spans, log records and their resources.

    An attribute that is neither needed, nor named here, is left at the door: unknown ones, message contents,
    and span status texts, event bodies and links whatever they hold. Texts let in are ids and names; one longer than
    ``text_limit`` is left out whole, for it is no id.

    Attributes:
        task_attribute: names the task that a run tries, on a span of it or on the resource.
        features: further numeric attributes of an agent's span that a workload learns from.
        contents: of `CONTENTS`, those that a workload asks for. Empty: none.
        text_limit: characters of an id or a name.
        contents_limit: characters of one admitted content, as JSON; a longer one is left out.
        kept: all names that are let in.
    """

    task_attribute: str = TASK_ID
    features: tuple[str, ...] = ()
    contents: frozenset[str] = frozenset()
    text_limit: int = 256
    contents_limit: int = 65_536
    kept: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "contents", frozenset(self.contents))
        if not self.task_attribute or self.task_attribute in CONTENTS:
            raise SettingError(name="task_attribute", found=self.task_attribute, needed="the name of an id")
        if unknown := self.contents - CONTENTS:
            raise SettingError(name="contents", found=sorted(unknown), needed=f"some of {', '.join(sorted(CONTENTS))}")
        if wrong := CONTENTS.intersection(self.features):
            raise SettingError(name="features", found=sorted(wrong), needed="names of numeric attributes")
        for name in ("text_limit", "contents_limit"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        object.__setattr__(self, "kept", KEPT | self.contents | {self.task_attribute, SERVICE_NAME, *self.features})

    def scalar(self, value: object) -> str | int | float | bool | None:
        """The value of an id, a name or a number; None for anything that is none."""
        if isinstance(value, str):
            return value if 0 < len(value) <= self.text_limit else None
        if isinstance(value, bool | int):
            return value if -_INT64 <= value < _INT64 else None
        return value if isinstance(value, float) and math.isfinite(value) else None

    def admit(self, attributes: Iterable[tuple[str, object]]) -> tuple[dict[str, object], int]:
        """What is kept of attributes with plain values, and how many contents were left out."""
        found: dict[str, object] = {}
        left = 0
        for key, value in attributes:
            if key not in self.kept:
                left += key in CONTENTS
            elif key in self.contents:
                if len(str(value)) <= self.contents_limit:
                    found[key] = value
                else:
                    left += 1
            elif (plain := self.scalar(value)) is not None:
                found[key] = plain
        return found, left
