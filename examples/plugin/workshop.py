"""The agent's four tools over a real folder, and the tasks that it is given: broken modules with a test each."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BUGS = (
    ("total", "values", "sum(values) + 1", "sum(values)", "assert total([1, 2]) == 3"),
    ("longest", "words", "min(words, key=len)", "max(words, key=len)", "assert longest(['a', 'bb']) == 'bb'"),
    ("mean", "values", "sum(values) / 2", "sum(values) / len(values)", "assert mean([3, 3, 3]) == 3"),
)


class ToolError(Exception):
    """A tool that could not do what it was asked to do. ``name`` is its class, as tools name them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A bug to fix.

    Attributes:
        function: that is wrong.
        wrong, right: what to replace, and by what.
        check: a statement that holds once it is right.
    """

    function: str
    wrong: str
    right: str
    check: str


class Workshop:
    """A folder with a broken module among others.

    Args:
        folder: to work in; it is filled.
        draw: decides what is broken, and where it is.
    """

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.folder = folder
        name, argument, wrong, right, check = draw.choice(BUGS)
        self.task = Task(function=name, wrong=wrong, right=right, check=check)
        plain = f"def {name}({argument}):\n    return {wrong}\n"
        short = f"{name} = lambda {argument}: {wrong}\n"  # which nobody finds who looks for a def
        places = [f"module_{number}" for number in range(6)]
        broken = name if draw.random() < 0.4 else draw.choice(places)
        for place in places:
            (folder / f"{place}.py").write_text(f"def {place}():\n    return 0\n")
        (folder / f"{broken}.py").write_text(short if draw.random() < 0.3 else plain)

    def read(self, name: str) -> str:
        """The text of a file.

        Raises:
            ToolError: FileNotFoundError, as the user's word for a file is often not its name.
        """
        try:
            return (self.folder / name).read_text()
        except OSError as error:
            raise ToolError(type(error).__name__) from error

    def grep(self, pattern: str) -> list[str]:
        """The files with a line that matches.

        Raises:
            ToolError: ValueError, when there is none.
        """
        found = [path.name for path in sorted(self.folder.glob("*.py")) if re.search(pattern, path.read_text())]
        if not found:
            raise ToolError("ValueError")
        return found

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file.

        Raises:
            ToolError: ValueError, when it is not in it.
        """
        text = self.read(name)
        if old not in text:
            raise ToolError("ValueError")
        (self.folder / name).write_text(text.replace(old, new, 1))

    def bash(self, name: str, check: str) -> None:
        """Run a statement in a process of its own, with everything of a module at hand.

        Raises:
            ToolError: AssertionError, when it does not hold.
        """
        code = f"from {Path(name).stem} import *\n{check}"
        done = subprocess.run([sys.executable, "-B", "-c", code], cwd=self.folder, capture_output=True, check=False)  # noqa: S603
        if done.returncode:
            raise ToolError("AssertionError")
