"""OTLP/JSON as export requests: what collectors and SDKs write to files, and what they send over HTTP as JSON.

OTLP/JSON is protobuf's JSON with two differences: ids of traces and spans are hexadecimal, and unknown fields are
ignored.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from telemetry.checker.otlp import OtlpError, OtlpSignal

_IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_ROOTS = {
    "resourceSpans": OtlpSignal.TRACES,
    "resource_spans": OtlpSignal.TRACES,
    "resourceMetrics": OtlpSignal.METRICS,
    "resource_metrics": OtlpSignal.METRICS,
    "resourceLogs": OtlpSignal.LOGS,
    "resource_logs": OtlpSignal.LOGS,
}
_DEEPEST = 100


def requests_of(document: Any) -> list[Message]:
    """The export requests in one JSON document: mostly one, one for each signal where it holds several.

    Raises:
        OtlpError: when it holds none.
    """
    if not isinstance(document, dict):
        raise OtlpError(f"OTLP/JSON is an object; found {_named(document)}")
    signals = sorted({_ROOTS[key] for key in document if key in _ROOTS})
    if not signals:
        keys = ", ".join(sorted(map(str, document))[:5]) or "nothing"
        raise OtlpError(f"OTLP/JSON has resourceSpans, resourceMetrics or resourceLogs; found {keys}")
    return [
        request_of(signal, {key: part for key, part in document.items() if _ROOTS.get(key) is signal})
        for signal in signals
    ]


def request_of(signal: OtlpSignal, document: Any) -> Message:
    """The export request of one signal in a JSON document; an empty one is an empty object.

    Raises:
        OtlpError: when it is none.
    """
    if not isinstance(document, dict):
        raise OtlpError(f"OTLP/JSON is an object; found {_named(document)}")
    strange = [key for key in document if key in _ROOTS and _ROOTS[key] is not signal]
    if strange:
        raise OtlpError(f"{strange[0]} does not belong to {signal.value}")
    try:
        return ParseDict(_with_ids(document, 0), signal.request(), ignore_unknown_fields=True, max_recursion_depth=100)
    except (ParseError, ValueError, TypeError, AttributeError) as error:
        raise OtlpError(f"no OTLP/JSON of {signal.value}: {error}") from None


def _with_ids(node: Any, depth: int) -> Any:
    """The node with its ids in base64, which is how protobuf's JSON wants bytes."""
    if depth > _DEEPEST:
        raise OtlpError(f"OTLP/JSON is nested deeper than {_DEEPEST}")
    if isinstance(node, Mapping):
        return {
            key: _base64(key, part) if key in _IDS and isinstance(part, str) else _with_ids(part, depth + 1)
            for key, part in node.items()
        }
    if isinstance(node, list):
        return [_with_ids(part, depth + 1) for part in node]
    return node


def _base64(key: str, text: str) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(text)).decode("ascii")
    except (binascii.Error, ValueError):
        raise OtlpError(f"{key} is {text[:40]!r}; it must be hexadecimal") from None


def _named(document: Any) -> str:
    return "null" if document is None else type(document).__name__
