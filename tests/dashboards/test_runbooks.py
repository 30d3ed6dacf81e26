"""Every alert has a page, and every page leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from dashboards.__main__ import ALL
from dashboards.alerts import PREFIX, RUNBOOKS, alert_file
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
    for path in (ROOT / RUNBOOKS).glob("*.md"):
        assert set(re.findall(r"`swarmlore ([a-z]+)", path.read_text("utf-8"))) <= commands, path.name
