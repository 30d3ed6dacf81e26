"""What is committed is what the code says, and each dashboard is as a reader needs it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.__main__ import ALL, FOLDER, main
from dashboards.frame import COLUMNS, TAG
from telemetry import semconv
from telemetry.promnames import series_names

BOARDS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / "grafana").glob("*.json"))}
SCREEN = 21
"""Grid units that a browser window of 1080 lines shows below Grafana's own bars, about."""


def queries(board: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in board["panels"]:
        yield from ((panel["title"], target) for target in panel["targets"])


QUERIES = [
    pytest.param(target["expr"], id=f"{uid}-{title}-{target['refId']}")
    for uid, board in BOARDS.items()
    for title, target in queries(board)
]
ANNOTATIONS = [
    pytest.param(note["expr"], id=f"{uid}-{note['name']}")
    for uid, board in BOARDS.items()
    for note in board["annotations"]["list"]
]


def test_the_generated_files_are_those_of_the_code() -> None:
    assert main(["--check"]) == 0


def test_a_file_that_differs_or_does_not_belong_is_found_and_mended(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "generated"
    folder.mkdir()
    (folder / "old.json").write_text("{}")
    assert main(["--folder", str(folder), "--check"]) == 1
    assert "old.json" in capsys.readouterr().err
    assert main(["--folder", str(folder)]) == 0
    assert main(["--folder", str(folder), "--check"]) == 0
    assert not (folder / "old.json").exists()


@pytest.mark.parametrize("expr", [*QUERIES, *ANNOTATIONS])
def test_every_query_is_promql_of_the_registrys_names(expr: str, unknown: Callable[[str], list[str]]) -> None:
    assert unknown(expr) == []


def test_variables_ask_for_labels_that_exist() -> None:
    for board in BOARDS.values():
        by_name = {variable["name"]: variable for variable in board["templating"]["list"]}
        assert list(by_name) == ["datasource", "job", "workload"]
        assert by_name["datasource"]["type"] == "datasource"
        assert by_name["workload"]["query"]["query"] == (
            'label_values(federated_learning_agents_enrolled{job=~"$job"}, federated_learning_workload)'
        )


@pytest.mark.parametrize("uid", list(BOARDS))
def test_a_dashboard_is_fit_to_be_provisioned(uid: str) -> None:
    board = BOARDS[uid]
    assert board["uid"] == uid
    assert len(uid) <= 40
    assert board["schemaVersion"] == 42
    assert board["editable"] is False
    assert board["tags"] == [TAG]
    assert board["title"]
    assert board["description"]
    assert [link["type"] for link in board["links"]] == ["dashboards"]
    assert [note["name"] for note in board["annotations"]["list"]] == ["Rollbacks", "Releases", "Alerts"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("uid", list(BOARDS))
def test_a_panel_says_what_it_shows_and_in_what_unit(uid: str) -> None:
    for panel in BOARDS[uid]["panels"]:
        assert panel["title"]
        assert len(panel["description"]) > 20
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))


@pytest.mark.parametrize("uid", list(BOARDS))
def test_a_dashboard_answers_on_one_screen(uid: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[uid]["panels"]:
        place = panel["gridPos"]
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert not cells & taken
        taken |= cells
    assert max(x for x, _ in taken) < COLUMNS
    assert max(y for _, y in taken) < SCREEN + 2
    assert len(BOARDS[uid]["panels"]) <= 13


@pytest.mark.parametrize("uid", list(BOARDS))
def test_windows_follow_the_zoom(uid: str) -> None:
    for title, target in queries(BOARDS[uid]):
        windows = set(re.findall(r"\[([^]]+)]", re.sub(r'"[^"]*"', "", target["expr"])))
        assert windows <= {"$__rate_interval", "$__range"}, title
        if "$__range" in windows:
            assert target["instant"], f"{title} would be one window of the whole range at each of its points"


def test_durations_lead_to_traces() -> None:
    for uid in ("swarmlore-overview", "swarmlore-round"):
        assert any(target["exemplar"] for _, target in queries(BOARDS[uid]))
    for board in BOARDS.values():
        for _, target in queries(board):
            assert not target["exemplar"] or "_bucket" in target["expr"]


def test_links_lead_to_dashboards_that_exist() -> None:
    found = 0
    for board in BOARDS.values():
        for panel in board["panels"]:
            for link in panel.get("links", ()):
                uid = re.match(r"/d/([^?]+)\?", link["url"])
                assert uid is not None
                assert uid[1] in BOARDS
                found += 1
    assert found >= 8


def test_there_is_a_dashboard_for_each_question() -> None:
    assert {board["title"] for board in BOARDS.values()} == {
        "Swarm overview",
        "Round anatomy",
        "Byzantine and trust",
        "Learning",
        "MAPE-K",
        "Telemetry cost and health",
        "Agents' telemetry",
        "Federation",
        "Releases to clients",
        "Federation doors",
    }
    assert len(ALL) == len(BOARDS)


NOWHERE = {semconv.METRIC_GRADIENT_TRANSMISSION_COUNT: "all updates are shown by verdict"}
"""Metrics that no dashboard shows, and why."""


def test_every_metric_of_the_registry_is_shown() -> None:
    text = "".join(path.read_text("utf-8") for path in FOLDER.rglob("*.*"))
    hidden = {
        spec.name
        for spec in semconv.METRICS.values()
        if not any(
            re.search(rf"\b{name}\b", text)
            for name in series_names(spec.name, unit=spec.unit, instrument=spec.instrument)
        )
    }
    assert hidden == NOWHERE.keys()
