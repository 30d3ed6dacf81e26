"""What a command prints: results on stdout, everything else on stderr.

With ``--json`` stdout holds one JSON document, or one JSON object a line for a stream, and nothing else; an
error is one JSON object on stderr. Without, stdout holds text for people. Colour is left out when
stdout is no terminal or ``NO_COLOR`` is set; rich sees to both.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from federation.errors import SwarmError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


WIDE = 240
"""Columns of a table that goes to a file or a pipe."""


class Output:
    """Where a command prints.

    Args:
        as_json: for programs instead of people.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    @cached_property
    def _out(self) -> Console:
        from rich.console import Console

        found = Console(highlight=False, soft_wrap=True)
        # A pipe has no width; a table must not be folded into the 80 columns that rich supposes.
        return found if found.is_terminal else Console(highlight=False, soft_wrap=True, width=WIDE)

    @cached_property
    def _err(self) -> Console:
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def is_terminal(self) -> bool:
        """Whether somebody sees stdout as it is written, and lines can be written over."""
        return self._out.is_terminal and not self._out.is_dumb_terminal

    def document(self, value: Any) -> None:
        """Print the one JSON document of a command; nothing without ``--json``."""
        if self.as_json:
            print(json.dumps(plain(value), indent=2), flush=True)

    def event(self, event: str, value: Mapping[str, Any]) -> None:
        """Print one line of a JSON stream; nothing without ``--json``."""
        if self.as_json:
            print(json.dumps({"event": event, **plain(value)}, separators=(",", ":")), flush=True)

    def text(self, line: str = "", *, style: str | None = None) -> None:
        """Print a line for people; nothing with ``--json``."""
        if not self.as_json:
            self._out.print(line, style=style, markup=False)
            sys.stdout.flush()

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table for people; nothing with ``--json``."""
        if self.as_json:
            return
        from rich.table import Table

        made: Table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        made.show_header = any(columns)
        for column in columns:
            made.add_column(column, no_wrap=self._out.is_terminal is False, overflow="fold")
        for row in rows:
            made.add_row(*row)
        self._out.print(made)

    def note(self, line: str) -> None:
        """Say something about the run, on stderr."""
        self._err.print(line, markup=False, style="dim")

    @contextmanager
    def progress(self, doing: str) -> Iterator[None]:
        """Show that something takes time: a spinner on a terminal, one line elsewhere, nothing with ``--json``."""
        if self.as_json:
            yield
        elif self._err.is_terminal:
            with self._err.status(doing):
                yield
        else:
            self.note(doing)
            yield

    def fail(self, error: BaseException) -> None:
        """Print an error with its stable code, on stderr."""
        known = error.to_dict() if isinstance(error, SwarmError) else _unforeseen(error)
        if self.as_json:
            print(json.dumps({"error": plain(known)}), file=sys.stderr, flush=True)
        else:
            self._err.print(f"{known['code']}: {known['message']}", markup=False, style="red")


def _unforeseen(error: BaseException) -> dict[str, Any]:
    return {
        "code": "unexpected",
        "message": f"{type(error).__name__}: {error}. `swarmlore doctor` may know why; "
        "SWARMLORE_TRACEBACK=1 shows where it happened.",
    }


def plain(value: Any) -> Any:
    """The value as JSON takes it: paths and other objects as text, tuples as lists, NaN and Inf as None."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return plain(value.item())
    return str(value)


def figure(value: float | None, form: str = ".3g") -> str:
    """A number for people; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else format(value, form)
