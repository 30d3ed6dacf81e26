"""How soon the page is painted, and how far the event stream is behind the rounds, on a real Ray.

    python -m benchmarks.page [--agents 1000] [--rounds 30] [--json]

A swarm that learns nothing runs rounds one after the other behind uvicorn. First paint and the moment at which
the page shows the swarm are what headless Chromium reports of itself, each with an empty cache and after the rounds
before it, so that the heat map is full. The lag is from the coordinator's answer to `run_round` to the event at a
listener, and to the frame in which the browser has drawn it. Browser, gateway and swarm share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors import Swarm, SwarmConfig
from gateway.machine import command, described, machine
from gateway.service import service
from gateway.serving import server_of
from workloads.null import NullWorkload

SHOWN = 200
LOADS = 5
_PAINTED = """
const paint = performance.getEntriesByName('first-contentful-paint')[0];
return [paint?.startTime ?? null, document.body.dataset.state, document.getElementById('heat-last').textContent];
"""
_WATCH = """
window.seen = {};
new MutationObserver(() => {
  const round = document.getElementById('heat-last').textContent;
  requestAnimationFrame(() => { window.seen[round] ??= Date.now(); });
}).observe(document.getElementById('heat-last'), { childList: true, characterData: true, subtree: true });
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {**asyncio.run(measure(options.agents, options.rounds)), "command": command(), "machine": machine()}
    if options.json:
        print(json.dumps(figures))
        return
    print(described(figures["machine"]))
    print(figures["browser"])
    print(f"{figures['agents']} agents, {figures['shown']} rounds shown, rounds of {figures['round_ms']:.0f} ms")
    print(f"first paint {figures['first_paint_ms']:.0f} ms, swarm on show after {figures['shown_ms']:.0f} ms")
    print(f"stream lag {figures['lag_ms']:.1f} ms (at most {figures['lag_max_ms']:.1f})")
    print(f"drawn {figures['drawn_ms']:.0f} ms after the round (at most {figures['drawn_max_ms']:.0f})")


async def measure(agents: int, rounds: int) -> dict[str, Any]:
    """Medians over ``LOADS`` loads of the page and over the rounds."""
    ids = tuple(f"agent-{number:05d}" for number in range(agents))
    with tempfile.TemporaryDirectory(prefix="swarmlore-") as folder:
        config = SwarmConfig(workload=NullWorkload(dimension=16), agents=ids, state_dir=Path(folder), linger_s=5.0)
        swarm = await Swarm.start(config)
        app = service(swarm)
        server = server_of(app, "127.0.0.1", 0)
        serving = asyncio.ensure_future(server.serve(sockets=[server.config.bound]))
        try:
            for _ in range(SHOWN):
                await swarm.run_round()
            url = f"http://127.0.0.1:{server.config.port}/"
            with chromium() as driver:
                loads = [await asyncio.to_thread(load, driver, url) for _ in range(LOADS)]
                lags = await behind(swarm, driver, app.state.feed, rounds)
                browser = f"Chromium {driver.capabilities['browserVersion']}"
        finally:
            server.should_exit = True
            await app.state.feed.close()
            await serving
            await swarm.stop()
    return {"agents": agents, "shown": SHOWN, "browser": browser, **lags, **figures_of(loads)}


def figures_of(loads: list[tuple[float, float]]) -> dict[str, float]:
    """Medians of first paint and of the moment at which the swarm is on show."""
    return {
        "first_paint_ms": statistics.median(paint for paint, _ in loads),
        "shown_ms": statistics.median(shown for _, shown in loads),
    }


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser that keeps nothing."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def load(driver: Any, url: str) -> tuple[float, float]:
    """Milliseconds until the first paint, and until the swarm is on show, with an empty cache."""
    driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    driver.get("about:blank")
    started = time.perf_counter()
    driver.get(url)
    while True:
        paint, state, last = driver.execute_script(_PAINTED)
        if paint is not None and state == "ready" and last:
            return float(paint), 1e3 * (time.perf_counter() - started)
        time.sleep(0.005)


async def behind(swarm: Swarm, driver: Any, feed: Any, rounds: int) -> dict[str, float]:
    """How long after a round its event is with a listener, and drawn in the browser that is open."""
    await asyncio.to_thread(driver.execute_script, _WATCH)
    heard: dict[int, float] = {}
    port = int(str(driver.current_url).rstrip("/").rpartition(":")[2])
    stop = threading.Event()
    listener = threading.Thread(target=listen, args=(port, heard, stop), daemon=True)
    listener.start()
    while feed.listeners < 2:  # noqa: ASYNC110 - the page and we; a feed has no event for it
        await asyncio.sleep(0.01)
    ended: dict[int, tuple[float, float]] = {}
    times: list[float] = []
    for _ in range(rounds):
        record = await swarm.run_round()
        ended[record["round"]] = (time.perf_counter(), 1e3 * time.time())
        times.append(record["total_duration_ms"])
        await asyncio.sleep(0.3)  # a pause, as between rounds of real work: frames are drawn in it
    await asyncio.sleep(1.0)
    stop.set()
    seen: dict[str, float] = await asyncio.to_thread(driver.execute_script, "return window.seen")
    lags = [1e3 * max(heard[number] - at, 0.0) for number, (at, _) in ended.items()]
    drawn = [max(seen[str(number)] - wall, 0.0) for number, (_, wall) in ended.items() if str(number) in seen]
    return {
        "round_ms": statistics.median(times),
        "lag_ms": statistics.median(lags),
        "lag_max_ms": max(lags),
        "drawn_ms": statistics.median(drawn),
        "drawn_max_ms": max(drawn),
        "drawn_rounds": len(drawn),
    }


def listen(port: int, heard: dict[int, float], stop: threading.Event) -> None:
    """Note when each round's event is there."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/events", timeout=60) as stream:
        for line in stream:
            if line.startswith(b"id: "):
                heard[int(line[4:])] = time.perf_counter()
            if stop.is_set():
                return


if __name__ == "__main__":
    main()
