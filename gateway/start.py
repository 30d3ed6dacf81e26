"""What a swarm is started with: the options of `up` and of `serve --start`, which stand here once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from federation.errors import ExtraError, SettingError
from gateway.connection import STATE_DIR, quiet
from gateway.options import (
    Alpha,
    Clip,
    Contributors,
    Deadline,
    Enrolled,
    Epsilon,
    EpsilonYear,
    Experiences,
    FaultBound,
    Hosts,
    Interval,
    KeyFile,
    Otlp,
    RoundBudget,
    RuleText,
    RunId,
    Seed,
    StateDir,
    Strict,
    Unscreened,
    Validators,
    WorkloadName,
)
from gateway.spreading import spread

if TYPE_CHECKING:
    from actors import Swarm, SwarmConfig
    from actors.privacy import PrivacyConfig
    from gateway.output import Output
    from workloads.gradients.files import BadLine

    Workload = Any

SHOWN_LINES = 10

Command = TypeVar("Command", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The options, each with its default."""

    agents: Enrolled = 100
    experiences: Experiences = None
    strict: Strict = False
    workload: WorkloadName = "digits"
    keys: KeyFile = None
    min_contributors: Contributors = 5
    hosts: Hosts = None
    validators: Validators = 1
    fault_bound: FaultBound = None
    deadline: Deadline = 30.0
    round_budget: RoundBudget = 0.15
    interval: Interval = None
    rule: RuleText = None
    epsilon: Epsilon = None
    epsilon_year: EpsilonYear = None
    clip: Clip = None
    unscreened: Unscreened = False
    alpha: Alpha = 0.5
    seed: Seed = 0
    run_id: RunId = "swarm"
    otlp: Otlp = None
    state_dir: StateDir = STATE_DIR


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was found in the files of experiences.

    Attributes:
        read, skipped: lines that are experiences, and those that are not.
        reasons: reason -> how many lines, most frequent first; of patterns none are kept.
        bad: the first of them.
    """

    read: int
    skipped: int
    reasons: tuple[tuple[str, int], ...] = ()
    bad: tuple[BadLine, ...] = ()


def with_start(command: Command) -> Command:
    """The command with an option for each field of `Start`, where it has the parameter ``start``."""
    return spread(Start, "start")(command)


def configuration(start: Start, output: Output, *, further: Sequence[Path] = ()) -> tuple[SwarmConfig, Read | None]:
    """The configuration that the options ask for, and what was found in the experiences.

    Raises:
        SettingError: for options that do not go together, or name what is not there.
        ExtraError: when a package is missing.
    """
    from actors import SwarmConfig
    from telemetry.config import MissingGrpcError, shown
    from telemetry.environment import VariableError, configured

    workload, agents, found = _learned(start, [*(start.experiences or []), *further], output)
    try:
        # What a scrape of the gateway needs is kept at hand, whoever is exported to.
        telemetry = configured(os.environ, endpoint=start.otlp, prometheus=True)
    except MissingGrpcError as error:
        raise ExtraError(package="an OTLP exporter", extra="grpc", purpose="OTLP over gRPC") from error
    except VariableError as error:
        raise SettingError(name=error.name, found=error.found, needed=error.needed) from error
    except ValueError as error:
        given = shown(start.otlp or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""))
        raise SettingError(name="otlp", found=given, needed="the base URL of an OTLP/HTTP receiver") from error
    config = SwarmConfig(
        workload=workload,
        agents=agents,
        telemetry=telemetry,
        rule=None if start.workload == "patterns" else _rule(start),
        privacy=_privacy(start),
        run=start.run_id,
        seed=start.seed,
        hosts=start.hosts,
        validators=start.validators,
        fault_bound=start.fault_bound,
        deadline_s=start.deadline,
        round_budget_s=start.round_budget,
        state_dir=start.state_dir,
    )
    return config, found


def _learned(start: Start, paths: list[Path], output: Output) -> tuple[Workload, tuple[str, ...], Read | None]:
    """What is learned, by whom, and what was found in the files."""
    from gateway import learning

    if start.workload == "patterns":
        from gateway.patterns import patterns

        learned, (lines, skipped) = patterns(
            paths,
            strict=start.strict,
            inner=_rule(start),
            keys=start.keys,
            min_contributors=start.min_contributors,
            note=output.note,
        )
        return learned, learned.data.agents, Read(read=lines - skipped, skipped=skipped)
    if start.keys is not None:
        raise SettingError(name="keys", found=str(start.keys), needed="--workload patterns with it")
    if paths:
        learned, source = learning.experiences(paths, strict=start.strict)
        report = source.report
        return (
            learned,
            source.agents,
            Read(read=report.read, skipped=report.skipped, reasons=report.reasons, bad=report.bad),
        )
    names = learning.agent_names(start.agents)
    match start.workload:
        case "digits":
            return learning.digits(names, alpha=start.alpha, seed=start.seed), names, None
        case "null":
            from workloads.null import NullWorkload

            return NullWorkload(), names, None
        case _:
            raise SettingError(name="workload", found=start.workload, needed="digits, patterns or null")


def _rule(start: Start) -> Any:
    from gateway import learning

    return None if start.rule is None else learning.rule_of(start.rule)


def _privacy(start: Start) -> PrivacyConfig | None:
    from actors.privacy import PrivacyConfig

    further = (("epsilon_period", start.epsilon_year), ("radius", start.clip))
    given: dict[str, Any] = {name: value for name, value in further if value is not None}
    if start.epsilon is None:
        if given or start.unscreened:
            raise SettingError(
                name="epsilon", found="none", needed="--epsilon with --epsilon-year, --clip or --unscreened"
            )
        return None
    return PrivacyConfig(epsilon_round=start.epsilon, screened=not start.unscreened, **given)


async def begun(config: SwarmConfig, found: Read | None, address: str, output: Output) -> Swarm:
    """The swarm of this configuration, started, once it was told what of its experiences was left out."""
    if found is not None:
        tell_skipped(found, output)
    quiet()
    from actors import Swarm

    with output.progress(f"starting a swarm of {len(config.agents)} agents"):
        return await Swarm.start(config, address=address)


def tell_skipped(found: Read, output: Output) -> None:
    """Say which lines are left out, and why."""
    for line in found.bad[:SHOWN_LINES]:
        output.note(f"skipped {line.file}, line {line.line}: {line.reason}")
    if found.skipped:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in found.reasons[:5])
        why = f" ({reasons})" if reasons else ""
        output.note(f"{found.skipped} of {found.read + found.skipped} lines skipped{why}")
