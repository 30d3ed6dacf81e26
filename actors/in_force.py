"""The release in force at a host or a door, and the one before it, which a round may still learn from."""

from __future__ import annotations

from federation.errors import SwarmError
from federation.release import Release
from federation.terms import Terms
from federation.workload import Row, Workload


class MissingBaseError(SwarmError):
    """A host that was asked to learn from a release that it does not have."""

    code = "host.missing_base"

    def __init__(self, *, host: str, version: int, has: int) -> None:
        super().__init__(
            f"{host} has release {has} and was asked to learn from {version}. Apply that release first.",
            host=host,
            version=version,
            has=has,
        )


class NoReleaseError(SwarmError):
    """A question that only a release can answer, before there is one."""

    code = "host.no_release"

    def __init__(self, *, host: str) -> None:
        super().__init__(f"{host} has no release yet. Start the swarm first.", host=host)


class InForce:
    """What a host goes by.

    Args:
        host: its name.
        workload: whose releases they are.
    """

    def __init__(self, host: str, workload: Workload) -> None:
        self._host, self._workload = host, workload
        self._newest: tuple[Release, Row] | None = None
        self._former: tuple[Release, Row] | None = None

    @property
    def version(self) -> int | None:
        """Of the release; None before the first."""
        return None if self._newest is None else self._newest[0].version

    @property
    def value(self) -> Row:
        """Of the release.

        Raises:
            NoReleaseError: before the first.
        """
        if self._newest is None:
            raise NoReleaseError(host=self._host)
        return self._newest[1]

    def take(self, release: Release, artefact: bytes, public: bytes) -> int:
        """Take a release into force. The version that is, which is another one when an old message came late.

        Raises:
            ReleaseError: when it does not verify; the last good one stays in force.
        """
        release.check(public=public, artefact=artefact)
        if self._newest is not None and release.version < self._newest[0].version:
            return self._newest[0].version
        if self._newest is None or self._newest[0].digest != release.digest:
            self._former, self._newest = self._newest, (release, self._workload.unpack(artefact))
        return release.version

    def base(self, terms: Terms) -> Row:
        """The value that a round learns from.

        Raises:
            MissingBaseError: when it is of neither release.
        """
        for held in (self._newest, self._former):
            if held is not None and held[0].digest == terms.base:
                return held[1]
        has = -1 if self.version is None else self.version
        raise MissingBaseError(host=self._host, version=terms.base_version, has=has)
