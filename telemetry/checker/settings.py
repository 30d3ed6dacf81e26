"""What a live check is started with, and what ``.weaver.toml`` says of it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telemetry.checker import intake, report
from telemetry.checker.admin import Contract
from telemetry.checker.extensions import Extensions
from telemetry.checker.findings import FindingLevel
from telemetry.checker.modifiers import FindingFilter, LevelOverride
from telemetry.checker.report import Format

CONFIG_NAME = ".weaver.toml"
FAIL_ON = ("violation", "improvement", "information", "none")


class SettingsError(ValueError):
    """Settings that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a live check can be told; names and defaults are those of Weaver 0.26.

    The attributes from ``http_port`` on are ours.

    Attributes:
        registry: folder of the registry.
        input_source: ``otlp`` (or ``o``), ``stdin`` (or ``s``), else the path of a file.
        input_format: ``json`` (or ``js``), ``otlp`` for OTLP/JSON, anything else for text. Not heeded for OTLP.
        format: ``ansi json jsonl yaml mute``.
        output: a folder, ``none``, ``http``; None for stdout.
        no_stream: one report at the end, instead of each sample as it comes.
        no_stats: no statistics, and so no exit code that depends on findings.
        fail_on: the least level of a finding that fails the check, or ``none``.
        inactivity_timeout: seconds without a request that end the check; 0 for never.
        http_port: port of the OTLP/HTTP receiver; None for no such receiver.
        contract: what ``POST /stop`` means.
        request_limit: bytes of one request.
        report_limit: bytes of samples that a report in one document holds.
    """

    registry: str = "registry"
    follow_symlinks: bool = False
    include_unreferenced: bool = False
    skip_policies: bool = False
    future: bool = False
    input_source: str = "otlp"
    input_format: str = "json"
    format: str = "ansi"
    output: str | None = None
    no_stream: bool = False
    no_stats: bool = False
    fail_on: str = "violation"
    otlp_grpc_address: str = "127.0.0.1"
    otlp_grpc_port: int = 4317
    admin_port: int = 4320
    inactivity_timeout: int = 10
    finding_filters: tuple[FindingFilter, ...] = ()
    finding_level_overrides: tuple[LevelOverride, ...] = ()
    http_port: int | None = None
    contract: Contract = Contract.BODY
    request_limit: int = intake.DEFAULT_LIMIT
    report_limit: int = report.DEFAULT_LIMIT
    extensions: Extensions = Extensions()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.format not in set(Format):
            raise SettingsError(
                f"--format is {self.format}; it must be one of {', '.join(Format)}. Templates need --engine weaver."
            )
        if self.fail_on not in FAIL_ON:
            raise SettingsError(f"--fail-on is {self.fail_on}; it must be one of {', '.join(FAIL_ON)}.")
        if self.output == "http" and not self.from_otlp:
            raise SettingsError("--output http is only valid with --input-source otlp.")
        for name, port in (
            ("otlp-grpc-port", self.otlp_grpc_port),
            ("admin-port", self.admin_port),
            ("otlp-http-port", self.http_port or 0),
        ):
            if not 0 <= port < 1 << 16:
                raise SettingsError(f"--{name} is {port}; it must be between 0 and 65535.")
        if self.inactivity_timeout < 0:
            raise SettingsError(f"--inactivity-timeout is {self.inactivity_timeout}; it must be 0 or more.")
        for name, limit in (("request-limit", self.request_limit), ("report-limit", self.report_limit)):
            if limit < 1:
                raise SettingsError(f"--{name} must be above 0.")

    @property
    def form(self) -> Format:
        """How reports are written."""
        return Format(self.format)

    @property
    def threshold(self) -> FindingLevel | None:
        """The least level that fails the check; None when none does."""
        return None if self.fail_on == "none" else FindingLevel(self.fail_on)

    @property
    def from_otlp(self) -> bool:
        """Whether samples come over the network."""
        return self.input_source in {"otlp", "o"}

    @property
    def folder(self) -> Path | None:
        """The folder that the report goes into; None when it goes elsewhere."""
        return None if self.output in {None, "none", "http"} else Path(str(self.output))

    @property
    def one_document(self) -> bool:
        """Whether the report comes in one piece, at the end."""
        return self.no_stream or self.output == "http" or self.folder is not None


def settings(given: Mapping[str, Any], config: Path | None = None, *, start: Path | None = None) -> Settings:
    """Settings from what was given, else from ``.weaver.toml``, else the defaults.

    Args:
        given: settings by name; None for those that were not given.
        config: the file; else the first ``.weaver.toml`` in ``start`` or above it, if any.
        start: folder to begin with; the current one, if None.

    Raises:
        SettingsError: for settings that cannot be, and for a file that is no TOML or has unknown keys.
    """
    path = config or found_config(start or Path.cwd())
    read = {} if path is None else read_config(path)
    chosen = {name: value for name, value in given.items() if value is not None}
    return Settings(**{**read, **chosen})


def found_config(start: Path) -> Path | None:
    """The first ``.weaver.toml`` in a folder or above it."""
    folder = start.resolve()
    return next((path for home in (folder, *folder.parents) if (path := home / CONFIG_NAME).is_file()), None)


def read_config(path: Path) -> dict[str, Any]:
    """What a ``.weaver.toml`` says that concerns live checks, by the names of `Settings`.

    Weaver up to 0.26 ignores a section with a mistake in it; later it stops, and so do we.

    Raises:
        SettingsError: when the file cannot be read or a key is unknown, unsupported or of the wrong type.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    if "live_check" in document:
        raise SettingsError(f"{path}: the section is called [live-check], with a hyphen.")
    read: dict[str, Any] = {}
    for section, keys in _SECTIONS.items():
        table: Any = document
        for part in section.split("."):
            table = table.get(part, {}) if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: [{section}] must be a table.")
        inner = {name.rpartition(".")[2] for name in _SECTIONS if name.startswith(f"{section}.")}
        for key, value in table.items():
            if key in inner:
                continue
            if key not in keys:
                raise SettingsError(
                    f"{path}: [{section}] has {key}, which is not known; known are {', '.join(sorted(keys))}."
                )
            name, read_value = keys[key]
            read[name] = read_value(value, f"{path}: [{section}] {key}")
    return {name: value for name, value in read.items() if name}


def _text(value: Any, at: str) -> str:
    return _of(value, str, "a string", at)


def _flag(value: Any, at: str) -> bool:
    return _of(value, bool, "true or false", at)


def _number(value: Any, at: str) -> int:
    if isinstance(value, bool):
        raise SettingsError(f"{at} is {value}; it must be a whole number.")
    return _of(value, int, "a whole number", at)


def _texts(value: Any, at: str) -> tuple[str, ...]:
    return tuple(_text(part, at) for part in _of(value, list, "a list", at))


def _level(value: Any, at: str) -> FindingLevel:
    if value not in set(FindingLevel):
        raise SettingsError(f"{at} is {value!r}; it must be one of {', '.join(FindingLevel)}.")
    return FindingLevel(value)


def _of(value: Any, kind: type[Any], name: str, at: str) -> Any:
    if not isinstance(value, kind):
        raise SettingsError(f"{at} is {value!r}; it must be {name}.")
    return value


def _unsupported(value: Any, at: str) -> None:
    if value not in (None, False, "", []):
        raise SettingsError(f"{at} is not supported; use --engine weaver.")


def _ignored(value: Any, at: str) -> None:
    """Nothing: it concerns other commands."""


def _rules(make: type[Any], keys: Mapping[str, Callable[[Any, str], Any]]) -> Callable[[Any, str], tuple[Any, ...]]:
    def read(value: Any, at: str) -> tuple[Any, ...]:
        made: list[Any] = []
        for rule in _of(value, list, "a list of tables", at):
            strange = sorted(set(_of(rule, dict, "a table", at)) - set(keys))
            if strange:
                raise SettingsError(f"{at} has {strange[0]}, which is not known; known are {', '.join(sorted(keys))}.")
            parts = {key: keys[key](part, f"{at}.{key}") for key, part in rule.items()}
            if make is LevelOverride and "level" not in parts:
                raise SettingsError(f"{at} has no level.")
            made.append(make(**parts))
        return tuple(made)

    return read


_Keys = dict[str, tuple[str, Callable[[Any, str], Any]]]

_SCOPE: dict[str, Callable[[Any, str], Any]] = {"signal_type": _text, "sample_names": _texts}
_SECTIONS: dict[str, _Keys] = {
    "registry": {
        "path": ("registry", _text),
        "follow_symlinks": ("follow_symlinks", _flag),
        "include_unreferenced": ("include_unreferenced", _flag),
        "v2": ("", _unsupported),
    },
    "policy": {"paths": ("", _unsupported), "skip": ("skip_policies", _flag)},
    "live-check": {
        "input_source": ("input_source", _text),
        "input_format": ("input_format", _text),
        "format": ("format", _text),
        "templates": ("", _ignored),
        "output": ("output", _text),
        "no_stream": ("no_stream", _flag),
        "no_stats": ("no_stats", _flag),
        "fail_on": ("fail_on", _text),
        "advice_policies": ("", _unsupported),
        "advice_preprocessor": ("", _unsupported),
        "advice_data": ("", _unsupported),
        "finding_filters": (
            "finding_filters",
            _rules(FindingFilter, _SCOPE | {"exclude": _texts, "min_level": _level, "exclude_samples": _texts}),
        ),
        "finding_level_overrides": (
            "finding_level_overrides",
            _rules(LevelOverride, _SCOPE | {"ids": _texts, "level": _level}),
        ),
    },
    "live-check.otlp": {
        "grpc_address": ("otlp_grpc_address", _text),
        "grpc_port": ("otlp_grpc_port", _number),
        "admin_port": ("admin_port", _number),
        "inactivity_timeout": ("inactivity_timeout", _number),
    },
    "live-check.emit": {
        "otlp_logs": ("", _unsupported),
        "otlp_logs_endpoint": ("", _ignored),
        "otlp_logs_stdout": ("", _unsupported),
    },
}
