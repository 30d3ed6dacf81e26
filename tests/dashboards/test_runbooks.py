"""Every alert has a page, and every page leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from dashboards.__main__ import ALL
from dashboards.alert import PREFIX, RUNBOOKS
from dashboards.alerts import alert_file
from gateway.cli import app

ROOT = Path(__file__).resolve().parents[2]


def test_every_alert_can_be_acted_on() -> None:
    [group] = alert_file()["groups"]
    pages = {path.name for path in (ROOT / RUNBOOKS).glob("*.md")}
    for rule in group["rules"]:
        notes = rule["annotations"]
        assert rule["for"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert "{{" not in notes["summary"]
        assert Path(notes["runbook_url"]).name in pages
    assert pages == {f"{rule['alert']}.md" for rule in group["rules"]} | {"README.md"}


def test_a_runbook_says_what_it_means_how_to_look_and_what_to_do() -> None:
    for path in (ROOT / RUNBOOKS).glob(f"{PREFIX}*.md"):
        text = path.read_text("utf-8")
        assert text.startswith(f"# {path.stem}\n")
        for heading in ("## What it means", "## Look", "## Do"):
            assert heading in text, path.name
        boards = {board["title"] for board in (make() for make in ALL)}
        named = set(re.findall(r"[Dd]ashboard \*([^*]+)\*", text))
        assert named <= boards, path.name


def test_runbooks_name_commands_that_exist() -> None:
    commands = {command.name for command in app.registered_commands}
    below = {
        group.name: {command.name for command in group.typer_instance.registered_commands if command.name}
        for group in app.registered_groups
        if group.typer_instance
    }
    for path in (ROOT / RUNBOOKS).glob("*.md"):
        for first, second in re.findall(r"`swarmlore ([a-z-]+)(?: ([a-z-]+))?", path.read_text("utf-8")):
            if first in below:
                assert second in below[first], f"{path.name}: {first} {second}"
            else:
                assert first in commands, f"{path.name}: {first}"
