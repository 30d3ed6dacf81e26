"""The scrubber: what may leave an installation, and nothing else.

Seven stages, each sees what the one before left. The first six redact what is known to be private, so that a
user can be shown what is left of a record; patterns cannot recognise every name, so they prove nothing. The seventh
does: only the allowed fields survive, and only values out of closed sets (words of the key space) or of small ranges
(numbers). Whatever goes in, nothing else comes out.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from federation.errors import SettingError
from workloads.patterns.experience import LARGEST_COUNT, LARGEST_TEAM
from workloads.patterns.key_space import STANDARD, Domain, KeySpace, PatternType, key_of

ALLOWED = (
    "key", "type", "category", "confidence", "bestComposite", "groupMean", "sampleSize", "consecutiveSuccesses",
    "updateCount", "toolName", "pattern", "teamSize", "domain",
)  # fmt: skip
"""The fields that may leave."""

SCORES = frozenset({"confidence", "bestComposite", "groupMean"})
COUNTS = {
    "sampleSize": LARGEST_COUNT,
    "consecutiveSuccesses": LARGEST_COUNT,
    "updateCount": LARGEST_COUNT,
    "teamSize": LARGEST_TEAM,
}
DECIMALS = 4
"""Scores are rounded to so many digits, which is what they mean, and leaves little room for anything else."""

REMOVED = "[removed]"
_DEEPEST = 16
_LONGEST_TEXT = 4096

_PATHS = re.compile(r"(?:[A-Za-z]:)?(?:[\\/]{1,2}|~[\\/])[^\s\"'<>|:]+|\b[\w.-]{1,255}[\\/][\w.\\/-]+|\bfile://\S+")
_MAILS = re.compile(r"[^\s@\"'<>]{1,64}@[^\s@\"'<>]{1,255}")
_HOSTS = re.compile(
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[a-z0-9-]{1,63}\.){1,8}(?:com|org|net|io|dev|local|internal|corp|lan)\b",
    re.IGNORECASE,
)
_IDENTIFIERS = re.compile(r"\b[A-Za-z]+(?:_[A-Za-z0-9]+)*_\d+\b|\b(?!\d{4}-\d{2}-\d{2})\d[\d -]{5,}\d\b")
_FILES = re.compile(r"\b[\w-]+\.[A-Za-z][A-Za-z0-9]{0,4}\b")
_QUOTED = re.compile(r"(['\"`]).*?\1")
_VARIABLES = re.compile(r"\b(?:[a-z]+[A-Z]\w*|\w+_\w+|\$\w+)\b")
_MOMENTS = re.compile(r"\b(\d{4}-\d{2}-\d{2})[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?")
_SESSIONS = re.compile(r"^(?:session|conversation|trace|run)_?id$", re.IGNORECASE)
_PEOPLE = re.compile(
    r"^(?:user|username|user_?name|user_?id|author|owner|e?mail|host|hostname|project\w*|repo\w*|.*name)$",
    re.IGNORECASE,
)
_PLACES = re.compile(r"^(?:path|file\w*|cwd|dir\w*|.*_?path|filesModified)$", re.IGNORECASE)
_ERRORS = re.compile(r"^(?:message|error\w*|stack\w*|stderr|output)$", re.IGNORECASE)
_AGENTS = re.compile(r"^(?:agents?|members?|agent_?name)$", re.IGNORECASE)
_KEPT_NAMES = frozenset({"toolName"})

_ROLES = (
    ("frontend", ("front", "ui", "css", "react", "design")),
    ("backend", ("back", "api", "server", "data", "sql")),
    ("security", ("secur", "audit", "pentest")),
    ("infrastructure", ("infra", "devops", "deploy", "cloud", "ci")),
    ("documentation", ("doc", "writer", "write")),
)

Record = dict[str, Any]
Stage = Callable[[Record], Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubber:
    """Scrubs records of one installation.

    Attributes:
        space: the words that may leave.
        salt: of this installation, for hashes of session ids; at least 16 secret bytes.
    """

    space: KeySpace = STANDARD
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.salt) < 16:
            raise SettingError(name="salt", found=f"{len(self.salt)} bytes", needed="at least 16 random bytes")

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The seven, in order."""
        return (
            without_paths,
            without_identities,
            self._hashed_sessions,
            without_error_details,
            with_days_only,
            with_roles,
            self.allowed,
        )

    def scrub(self, record: Mapping[str, Any]) -> Record:
        """What of a record may leave: allowed fields with allowed values."""
        return self._through(record, self.stages)

    def redacted(self, record: Mapping[str, Any]) -> Record:
        """A record after the first six stages, to be looked at locally. It may still hold names; never send it."""
        return self._through(record, self.stages[:-1])

    def _through(self, record: Mapping[str, Any], stages: tuple[Stage, ...]) -> Record:
        found = _plain(record, 0)
        for stage in stages:
            found = stage(found)
        return found

    def allowed(self, record: Record) -> Record:
        """The allowed fields whose values are allowed.

        Words must be of the key space or of a fixed set, and agree with one another: ``category`` must be one of
        ``type``, ``key`` their composition. Scores outside of [0, 1] and counts out of range are left out, scores
        are rounded. No string is cut or repaired.
        """
        found: Record = {}
        kind, category = record.get("type"), record.get("category")
        if not isinstance(kind, str) or kind not in set(PatternType):
            kind = None
        words: dict[str, frozenset[str]] = {
            "type": frozenset(PatternType),
            "domain": frozenset(Domain),
            "key": frozenset(self.space.keys),
            "toolName": self.space.categories(PatternType.TOOL),
            "pattern": self.space.categories(PatternType.TEAM),
            "category": self.space.categories(PatternType(kind)) if kind else frozenset(),
        }
        if kind and isinstance(category, str) and category in words["category"]:
            words["key"] = frozenset({key_of(kind, category)})
        for name in ALLOWED:
            value = record.get(name)
            if name in words:
                if isinstance(value, str) and value in words[name]:
                    found[name] = str(value)
            elif name in SCORES:
                if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
                    found[name] = round(float(value), DECIMALS)
            elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNTS[name]:
                found[name] = int(value)
        return found

    def _hashed_sessions(self, record: Record) -> Record:
        def change(name: str, value: Any) -> Any:
            if not _SESSIONS.match(name) or value is None:
                return value
            return hmac.new(self.salt, str(value).encode("utf-8", "replace"), hashlib.sha256).hexdigest()

        return _changed(record, change)


def without_paths(record: Record) -> Record:
    """The record without fields that name places and without anything that looks like a path."""
    return _changed(_without(record, _PLACES), lambda _, value: _replaced(value, _PATHS))


def without_identities(record: Record) -> Record:
    """The record without fields that name people, hosts or projects, and without what looks like their ids."""
    return _changed(_without(record, _PEOPLE), lambda _, value: _replaced(value, _MAILS, _HOSTS, _IDENTIFIERS))


def without_error_details(record: Record) -> Record:
    """The record with messages of errors stripped of what is quoted, file names, variables and numbers."""

    def change(name: str, value: Any) -> Any:
        if not _ERRORS.match(name) or not isinstance(value, str):
            return value
        return re.sub(r"\d+", "0", _replaced(value, _QUOTED, _FILES, _VARIABLES))

    return _changed(record, change)


def with_days_only(record: Record) -> Record:
    """The record with moments cut to their day."""
    return _changed(record, lambda _, value: _MOMENTS.sub(r"\1", value) if isinstance(value, str) else value)


def with_roles(record: Record) -> Record:
    """The record with agents' names replaced by the category of their role."""

    def change(name: str, value: Any) -> Any:
        if not _AGENTS.match(name):
            return value
        if isinstance(value, str):
            return role_of(value)
        return [role_of(str(one)) for one in value] if isinstance(value, list) else value

    return _changed(record, change)


def role_of(name: str) -> str:
    """The category of an agent's role; ``general`` where its name tells none."""
    lower = name.lower()
    for role, parts in _ROLES:
        if any(part in lower for part in parts):
            return role
    return Domain.GENERAL.value


def _plain(value: Any, depth: int) -> Any:
    """A copy with plain containers and short strings; what is nested too deep is left out."""
    if isinstance(value, Mapping):
        return {} if depth > _DEEPEST else {str(name): _plain(part, depth + 1) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [] if depth > _DEEPEST else [_plain(part, depth + 1) for part in value]
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else REMOVED


def _changed(record: Any, change: Callable[[str, Any], Any], name: str = "") -> Any:
    record = change(name, record) if name else record
    if isinstance(record, dict):
        return {key: _changed(value, change, key) for key, value in record.items()}
    if isinstance(record, list):
        return [_changed(value, change, name) for value in record]
    return record


def _without(record: Any, names: re.Pattern[str]) -> Any:
    if isinstance(record, dict):
        kept = {key: value for key, value in record.items() if key in _KEPT_NAMES or not names.match(key)}
        return {key: _without(value, names) for key, value in kept.items()}
    if isinstance(record, list):
        return [_without(value, names) for value in record]
    return record


def _replaced(value: Any, *patterns: re.Pattern[str]) -> Any:
    if not isinstance(value, str):
        return value
    for pattern in patterns:
        value = pattern.sub(REMOVED, value)
    return value
