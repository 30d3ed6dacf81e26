"""Samples from files and from standard input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from telemetry.checker.json_stream import JsonStreamError, values
from telemetry.checker.otlp import OtlpError
from telemetry.checker.otlp_json import samples_of
from telemetry.checker.sample_reader import SampleError, sample_of, sample_of_line
from telemetry.checker.samples import Sample

LONGEST_LINE = 1 << 20


class SourceError(ValueError):
    """Input that cannot be read as samples."""


def json_samples(stream: BinaryIO) -> Iterator[Sample]:
    """The samples of a JSON array in Weaver's form, or of JSON lines in that form.

    Raises:
        SourceError: at the first that is none. One bad sample fails the whole input, as in Weaver.
    """
    for number, document in _numbered(stream):
        try:
            yield sample_of(document)
        except SampleError as error:
            raise SourceError(f"sample {number}: {error}") from None


def otlp_samples(stream: BinaryIO) -> Iterator[Sample]:
    """The samples of OTLP/JSON: one document, several in an array, or one a line as collectors write them.

    Raises:
        SourceError: at the first document that is no OTLP.
    """
    for number, document in _numbered(stream):
        try:
            yield from samples_of(document)
        except OtlpError as error:
            raise SourceError(f"document {number}: {error}") from None


def text_samples(stream: BinaryIO, *, ends_at_blank: bool) -> Iterator[Sample]:
    """The attributes of lines ``name`` or ``name=value``.

    Args:
        ends_at_blank: an empty line is the end, as for standard input; else it is skipped, as in files.

    Raises:
        SourceError: for a line that is no UTF-8, or longer than `LONGEST_LINE`.
    """
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise SourceError(f"line {number} is longer than {LONGEST_LINE} bytes")
        try:
            found = sample_of_line(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise SourceError(f"line {number} is no UTF-8: {error.reason}") from None
        if found is not None:
            yield found
        elif ends_at_blank:
            return


def _numbered(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    try:
        yield from enumerate(values(stream), 1)
    except JsonStreamError as error:
        raise SourceError(str(error)) from None
