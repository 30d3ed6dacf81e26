"""Exit codes are stable, documented and given to every error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors.cluster import ClusterError, NoSwarmError, SwarmRunningError
from federation.errors import (
    ExperienceLineError,
    ExtraError,
    QuorumError,
    ReleaseError,
    RoundAbortedError,
    RuleBoundError,
    SettingError,
    SwarmError,
)
from gateway.exits import MEANINGS, Exit, exit_of

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingError(name="a", found=1, needed="2"), 2),
        (ClusterError(address="a", found="b"), 3),
        (NoSwarmError(namespace="a"), 4),
        (QuorumError(round=1, valid=1, quorum=2, n=3, f=1, refused=1, missing=1), 5),
        (RoundAbortedError(round=1, reason="a"), 5),
        (RuleBoundError(rule="a", n=1, f=1, needed=3, bound="b"), 5),
        (ExperienceLineError(file="a", line=1, reason="b"), 6),
        (SwarmRunningError(namespace="a"), 8),
        (ExtraError(package="a", extra="b", purpose="c"), 9),
        (ReleaseError(version=1, found="a", needed="b"), 10),
        (PermissionError("a"), 11),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), 1),
    ],
)
def test_each_meaning_has_its_number(error: BaseException, code: int) -> None:
    assert exit_of(error) == code


def test_every_number_has_a_meaning_and_is_on_the_page() -> None:
    assert set(MEANINGS) == set(Exit)
    listed = dict(re.findall(r"^\| (\d+) \| (.+?) \|", PAGE.read_text(), re.MULTILINE))
    assert listed == {str(code.value): meaning for code, meaning in MEANINGS.items()}


def test_no_error_of_the_swarm_is_unforeseen_that_a_command_can_meet() -> None:
    met = ("cluster.", "config.", "round.", "rule.", "gradients.", "release.", "journal.", "install.")
    pending, kinds = [SwarmError], set[type[SwarmError]]()
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        kinds.add(kind)
    codes = {kind.code for kind in kinds if kind.code.startswith(met)}
    assert len(codes) >= 12
    for code in codes:
        made = SwarmError("a")
        made.code = code  # pyright: ignore[reportAttributeAccessIssue]
        assert exit_of(made) != Exit.UNEXPECTED, code
