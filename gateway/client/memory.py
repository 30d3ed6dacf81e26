"""What an installation has learned, and what it goes by: own patterns, the release, their blend, the fast cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from gateway.client.errors import DamagedError
from gateway.client.folder import Folder
from gateway.client.tally import Tally
from workloads.patterns import (
    BatchLearning,
    CacheSettings,
    FastCache,
    GlobalWeightVector,
    Installed,
    KeySpace,
    Pattern,
    PatternError,
    PatternExperience,
    PatternType,
    experience_of,
    hot_swapped,
    recovered,
)
from workloads.patterns.blending import version_of
from workloads.patterns.schema import GlobalPatternWeight

OWN, RELEASE, INSTALLED, CACHE = "patterns.json", "release.json", "installed.json", "cache.json"
NO_VERSION = "0.0.0"
"""Stands for "no release yet" in the weights in force."""

_FORM = 1
_GOOD = ".good"
_MOST_WAITING = 64
_MOST_TAKEN = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What an installation has learned itself.

    Attributes:
        patterns: key -> pattern.
        waiting: key -> experiences of a group that is no pattern yet, oldest first.
        experiences: how many were learned from, ever.
        taken: files of experiences that are in it already.
        tally: calls and errors of tools, by version and day.
    """

    patterns: Mapping[str, Pattern] = field(default_factory=lambda: MappingProxyType({}))
    waiting: Mapping[str, tuple[PatternExperience, ...]] = field(default_factory=lambda: MappingProxyType({}))
    experiences: int = 0
    taken: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)

    def learned(
        self,
        found: Iterable[PatternExperience],
        *,
        space: KeySpace,
        learning: BatchLearning,
        tally: Tally,
        taken: Iterable[str] = (),
    ) -> Own:
        """With further experiences, oldest first, their categories within the key space.

        A group that is not a pattern yet waits for more of its kind, the newest `_MOST_WAITING` of it.
        """
        batch = [one.within(space) for one in found]
        waiting = [one for group in self.waiting.values() for one in group]
        patterns = learning.learn([*waiting, *batch], self.patterns)
        left: dict[str, list[PatternExperience]] = {}
        for one in (*waiting, *batch):
            if one.key not in patterns:
                left.setdefault(one.key, []).append(one)
        return Own(
            patterns=patterns,
            waiting=MappingProxyType({key: tuple(left[key][-_MOST_WAITING:]) for key in sorted(left)}),
            experiences=self.experiences + len(batch),
            taken=(*self.taken, *taken)[-_MOST_TAKEN:],
            tally=tally,
        )

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "form": _FORM,
            "patterns": {key: asdict(pattern) for key, pattern in self.patterns.items()},
            "waiting": {key: [asdict(one) for one in group] for key, group in self.waiting.items()},
            "experiences": self.experiences,
            "taken": list(self.taken),
            "tally": self.tally.plain(),
        }

    @classmethod
    def of(cls, found: Any) -> Own:
        """What `plain` gave.

        Raises:
            DamagedError: for anything else.
        """
        try:
            if found["form"] != _FORM:
                raise DamagedError(name=OWN, found="another form")
            patterns = {
                key: Pattern(**{**one, "type": PatternType(one["type"])}) for key, one in found["patterns"].items()
            }
            waiting = {
                key: tuple(experience_of(one) for one in group) for key, group in found["waiting"].items()
            }  # fmt: skip
            return cls(
                patterns=MappingProxyType(patterns),
                waiting=MappingProxyType(waiting),
                experiences=int(found["experiences"]),
                taken=tuple(found["taken"]),
                tally=Tally.of(found["tally"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, PatternError) as error:
            raise DamagedError(name=OWN, found=type(error).__name__) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A release that was verified and is kept, as the base of deltas.

    Attributes:
        document: the release.
        text: as it came.
        etag: it came with.
        fresh_start: it came after more than five versions had been missed, so that it is trusted as by a newcomer.
    """

    document: GlobalWeightVector
    text: str
    etag: str | None = None
    fresh_start: bool = False

    @property
    def version(self) -> str:
        """``major.minor.patch``."""
        return self.document.version


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All of it at one moment.

    Attributes:
        own: learned here.
        held: the release; None before the first.
        installed: the weights in force; None before anything was learned or pulled.
        cache: the fast cache.
        reset: something was damaged, and was reset to its last good state.
    """

    own: Own = field(default_factory=Own)
    held: Held | None = None
    installed: Installed | None = None
    cache: FastCache = field(default_factory=FastCache)
    reset: bool = False

    @property
    def version(self) -> str:
        """Of the release in force; `NO_VERSION` before the first."""
        return self.installed.version if self.installed else NO_VERSION

    @property
    def behind(self) -> bool:
        """Whether the release that is held is older than the one in force, as after damage and an old copy."""
        return self.held is not None and version_of(self.held.version) < version_of(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """A change of the weights in force.

    Attributes:
        previous, version: of the release before and after; `NO_VERSION` for none.
        ratio: the own share in the weights.
        weights: how many keys.
        changed: keys whose weights are others now, sorted.
        promoted, demoted: keys that went into the fast cache, and out of it, sorted.
    """

    previous: str
    version: str
    ratio: float
    weights: int
    changed: tuple[str, ...]
    promoted: tuple[str, ...]
    demoted: tuple[str, ...]

    @classmethod
    def nothing(cls, installed: Installed) -> Swapped:
        """No change."""
        return cls(
            previous=installed.version,
            version=installed.version,
            ratio=installed.ratio,
            weights=len(installed.weights),
            changed=(),
            promoted=(),
            demoted=(),
        )

    @property
    def anything(self) -> bool:
        """Whether anything is another than before."""
        return bool(self.changed or self.promoted or self.demoted or self.previous != self.version)


class Memory:
    """Reads and writes the state. Whoever changes it holds the folder's lock.

    Args:
        folder: it lies in.
        settings: of the fast cache.
    """

    def __init__(self, folder: Folder, settings: CacheSettings | None) -> None:
        self._folder = folder
        self._settings = settings or CacheSettings()

    def load(self) -> State:
        """The state as it was left; what is damaged is replaced by its last good copy, or by nothing."""
        found, reset = self._folder.get(OWN)
        try:
            own = Own() if found is None else Own.of(found)
        except DamagedError:
            own, reset = Own(), True
        held, lost = self._held()
        installed, again = recovered(_bytes(self._folder, INSTALLED), _bytes(self._folder, INSTALLED + _GOOD))
        cache, _ = self._folder.get(CACHE)  # made anew from the weights at the next swap, so its loss is none
        keys = cache.get("keys") if isinstance(cache, dict) else None
        state = State(
            own=own,
            held=held,
            installed=installed,
            cache=FastCache(settings=self._settings, keys=frozenset(keys if isinstance(keys, dict) else ())),
            reset=reset or lost or again,
        )
        return replace(state, reset=True) if state.behind else state

    def keep_own(self, own: Own) -> None:
        """Write what was learned."""
        self._folder.put(OWN, own.plain())

    def keep_release(self, held: Held) -> None:
        """Write a verified release."""
        body = {"form": _FORM, "document": held.text, "etag": held.etag, "freshStart": held.fresh_start}
        self._folder.put(RELEASE, body)

    def swapped(self, state: State, *, local_priority: bool) -> tuple[State, Swapped]:
        """The state with own patterns and the release blended anew, and what that changes. Nothing is written.

        Nothing changes where the release is older than the one in force.
        """
        if state.behind and state.installed is not None:
            return state, Swapped.nothing(state.installed)
        release: Mapping[str, GlobalPatternWeight] = state.held.document.weights if state.held else {}
        # Who has missed more than five versions goes by the release as a newcomer does: own share 0.1.
        fresh = state.held is not None and state.held.fresh_start
        made = hot_swapped(
            state.own.patterns,
            release,
            version=state.held.version if state.held else state.version,
            experiences=0 if fresh else state.own.experiences,
            local_priority=local_priority,
            installed=state.installed,
        )
        turnover = state.cache.updated(made, state.own.patterns)
        before = state.installed.weights if state.installed else {}
        changed = [key for key in {*before, *made.weights} if before.get(key) != made.weights.get(key)]
        told = Swapped(
            previous=state.version,
            version=made.version,
            ratio=made.ratio,
            weights=len(made.weights),
            changed=tuple(sorted(changed)),
            promoted=turnover.promoted,
            demoted=turnover.demoted,
        )
        return replace(state, installed=made, cache=turnover.cache), told

    def keep_swapped(self, state: State) -> None:
        """Write the weights in force and the fast cache."""
        if state.installed is None:
            return
        content = state.installed.to_bytes()
        self._folder.write(INSTALLED, content, lasting=False)
        self._folder.write(INSTALLED + _GOOD, content)
        weights = state.installed.weights
        self._folder.put(
            CACHE,
            {"version": state.version, "keys": {key: asdict(weights[key]) for key in sorted(state.cache.keys)}},
            copied=False,
        )

    def heal(self, state: State) -> None:
        """Write anew what was taken from a copy, and remove what no copy was left of."""
        self.keep_own(state.own)
        if state.held is None:
            self._folder.drop(RELEASE)
        else:
            self.keep_release(state.held)

    def forget(self) -> None:
        """Remove what came from the federation; what was learned here stays."""
        for name in (RELEASE, INSTALLED, CACHE):
            self._folder.drop(name)

    def _held(self) -> tuple[Held | None, bool]:
        found, damaged = self._folder.get(RELEASE)
        if found is None:
            return None, damaged
        try:
            document = GlobalWeightVector.model_validate_json(found["document"])
            held = Held(
                document=document,
                text=found["document"],
                etag=found["etag"],
                fresh_start=bool(found["freshStart"]),
            )
        except (KeyError, TypeError, ValueError):
            return None, True
        return held, damaged


def _bytes(folder: Folder, name: str) -> bytes | None:
    try:
        return folder.read(name)
    except DamagedError:
        return b""  # too large to be ours: as damaged as anything
