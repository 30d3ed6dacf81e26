"""The same live check by OpenTelemetry Weaver's own binary, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

INSTALL = (
    "Weaver is a binary of its own: `docker run otel/weaver:v0.26.1`, or a release from "
    "https://github.com/open-telemetry/weaver/releases (weaver-installer.sh puts it into ~/.cargo/bin)."
)


class NoWeaverError(RuntimeError):
    """There is no ``weaver`` on the PATH."""


def run_weaver(arguments: Sequence[str]) -> int:
    """Run ``weaver`` with the arguments on our own streams; its exit code.

    Raises:
        NoWeaverError: when it is not installed.
    """
    binary = shutil.which("weaver")
    if binary is None:
        raise NoWeaverError(f"--engine weaver needs `weaver` on the PATH, and it is not there. {INSTALL}")
    return subprocess.run([binary, *arguments], check=False).returncode  # noqa: S603 - the user asked for it
