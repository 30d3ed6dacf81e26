"""What a swarm is started with: one typed tree, built once at the edge and passed down."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from actors.privacy import PrivacyConfig
from actors.secure import SecureConfig
from federation.compression import RawCodec
from federation.errors import FaultBoundError, SettingError, SwarmError
from federation.privacy import UnboundedRuleError
from federation.protection import Protectable
from federation.rules.base import Rule
from federation.screening import Screen, Unscreened
from federation.terms import Terms, fault_bound
from federation.workload import Admitting, Composed, Corruption, Grouping, Reviewed, Workload
from telemetry import TelemetryConfig

NAMESPACE = "swarmlore"
COORDINATOR = "swarmlore-coordinator"
AGGREGATOR = "swarmlore-aggregator"

HOST_AGENTS = 256
"""Agents that one process serves as fast as two would: below, another one costs more in calls than it saves."""

Positive = Annotated[float, Field(gt=0)]


def host_name(number: int) -> str:
    """The Ray name of a host actor."""
    return f"swarmlore-host-{number}"


def validator_name(number: int) -> str:
    """The Ray name of a validator actor."""
    return f"swarmlore-validator-{number}"


class FederationConfig(BaseModel):
    """Clients outside of Ray take part instead of agents: what they submit is brought in by doors.

    Attributes:
        storage: URL of what the REST servers write submissions to, ``sqlite:///path`` or ``postgresql://...``. It may
            hold a password, so it is not shown.
        regions: one door each.
        streaming: submissions are summed as they come, in ``groups`` sums a region, and a round has a row for each
            group; without it a row for each client.
        groups: sums of a region.
        fold_every_s: seconds between two looks for new submissions while streaming.
        secure: clients' rows are added up under masks, and a round has a row for each bucket of them; None for rows
            that the operator sees.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    storage: str = Field(min_length=1, repr=False)
    regions: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")], ...] = ("global",)
    streaming: bool = False
    groups: int = Field(default=16, ge=1)
    fold_every_s: Positive = 5.0
    secure: SecureConfig | None = None

    @field_validator("regions")
    @classmethod
    def _once(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        if not regions or len(set(regions)) != len(regions):
            raise ValueError("name at least one region, and each once")
        return regions

    @model_validator(mode="after")
    def _one_way(self) -> FederationConfig:
        if self.streaming and self.secure is not None:
            raise ValueError(
                "streaming folds what each client sends, and with secure sums nobody sees that: choose one"
            )
        return self

    @property
    def grouped(self) -> bool:
        """Whether rows are of groups of clients."""
        return self.streaming or self.secure is not None

    def absolute(self) -> FederationConfig:
        """These settings for a process with another working folder."""
        path = self.storage.removeprefix("sqlite:///")
        if path == self.storage or path.startswith("/"):
            return self
        return self.model_copy(update={"storage": f"sqlite:///{Path(path).absolute()}"})


class SwarmConfig(BaseModel):
    """The settings of a swarm. Unknown names are errors.

    Attributes:
        workload: what is learned.
        agents: ids of the agents, each once; at least one, unless there is a federation.
        federation: instead of ``agents``: clients come and go, and each round has those that have submitted something.
        run: id of the run; part of every signature.
        seed: the same seed and data give the same releases, byte for byte.
        hosts: host actors that the agents are spread over; None for one on each node, and one more for every
            `HOST_AGENTS` agents, up to one a CPU of the cluster.
        agents_per_host: instead of ``hosts``: 1 gives every agent a process of its own.
        fault_bound: how many agents may lie or be silent; None for floor((n - 1) / 3).
        deadline_s: seconds until a round closes with what it has.
        linger_s: seconds that a round with a quorum waits for the others.
        commit_reveal: agents commit to their updates before anyone shows one.
        validators: how many measure convergence.
        threshold, min_rounds, patience: converged means KL below the threshold, ``patience`` times in a row,
            after at least ``min_rounds`` rounds.
        rule, screen: instead of the workload's own.
        weight_cap: largest sample count that an agent may declare.
        error_feedback: what a lossy codec leaves out of one update is added to the agent's next one. For workloads
            whose rows are changes to the base. A codec without loss makes it cost nothing.
        late_decay: what a late update counts for in the next round; 0 leaves it out.
        round_budget_s: latency that the coordinator's loop holds rounds to.
        systems: carries adaptations out for agents that manage systems (`actors.residents.SystemPort`).
        adapt_epochs: local epochs follow the swarm's heterogeneity.
        adversary: marked agents and their attack, for evaluation.
        state_dir: folder of journal and keys, on the node of the coordinator; hosts keep their own journals below
            it, each on its node.
        privacy: how private rounds are to be; None for not at all.
        telemetry: where spans, metrics and events go.
        keep_artefacts: how many of the newest releases keep their artefact, for ``get`` and ``rollback``.
    """

    # The storage's URL may hold a password, and would be shown with what does not fit.
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    workload: Any
    agents: tuple[str, ...] = ()
    federation: FederationConfig | None = None
    run: str = Field(default="swarm", min_length=1, max_length=128)
    seed: int = 0
    hosts: int | None = Field(default=None, ge=1)
    agents_per_host: int | None = Field(default=None, ge=1)
    fault_bound: int | None = Field(default=None, ge=0)
    deadline_s: Positive = 30.0
    linger_s: float = Field(default=0.5, ge=0)
    commit_reveal: bool = False
    validators: int = Field(default=1, ge=1)
    threshold: Positive = 0.01
    min_rounds: int = Field(default=10, ge=1)
    patience: int = Field(default=3, ge=1)
    rule: Any = None
    screen: Any = None
    weight_cap: Positive = 1e6
    error_feedback: bool = False
    late_decay: float = Field(default=0.5, ge=0, le=1)
    round_budget_s: Positive = 0.15
    systems: Any = None
    adapt_epochs: bool = False
    adversary: Any = None
    privacy: PrivacyConfig | None = None
    state_dir: Path = Path(".swarmlore")
    telemetry: TelemetryConfig = Field(default_factory=TelemetryConfig)
    keep_artefacts: int = Field(default=1000, ge=1)

    @field_validator("agents")
    @classmethod
    def _sorted_once(cls, agents: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(agents)) != len(agents):
            twice = sorted({agent for agent in agents if agents.count(agent) > 1})[:5]
            raise ValueError(f"agent ids must differ; more than once: {', '.join(twice)}")
        if not all(agents):
            raise ValueError("an agent id is empty")
        return tuple(sorted(agents))

    @model_validator(mode="after")
    def _either(self) -> SwarmConfig:
        if self.federation is None:
            if not self.agents:
                raise ValueError("there must be at least one agent, or a federation whose clients take part")
            return self
        admits = isinstance(self.workload, Admitting)
        if not admits:
            kind = type(self.workload).__name__
            raise ValueError(f"the workload is a {kind}, which takes nothing from outside of the swarm")
        if self.federation.grouped != isinstance(self.workload, Grouping):
            kind = type(self.workload).__name__
            raise ValueError(
                f"federation.streaming is {self.federation.streaming}, federation.secure "
                f"{'not ' if self.federation.secure is None else ''}given and the workload a {kind}: a federation that "
                "streams or sums in secret needs one whose rows are of groups (GroupedPatternsWorkload.of), and no "
                "other can have one"
            )
        useless = ("agents", "hosts", "agents_per_host", "error_feedback", "adapt_epochs", "adversary", "systems")
        given = [name for name in useless if getattr(self, name)]
        if given:
            raise ValueError(f"clients of a federation learn at home, so there is no use for {', '.join(given)}")
        return self

    @model_validator(mode="after")
    def _fits(self) -> SwarmConfig:
        n = len(self.agents)
        if self.federation is None and self.fault_bound is not None and n <= 3 * self.fault_bound:
            raise ValueError(str(FaultBoundError(n=n, f=self.fault_bound)))
        if self.hosts is not None and self.agents_per_host is not None:
            raise ValueError("give hosts or agents_per_host, not both")
        for name, protocol in (
            ("workload", Workload),
            ("rule", Rule),
            ("screen", Screen),
            ("adversary", Corruption),
        ):
            value = getattr(self, name)
            if (value is not None or name == "workload") and not isinstance(value, protocol):
                raise ValueError(f"{name} is a {type(value).__name__}, which is no {protocol.__name__}")
        if self.rule is not None and isinstance(self.workload, Composed):
            raise ValueError(
                f"the rule of {self.workload.kind} knows what its rows mean, and {self.rule.name} does not: give that "
                "as the workload's `inner`, the rule for what belongs together, and no rule to the swarm"
            )
        if self.adversary is not None:
            strangers = sorted(set(self.adversary.agents) - set(self.agents))
            if strangers:
                raise ValueError(f"the adversary marks agents that are not enrolled: {', '.join(strangers[:5])}")
        return self

    @model_validator(mode="after")
    def _is_private(self) -> SwarmConfig:
        if self.privacy is None:
            return self
        if not isinstance(self.workload, Protectable):
            raise ValueError(  # noqa: TRY004 - pydantic makes a message of this kind only
                f"privacy is asked for, and {self.workload.kind} does not say how its updates are protected "
                "(`federation.protection.Protectable`): leave privacy off, or learn patterns"
            )
        if self.federation is not None and self.federation.streaming:
            raise ValueError("privacy clips each client's update, and streaming has summed them up: choose one")
        if self.federation is not None and self.federation.secure is not None:
            raise ValueError(
                "privacy clips each client's update, and with secure sums nobody sees one: the noise would be for a "
                "bound that a lying client need not keep. Choose one"
            )
        try:
            if self.rule is not None:
                raise UnboundedRuleError(workload=self.workload.kind, rule=self.rule.name)
            self.workload.protection(radius=self.privacy.radius)
            if self.privacy.adaptive:
                self.privacy.clipping(agents=len(self.agents))
        except SwarmError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def used_rule(self) -> Rule:
        if self.privacy is not None:
            return self.workload.protection(radius=self.privacy.radius).rule
        return self.rule or self.workload.rule

    def rule_of(self, terms: Terms) -> Rule:
        """The rule of a round: private ones clip to the radius that its terms say.

        Raises:
            SettingError: when the round was opened before privacy was switched on, or off.
        """
        if self.privacy is None and not terms.clip_radius:
            return self.used_rule
        if self.privacy is None or not terms.clip_radius:
            was = f"a round with a clipping radius of {terms.clip_radius:g}"
            raise SettingError(name="privacy", found=was, needed="a round that was opened with this setting")
        return self.workload.protection(radius=terms.clip_radius).rule

    @property
    def used_screen(self) -> Screen:
        if self.privacy is not None and not self.privacy.screened:
            return Unscreened()
        return self.screen or self.workload.screen

    @property
    def review_above(self) -> float | None:
        """Share of flagged updates above which a round ends for review; None where a stricter rule is the answer."""
        if isinstance(self.workload, Reviewed):
            return self.workload.review_above
        # No rule may take the place of the one that privacy rests on.
        return None if self.privacy is None else 1.0

    @property
    def feeds_back(self) -> bool:
        """Whether hosts keep residuals: error feedback is on, and the codec leaves something out."""
        return self.error_feedback and not isinstance(self.workload.codec, RawCodec)

    @property
    def used_fault_bound(self) -> int:
        return fault_bound(len(self.agents)) if self.fault_bound is None else self.fault_bound

    @property
    def used_late_decay(self) -> float:
        """What a late update counts for. A client's stays in storage and counts whole in the next round instead."""
        return 0.0 if self.federation is not None else self.late_decay

    def shares(self, cpus: int, nodes: int = 1) -> list[tuple[str, ...]]:
        """The agents of each host, for a cluster of so many CPUs on so many nodes. Contiguous, of nearly equal size.

        None at all for a federation, which has doors instead.
        """
        n = len(self.agents)
        if n == 0:
            return []
        wanted = -(-n // self.agents_per_host) if self.agents_per_host else max(nodes, min(cpus, -(-n // HOST_AGENTS)))
        hosts = min(self.hosts or wanted, n)
        cuts = [n * number // hosts for number in range(hosts + 1)]
        return [self.agents[start:end] for start, end in pairwise(cuts)]
