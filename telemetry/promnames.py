"""How OpenTelemetry's names look in Prometheus: one mapping for the scrape endpoint, the dashboards and the alerts.

It is the translation that Prometheus calls ``UnderscoreEscapingWithSuffixes``, the default of its OTLP
receiver and of the collector's exporters, so a series has the same name whichever way it came. The
registry has no dimensionless unit ``1``, because a gauge of that unit would become ``_ratio`` on some
ways and not on others. A leaf: it imports nothing but the standard library.
"""

from __future__ import annotations

import re

BUCKET, SUM, COUNT = "_bucket", "_sum", "_count"
"""What a histogram's series have after its name."""

LE = "le"
"""Label of a histogram's bucket."""

_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "m": "meters", "V": "volts", "A": "amperes",
    "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_NO_METRIC = re.compile(r"[^a-zA-Z0-9_:]")
_NO_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_NO_TOKEN = re.compile(r"[^a-zA-Z0-9:]+")


def metric_name(name: str, *, unit: str, instrument: str) -> str:
    """The Prometheus name of a metric; a histogram's series add `BUCKET`, `SUM` and `COUNT` to it.

    Args:
        name: the OpenTelemetry name, with dots.
        unit: UCUM, or a word in braces, which leaves no trace in the name.
        instrument: ``counter``, ``updowncounter``, ``gauge`` or ``histogram``.
    """
    flat = _NO_METRIC.sub("_", name)
    words = [word for word in _NO_TOKEN.split(flat) if word]
    main, _, per = (part.strip() for part in unit.partition("/"))
    suffixes = [_UNITS.get(main, _NO_LABEL.sub("_", main)) if "{" not in main else ""]
    divisor = _PER.get(per, _NO_LABEL.sub("_", per)) if "{" not in per else ""
    if divisor and divisor not in words:
        suffixes += ["per", divisor]
    kept = [suffix for suffix in suffixes if suffix and suffix not in words]
    if instrument == "gauge" and unit == "1":
        kept.append("ratio")
    if instrument == "counter":
        flat = flat.removesuffix("_total")
        kept.append("total")
    flat = "_".join([flat, *kept])
    return f"_{flat}" if flat[:1].isdigit() else flat


def label_name(key: str) -> str:
    """The Prometheus label of an attribute: ``service_name`` for ``service.name``."""
    flat = _NO_LABEL.sub("_", key)
    return f"key_{flat}" if flat[:1].isdigit() else flat


def series_names(name: str, *, unit: str, instrument: str) -> tuple[str, ...]:
    """The names of all series that a metric has in Prometheus."""
    base = metric_name(name, unit=unit, instrument=instrument)
    return tuple(f"{base}{suffix}" for suffix in (BUCKET, SUM, COUNT)) if instrument == "histogram" else (base,)
