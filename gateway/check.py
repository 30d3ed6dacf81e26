"""One thing that `doctor` looked at, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: stable word.
        state: ok; warn: works, with a drawback; fail: will not work.
        found: what is there.
        advice: what to do; empty when ok.
    """

    name: str
    state: State
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    return Check(name=name, state=State.OK, found=found)


def warn(name: str, found: str, advice: str) -> Check:
    return Check(name=name, state=State.WARN, found=found, advice=advice)


def fail(name: str, found: str, advice: str) -> Check:
    return Check(name=name, state=State.FAIL, found=found, advice=advice)
