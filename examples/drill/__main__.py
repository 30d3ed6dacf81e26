"""Run the drill, with a live check of everything that it emits: what ``make live-check`` does.

    python -m examples.drill [--output FOLDER] [--endpoint URL]

Ends with 0 when every signal that was emitted is as the registry says, the whole registry was covered and no metric
overflowed; with 1 otherwise. With --endpoint it checks nothing, and sends to that OTLP/HTTP receiver instead.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

# Ray reads these when it is imported.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def main() -> int:
    """Run what the arguments ask for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.drill")
    parser.add_argument("--output", type=Path, help="folder for the report, live_check.json")
    parser.add_argument("--endpoint", help="OTLP/HTTP receiver to send to, instead of a live check")
    options = parser.parse_args()
    from actors import cluster

    cluster.prepare("local")
    from examples.drill.course import drill
    from examples.drill.inspection import inspected
    from gateway.connection import quiet

    quiet()
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
        if options.endpoint:
            asyncio.run(drill(options.endpoint, Path(folder)))
            return 0
        inspection = inspected(Path(folder), output=options.output)
    print(*inspection.lines(), sep="\n")
    return 0 if inspection.passed else 1


if __name__ == "__main__":
    sys.exit(main())
