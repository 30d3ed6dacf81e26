"""Everything that a swarm emits in a drill is what the registry says, and the drill leaves nothing of it out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from examples.drill.inspection import UNCOVERED_SPANS

ROOT = Path(__file__).parents[2]


def test_the_drill_passes_a_live_check(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.drill", "--output", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    report = json.loads((tmp_path / "live_check.json").read_text())
    statistics = report["statistics"]
    assert statistics["advice_level_counts"].get("violation", 0) == 0, statistics["advice_type_counts"]
    unseen = {
        f"{kind} {name}"
        for kind in ("attributes", "metrics", "events")
        for name, n in statistics[f"seen_registry_{kind}"].items()
        if not n
    }
    assert unseen == set()
    assert statistics["registry_coverage"] == 1.0
    spans = statistics["extensions"]["seen_registry_spans"]
    assert {name for name, n in spans.items() if not n} == set(UNCOVERED_SPANS)
    assert statistics["extensions"]["seen_non_registry_spans"] == {}
    assert statistics["seen_non_registry_attributes"] == {}
    assert statistics["total_entities"] > 1_000
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
