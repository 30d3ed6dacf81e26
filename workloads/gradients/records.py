"""Reading the user's experiences: one checked record a line of JSON lines, or a row of Parquet."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from federation.errors import ExtraError, SettingError

_BATCH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One experience with its agent, checked by itself.

    Attributes:
        agent: who lived through it.
        state, action, reward, next_state, done: as in `Experience`.
        propensity: with which the action was taken; None where the line does not say.
    """

    agent: str
    state: tuple[float, ...]
    action: int
    reward: float
    next_state: tuple[float, ...] | None
    done: bool
    propensity: float | None

    @property
    def digest(self) -> float:
        """A number in [0, 1) from the content alone: the same line falls on the same side of every split."""
        following = self.next_state or ()
        text = self.agent.encode() + struct.pack(
            f"<q?d{len(self.state)}d{len(following)}d", self.action, self.done, self.reward, *self.state, *following
        )
        return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "little") / 2**48


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that was skipped, and why."""

    file: str
    line: int
    reason: str


def read(path: str) -> Iterator[tuple[int, Record | str]]:
    """Line numbers from 1, each with its record or with what is wrong with it.

    Files that end in ``.parquet`` need pyarrow (extra ``parquet``); all others are read as JSON lines.
    Empty lines are passed over.

    Raises:
        SettingError: when the file cannot be read at all.
        ExtraError: for Parquet without pyarrow.
    """
    if not Path(path).is_file():
        raise SettingError(name="experiences", found=path, needed="a JSON lines or Parquet file that is there")
    yield from (_parquet(path) if path.endswith(".parquet") else _json_lines(path))


def _json_lines(path: str) -> Iterator[tuple[int, Record | str]]:
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, f"not JSON ({error})"
                continue
            yield number, _checked(found)


def _parquet(path: str) -> Iterator[tuple[int, Record | str]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ExtraError(package="pyarrow", extra="parquet", purpose=f"Reading {path}") from error
    try:
        number = 0
        with ParquetFile(path) as table:
            for batch in table.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _checked(row)
    except ArrowException as error:
        raise SettingError(name="experiences", found=f"{path} ({error})", needed="a Parquet file") from error


def _checked(found: Any) -> Record | str:
    if not isinstance(found, Mapping):
        return f"a {type(found).__name__}, not an object"
    agent = found.get("agent", found.get("agent_id"))
    if not isinstance(agent, str) or not agent:
        return "agent is missing or not a word"
    missing = [name for name in ("state", "action", "reward") if found.get(name) is None]
    if missing:
        return f"{', '.join(missing)} missing"
    state = _vector(found["state"])
    if state is None:
        return "state is not a list of finite numbers, at least one"
    action = found["action"]
    if isinstance(action, bool) or not isinstance(action, int) or action < 0 or action >= 2**31:
        return f"action {str(action)[:40]!r} is not a whole number from 0"
    reward = _number(found["reward"])
    if reward is None:
        return "reward is not a finite number"
    done = found.get("done")
    if done is None:
        done = found.get("next_state") is None
    if not isinstance(done, bool):
        return "done is neither true nor false"
    following = None
    if not done:
        following = _vector(found.get("next_state"))
        if following is None or len(following) != len(state):
            return "next_state of an experience that is not done must be a list of finite numbers, as long as state"
    propensity = None
    if found.get("propensity") is not None:
        propensity = _number(found["propensity"])
        if propensity is None or not 0 < propensity <= 1:
            return "propensity is not above 0 and at most 1"
    return Record(
        agent=agent,
        state=state,
        action=action,
        reward=reward,
        next_state=following,
        done=done,
        propensity=propensity,
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # What float32 cannot hold would become Inf in the policy.
    return float(value) if abs(value) < float(np.finfo(np.float32).max) and math.isfinite(value) else None


def _vector(values: Any) -> tuple[float, ...] | None:
    if not isinstance(values, list) or not values:
        return None
    numbers = tuple(_number(value) for value in values)
    return None if None in numbers else numbers  # type: ignore[return-value]
