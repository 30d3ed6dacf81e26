"""JSON values one after the other, from a stream that may be larger than memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

CHUNK = 1 << 20
LONGEST = 64 << 20
"""Characters that one value may take."""

_BLANK = " \t\n\r"
_NUMERIC = "+-.eE0123456789"


class JsonStreamError(ValueError):
    """A stream that is no JSON."""


def values(stream: BinaryIO) -> Iterator[Any]:
    """The values of a stream: the parts of one array, or documents one after the other, such as JSON lines.

    Holds one value, and at most `CHUNK` of what follows, at a time.

    Raises:
        JsonStreamError: where the stream is no JSON, with the byte or character that is not.
    """
    text = _Text(stream)
    first = text.peek()
    if first != "[":
        while text.peek():
            yield text.value()
        return
    text.skip()
    if text.peek() == "]":
        text.skip()
    else:
        while True:
            yield text.value()
            mark = text.peek()
            text.skip()
            if mark == "]":
                break
            if mark != ",":
                raise text.error("a comma or the end of the array" if mark else "the end of the array")
    if text.peek():
        raise text.error("nothing after the array")


class _Text:
    """The part of the stream that is being looked at."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder(parse_constant=_no_constant)
        self._held = ""
        self._at = 0
        self._before = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            while self._at < len(self._held) and self._held[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more(CHUNK):
                return ""

    def skip(self) -> None:
        """Pass over the next character."""
        self._at += 1

    def value(self) -> Any:
        """The next value."""
        self.peek()
        step = CHUNK
        while True:
            try:
                found, end = self._json.raw_decode(self._held, self._at)
            except RecursionError:
                raise self.error("JSON that is not nested so deeply") from None
            except ValueError as error:
                if len(self._held) - self._at > LONGEST:
                    raise self.error(f"a value of at most {LONGEST} characters") from None
                # Each time twice as much, so that a long value is not read again for each chunk.
                step *= 2
                if not self._more(step):
                    raise self.error(f"JSON; {error}") from None
                continue
            # A number may go on in the next chunk, also where it seems to end before its fraction.
            whole = isinstance(found, str | list | dict) or (end < len(self._held) and self._held[end] not in _NUMERIC)
            if whole or not self._more(CHUNK):
                self._at = end
                return found

    def error(self, needed: str) -> JsonStreamError:
        """What is wrong at the present place."""
        found = repr(self._held[self._at : self._at + 30]) if self._at < len(self._held) else "the end"
        return JsonStreamError(f"at character {self._before + self._at}: found {found}; it must be {needed}")

    def _more(self, size: int) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        data = self._stream.read(size)
        self._ended = not data
        try:
            further = self._decode.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise JsonStreamError(
                f"no UTF-8 after character {self._before + len(self._held)}: {error.reason}"
            ) from None
        self._before += self._at
        self._held = self._held[self._at :] + further
        self._at = 0
        return not self._ended or bool(further)


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
