"""Settings: given, from .weaver.toml, or the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.checker.findings import FindingLevel
from telemetry.checker.modifiers import FindingFilter, LevelOverride
from telemetry.checker.report import Format
from telemetry.checker.settings import Settings, SettingsError, found_config, settings

EVERYTHING = """
[registry]
path = "model"
follow_symlinks = true
[policy]
skip = true
[live-check]
input_source = "stdin"
input_format = "text"
format = "jsonl"
no_stream = true
no_stats = false
fail_on = "improvement"
advice_policies = ""
[live-check.otlp]
grpc_address = "0.0.0.0"
grpc_port = 14317
admin_port = 14320
inactivity_timeout = 0
[live-check.emit]
otlp_logs = false
[[live-check.finding_filters]]
exclude = ["not_stable"]
min_level = "improvement"
exclude_samples = ["telemetry.sdk.*"]
signal_type = "span"
sample_names = ["a.*"]
[[live-check.finding_level_overrides]]
ids = ["missing_attribute"]
level = "information"
[other]
thing = 1
"""


def test_defaults_are_weavers(tmp_path: Path) -> None:
    found = settings({"fail_on": None}, start=tmp_path)
    assert found == Settings()
    assert (found.otlp_grpc_address, found.otlp_grpc_port, found.admin_port) == ("127.0.0.1", 4317, 4320)
    assert (found.inactivity_timeout, found.form, found.threshold) == (10, Format.ANSI, FindingLevel.VIOLATION)
    assert (found.from_otlp, found.one_document, found.http_port, found.folder) == (True, False, None, None)


def test_the_file_above_and_what_is_given_over_it(tmp_path: Path) -> None:
    (tmp_path / ".weaver.toml").write_text(EVERYTHING)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert found_config(below) == tmp_path / ".weaver.toml"
    found = settings({"fail_on": "none", "otlp_grpc_port": 0}, start=below)
    assert found == Settings(
        registry="model",
        follow_symlinks=True,
        skip_policies=True,
        input_source="stdin",
        input_format="text",
        format="jsonl",
        no_stream=True,
        fail_on="none",
        otlp_grpc_address="0.0.0.0",
        otlp_grpc_port=0,
        admin_port=14320,
        inactivity_timeout=0,
        finding_filters=(
            FindingFilter(
                exclude=("not_stable",),
                min_level=FindingLevel.IMPROVEMENT,
                exclude_samples=("telemetry.sdk.*",),
                signal_type="span",
                sample_names=("a.*",),
            ),
        ),
        finding_level_overrides=(LevelOverride(ids=("missing_attribute",), level=FindingLevel.INFORMATION),),
    )
    other = tmp_path / "other.toml"
    other.write_text("")
    assert settings({}, other, start=below) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[live-check", "cannot be read"),
        ("[live_check]\n", "with a hyphen"),
        ("[live-check]\nfial_on = 'none'", "fial_on, which is not known"),
        ("[live-check]\nfail_on = 3", "must be a string"),
        ("[live-check]\nno_stats = 'yes'", "must be true or false"),
        ("[live-check.otlp]\ngrpc_port = '1'", "must be a whole number"),
        ("[live-check.otlp]\ngrpc_port = true", "must be a whole number"),
        ("live-check = 3", "must be a table"),
        ("[live-check]\nadvice_policies = 'p'", "use --engine weaver"),
        ("[live-check.emit]\notlp_logs = true", "use --engine weaver"),
        ("[[live-check.finding_filters]]\nexclud = []", "exclud, which is not known"),
        ("[[live-check.finding_filters]]\nmin_level = 'bad'", "must be one of"),
        ("[[live-check.finding_level_overrides]]\nids = []", "has no level"),
        ("[live-check]\nfail_on = 'never'", "--fail-on is never"),
    ],
)
def test_a_mistake_in_the_file_stops_the_run(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / ".weaver.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        settings({}, path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"format": "my_template"}, "Templates need --engine weaver"),
        ({"fail_on": "x"}, "--fail-on is x"),
        ({"output": "http", "input_source": "stdin"}, "only valid with"),
        ({"otlp_grpc_port": 65536}, "--otlp-grpc-port is 65536"),
        ({"admin_port": -1}, "--admin-port is -1"),
        ({"http_port": 1 << 17}, "--otlp-http-port"),
        ({"inactivity_timeout": -1}, "--inactivity-timeout is -1"),
        ({"request_limit": 0}, "--request-limit"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings(**given)


def test_where_a_report_goes() -> None:
    assert Settings(output="out").folder == Path("out")
    assert Settings(output="out").one_document
    assert Settings(output="http").one_document
    assert Settings(no_stream=True).one_document
    assert not Settings(output="none").one_document
    assert Settings(output="none").folder is None
