"""Where the set-ups stand, and the tools that check them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ROOT = DEPLOY.parent


def needed(tool: str, package: str) -> str:
    """A tool that is there, or a skip that says what brings it."""
    found = shutil.which(tool)
    if found is None:
        reason = f"{tool} is not installed; apt-get install {package} brings it"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return found


def ran(*command: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **settings)
