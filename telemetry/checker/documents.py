"""YAML as Weaver reads it: the core schema of YAML 1.2, no key twice, one document a file.

PyYAML's own schema is that of YAML 1.1, where ``on`` is a boolean and ``5e-05`` a string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.resolver import Resolver

LARGEST_FILE = 16 * 2**20
"""Bytes of a file that is read; the largest file of OpenTelemetry's own conventions has 60 kB."""

MOST_NODES = 1_000_000
"""Nodes of a file, each counted as often as aliases repeat it."""

_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|[-+]?0x[0-9a-fA-F]+|[-+]?0o[0-7]+|[-+]?0b[01]+")
_FLOAT = re.compile(r"[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BASES = {"0x": 16, "0o": 8, "0b": 2}
_LARGEST_INT = 2**63
_QUICK: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML may have been built without libyaml


class DocumentError(Exception):
    """A file that is no YAML document, with the parser's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stretch of a file, in bytes from its start, and the line that it begins on, from 1."""

    offset: int
    length: int
    line: int


class _Nodes(Composer, Resolver):
    """Composes the events of a parser to nodes and leaves every plain scalar untyped; `scalar` decides.

    libyaml has a composer too, which overruns the stack where a file nests deeply.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012, as in PyYAML

    def __init__(self, events: Any) -> None:
        Composer.__init__(self)
        Resolver.__init__(self)
        self.check_event, self.peek_event, self.get_event = events.check_event, events.peek_event, events.get_event


class Document:
    """One YAML document with the places of its nodes.

    Args:
        text: what the file holds.

    Raises:
        DocumentError: for anything but one document, for a key that occurs twice, and for unknown tags.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._bytes = len(text) == len(text.encode())
        try:
            self.root: Node | None = _composed(text)
        except RecursionError:
            raise DocumentError("recursion limit exceeded") from None
        except yaml.YAMLError as error:
            raise DocumentError(" ".join(str(error).split())) from None
        if self.root is not None:
            _refuse(self.root)

    @classmethod
    def read(cls, path: Path) -> Document:
        """The document in a file."""
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
        except OSError as error:
            raise DocumentError(f"{error.strerror or error} ({path})") from None
        if len(content) > LARGEST_FILE:
            raise DocumentError(f"more than {LARGEST_FILE} bytes; a convention file is far smaller")
        try:
            return cls(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise DocumentError(f"not UTF-8: {error.reason} at byte {error.start}") from None

    def place(self, node: Node) -> Place:
        """Where a node stands."""
        start, end = node.start_mark.index, node.end_mark.index
        if self._bytes:
            return Place(offset=start, length=end - start, line=node.start_mark.line + 1)
        offset = len(self._text[:start].encode())
        return Place(offset=offset, length=len(self._text[start:end].encode()), line=node.start_mark.line + 1)


def _composed(text: str) -> Node | None:
    """The root of the one document in a text.

    What libyaml's parser refuses is read again by PyYAML's own, which is much slower and says what is wrong.
    """
    try:
        return _Nodes(_QUICK(text)).get_single_node()
    except yaml.YAMLError:
        return _Nodes(yaml.SafeLoader(text)).get_single_node()


def _refuse(root: Node) -> None:
    """Raise for keys that occur twice, for tags of the file's own, and for aliases that unfold without end."""
    waiting = [root]
    visits = 0
    while waiting:
        node = waiting.pop()
        visits += 1
        if visits > MOST_NODES:
            raise DocumentError("repetition limit exceeded")
        if node.tag not in _PLAIN_TAGS:
            raise DocumentError(f"line {node.start_mark.line + 1}: the tag {node.tag} has no meaning here")
        if isinstance(node, SequenceNode):
            waiting += node.value
        elif isinstance(node, MappingNode):
            keys: set[str] = set()
            for key, item in node.value:
                if not isinstance(key, ScalarNode):
                    raise DocumentError(f"line {key.start_mark.line + 1}: a key is a string")
                if key.value in keys:
                    raise DocumentError(f'duplicate entry with key "{key.value}" at line {key.start_mark.line + 1}')
                keys.add(key.value)
                waiting.append(item)


def scalar(node: ScalarNode) -> Any:
    """The value of a scalar: None, bool, int, float or str."""
    return node.value if node.style else _typed(node.value)


def _typed(text: str) -> Any:
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        digits = text.lstrip("+-")
        value = int(digits, _BASES.get(digits[:2], 10)) * (-1 if text.startswith("-") else 1)
        return value if -_LARGEST_INT <= value < 2 * _LARGEST_INT else float(value)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "", 1)) if _SPECIAL.fullmatch(text) else text


def value(node: Node) -> Any:
    """What a node holds, as plain Python."""
    if isinstance(node, ScalarNode):
        return scalar(node)
    if isinstance(node, SequenceNode):
        return [value(item) for item in node.value]
    return {key.value: value(item) for key, item in node.value}
