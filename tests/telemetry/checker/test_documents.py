"""YAML is read as Weaver reads it: version 1.2, one document, no key twice."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from telemetry.checker import documents
from telemetry.checker.documents import Document, DocumentError, scalar, value

ROOT = Path(__file__).parents[3]
REGISTRIES = [*ROOT.glob("registry/*.yaml"), *Path(__file__).parent.glob("registries/**/*.yaml")]


def read(text: str) -> Any:
    root = Document(text).root
    return None if root is None else value(root)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("null", None),
        ("''", ""),
        ("12", 12),
        ("-3", -3),
        ("012", "012"),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("5e-05", 5e-05),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("2026-11-21", "2026-11-21"),
        ('"12"', "12"),
        ("|\n  a\n", "a\n"),
        ("99999999999999999999", 1e20),
    ],
)
def test_scalars_are_typed_as_in_yaml_1_2(text: str, expected: object) -> None:
    found = read(f"a: {text}")
    assert found == {"a": expected}
    assert type(found["a"]) is type(expected)


def test_not_a_number() -> None:
    found = read("a: .nan")
    assert isinstance(found, dict)
    assert math.isnan(found["a"])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: [", "while parsing a flow node"),
        ("a: 1\na: 2", 'duplicate entry with key "a" at line 2'),
        ("b: {x: 1, x: 2}", 'duplicate entry with key "x" at line 1'),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("? [a]\n: 1", "line 1: a key is a string"),
        ("a: !mine 1", "line 1: the tag !mine has no meaning here"),
        ("a: &x [*x]", "repetition limit exceeded"),
        ("[" * 100_000, "recursion limit exceeded"),
        ("a: \x00", "unacceptable character"),
    ],
)
def test_what_is_refused(text: str, error: str) -> None:
    with pytest.raises(DocumentError, match=error):
        Document(text)


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30)]
    with pytest.raises(DocumentError, match="repetition limit exceeded"):
        Document("\n".join(lines))


@pytest.mark.parametrize("path", sorted(REGISTRIES), ids=lambda path: "/".join(path.parts[-3:]))
def test_both_parsers_find_the_same_at_the_same_places(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> list[object]:
        document = Document.read(path)
        waiting, seen = [document.root], list[object]()
        while waiting:
            node = waiting.pop()
            assert node is not None
            seen.append((node.tag, document.place(node), isinstance(node, ScalarNode) and scalar(node)))
            if isinstance(node, SequenceNode):
                waiting += node.value
            elif isinstance(node, MappingNode):
                waiting += [part for pair in node.value for part in pair]
        return seen

    quick = found()
    monkeypatch.setattr(documents, "_QUICK", yaml.SafeLoader)
    assert found() == quick


def test_places_are_in_bytes() -> None:
    text = "ü: 1\nb: {c: ü}\nd: 2\n"
    document = Document(text)
    assert isinstance(document.root, MappingNode)
    (_, _), (_, inner), (_, last) = document.root.value
    for node, expected in ((inner, "{c: ü}"), (last, "2")):
        place = document.place(node)
        assert text.encode()[place.offset : place.offset + place.length] == expected.encode()
    assert document.place(last).line == 3


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DocumentError, match="No such file or directory"):
        Document.read(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: \xfc\n")
    with pytest.raises(DocumentError, match=r"not UTF-8: .* at byte 3"):
        Document.read(path)
    monkeypatch.setattr(documents, "LARGEST_FILE", 3)
    with pytest.raises(DocumentError, match="more than 3 bytes"):
        Document.read(path)
