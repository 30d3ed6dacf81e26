"""Rules before Prometheus's own tool: each alert fires when it should, ends after it, and a healthy swarm is silent."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from actors import standing
from actors.mape import Knowledge
from dashboards.__main__ import FOLDER
from dashboards.alert import PREFIX, RUNBOOKS
from dashboards.alerts import alerts, recordings
from dashboards.federation_alerts import refused_share
from federation.errors import QuorumError, RoundAbortedError, RuleBoundError
from telemetry import semconv
from telemetry.promnames import label_name, metric_name
from telemetry.semconv import ActorKind, ConvergenceStatus, Outcome, Signal, Verdict
from tests.dashboards.cases import Case, Key, Series, key
from tests.dashboards.federation_cases import FEDERATION_CASES, HOUR, healthy_federation

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((FOLDER / "prometheus").glob("*.yml"))
DAY = 60 * 24


def healthy(minutes: int = DAY) -> Series:
    """Four rounds a minute, all with a release, a few not in time; nothing that alerts watch is absent."""
    rest = f"0x{minutes}"
    found: Series = {
        key(semconv.METRIC_AGENTS_ENROLLED): f"100x{minutes}",
        key(semconv.METRIC_LEARNING_ACTIVE): f"1x{minutes}",
        key(semconv.METRIC_INTERVAL_DURATION): f"15x{minutes}",
        key(semconv.METRIC_ROUNDS, OUTCOME=Outcome.SUCCESS): f"0+4x{minutes}",
        key(semconv.METRIC_ROUNDS, OUTCOME=Outcome.REFUSED): rest,
        key(semconv.METRIC_ROUNDS_OVER_BUDGET): f"0+0.01x{minutes}",
        key(semconv.METRIC_AGENTS_QUARANTINED): rest,
        key(semconv.METRIC_DISAGREEMENTS): rest,
        key(semconv.METRIC_UPDATES, VERDICT=Verdict.ACCEPTED): f"0+390x{minutes}",
        key(semconv.METRIC_UPDATES, VERDICT=Verdict.REJECTED): f"0+10x{minutes}",
    }
    for error in (QuorumError, RuleBoundError, RoundAbortedError):
        found[key(semconv.METRIC_ROUNDS_ABORTED, ABORT_REASON=error.code)] = rest
    for symptom in standing.SYMPTOMS:
        found[key(semconv.METRIC_SYMPTOMS, ACTOR_KIND=ActorKind.AGGREGATOR, SYMPTOM=symptom)] = rest
    found[key(semconv.METRIC_SYMPTOMS, ACTOR_KIND=ActorKind.VALIDATOR, SYMPTOM="convergence")] = f"0+1x{minutes}"
    for status in ConvergenceStatus:
        value = 1 if status is ConvergenceStatus.TRAINING else 0
        found[key(semconv.METRIC_CONVERGENCE_STATE, CONVERGENCE_STATUS=status)] = f"{value}x{minutes}"
    for signal in Signal:
        for kind in (ActorKind.COORDINATOR, ActorKind.HOST):
            found[key(semconv.METRIC_TELEMETRY_DROPPED, SIGNAL=signal, ACTOR_KIND=kind)] = rest
    return found | healthy_federation(minutes)


DIVERGING, STALLED = (
    {
        key(semconv.METRIC_CONVERGENCE_STATE, CONVERGENCE_STATUS=ConvergenceStatus.TRAINING): "1x30 0x30 1x120",
        key(semconv.METRIC_CONVERGENCE_STATE, CONVERGENCE_STATUS=status): "0x30 1x30 0x120",
    }
    for status in (ConvergenceStatus.DIVERGING, ConvergenceStatus.STALLED)
)
CASES = [
    Case(
        alert="Down",
        happens=dict.fromkeys(healthy()) | {key(semconv.METRIC_AGENTS_ENROLLED): "100x20 _x30 100x60"},
        fires=(33, 40),
        silent=(10, 20, 28, 55),
        severity="critical",
        labels={},
        job=False,
        description="No series of a swarm has been seen for five minutes: it has ended, or its metrics do not arrive.",
    ),
    Case(
        alert="NoRounds",
        happens={key(semconv.METRIC_ROUNDS, OUTCOME=Outcome.SUCCESS): "0+4x20 80x40 80+4x60"},
        fires=(45, 60),
        silent=(15, 30, 75),
        severity="critical",
        description="Background learning of gradients is on, and no round has ended, neither with a release nor "
        "without.",
    ),
    Case(
        alert="NoRounds",
        happens={
            key(semconv.METRIC_ROUNDS, OUTCOME=Outcome.SUCCESS): f"0x{60 * 30}",
            key(semconv.METRIC_ROUNDS, OUTCOME=Outcome.REFUSED): f"0x{60 * 30}",
            key(semconv.METRIC_INTERVAL_DURATION): f"7200x{60 * 30}",
            key(semconv.METRIC_LEARNING_ACTIVE): f"0x60 1x{60 * 30}",
        },
        fires=(60 * 28,),
        silent=(50,),
        severity="critical",
        description="Background learning of gradients is on, and no round has ended, neither with a release nor "
        "without.",
    ),
    Case(
        alert="QuorumLost",
        happens={
            key(semconv.METRIC_ROUNDS_ABORTED, ABORT_REASON=QuorumError.code): "0x20 1 2 3x100",
            key(semconv.METRIC_ROUNDS, OUTCOME=Outcome.REFUSED): "0x20 1 2 3x100",
        },
        fires=(24, 28),
        silent=(20, 40),
        severity="critical",
        description="3 rounds of gradients in ten minutes had no quorum. Agents keep the last release; "
        "nothing is learned.",
    ),
    Case(
        alert="RoundOverBudget",
        happens={key(semconv.METRIC_ROUNDS_OVER_BUDGET): "0x360 0+1x80 80x60"},
        fires=(425,),
        silent=(350, 365, 450),
        severity="critical",
        description="25% of the rounds of gradients in 1h were over budget; the objective is at most 1%.",
    ),
    Case(
        alert="RoundOverBudget",
        happens={key(semconv.METRIC_ROUNDS_OVER_BUDGET): f"0x10 0+0.4x{DAY}"},
        fires=(600,),
        silent=(8,),
        severity="warning",
        description="10% of the rounds of gradients in 6h were over budget; the objective is at most 1%.",
    ),
    Case(
        alert="MassAnomaly",
        happens={
            key(semconv.METRIC_SYMPTOMS, ACTOR_KIND=ActorKind.AGGREGATOR, SYMPTOM="mass_anomaly"): "0x20 0+1x9 9x100"
        },
        fires=(24, 30),
        silent=(20, 45),
        severity="critical",
        labels={semconv.ATTR_SYMPTOM: "mass_anomaly"},
        description="The aggregator found mass_anomaly in {value} rounds of ten minutes: an attack by many agents, "
        "or data that changed for many.",
        values={24: "3", 30: "9"},
    ),
    Case(
        alert="MassAnomaly",
        happens={key(semconv.METRIC_SYMPTOMS, ACTOR_KIND=ActorKind.AGGREGATOR, SYMPTOM="bound_exceeded"): "0x20 1x100"},
        fires=(24,),
        silent=(20, 45),
        severity="critical",
        labels={semconv.ATTR_SYMPTOM: "bound_exceeded"},
        description="The aggregator found bound_exceeded in 1 rounds of ten minutes: an attack by many agents, "
        "or data that changed for many.",
    ),
    Case(
        alert="AgentQuarantined",
        happens={key(semconv.METRIC_AGENTS_QUARANTINED): "0x20 3x30 0x60"},
        fires=(25, 50),
        silent=(20, 55),
        severity="warning",
        description="3 agents of gradients are in quarantine.",
    ),
    Case(
        alert="KlDiverging",
        happens=DIVERGING,
        fires=(35, 60),
        silent=(30, 32, 70),
        severity="critical",
        description="The KL divergence of gradients has a rising trend above the threshold, or is not finite. "
        "The validators ask for a rollback and a smaller learning rate.",
    ),
    Case(
        alert="KlStalled",
        happens=STALLED,
        fires=(45, 60),
        silent=(30, 38, 70),
        severity="warning",
        description="The KL divergence of gradients is above the threshold and without a falling trend.",
    ),
    Case(
        alert="ValidatorsDisagree",
        happens={key(semconv.METRIC_DISAGREEMENTS): "0x20 1 2 3 4x100"},
        fires=(26, 30),
        silent=(20, 22, 45),
        severity="warning",
        description="The validators of gradients were apart in 4 rounds of a quarter of an hour.",
    ),
    Case(
        alert="TelemetryDropped",
        happens={
            key(
                semconv.METRIC_TELEMETRY_DROPPED, SIGNAL=Signal.SPANS, ACTOR_KIND=ActorKind.HOST
            ): "0x20 0+60x30 1800x90"
        },
        fires=(30, 45),
        silent=(20, 24, 65),
        severity="warning",
        labels={semconv.ATTR_SIGNAL: Signal.SPANS.value, semconv.ATTR_ACTOR_KIND: ActorKind.HOST.value},
        description="300 spans of host actors were dropped in five minutes.",
    ),
    *FEDERATION_CASES,
]


def written(series: Mapping[Key, str | None]) -> list[dict[str, str]]:
    """Series as promtool takes them."""
    found: list[dict[str, str]] = []
    for (metric, attributes), values in series.items():
        if values is None:
            continue
        spec = semconv.METRICS[metric]
        labels = {"job": "swarmlore"} | {label_name(name): str(value) for name, value in attributes}
        text = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        name = metric_name(metric, unit=spec.unit, instrument=spec.instrument)
        found.append({"series": f"{name}{{{text}}}", "values": values})
    return found


def run(promtool: str, folder: Path, *tests: dict[str, Any], files: Sequence[Path] = FILES) -> None:
    """Have promtool test the committed rules."""
    file = folder / "tests.yml"
    document = {"rule_files": [str(path) for path in files], "evaluation_interval": "1m", "tests": list(tests)}
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rules_of(alert: str, folder: Path) -> Path:
    """The committed rules of one alert, and the recordings that it reads: others would be evaluated for nobody."""
    groups = [group for path in FILES for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    exprs = [rule["expr"] for group in groups for rule in group["rules"] if rule.get("alert") == alert]

    def needed(rule: dict[str, Any]) -> bool:
        return rule["alert"] == alert if "alert" in rule else any(rule["record"] in expr for expr in exprs)

    kept = [{**group, "rules": [rule for rule in group["rules"] if needed(rule)]} for group in groups]
    file = folder / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [group for group in kept if group["rules"]]}, sort_keys=False))
    return file


def test_the_rules_are_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", *map(str, FILES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(alerts())} rules found" in done.stdout
    assert f"{len(recordings())} rules found" in done.stdout


@pytest.mark.parametrize("case", CASES, ids=[f"{case.alert}-{case.severity}-{n}" for n, case in enumerate(CASES)])
def test_an_alert_fires_and_ends(case: Case, promtool: str, tmp_path: Path) -> None:
    [alert] = [one for one in alerts() if (one.name, one.severity) == (case.alert, case.severity)]
    labels = {"job": "swarmlore"} if case.job else {}
    labels |= {label_name(name): value for name, value in case.labels.items()} | {"severity": case.severity}

    def asked(minute: int, firing: bool) -> dict[str, Any]:
        description = case.description.replace("{value}", case.values.get(minute, ""))
        expected = {
            "exp_labels": labels,
            "exp_annotations": {
                "summary": alert.summary,
                "description": description,
                "runbook_url": f"{RUNBOOKS}/{PREFIX}{case.alert}.md",
            },
        }
        return {
            "eval_time": f"{minute}m",
            "alertname": f"{PREFIX}{case.alert}",
            "exp_alerts": [expected] if firing else [],
        }

    run(
        promtool,
        tmp_path,
        {
            "interval": "1m",
            "input_series": written({**healthy(max(*case.fires, *case.silent)), **case.happens}),
            "alert_rule_test": [
                *(asked(minute, True) for minute in case.fires),
                *(asked(minute, False) for minute in case.silent),
            ],
        },
        files=[rules_of(f"{PREFIX}{case.alert}", tmp_path)],
    )


def test_every_alert_has_a_case_and_every_severity() -> None:
    assert {(case.alert, case.severity) for case in CASES} == {(alert.name, alert.severity) for alert in alerts()}


def test_a_healthy_swarm_is_silent(promtool: str, tmp_path: Path) -> None:
    minutes = (1, 5, 20, 60, 360, DAY)
    run(
        promtool,
        tmp_path,
        {
            "interval": "1m",
            "input_series": written(healthy()),
            "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []}
                for minute in minutes
                for name in sorted({f"{PREFIX}{alert.name}" for alert in alerts()})
            ],
        },
    )


def test_an_idle_swarm_is_silent(promtool: str, tmp_path: Path) -> None:
    """Learning on demand, with nobody asking: no rounds, and nothing wrong with it."""
    idle = {
        name: "1x600" if name[0] == semconv.METRIC_AGENTS_ENROLLED else None if values != f"0x{DAY}" else "0x600"
        for name, values in healthy().items()
    }
    idle |= {key(semconv.METRIC_LEARNING_ACTIVE): "0x600", key(semconv.METRIC_INTERVAL_DURATION): "0x600"}
    run(
        promtool,
        tmp_path,
        {
            "interval": "1m",
            "input_series": written(idle),
            "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": f"{PREFIX}{alert.name}", "exp_alerts": []}
                for minute in (10, 100, 590)
                for alert in alerts()
            ],
        },
    )


def test_recorded_shares(promtool: str, tmp_path: Path) -> None:
    workload = f', {label_name(semconv.ATTR_WORKLOAD)}="gradients"'
    slow, rejected = sorted(rule["record"] for rule in recordings() if rule["record"].endswith(":ratio_rate5m"))
    run(
        promtool,
        tmp_path,
        {
            "interval": "1m",
            "input_series": written(healthy(HOUR)),
            "promql_expr_test": [
                {
                    "expr": f"round({name} * 10000) / 10000",
                    "eval_time": "30m",
                    "exp_samples": [{"labels": f'{{job="swarmlore"{more}}}', "value": value}],
                }
                for name, more, value in (
                    (slow, workload, 0.0025),
                    (rejected, workload, 0.025),
                    (refused_share(), "", 0.0476),
                )
            ],
        },
    )


def test_rules_name_what_the_registry_knows(unknown: Callable[..., list[str]]) -> None:
    workload = {label_name(semconv.ATTR_WORKLOAD)}
    recorded = {rule["record"]: workload for rule in recordings()}
    for rule in recordings():
        assert unknown(rule["expr"]) == []
    for alert in alerts():
        assert unknown(alert.expr, recorded) == []


def test_the_symptoms_that_alerts_watch_are_the_aggregators() -> None:
    """What `standing.analyze` finds is in its list, so that the counter starts at zero."""
    seen = {
        symptom.name
        for now in (
            standing.Standing(n=9, quorum=7, valid=3, age=0.9, fault_bound=2),
            standing.Standing(n=9, quorum=7, valid=9, age=0.1, fault_bound=2, screened=9, standing_out=5),
            standing.Standing(n=9, quorum=7, valid=9, age=0.1, fault_bound=4, screened=9, standing_out=4),
        )
        for symptom in standing.analyze(Knowledge(), now)
    }
    assert seen == set(standing.SYMPTOMS)
