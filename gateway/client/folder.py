"""The folder of an installation's state: owner only, every write whole or not at all, one process at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.client.errors import BusyError, DamagedError, FolderError, WriteError

MOST_BYTES = 64 << 20
"""Files larger than this are not read."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_GOOD = ".good"


class Folder:
    """A folder that only its owner can look into. It is made when it is first used.

    A sealed file is JSON with its own checksum, kept twice: `sealed` reads the copy when the file in use is
    damaged.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ready = False

    def _prepared(self) -> Path:
        """The folder, there and closed to others.

        Raises:
            FolderError: when it is somebody else's, or no folder.
            WriteError: when it cannot be made.
        """
        if self._ready:
            return self.path
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
            if hasattr(os, "getuid") and found.st_uid != os.getuid():
                raise FolderError(path=str(self.path), found="another owner", needed="a folder of one's own")
            if stat.S_IMODE(found.st_mode) & 0o077:
                self.path.chmod(0o700)
        except FileExistsError:
            raise FolderError(path=str(self.path), found="a file", needed="a folder") from None
        except OSError as error:
            raise WriteError(path=str(self.path), reason=_reason(error)) from error
        self._ready = True
        return self.path

    def read(self, name: str, most: int = MOST_BYTES) -> bytes | None:
        """The bytes of a file; None when it is not there.

        Raises:
            DamagedError: for a larger one.
            FolderError: when it cannot be read.
        """
        try:
            with (self.path / name).open("rb") as file:
                found = file.read(most + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise FolderError(path=str(self.path / name), found=_reason(error), needed="a readable file") from error
        if len(found) > most:
            raise DamagedError(name=name, found=f"more than {most} bytes")
        return found

    def write(self, name: str, content: bytes, *, lasting: bool = True) -> None:
        """Replace a file by these bytes: whoever reads it, also after a crash, finds the old ones or the new ones.

        With ``lasting`` false the folder itself is left to the next write, which makes both last.

        Raises:
            WriteError: when there is no room, or no permission. The file is as it was.
        """
        folder = self._prepared()
        target = folder / name
        temporary = folder / f".{target.name}.{secrets.token_hex(8)}.tmp"
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, _NEW, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
            if lasting:
                _sync(target.parent)
        except OSError as error:
            raise WriteError(path=str(target), reason=_reason(error)) from error

    def delete(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            WriteError: when it cannot be removed.
        """
        try:
            (self.path / name).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise WriteError(path=str(self.path / name), reason=_reason(error)) from error

    def put(self, name: str, body: Any, *, copied: bool = True) -> None:
        """Write a sealed file, and its copy; without one where the next write makes it anew.

        Raises:
            WriteError: when there is no room.
        """
        content = seal(body)
        self.write(name, content, lasting=not copied)
        if copied:
            self.write(name + _GOOD, content)

    def get(self, name: str) -> tuple[Any, bool]:
        """What `put` wrote and whether it had to be taken from the copy; (None, False) when nothing was.

        (None, True) when both are damaged.
        """
        damaged = False
        for file in (name, name + _GOOD):
            try:
                content = self.read(file)
                if content is not None:
                    return unsealed(content, name=file), damaged
            except DamagedError:
                damaged = True
        return None, damaged

    def drop(self, name: str) -> None:
        """Remove a sealed file and its copy."""
        self.delete(name)
        self.delete(name + _GOOD)

    def names(self, within: str) -> tuple[str, ...]:
        """The files in a folder inside, sorted; what is being written is left out."""
        try:
            found = sorted(one.name for one in (self.path / within).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(f"{within}/{name}" for name in found if not name.startswith("."))

    @contextmanager
    def locked(self, name: str, *, wait_s: float) -> Iterator[None]:
        """Hold a lock that other processes, and other threads of this one, see. A killed process lets go of it.

        Raises:
            BusyError: when it is not free in time.
        """
        from filelock import FileLock, Timeout  # brings asyncio along

        path = self._prepared() / f"{name}.lock"
        lock = FileLock(path, timeout=wait_s, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise BusyError(path=str(path), waited_s=wait_s) from None
        except OSError as error:
            raise WriteError(path=str(path), reason=_reason(error)) from error
        try:
            yield
        finally:
            lock.release()

    def sweep(self, before: float) -> int:
        """Remove what killed processes left half written before a Unix time; how many files that were."""
        swept = 0
        with contextlib.suppress(OSError):
            for file in self.path.glob(".*.tmp"):
                with contextlib.suppress(OSError):
                    if file.stat().st_mtime < before:
                        file.unlink()
                        swept += 1
        return swept


def seal(body: Any) -> bytes:
    """JSON of a body with its checksum."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "body": text}).encode()


def unsealed(content: bytes, *, name: str) -> Any:
    """The body that `seal` was given.

    Raises:
        DamagedError: for anything else.
    """
    try:
        outer = json.loads(content)
        text = outer["body"]
        if hashlib.sha256(text.encode()).hexdigest() != outer["sha256"]:
            raise DamagedError(name=name, found="another checksum")
        return json.loads(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(name=name, found=type(error).__name__) from error


def _sync(folder: Path) -> None:
    """Make a rename last; not every system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
