"""Let the agent work, and its plugin learn; with --consent it takes part in a federation, too.

    python -m examples.plugin [--sessions N] [--state-dir FOLDER] [--url URL --consent]

Without --consent nothing is sent, and no server is needed.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from examples.plugin.agent import Agent
from gateway.client import ClientSettings, FederationClient


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments ask for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.plugin")
    parser.add_argument("--sessions", type=int, default=8, help="bugs to fix before each cycle")
    parser.add_argument("--cycles", type=int, default=2, help="how often to work and then to sync")
    parser.add_argument("--state-dir", type=Path, help="folder of the installation; by default a temporary one")
    parser.add_argument("--url", default="http://127.0.0.1:8470", help="where the federation is")
    parser.add_argument("--consent", action="store_true", help="the user agrees to share pattern weights")
    parser.add_argument("--seed", type=int, default=0, help="of the tasks")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="plugin-") as folder:
        settings = ClientSettings(server=options.url, state_dir=options.state_dir or Path(folder) / "state")
        client = FederationClient(
            settings,
            on_change=lambda swap: print(
                f"  in force: {swap.weights} weights of release {swap.version}, own share {swap.ratio:g}, "
                f"promoted {list(swap.promoted)}, demoted {list(swap.demoted)}"
            ),
        )
        if options.consent:
            client.give_consent()
        agent = Agent(client, Path(folder), random.Random(options.seed))  # noqa: S311 - tasks, not secrets
        for cycle in range(1, options.cycles + 1):
            ways = " then ".join(agent.ways())
            passed = sum(agent.work() for _ in range(options.sessions))
            print(f"cycle {cycle}: looks for functions by {ways}; {passed} of {options.sessions} bugs fixed")
            done = client.sync()
            if done.learned:
                print(f"  learned from {done.learned.experiences} experiences: {done.learned.patterns} patterns")
            if done.pushed:
                print(f"  pushed: {done.pushed.status} ({done.pushed.keys} patterns)")
            for problem in (*done.problems, *((done.skipped,) if done.skipped else ())):
                print(f"  {problem.code}: {problem}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
