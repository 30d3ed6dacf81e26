"""Reports of a live check in Weaver's formats, written as samples come.

In report mode the report is one document. It goes into a file, or into a spool on disk, so that memory does not
grow with it; above `Spool`'s limit further samples are counted and no longer written. When streaming, each sample is
a document of its own, and so are the statistics at the end.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

import yaml

from telemetry.checker import text

Node = Mapping[str, Any]

DEFAULT_LIMIT = 1 << 30
"""Bytes of samples that one report holds."""


class Format(StrEnum):
    """How reports are written."""

    ANSI = "ansi"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    MUTE = "mute"

    @property
    def content_type(self) -> str:
        """What an HTTP answer with such a report says it is."""
        return {"json": "application/json", "jsonl": "application/jsonl", "yaml": "application/yaml"}.get(
            self.value, "text/plain"
        )


class Report(Protocol):
    """Takes checked samples, then the statistics."""

    def sample(self, node: Node) -> None:
        """Write a sample."""

    def end(self, statistics: Node | None) -> None:
        """Write the statistics, or that there are none, and whatever a document needs at its end."""


class Sink(Protocol):
    """Takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Write them."""


class Stream:
    """A report that goes out sample by sample.

    Args:
        out: where to; each sample is flushed.
        form: how.
        colour: escape codes in ansi reports.
    """

    def __init__(self, out: TextIO, form: Format, *, colour: bool = False) -> None:
        self._out = out
        self._form = form
        self._colour = colour

    def sample(self, node: Node) -> None:
        self._write(node, text.sample_lines(node, colour=self._colour) if self._form is Format.ANSI else ())

    def end(self, statistics: Node | None) -> None:
        lines = text.statistics_lines(statistics, colour=self._colour) if self._form is Format.ANSI else ()
        self._write(statistics, lines)

    def _write(self, node: Node | None, lines: Any) -> None:
        match self._form:
            case Format.JSON:
                self._out.write(json.dumps(node, indent=2, allow_nan=False) + "\n")
            case Format.JSONL:
                self._out.write(_compact(node) + "\n")
            case Format.YAML:
                self._out.write("---\n" + _yaml(node))
            case Format.ANSI:
                self._out.writelines(line + "\n" for line in lines)
            case Format.MUTE:
                return
        self._out.flush()


class Spool:
    """A report in one document, on disk.

    Args:
        form: how it is written.
        limit: bytes of samples that are kept; what comes after is left out and counted in ``left_out``.
    """

    def __init__(self, form: Format, *, limit: int = DEFAULT_LIMIT) -> None:
        # Deleted by the operating system when closed, also when the process is killed.
        self._file: BinaryIO = tempfile.TemporaryFile(prefix="swarmlore-live-check-")  # type: ignore[assignment] # noqa: SIM115
        self._form = form
        self._limit = limit
        self._kept = 0
        self._size = 0
        self.left_out = 0
        self._open()

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._size

    def sample(self, node: Node) -> None:
        """Write a sample, unless the report is full."""
        if self._form is Format.MUTE:
            return
        data = self._sample(node)
        if self._size + len(data) > self._limit:
            self.left_out += 1
            return
        self._put(data)
        self._kept += 1

    def end(self, statistics: Node | None) -> None:
        """Write the statistics."""
        match self._form:
            case Format.JSON:
                self._put(b"\n],\n" if self._kept else b"],\n")
                self._put(f'"statistics": {_compact(statistics)}}}\n'.encode())
            case Format.JSONL:
                if statistics is not None:
                    self._put(_compact(statistics).encode() + b"\n")
            case Format.YAML:
                self._put((" []\n" if not self._kept else "").encode())
                self._put(_yaml({"statistics": statistics}).encode())
            case Format.ANSI:
                self._put("".join(line + "\n" for line in text.statistics_lines(statistics, colour=False)).encode())
            case Format.MUTE:
                pass

    def copy_to(self, out: Sink) -> None:
        """Write the whole document to a file."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, out)

    def save(self, folder: Path) -> Path | None:
        """Write ``live_check.json`` (or jsonl, yaml) into the folder, which is made; None if there is no such file."""
        if self._form not in {Format.JSON, Format.JSONL, Format.YAML}:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"live_check.{self._form.value}"
        with path.open("wb") as file:
            self.copy_to(file)
        return path

    def close(self) -> None:
        """Throw the document away."""
        self._file.close()

    def _open(self) -> None:
        if self._form is Format.JSON:
            self._put(b'{"samples": [')
        elif self._form is Format.YAML:
            self._put(b"samples:")

    def _sample(self, node: Node) -> bytes:
        match self._form:
            case Format.JSON:
                return (b",\n" if self._kept else b"\n") + _compact(node).encode()
            case Format.JSONL:
                return _compact(node).encode() + b"\n"
            case Format.YAML:
                return (b"" if self._kept else b"\n") + _yaml([node]).encode()
            case _:
                return "".join(line + "\n" for line in text.sample_lines(node, colour=False)).encode()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._size += len(data)


class _PlainDumper(yaml.SafeDumper):
    """Writes shared parts again and again, instead of as anchors and aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_PlainDumper.add_multi_representer(tuple, lambda dumper, data: dumper.represent_list(data))


# Made once: `json.dumps` makes an encoder a call. Samples are trees, so there are no circles to look for.
_compact = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":")).encode


def _yaml(node: Any) -> str:
    return yaml.dump(node, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)
