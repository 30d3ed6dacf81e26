"""From the options of `up` and `serve --start` to a configuration. No cluster is reached."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from federation.errors import ArtefactError, ExperienceError, ExperienceLineError, SettingError
from federation.rules import Mean, Median
from gateway.control import up
from gateway.output import Output
from gateway.patterns import is_telemetry, key_space, patterns
from gateway.serving import serve
from gateway.start import Start, configuration
from workloads.patterns import PatternsWorkload
from workloads.patterns.artefact import packed, unpacked
from workloads.patterns.rows import dimension


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Experiences of twelve installations, one line of which is none."""
    rng = np.random.default_rng(2)
    lines = [
        {"agent": f"laptop-{number:02d}", "type": "tool", "category": tool, "success": float(rng.random() < rate)}
        for number in range(12)
        for tool, rate in (("Read", 0.9), ("Bash", 0.6), ("mine", 0.5))
        for _ in range(10)
    ]
    path = tmp_path / "sessions.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), '{"agent": "laptop-00"}']))
    return path


def made(**options: Any) -> Any:
    return configuration(Start(**options), Output(as_json=True))


def test_both_commands_have_every_option_once() -> None:
    options = {option.name for option in fields(Start)}
    for command in (up, serve):
        assert options <= set(inspect.signature(command).parameters)
        assert "start" not in inspect.signature(command).parameters


def test_what_nobody_says_is_a_swarm_that_learns_digits() -> None:
    config, found = made(agents=7, round_budget=2.5)
    assert (config.workload.kind, len(config.agents), config.round_budget_s) == ("gradients", 7, 2.5)
    assert config.privacy is None
    assert found is None


def test_patterns_are_learned_from_json_lines(sessions: Path) -> None:
    config, found = made(workload="patterns", experiences=[sessions])
    assert isinstance(config.workload, PatternsWorkload)
    assert config.agents[0] == "laptop-00"
    assert len(config.agents) == 12
    assert (found.read, found.skipped) == (360, 1)
    assert config.rule is None
    assert config.workload.inner == Mean()
    assert not any("mine" in key for key in config.workload.space.keys)


def test_the_rule_of_patterns_is_the_inner_one(sessions: Path) -> None:
    config, _ = made(workload="patterns", experiences=[sessions], rule="median", min_contributors=7)
    assert config.rule is None
    assert config.workload.inner == Median()
    assert config.workload.rule.min_contributors == 7


def test_privacy_is_switched_on_by_its_epsilon(sessions: Path) -> None:
    config, _ = made(
        workload="patterns", experiences=[sessions], epsilon=0.5, epsilon_year=4.0, clip=2.0, unscreened=True
    )
    privacy = config.privacy
    assert (privacy.epsilon_round, privacy.epsilon_period, privacy.radius, privacy.screened) == (0.5, 4.0, 2.0, False)
    assert config.used_screen.name == "none"
    defaults = made(workload="patterns", experiences=[sessions], epsilon=1.0)[0].privacy
    assert (defaults.epsilon_period, defaults.radius, defaults.screened) == (8.0, 1.0, True)


def test_what_privacy_cannot_keep_is_refused(sessions: Path) -> None:
    with pytest.raises(ValidationError, match="inner rule median is not"):
        made(workload="patterns", experiences=[sessions], epsilon=1.0, rule="median")
    with pytest.raises(SettingError, match="--epsilon with"):
        made(workload="patterns", experiences=[sessions], clip=1.0)
    with pytest.raises(ValidationError, match="greater than 0"):
        made(workload="patterns", experiences=[sessions], epsilon=0.0)


def test_a_bad_line_is_fatal_when_it_shall_be(sessions: Path) -> None:
    with pytest.raises(ExperienceLineError, match="361"):
        made(workload="patterns", experiences=[sessions], strict=True)
    empty = sessions.with_name("empty.jsonl")
    empty.write_text("{}\n")
    with pytest.raises(ExperienceError, match="no experience in 1 lines"):
        made(workload="patterns", experiences=[empty])


def test_keys_come_from_a_file(sessions: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text("# our own\ntool::mine\n\ntool::Read\n")
    config, _ = made(workload="patterns", experiences=[sessions], keys=keys)
    assert config.workload.space == key_space(keys)
    assert set(config.workload.space.keys) == {
        "tool::mine", "tool::Read", "tool::other", "error::other", "success::other", "team::other",
    }  # fmt: skip
    keys.write_text("tool:mine\n")
    with pytest.raises(SettingError, match="type::category"):
        key_space(keys)
    keys.write_text("# none\n")
    with pytest.raises(SettingError, match="names none"):
        key_space(keys)
    with pytest.raises(SettingError, match="nowhere"):
        key_space(tmp_path / "nowhere")


def test_a_file_of_keys_grows_at_its_end_and_releases_of_before_go_on(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("tool::Read backend  # for servers\ntool::Edit\n")
    before = key_space(path)
    assert (before.version, dict(before.domains)) == ("1.0", {"tool::Read": "backend"})
    path.write_text(path.read_text() + "version 1.1\ntool::Bash\ntool::Awk frontend\n")
    after = key_space(path)
    assert after.version == "1.1"
    assert after.keys == (*before.keys, "tool::Awk", "tool::Bash")
    assert dict(after.domains) == {"tool::Awk": "frontend", "tool::Read": "backend"}
    row = np.full(dimension(len(before.keys)), 0.5, np.float32)
    moved = unpacked(after, packed(before, row))
    assert moved.shape == (dimension(len(after.keys)),)
    with pytest.raises(ArtefactError, match=r"key space 1\.1 .* does not extend"):
        unpacked(before, packed(after, moved))
    path.write_text("version 2.3\ntool::Read\n")
    assert key_space(path).version == "2.3"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tool::Read\nversion 1.0\ntool::Bash\n", "above 1.0"),
        ("tool::Read\nversion 2.0\ntool::Bash\n", "above 1.0"),
        ("version one\ntool::Read\n", "such as 1.0"),
        ("tool::Read\nversion 1.1\ntool::Read\n", "one version only"),
        ("tool::Read backend frontend\n", "a domain, if any"),
        ("tool::Read kitchen\n", "among frontend"),
    ],
)
def test_a_file_of_keys_that_says_something_else_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(text)
    with pytest.raises(SettingError, match=told):
        key_space(path)


def span(number: int, parent: str, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "traceId": f"{1:032x}", "spanId": f"{number:016x}", "parentSpanId": parent, "name": name,
        "startTimeUnixNano": str(number * 10**9), "endTimeUnixNano": str((number + 1) * 10**9 + (not parent) * 10**11),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }  # fmt: skip


def test_patterns_are_learned_from_telemetry_too(sessions: Path, tmp_path: Path) -> None:
    run = [
        span(1, "", "invoke_agent", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "desk"}),
        span(2, f"{1:016x}", "tool", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "Bash"}),
        span(3, f"{1:016x}", "tool", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "Read"}),
    ]
    path = tmp_path / "spans.jsonl"
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": run}]}]}) + "\nnothing\n")
    assert is_telemetry(path)
    assert not is_telemetry(sessions)
    told: list[str] = []
    workload, (lines, skipped) = patterns(
        [sessions, path], strict=False, inner=None, keys=None, min_contributors=5, note=told.append
    )
    assert (lines, skipped) == (361 + 2, 2)
    assert len(told) == 1
    assert "desk" in workload.data.agents
    [found] = workload.data.shares(["desk"])
    assert [one.key for one in found] == ["tool::Bash", "tool::Read"]
