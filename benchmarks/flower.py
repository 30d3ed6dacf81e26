"""Flower's FedMedian with clients that do nothing, beside our null round. Runs in an environment of its own.

Flower pins another Ray, so `make bench-peers` installs it into ``.venv-peers`` and calls this file there:

    .venv-peers/bin/python benchmarks/flower.py --agents 100 --dim 1000 --rounds 10

It prints one JSON object: seconds of each round after three of warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from importlib.metadata import version
from typing import Any

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
WARM_UP = 3


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    for name, default in (("agents", 100), ("dim", 1000), ("rounds", 10)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    options = arguments.parse_args()
    times = measure(options.agents, options.dim, options.rounds + WARM_UP)[WARM_UP:]
    print(
        json.dumps(
            {
                "name": f"flwr {version('flwr')} FedMedian",
                "agents": options.agents,
                "dimension": options.dim,
                "median_ms": 1e3 * statistics.median(times),
                "min_ms": 1e3 * min(times),
                "max_ms": 1e3 * max(times),
                "rounds": len(times),
            }
        )
    )


def measure(agents: int, dimension: int, rounds: int) -> list[float]:
    """Seconds from one round's configuration to the end of its aggregation."""
    import numpy as np
    from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict  # type: ignore[import-not-found]
    from flwr.clientapp import ClientApp  # type: ignore[import-not-found]
    from flwr.serverapp import Grid, ServerApp  # type: ignore[import-not-found]
    from flwr.serverapp.strategy import FedMedian  # type: ignore[import-not-found]
    from flwr.simulation import run_simulation  # type: ignore[import-not-found]

    client, server = ClientApp(), ServerApp()
    times: list[float] = []

    @client.train()
    def train(message: Message, context: Context) -> Message:
        del context
        content = RecordDict({"arrays": message.content["arrays"], "metrics": MetricRecord({"num-examples": 1.0})})
        return Message(content=content, reply_to=message)

    class Timed(FedMedian):
        begun = 0.0

        def configure_train(self, *given: Any, **named: Any) -> Any:
            self.begun = time.perf_counter()
            return super().configure_train(*given, **named)

        def aggregate_train(self, *given: Any, **named: Any) -> Any:
            result = super().aggregate_train(*given, **named)
            times.append(time.perf_counter() - self.begun)
            return result

    @server.main()
    def run(grid: Grid, context: Context) -> None:
        del context
        strategy = Timed(fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=agents, min_available_nodes=agents)
        arrays = ArrayRecord({"w": Array(np.zeros(dimension, np.float32))})
        strategy.start(grid=grid, initial_arrays=arrays, num_rounds=rounds)

    run_simulation(
        server_app=server,
        client_app=client,
        num_supernodes=agents,
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"num_cpus": 2, "include_dashboard": False},
        },
    )
    return times


if __name__ == "__main__":
    main()
