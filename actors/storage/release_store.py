"""The files of the releases: in a folder, in an S3-compatible store or, for tests, in memory. A CDN can serve them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from actors.storage.errors import StorageUnavailableError, StorageUrlError, StoredReleaseError
from federation.errors import SettingError

NEEDED: Final = "file:///<absolute folder>, s3://<bucket>/<prefix> or memory:///"
MAX_AGE_S: Final = 3600
"""Seconds for which a cache may serve a file that changes (the architecture's section 7.3)."""
YEAR_S: Final = 365 * 24 * 3600
TIMEOUT_S: Final = 30.0

_SECRETS: Final = ("access_key_id", "secret_access_key", "session_token")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class ReleaseStore:
    """Files by name. ``v1.2.47.json`` and its like are written once and never change; ``latest.json`` does.

    Args:
        url: ``file:///folder``, which is made; ``s3://bucket/prefix``, with region, keys and endpoint from the
            ``AWS_*`` variables of the environment unless ``options`` has them; or ``memory:///``, which ends with
            this object.
        options: settings of an S3 store, by obstore's names: ``endpoint``, ``region``, ``access_key_id``, ...

    Raises:
        StorageUrlError: when the URL is of no such kind, or the store refuses its settings.
    """

    def __init__(self, url: str, **options: Any) -> None:
        # Not above: obstore costs 20 ms and 16 MB, and whoever needs the database only does not need it.
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, MemoryStore, S3Store

        parts = urlsplit(url)
        self.shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._headers = parts.scheme == "s3"
        found = [options.get(name) or os.environ.get(f"AWS_{name.upper()}") for name in _SECRETS]
        self._secrets = tuple(str(secret) for secret in found if secret)
        try:
            match parts.scheme:
                case "file" if not parts.netloc and len(parts.path) > 1 and not options:
                    folder = Path(unquote(parts.path))
                    folder.mkdir(parents=True, exist_ok=True)
                    self._store: LocalStore | S3Store | MemoryStore = LocalStore(folder)
                case "s3" if parts.netloc and "@" not in parts.netloc and not parts.query:
                    self._store = _s3(parts.netloc, parts.path.strip("/"), options)
                case "memory" if not options:
                    self._store = MemoryStore()
                case other:
                    raise StorageUrlError(url=self.shown, found=f"the kind {other!r} in this form", needed=NEEDED)
        except OSError as error:
            raise StorageUnavailableError(url=self.shown, found=f"{type(error).__name__}: {error.strerror}") from error
        except (BaseError, ValueError, TypeError) as error:
            found = f"settings that are refused ({type(error).__name__})"
            raise StorageUrlError(url=self.shown, found=found, needed=NEEDED) from error

    def __repr__(self) -> str:
        return f"ReleaseStore({self.shown!r})"

    def put_once(self, name: str, data: bytes) -> bool:
        """Whether the file is new. The same bytes again are no error.

        Raises:
            StoredReleaseError: when it is there with other bytes, which stay.
            StorageUnavailableError: when the store does not answer.
        """
        from obstore.exceptions import AlreadyExistsError

        with self._translated():
            try:
                self._store.put(_checked(name), data, mode="create", **self._about(f"max-age={YEAR_S}, immutable"))
            except AlreadyExistsError:
                there = self.get(name)
            else:
                return True
        if there != data:
            raise StoredReleaseError(name=name)
        return False

    def put(self, name: str, data: bytes, *, max_age_s: int = MAX_AGE_S) -> None:
        """Write a file, or put another one in its place. Readers see the one or the other, never a part.

        Args:
            name: of the file.
            data: what is in it.
            max_age_s: for how long a cache may serve it without asking; told to an S3 store only.

        Raises:
            StorageUnavailableError: when the store does not answer.
        """
        with self._translated():
            self._store.put(_checked(name), data, **self._about(f"max-age={max_age_s}"))

    def get(self, name: str) -> bytes | None:
        """The bytes of a file; None when there is none.

        Raises:
            StorageUnavailableError: when the store does not answer.
        """
        with self._translated():
            try:
                return bytes(self._store.get(_checked(name)).bytes())
            except FileNotFoundError:
                return None

    def _about(self, caching: str) -> dict[str, Any]:
        """Arguments that only a store with headers takes. A file of a release is small: it goes in one piece."""
        if not self._headers:
            return {}
        return {"attributes": {"Content-Type": "application/json", "Cache-Control": f"public, {caching}"}}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            lines = str(error).strip().splitlines() or [""]
            said = lines[0][:300]
            for secret in self._secrets:
                said = said.replace(secret, "***")
            # Not from the error: it may show the whole request.
            raise StorageUnavailableError(url=self.shown, found=f"{type(error).__name__}: {said}") from None


def _s3(bucket: str, prefix: str, options: dict[str, Any]) -> Any:
    from obstore.store import S3Store

    patience = timedelta(seconds=TIMEOUT_S)
    client: dict[str, Any] = {"timeout": patience}
    # Named here because settings of the client that are given put those of the environment aside.
    if str(options.get("endpoint", "")).startswith("http://") or os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true":
        client["allow_http"] = True
    # Whether to ask again is the caller's to say.
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options=client,  # pyright: ignore[reportArgumentType]
        retry_config={"max_retries": 0, "retry_timeout": patience},
        **options,
    )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        needed = "1 to 128 of A-Z a-z 0-9 . _ -, beginning with a letter or a digit"
        raise SettingError(name="name", found=name[:64], needed=needed)
    return name
