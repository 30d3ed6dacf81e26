"""Takes the swarm's releases out into the world: files for caches, records for the doors, in the swarm's order.

A release is out once its record is written. Files are written before it, and are the same bytes when they are written
again, so a publisher that is killed in between leaves nothing behind that the next one would not finish.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from actors import Swarm
from actors.storage import ReleaseRecord, ReleaseStore, Storage
from federation.errors import ReleaseError
from federation.identity import SigningKey
from federation.release import Release
from federation.versions import Version
from gateway.federation.publishing import (
    LATEST,
    MANIFEST,
    Edition,
    Listed,
    documents,
    file_name,
    manifest,
    read,
    wire,
)
from workloads.patterns import KeySpace
from workloads.patterns.artefact import unpacked

WITHDRAWN = "withdrawn"
"""State of a release that was taken back: nobody gets it, and nothing that is based on it counts."""

LISTED = 100
"""Releases that the manifest names."""


class Publisher:
    """Writes releases down.

    Args:
        swarm: whose releases they are.
        storage: of the records.
        files: of the documents.
        key: that signs the documents (`gateway.federation.publishing.federation_key`).
        space: the key space of the swarm's workload.
    """

    def __init__(
        self, swarm: Swarm, storage: Storage, files: ReleaseStore, key: SigningKey, *, space: KeySpace
    ) -> None:
        self._swarm, self._storage, self._files = swarm, storage, files
        self._key, self._space = key, space
        self._listed: tuple[str, str | None] | None = None

    async def catch_up(self, *, window: int) -> list[ReleaseRecord]:
        """Publish every release of the swarm that is not published, oldest first; answers with their records.

        Args:
            window: that the releases come from.

        Raises:
            StorageUnavailableError: when something could not be written; calling it again goes on from there.
            StoredReleaseError: when a file of that name is there already, and is not ours.
            ReleaseError: when a release of the swarm does not verify.
        """
        before = await asyncio.to_thread(self.newest)
        last = int((await self._swarm.releases(1))[0]["version"])
        made: list[ReleaseRecord] = []
        for number in range(0 if before is None else before.number + 1, last + 1):
            found = await self._swarm.release(number)
            release = Release.from_dict(found["release"])
            release.check(public=bytes.fromhex(found["public_key"]), artefact=found["artefact"])
            before = await asyncio.to_thread(self._publish, release, found["artefact"], before, window)
            made.append(before)
        return made

    def is_listed(self, latest: str, newest: ReleaseRecord | None) -> bool:
        """Whether this process has written the lists with these two in them."""
        return self._listed == (latest, None if newest is None else newest.version)

    async def list_anew(self, latest: str) -> None:
        """Write the manifest, and what everybody gets, anew.

        Args:
            latest: the version that everybody gets.

        Raises:
            StorageUnavailableError: when something could not be written.
        """
        await asyncio.to_thread(self._list, latest)

    def _list(self, latest: str) -> None:
        found = list(self._storage.releases.list(limit=LISTED))
        listed = [
            Listed(version=one.version, created_at=one.created_at, participants=one.participants, checksum=one.checksum)
            for one in found
            if one.state != WITHDRAWN
        ]
        document = self._files.get(file_name(latest))
        if document is None:
            raise ReleaseError(version=-1, found=f"no file {file_name(latest)}", needed="the one that was published")
        self._files.put(LATEST, document)
        self._files.put(MANIFEST, manifest(listed, latest=latest, space=self._space))
        self._listed = (latest, found[0].version if found else None)

    def newest(self) -> ReleaseRecord | None:
        """The release that was published last, without its artefact."""
        return next(iter(self._storage.releases.list(limit=1)), None)

    def _publish(self, release: Release, artefact: bytes, before: ReleaseRecord | None, window: int) -> ReleaseRecord:
        summed = self._storage.mail.summed(release.round)
        participants = self._storage.windows.participants(release.round) if summed is None else summed["members"]
        edition = replace(self._edition(before, window), participants=participants)
        row = unpacked(self._space, artefact)
        already = self._files.get(file_name(edition.version))
        if already is not None:
            # Written by one of us that was killed before the record was: the window that it named stands.
            told = read(already, public=self._key.public).metadata
            edition = replace(edition, window=told.round, participants=told.participants)
        made = documents(release, row, self._space, edition, key=self._key)
        for name, document in made.items():
            self._files.put_once(name, wire(document))
        restored = None if release.restores is None else self._storage.releases.by_number(release.restores)
        whole = made[file_name(edition.version)]
        record = ReleaseRecord(
            version=edition.version,
            number=release.version,
            window=edition.window,
            parent=edition.parent,
            created_at=release.created,
            checksum=whole.metadata.checksum,
            participants=whole.metadata.participants,
            patterns=whole.metadata.pattern_count,
            epsilon=release.epsilon,
            restores=None if restored is None else restored.version,
            row=artefact,
            facts={
                "schema": self._space.version,
                "digest": release.digest.hex(),
                "bytes": len(wire(whole)),
                **({} if summed is None else {"secure": summed}),
            },
        )
        self._storage.releases.add(record)
        return record

    def _edition(self, before: ReleaseRecord | None, window: int) -> Edition:
        """What the release after ``before`` is called."""
        if before is None:
            return Edition(version=str(Version.first(self._space.version)), parent=None, window=0)
        schema = str(before.facts.get("schema", self._space.version))
        version = Version.parse(before.version).after(schema, self._space.version)
        return Edition(version=str(version), parent=before.version, window=window)
