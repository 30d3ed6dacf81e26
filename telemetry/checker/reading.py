"""Strict reading of YAML nodes: every key known, every value of its type, every misfit with its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from telemetry.checker.documents import Document, Place, scalar, value

T = TypeVar("T")
Convert = Callable[["Reader", Node], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A place of a file that does not fit the syntax, and what would."""

    place: Place
    error: str
    advice: str = "No description available"


class Unfit(Exception):  # noqa: N818, it never leaves this package
    """Raised where a value cannot be read; the misfit is noted already."""


class Reader:
    """Reads the nodes of one document.

    Attributes:
        misfits: what did not fit, in the order of reading.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self.misfits: list[Misfit] = []

    def line(self, node: Node) -> int:
        """Line of the node, from 1."""
        return self._document.place(node).line

    def refuse(self, node: Node, error: str, advice: str = "No description available") -> Unfit:
        """Note a misfit; the caller raises what this returns, or goes on."""
        self.misfits.append(Misfit(place=self._document.place(node), error=error, advice=advice))
        return Unfit(error)

    def table(self, node: Node, fields: Mapping[str, Convert], required: Collection[str]) -> dict[str, Any]:
        """The mapping's values by key, converted; keys that are absent are absent.

        Raises:
            Unfit: when the node is no mapping, or when a required value is missing or unfit.
        """
        if not isinstance(node, MappingNode):
            raise self.refuse(node, f"Value {shown(node)} is not of the required type: 'object'.")
        found: dict[str, Any] = {}
        unfit = False
        unknown = [key.value for key, _ in node.value if key.value not in fields]
        if unknown:
            known = ", ".join(sorted(fields))
            self.refuse(
                node,
                f"Object contains unexpected properties: {', '.join(unknown)}. "
                "These properties are not defined in the schema.",
                f"Known here: {known}.",
            )
            unfit = True
        for key, item in node.value:
            if key.value in fields:
                try:
                    found[key.value] = fields[key.value](self, item)
                except Unfit:
                    unfit = True
        present = {key.value for key, _ in node.value}
        for key in required:
            if key not in present:
                self.refuse(node, f'Missing required property: "{key}".')
                unfit = True
        if unfit:
            raise Unfit
        return found


def peek(node: Node, key: str) -> Any:
    """The scalar under a key; None where there is no such thing."""
    if not isinstance(node, MappingNode):
        return None
    found = next((item for name, item in node.value if name.value == key), None)
    return scalar(found) if isinstance(found, ScalarNode) else None


def shown(node: Node) -> str:
    """The beginning of a node's value as JSON, for messages."""
    text = json.dumps(value(node), ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def text(reader: Reader, node: Node) -> str:
    """A string."""
    found = scalar(node) if isinstance(node, ScalarNode) else None
    if not isinstance(found, str):
        raise reader.refuse(node, f"Value {shown(node)} is not of the required type: 'string'.")
    return found


def flag(reader: Reader, node: Node) -> bool:
    """A boolean."""
    found = scalar(node) if isinstance(node, ScalarNode) else None
    if not isinstance(found, bool):
        raise reader.refuse(node, f"Value {shown(node)} is not of the required type: 'boolean'.")
    return found


def anything(reader: Reader, node: Node) -> Any:
    """Whatever stands there."""
    del reader
    return value(node)


def tree(reader: Reader, node: Node) -> dict[str, Any]:
    """A mapping of strings to anything."""
    if not isinstance(node, MappingNode):
        raise reader.refuse(node, f"Value {shown(node)} is not of the required type: 'object'.")
    return value(node)


def maybe(convert: Callable[[Reader, Node], T]) -> Callable[[Reader, Node], T | None]:
    """A value that may be null."""

    def read(reader: Reader, node: Node) -> T | None:
        if isinstance(node, ScalarNode) and scalar(node) is None:
            return None
        return convert(reader, node)

    return read


def choice(options: Mapping[str, T]) -> Callable[[Reader, Node], T]:
    """One of some words."""

    def read(reader: Reader, node: Node) -> T:
        found = scalar(node) if isinstance(node, ScalarNode) else None
        if not isinstance(found, str) or found not in options:
            allowed = json.dumps(list(options), separators=(",", ":"))
            raise reader.refuse(node, f"Value {shown(node)} is not among the allowed options: {allowed}.")
        return options[found]

    return read


def many(convert: Callable[[Reader, Node], T]) -> Callable[[Reader, Node], tuple[T, ...]]:
    """A list. All of its items are looked at, also when one does not fit."""

    def read(reader: Reader, node: Node) -> tuple[T, ...]:
        if not isinstance(node, SequenceNode):
            raise reader.refuse(node, f"Value {shown(node)} is not of the required type: 'array'.")
        found: list[T] = []
        unfit = False
        for item in node.value:
            try:
                found.append(convert(reader, item))
            except Unfit:
                unfit = True
        if unfit:
            raise Unfit
        return tuple(found)

    return read


def words(*options: str) -> dict[str, str]:
    """Options that stand for themselves."""
    return {option: option for option in options}
