"""The text that Weaver gives a log record's body: the debug form of the Rust value."""

from __future__ import annotations

import math
from typing import Any


def debug_text(value: Any) -> str | None:
    """The body of an OTLP ``AnyValue``, such as ``StringValue("x")``; None when nothing is set in it."""
    match value.WhichOneof("value"):
        case "string_value":
            return f"StringValue({_quoted(value.string_value)})"
        case "bool_value":
            return f"BoolValue({str(value.bool_value).lower()})"
        case "int_value":
            return f"IntValue({value.int_value})"
        case "double_value":
            return f"DoubleValue({_number(value.double_value)})"
        case "bytes_value":
            return f"BytesValue([{', '.join(map(str, value.bytes_value))}])"
        case "array_value":
            items = ", ".join(map(_holder, value.array_value.values))
            return f"ArrayValue(ArrayValue {{ values: [{items}] }})"
        case "kvlist_value":
            pairs = ", ".join(
                f"KeyValue {{ key: {_quoted(pair.key)}, value: "
                f"{f'Some({_holder(pair.value)})' if pair.HasField('value') else 'None'} }}"
                for pair in value.kvlist_value.values
            )
            return f"KvlistValue(KeyValueList {{ values: [{pairs}] }})"
        case _:
            return None


def _holder(value: Any) -> str:
    inner = debug_text(value)
    return f"AnyValue {{ value: {'None' if inner is None else f'Some({inner})'} }}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    text = repr(value)
    return text if value == 0 or 1e-5 <= abs(value) < 1e16 else text.replace("e+", "e").replace("e-0", "e-")


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def _quoted(text: str) -> str:
    inner = "".join(
        _ESCAPES.get(letter) or (letter if letter.isprintable() else f"\\u{{{ord(letter):x}}}") for letter in text
    )
    return f'"{inner}"'
