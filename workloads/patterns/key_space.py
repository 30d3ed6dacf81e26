"""The key space: which patterns there are, agreed by the fleet before anything is shared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from federation.errors import SettingError

OTHER = "other"
"""The category of each type that stands for every category which the key space does not name."""

MOST_KEYS = 4096
_CATEGORY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_VERSION = re.compile(r"\d+\.\d+")


class PatternType(StrEnum):
    """What a pattern is about."""

    TOOL = "tool"
    ERROR = "error"
    SUCCESS = "success"
    TEAM = "team"


class Domain(StrEnum):
    """What kind of work a pattern belongs to."""

    FRONTEND = "frontend"
    BACKEND = "backend"
    SECURITY = "security"
    INFRASTRUCTURE = "infrastructure"
    DOCUMENTATION = "documentation"
    GENERAL = "general"


def key_of(kind: PatternType | str, category: str) -> str:
    """``type::category``."""
    return f"{kind}::{category}"


@dataclass(frozen=True, kw_only=True)
class KeySpace:
    """The patterns that rows have columns for, in their order, and the only words that leave an installation.

    Every type has the category `OTHER`. An experience of a category that is not named counts for `OTHER`, so that
    no name from somebody's private tools is ever sent. A key of a received document that is not named is left out
    and counted (`workloads.patterns.rows.Encoded.unknown`).

    Rules of evolution: ``version`` is ``major.minor``. New categories are a new minor version (`extended`), which
    appends them; nothing is removed or moved but in a new major version. Rows of an older minor version are moved
    by `workloads.patterns.rows.migrated`.

    Attributes:
        version: of the schema, ``major.minor``.
        keys: ``type::category``, each once; the place is that of its columns.
        domains: key -> domain, for those that are not ``general``.
    """

    version: str
    keys: tuple[str, ...]
    domains: tuple[tuple[str, Domain], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(self.keys))
        if not _VERSION.fullmatch(self.version):
            raise SettingError(name="version", found=self.version, needed="major.minor, such as 1.0")
        if len(set(self.keys)) != len(self.keys) or len(self.keys) > MOST_KEYS:
            raise SettingError(name="keys", found=len(self.keys), needed=f"at most {MOST_KEYS} keys, each once")
        for key in self.keys:
            kind, _, category = key.partition("::")
            if kind not in set(PatternType) or not _CATEGORY.fullmatch(category):
                needed = "type::category, the category a letter and up to 63 letters, digits, _, . or -"
                raise SettingError(name="a key", found=key[:100], needed=needed)
        missing = [key_of(kind, OTHER) for kind in PatternType if key_of(kind, OTHER) not in self.keys]
        if missing:
            raise SettingError(name="keys", found=self.keys[:8], needed=f"to hold {', '.join(missing)} too")
        domains = self.domains.items() if isinstance(self.domains, Mapping) else self.domains
        try:
            object.__setattr__(self, "domains", tuple(sorted((str(key), Domain(name)) for key, name in domains)))
        except ValueError as error:
            raise SettingError(name="domains", found=str(error), needed=f"among {', '.join(Domain)}") from error
        for key, _ in self.domains:
            if key not in self.keys:
                raise SettingError(name="domains", found=key, needed="a key of this key space")

    @classmethod
    def of(
        cls,
        *,
        tools: Iterable[str] = (),
        errors: Iterable[str] = (),
        successes: Iterable[str] = (),
        teams: Iterable[str] = (),
        domains: Mapping[str, Domain | str] | None = None,
        version: str = "1.0",
    ) -> KeySpace:
        """The key space of these categories, sorted, and `OTHER` for every type."""
        named = (tools, errors, successes, teams)
        keys = [
            key_of(kind, category)
            for kind, categories in zip(PatternType, named, strict=True)
            for category in sorted({*categories, OTHER})
        ]
        found = tuple((key, Domain(name)) for key, name in (domains or {}).items())
        return cls(version=version, keys=tuple(keys), domains=found)

    def extended(self, keys: Iterable[str]) -> KeySpace:
        """This key space with more keys after its own, one minor version on."""
        major, minor = self.version.split(".")
        new = tuple(sorted(set(keys) - set(self.keys)))
        return KeySpace(version=f"{major}.{int(minor) + 1}", keys=self.keys + new, domains=self.domains)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """key -> its place."""
        return {key: place for place, key in enumerate(self.keys)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex of version, keys and domains."""
        text = "\n".join([self.version, *self.keys, *(f"{key}={name}" for key, name in self.domains)])
        return hashlib.sha256(b"swarmlore/key-space/1\n" + text.encode()).hexdigest()

    def known(self, kind: PatternType, category: str) -> str:
        """The category, if the key space names it; `OTHER` if not."""
        return category if key_of(kind, category) in self.places else OTHER

    def domain(self, key: str) -> Domain:
        """The domain of a key; ``general`` where nothing else is said."""
        return dict(self.domains).get(key, Domain.GENERAL)

    def categories(self, kind: PatternType) -> frozenset[str]:
        """The categories of a type."""
        return frozenset(key.partition("::")[2] for key in self.keys if key.startswith(f"{kind}::"))

    def __getstate__(self) -> dict[str, object]:
        return {"version": self.version, "keys": self.keys, "domains": self.domains}


STANDARD = KeySpace.of(
    tools=(
        "Agent", "Bash", "Edit", "Glob", "Grep", "LS", "MultiEdit", "NotebookEdit", "Read", "Task", "TodoWrite",
        "WebFetch", "WebSearch", "Write",
    ),
    errors=(
        "AssertionError", "AttributeError", "ConnectionError", "EACCES", "ECONNREFUSED", "ENOENT", "ETIMEDOUT",
        "FileNotFoundError", "ImportError", "IndexError", "KeyError", "PermissionError", "RangeError",
        "ReferenceError", "RuntimeError", "SyntaxError", "TimeoutError", "TypeError", "ValueError",
    ),
    successes=("bugfix", "docs", "feature", "refactor", "review", "test"),
    teams=("council", "leader", "pipeline", "solo", "swarm"),
)  # fmt: skip
"""The key space of coding agents: their public tools, common error classes, kinds of tasks and of teams."""
