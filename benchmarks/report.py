"""The README's table of figures, from the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.machine import described

Results = Mapping[str, Any]


def lines(found: Results) -> list[str]:
    """The lines of the table; a figure that was not measured is left out."""
    rows: list[tuple[str, str, str, str]] = []
    for what, aim, name, read in TABLE:
        if name.split("+")[0] in found and all(part in found for part in name.split("+")):
            rows.append((what, aim, read(*(found[part] for part in name.split("+"))), f"`{_command(found, name)}`"))
    cells = ["| what | aim | measured | command |", "|---|---|---|---|"]
    cells += [f"| {' | '.join(row)} |" for row in rows]
    for name in ("footprint-100", "footprint-10000"):
        if name in found:
            return [*cells, "", f"Measured on {described(found[name]['machine'])}. Medians; the spread is in brackets."]
    return cells


def _round(result: Any) -> str:
    part = result["answer"]
    call = result["ray_call"]["median_ms"]
    return (
        f"{part['median_ms']:.1f} ms ({part['min_ms']:.1f} to {part['p95_ms']:.1f}), "
        f"{part['median_ms'] / call:.0f} empty Ray calls of {call:.1f} ms"
    )


def _beside(ours: Any, theirs: Any) -> str:
    times = theirs["median_ms"] / ours["answer"]["median_ms"]
    return f"{_round(ours)}; {theirs['name']} {theirs['median_ms']:.0f} ms, {times:.0f} x ours"


def _cpu_share(result: Any) -> str:
    modes = result["modes"]
    return f"{100 * modes['otlp']['share']:.0f} %; only scraped {100 * modes['scraped']['share']:.0f} %"


def _share(seen: Any, silent: Any) -> str:
    return f"{100 * (seen['answer']['median_ms'] / silent['answer']['median_ms'] - 1):.0f} %"


def _rule(*names: str) -> Callable[[Any], str]:
    def read(result: Any) -> str:
        by_name = {row["name"]: row for row in result["rows"]}
        row = next(by_name[name] for name in names if name in by_name)
        beside = f"; numpy.median takes {row['times_faster']:.1f} x as long" if row.get("times_faster") else ""
        return f"{row['median_ms']:.3g} ms (± {row['spread_ms']:.2g}){beside}"

    return read


def _privacy(result: Any) -> str:
    row = result["rows"][-1]
    return f"clipped sum {row['sum_ms']:.0f} ms, ledger {row['ledger_ms']:.1f} ms, noise {row['noise_ms']:.1f} ms"


def _kl(result: Any) -> str:
    return "; ".join(f"{row['what']} {row['ms']:.3f} ms" for row in result["divergence"])


def _command(found: Results, name: str) -> str:
    result = found[name.split("+")[0]]
    return str(result.get("command", f"python -m benchmarks.{name}")).replace(" --json", "")


def _compression(result: Any) -> str:
    return "; ".join(
        f"{row['codec']}{' with feedback' if row['error_feedback'] else ''} {row['ratio']:.1f} x, {row['lost']:+.1f}"
        for row in result["rows"][1:]
    )


def _live_check(result: Any) -> str:
    return "; ".join(
        f"{name} {rate['samples_per_s']:,} ({rate['slowest_per_s']:,} to {rate['fastest_per_s']:,})"
        for name, rate in result["figures"].items()
    )


def _ingest(result: Any) -> str:
    return "; ".join(f"{row['what']} {row['spans_per_s']:,}" for row in result["rows"])


def _door(name: str, loop: str) -> Callable[[Any], str]:
    def read(result: Any) -> str:
        row = next(row for row in result["rows"] if (row["name"], row["loop"]) == (name, loop))
        cores = f"{row['server_cpu']:.1f} cores, {row['client_cpu']:.1f} the client"
        return f"{row['rate']:,.0f} ({row['rate_lowest']:,.0f} to {row['rate_highest']:,.0f}), {cores}"

    return read


def _waited(result: Any) -> str:
    row = next(row for row in result["rows"] if row["loop"] == "open")
    return f"p50 {row['p50_ms']:.0f} ms, p99 {row['p99_ms']:.0f} ms at {row['rate']:,.0f}"


def _federation(clients: int) -> Callable[[Any], str]:
    def read(result: Any) -> str:
        shown = {
            "exact": "a row each",
            "streamed": "streamed",
            "exact from JSON": "from JSON a row each",
            "streamed from JSON": "from JSON streamed",
        }
        found = {row["case"]: row for row in result["rows"] if row["clients"] == clients}
        return "; ".join(
            f"{words} {_duration(found[case]['median_ms'])}, {found[case]['peak_mib']:,} MiB"
            for case, words in shown.items()
        )

    return read


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _page(result: Any) -> str:
    return (
        f"{result['first_paint_ms']:.0f} ms, the swarm on show after {result['shown_ms']:.0f} ms; lag "
        f"{result['lag_ms']:.0f} ms, drawn {result['drawn_ms']:.0f} ms after the round ({result['browser']})"
    )


TABLE: tuple[tuple[str, str, str, Callable[..., str]], ...] = (
    ("full round, 100 agents, 985 parameters, 10 epochs of batch 32", "≤ 30 ms", "round-100", _round),
    ("the same, 1,000 agents", "≤ 200 ms", "round-1000", _round),
    ("the same, 10,000 agents", "≤ 2 s", "round-10000", _round),
    ("null round, 1,000 floats, 100 agents", "≤ 15 ms", "null-100+flower-100", _beside),
    ("the same, 1,000 agents", "≤ 100 ms", "null-1000+flower-1000", _beside),
    ("median, 100 x 1,000", "≤ 0.12 ms", "rules-1000", _rule("median")),
    ("median, 100 x 10⁶", "≤ 75 ms", "rules-1000000", _rule("median")),
    ("pairwise distances, 100 x 10⁶", "≤ 160 ms", "rules-1000000", _rule("kernel: squared distances")),
    ("geometric median, 100 x 10⁶, 8 steps", "≤ 200 ms", "rules-1000000", _rule("geometric_median, 8 steps")),
    ("KL check, 1,000 parameters", "≤ 1 ms", "judgement", _kl),
    ("privacy of a round, 1,000 installations, 128 patterns", "-", "privacy", _privacy),
    ("compression, and points of accuracy it costs", "10 x", "compression", _compression),
    ("agents' spans taken a second on one core, bytes to experiences", "≥ 10,000", "ingest", _ingest),
    ("samples that a live check takes a second on one core, bytes to report", "≥ 20,000", "live-check", _live_check),
    ("aggregate 100 clients' pattern weights, 128 patterns each", "< 50 ms", "federation", _federation(100)),
    ("the same, 10,000 clients", "< 2 s", "federation", _federation(10_000)),
    ("the same, 100,000 clients", "< 20 s", "federation", _federation(100_000)),
    ("submissions a second over HTTP, signatures checked", "≥ 1,000", "federation-rest", _door("submit", "closed")),
    ("at 1,000 submissions a second, latency", "p99 < 50 ms", "federation-rest", _waited),
    ("`weights/latest` answered with 304 a second", "≥ 5,000", "federation-rest", _door("latest", "closed")),
    (
        "100 agents ready, after Ray is up",
        "≤ 2 s",
        "footprint-100",
        lambda result: f"{result['ready_s']:.2f} s",
    ),
    (
        "memory for 10,000 agents, above Ray's own",
        "≤ 1 GiB",
        "footprint-10000",
        lambda result: f"{result['above_ray_mib']:.0f} MiB in {result['actors']} actors",
    ),
    ("the page's first paint, and its stream's lag at 1,000 agents", "< 1 s, < 1 s", "page", _page),
    ("telemetry's share of a 100-agent round", "≤ 15 %", "round-100+round-100-silent", _share),
    ("the same in CPU, all actors in one process", "≤ 15 %", "share", _cpu_share),
    (
        "`/metrics`, 1,000 agents",
        "< 50 ms",
        "scrape",
        lambda found: f"{found['idle']['median_ms']:.0f} ms, {found['learning']['median_ms']:.0f} ms while rounds run",
    ),
)
