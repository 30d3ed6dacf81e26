"""GET weights/latest, weights/v/{version} and weights/manifest.

A release's document is made and signed by the clerk, and never changes; here it is read once from the store of
releases, and served from memory. Who gets which one is the rollout's to say, by the client's id.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from gateway.federation.access import Access
from gateway.federation.archive import Archive
from gateway.federation.errors import AwayError, InvalidSchemaError, UnknownVersionError
from gateway.federation.exchange import Answer, Exchange
from gateway.federation.publishing import MIN_CLIENT
from gateway.federation.registration import moment
from gateway.federation.view import View, Viewer
from telemetry import semconv
from telemetry.semconv import ReleaseRole, StoragePart
from workloads.patterns import Domain

if TYPE_CHECKING:
    from actors.storage import ReleaseStore

_FRESH_S = 3600
_YEAR_S = 365 * 86_400
_KEPT = 64
_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}")
_PRIVATE = (b"cache-control", b"private, no-cache")
_VARY = (b"vary", b"Authorization, X-Client-ID")


class Shelf:
    """Documents of releases, the last ones that were asked for in memory.

    Args:
        store: of releases.
        archive: that it is asked through.
    """

    def __init__(self, store: ReleaseStore, archive: Archive) -> None:
        self._store, self._archive = store, archive
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    async def document(self, version: str, domain: str = "") -> bytes:
        """The document of a version, or what it says of one domain.

        Raises:
            UnknownVersionError: when there is none.
            AwayError: when the store is away.
        """
        label = f"v{version}.{domain}" if domain else f"v{version}"
        found = self._kept.get(label)
        if found is None:
            found = await self._archive.ask(StoragePart.FILES, lambda: self._store.get(f"{label}.json"))
            if found is None:
                raise UnknownVersionError(version=label[1:])
            self._kept[label] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(label)
        return found

    async def prepare(self, view: View) -> None:
        """Have at hand what clients will get, also when the store is away by then."""
        for version in {view.current, None if view.rollout is None else view.rollout.version} - {None}:
            try:
                await self.document(str(version))
            except (AwayError, UnknownVersionError):
                continue  # told when it is asked for


class Weights:
    """Hands releases out.

    Args:
        shelf: of documents.
        access: tells clients.
        viewer: of the federation.
        schema_version: of the key space.
        clock: seconds since 1970.
    """

    def __init__(
        self, shelf: Shelf, access: Access, viewer: Viewer, *, schema_version: str, clock: Callable[[], float]
    ) -> None:
        self._shelf, self._access, self._viewer, self._clock = shelf, access, viewer, clock
        self._schema_version = schema_version
        self._manifest: tuple[View, str | None, bytes] | None = None

    async def latest(self, exchange: Exchange) -> Answer:
        """The release that the client is to have; 304 when it has it."""
        client = await self._access.reader(exchange.headers)
        view = self._viewer.view
        name = None if client is None else client.id
        version = view.version_for(name)
        if version is None:
            raise AwayError
        domain = _domain(exchange)
        if view.everybody:
            fresh = max(0, min(_FRESH_S, int(view.closes_at - self._clock())))
            caching: tuple[tuple[bytes, bytes], ...] = ((b"cache-control", b"public, max-age=%d" % fresh),)
        else:
            caching = (_PRIVATE, _VARY)
        headers = (*caching, (b"x-rollout-group", view.group_of(name).encode()), *_state(view))
        candidate = not view.everybody and view.rollout is not None and version == view.rollout.version
        exchange.attributes[semconv.ATTR_RELEASE_ROLE] = ReleaseRole.CANDIDATE if candidate else ReleaseRole.CURRENT
        return await self._document(exchange, name, version, domain, headers)

    async def version(self, exchange: Exchange) -> Answer:
        """A release by its version. It never changes."""
        client = await self._access.reader(exchange.headers)
        wanted = exchange.arguments[0]
        if not _VERSION.fullmatch(wanted):
            raise UnknownVersionError(version=wanted[:40])
        caching = (b"cache-control", b"public, max-age=%d, immutable" % _YEAR_S)
        headers = (caching, *_state(self._viewer.view))
        return await self._document(exchange, None if client is None else client.id, wanted, _domain(exchange), headers)

    async def manifest(self, exchange: Exchange) -> Answer:
        """The releases, newest first; `latest` is what this client gets."""
        client = await self._access.reader(exchange.headers)
        view = self._viewer.view
        latest = view.version_for(None if client is None else client.id)
        kept = self._manifest
        if kept is None or kept[0] is not view or kept[1] != latest:
            kept = self._manifest = (view, latest, self._listed(view, latest))
        caching = (b"cache-control", b"no-store") if view.degraded else _PRIVATE
        return Answer(200, kept[2], (caching, _VARY, *_state(view)))

    async def _document(
        self,
        exchange: Exchange,
        client: str | None,
        version: str,
        domain: str,
        headers: tuple[tuple[bytes, bytes], ...],
    ) -> Answer:
        tag = f'"v{version}.{domain}"' if domain else f'"v{version}"'
        encoded = tag.encode()
        headers = ((b"etag", encoded), *headers)
        if _is_known(exchange.headers.get(b"if-none-match"), encoded):
            return Answer(304, b"", headers)
        body = await self._shelf.document(version, domain)
        exchange.attributes[semconv.ATTR_RELEASE_SEMANTIC_VERSION] = version
        if client is not None:
            exchange.attributes[semconv.ATTR_CLIENT_ID] = client
        return Answer(200, body, headers)

    def _listed(self, view: View, latest: str | None) -> bytes:
        served = set(view.served)
        document = {
            "latest": latest,
            "versions": [
                {
                    "version": one.version,
                    "timestamp": moment(one.created_at),
                    "participants": one.participants,
                    "checksum": one.checksum,
                }
                for one in view.releases
                if one.version in served
            ],
            "schemaVersion": self._schema_version,
            "minSupportedClient": MIN_CLIENT,
        }
        return json.dumps(document, separators=(",", ":")).encode()


def _domain(exchange: Exchange) -> str:
    query: bytes = exchange.scope["query_string"]
    if not query:
        return ""
    try:
        given = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=20).get("domain", [])
        return "" if not given else Domain(given[0] if len(given) == 1 else "").value
    except ValueError:
        domains = ", ".join(domain.value for domain in Domain)
        raise InvalidSchemaError(found=f"domain is given once, as one of {domains}.") from None


def _is_known(header: bytes | None, tag: bytes) -> bool:
    if header is None:
        return False
    if header == tag:
        return True
    return any(one.strip().removeprefix(b"W/") in (tag, b"*") for one in header.split(b","))


def _state(view: View) -> tuple[tuple[bytes, bytes], ...]:
    """Word that the storage is away, and that this is what was known before."""
    return ((b"x-federation-status", b"degraded"),) if view.degraded else ()
