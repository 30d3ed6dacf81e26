"""The recorded runs, as they were written down."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.errors import SettingError

FILE = "airline_trajectories.jsonl"
VARIABLE = "SWARMLORE_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One try of one task.

    Attributes:
        task: number of the task.
        trial: number of the try, from 0.
        reward: 1 when the task was solved, else 0.
        steps: what was said and done, in order, with its contents.
    """

    task: int
    trial: int
    reward: float
    steps: tuple[Mapping[str, Any], ...]


def data_file(given: Path | None = None) -> Path:
    """The file of runs: what was given, else in the folder that ``SWARMLORE_DATA`` names.

    Raises:
        SettingError: when there is none.
    """
    if given is None and os.environ.get(VARIABLE):
        given = Path(os.environ[VARIABLE]) / FILE
    elif given is not None and given.is_dir():
        given = given / FILE
    if given is None or not given.is_file():
        raise SettingError(
            name="data",
            found=str(given),
            needed=f"{FILE}, as an argument or in the folder that {VARIABLE} names; see examples/airline/README.md",
        )
    return given


def runs_in(path: Path) -> tuple[Run, ...]:
    """The runs of a file, by task and try.

    Raises:
        SettingError: when a line is no run.
    """
    found: list[Run] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            record = json.loads(line)
            found.append(
                Run(
                    task=int(record["task_id"]),
                    trial=int(record["trial"]),
                    reward=float(record["reward"]),
                    steps=tuple(record["steps"]),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SettingError(name=f"{path}, line {number}", found=repr(error), needed="a recorded run") from error
    return tuple(sorted(found, key=lambda run: (run.task, run.trial)))
