"""Private rounds on the stage: what they cost, what a killed coordinator pays, and the noise that is really there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import dp_accounting
import numpy as np
import pytest
from dp_accounting import pld
from pydantic import ValidationError
from ray.exceptions import ActorDiedError

from actors.cast import Score
from actors.config import AGGREGATOR, COORDINATOR, FederationConfig, SwarmConfig
from actors.coordinator import Coordinator
from actors.journal import Journal
from actors.learning import Learning
from actors.messages import Aggregation
from actors.privacy import MEASURES, PrivacyConfig
from actors.protection import Protector
from federation.errors import ReviewError
from federation.identity import Secret
from federation.privacy import PrivacyBudgetError, PrivacyReplayError, analytic_sigma, clip
from federation.protection import Protection
from federation.rules import Median
from federation.rules.base import Aggregate, Matrix, Weights
from federation.screening import Unscreened
from federation.terms import Terms
from federation.verdict import Verdicts
from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.testing import captured
from tests.actors.conftest import SECRET
from tests.actors.test_door import Outside
from tests.actors.test_patterns import TOOLS, fleet, known
from tests.actors.test_round import rounds
from workloads.attacks import Adversary, Scaled
from workloads.null import NullWorkload
from workloads.patterns import PatternsWorkload, RoundSettings

LEAST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ClippedSum:
    """Adds clipped updates up."""

    name: ClassVar[str] = "clipped_sum"
    radius: float

    def requires(self, n: int, f: int) -> None:
        assert n >= LEAST

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        value = clip(updates, self.radius).updates.sum(axis=0) / LEAST
        return Aggregate(value=value, verdicts=Verdicts.accepting(len(updates), rule=self.name))


@dataclass(frozen=True, kw_only=True)
class Summed(NullWorkload):
    """Another workload that says how it is protected: what it releases is base + sum + noise, as it is."""

    kind: str = "summed"

    def protection(self, *, radius: float) -> Protection:
        every = slice(0, self.dimension)
        return Protection(rule=ClippedSum(radius=radius), columns=(every,), values=every, bound=radius, share=1 / LEAST)

    def settled(self, aggregate: np.ndarray, *, protection: Protection, sigma: float) -> np.ndarray:
        return aggregate.astype(np.float32)


def many(n: int = 40) -> PatternsWorkload:
    return replace(fleet(n), rounds=RoundSettings(min_contributors=20))


def config(**changes: Any) -> SwarmConfig:
    settings: dict[str, Any] = {"workload": many(), "agents": ("a", "b"), "privacy": PrivacyConfig(), **changes}
    return SwarmConfig(**settings)


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"workload": NullWorkload()}, "null does not say how"),
        ({"workload": replace(many(), inner=Median())}, "inner rule median is not"),
        ({"rule": Median()}, "`inner`"),
        ({"workload": Summed(), "rule": Median()}, "median is not"),
        ({"agents": (), "federation": FederationConfig(storage="sqlite://", streaming=True)}, "streaming"),
        (
            {
                "agents": (),
                "federation": FederationConfig(storage="sqlite://"),
                "privacy": PrivacyConfig(adaptive=True),
            },
            "privacy.expected",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_starts(changes: dict[str, Any], needed: str) -> None:
    with pytest.raises(ValidationError, match=needed):
        config(**changes)


@pytest.mark.parametrize(
    "changes", [{"epsilon_round": 9.0}, {"epsilon_round": 0.0}, {"delta": 1.0}, {"radius": float("inf")}, {"other": 1}]
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PrivacyConfig(**changes)


def test_a_rule_of_the_swarm_is_refused_for_patterns_also_without_privacy() -> None:
    with pytest.raises(ValidationError, match="`inner`"):
        config(privacy=None, rule=Median())
    assert config(privacy=None, workload=replace(many(), inner=Median())).used_rule.name == "patterns"


def test_a_private_swarm_has_the_private_rule_and_may_do_without_a_screen() -> None:
    assert config().used_rule.name == "pattern_sum"
    assert config().used_screen == many().screen
    assert config(privacy=PrivacyConfig(screened=False)).used_screen == Unscreened()


async def test_releases_say_what_they_cost_and_it_adds_up_as_google_says(stage: Callable[..., Any]) -> None:
    privacy = PrivacyConfig(epsilon_round=2.0, epsilon_period=6.0, radius=4.0)
    play = stage(40, workload=many(), privacy=privacy)
    records = await rounds(play, 4)
    google, release = pld.PLDAccountant(), {}
    for place, record in enumerate(records):
        google.compose(dp_accounting.GaussianDpEvent(privacy.noise_multiplier))
        release = (await play.coordinator.release.remote(place + 1))["release"]
        assert release["epsilon"] == pytest.approx(2.0)
        assert set(MEASURES) <= set(release["measures"])
        assert release["measures"]["epsilon_spent"] == pytest.approx(google.get_epsilon(1e-5), rel=1e-3)
        assert release["measures"]["epsilon_budget"] == 6.0
        assert release["measures"]["noise_sigma"] == pytest.approx(
            analytic_sigma(2.0, 1e-5) * 4.0 * np.sqrt(1.25) / 20, rel=1e-9
        )
        told = record["privacy"]
        assert told["epsilon_spent"] == release["measures"]["epsilon_spent"]
        assert 0 < told["mean_error"] < 1
        assert told["noise_ratio"] == pytest.approx(told["noise_norm"] / told["aggregate_norm"])
    # Of what became of single updates, and of how many experiences they had, a release says nothing.
    assert (release["agents"], release["accepted"], release["clipped"], release["rejected"]) == (40, 40, 0, 0)
    assert release["flagged"] == []
    assert all(one.total_samples == 0 for one in (await known(play)).values())


async def test_with_enough_members_what_is_released_is_near_the_truth(stage: Callable[..., Any]) -> None:
    play = stage(40, workload=many(), privacy=PrivacyConfig(epsilon_round=8.0, radius=4.0, screened=False))
    await rounds(play, 1)
    found = await known(play)
    assert set(found) == {f"tool::{tool}" for tool in TOOLS}
    for tool, rate in TOOLS.items():
        assert found[f"tool::{tool}"].tool_success_rate == pytest.approx(rate, abs=0.25)
        assert found[f"tool::{tool}"].contributor_count == pytest.approx(40, abs=12)


async def test_an_exhausted_budget_pauses_before_anybody_is_asked_and_renews(stage: Callable[..., Any]) -> None:
    now = [1e9]
    privacy = PrivacyConfig(epsilon_round=2.0, epsilon_period=3.0, radius=4.0)
    play = stage(20, workload=many(20), privacy=privacy)
    make = play.makers[COORDINATOR]
    play.makers[COORDINATOR] = lambda: _clocked(make, lambda: now[0])
    await rounds(play, 1)
    status = (await play.coordinator.status.remote())["privacy"]
    assert (status["rounds_left"], status["paused"], status["releases"]) == (1, False, 1)
    await play.coordinator.run_round.remote()
    asked = [call for call in play.calls if call.endswith((".learn", ".open"))]
    for _ in range(2):
        with pytest.raises(PrivacyBudgetError, match="until 2002-09-09 01:46 UTC") as caught:
            await play.coordinator.run_round.remote()
        assert caught.value.renews_at == 1e9 + privacy.period_s
    assert [call for call in play.calls if call.endswith((".learn", ".open"))] == asked
    status = await play.coordinator.status.remote()
    assert status["rounds"] == 2
    assert status["privacy"]["paused"]
    assert status["privacy"]["renews_at"] == 1e9 + privacy.period_s
    now[0] += privacy.period_s
    record = await play.coordinator.run_round.remote()
    assert record["privacy"]["epsilon_spent"] == pytest.approx(2.0)
    assert record["privacy"]["epsilon_lifetime"] > 3.0


def _clocked(make: Callable[[], Coordinator], clock: Callable[[], float]) -> Coordinator:
    made = make()
    made._protector._clock = clock  # pyright: ignore[reportAttributeAccessIssue]
    made._protector._ledger = replace(made._protector._ledger, started_at=clock())  # pyright: ignore[reportAttributeAccessIssue]
    return made


async def test_a_coordinator_killed_anywhere_draws_the_same_noise_and_pays_once(
    stage: Callable[..., Any], tmp_path: Any
) -> None:
    privacy = PrivacyConfig(epsilon_round=2.0, epsilon_period=6.0, radius=4.0, adaptive=True)
    settings = {"workload": many(20), "privacy": privacy, "linger_s": 2.0}
    calm = stage(20, **settings, state_dir=tmp_path / "calm")
    wanted = [(one["release"]["digest"], one["privacy"]["epsilon_spent"]) for one in await rounds(calm, 2)]
    assert calm.positions[COORDINATOR] == 3 + 4 * 2  # hosts and genesis; open, ledger, release, amend
    for when in ("before", "after"):
        for position in (4, 5, 6, 7, 9):  # of the first round all, of the second the ledger's
            play = stage(20, **settings, state_dir=tmp_path / f"{when}-{position}")
            play.kill_in = lambda who, nth, at=position, how=when: how if (who, nth) == (COORDINATOR, at) else ""
            found = [(one["release"]["digest"], one["privacy"]["epsilon_spent"]) for one in await rounds(play, 2)]
            assert play.deaths == [COORDINATOR]
            assert found == wanted, f"killed {when} commit {position}"


async def test_another_aggregate_under_the_same_name_is_refused_and_the_next_round_pays(
    stage: Callable[..., Any],
) -> None:
    play = stage(20, workload=many(20), privacy=PrivacyConfig(epsilon_round=2.0, epsilon_period=6.0), linger_s=2.0)
    await play.coordinator.start.remote()
    play.kill_in = lambda who, nth: "after" if (who, nth) == (COORDINATOR, 5) else ""  # the ledger is written
    with pytest.raises(ActorDiedError):
        await play.coordinator.run_round.remote("one")
    ledger = Journal(play.config.state_dir / "journal.sqlite").recall("privacy")
    assert ledger["releases"] == 1
    play.kill(AGGREGATOR)
    make, otherwise = play.makers[AGGREGATOR], replace(many(20), rounds=RoundSettings(min_contributors=19))

    def summing_otherwise() -> Any:
        made = make()
        made.config = made.config.model_copy(update={"workload": otherwise})
        return made

    play.makers[AGGREGATOR] = summing_otherwise
    with pytest.raises(PrivacyReplayError):
        await play.coordinator.run_round.remote("one")
    record = await play.coordinator.run_round.remote("two")
    assert record["round"] == 2
    assert record["privacy"]["epsilon_spent"] > 2.0


async def test_what_is_spent_stays_spent_when_the_budget_is_changed(stage: Callable[..., Any], tmp_path: Any) -> None:
    settings = {"workload": many(20), "state_dir": tmp_path / "one"}
    play = stage(20, **settings, privacy=PrivacyConfig(epsilon_round=2.0, epsilon_period=3.0))
    spent = (await rounds(play, 2))[-1]["privacy"]["epsilon_spent"]
    later = stage(20, **settings, privacy=PrivacyConfig(epsilon_round=2.0, epsilon_period=9.0))
    status = (await later.coordinator.status.remote())["privacy"]
    assert (status["epsilon_spent"], status["epsilon_budget"]) == (spent, 9.0)
    assert (await later.coordinator.run_round.remote())["privacy"]["epsilon_spent"] > 3.0


async def test_the_radius_follows_the_norms_and_survives(stage: Callable[..., Any], tmp_path: Any) -> None:
    privacy = PrivacyConfig(epsilon_round=8.0, epsilon_period=100.0, radius=9.0, adaptive=True)
    settings = {"workload": many(20), "privacy": privacy, "state_dir": tmp_path / "one"}
    play = stage(20, **settings)
    told = [record["privacy"] for record in await rounds(play, 3)]
    assert told[0]["radius"] == 9.0
    assert told[2]["radius"] < told[1]["radius"] < 9.0  # everybody is shorter
    assert told[0]["noise_multiplier"] > privacy.noise_multiplier  # the bits cost something
    assert told[0]["epsilon"] == pytest.approx(8.0)
    play.kill(COORDINATOR)
    again = (await play.coordinator.run_round.remote())["privacy"]
    assert again["radius"] < told[2]["radius"]


def aggregation(value: np.ndarray, n: int = 8) -> Aggregation:
    words = ("",) * n
    empty: Mapping[str, Any] = {}
    return Aggregation(
        value=value, variance=np.empty(0), agents=tuple(map(str, range(n))), decisions=np.zeros(n, np.int8),
        judges=words, reasons=words, scores=np.zeros(n), thresholds=np.zeros(n), flagged=(), refused=empty, proofs=(),
        digests={}, rule="", counted=n, fault_bound=0, standing_out=0, stale=0, loss=0.0, norm=0.0,
        gate_s=0.0, screen_s=0.0, aggregate_s=0.0,
    )  # fmt: skip


def terms(number: int, dimension: int, radius: float) -> Terms:
    return Terms(
        run="r", round=number, kind="summed", base_version=0, base=bytes(32), roster=("a",), fault_bound=0,
        dimension=dimension, codec="raw", norm_cap=1.0, weight_cap=1.0, deadline_s=1.0, linger_s=0.0, seed=0,
        clip_radius=radius,
    )  # fmt: skip


def protector(
    tmp_path: Any, workload: Any, privacy: PrivacyConfig, telemetry: Telemetry, secret: Secret = SECRET
) -> Any:
    settings = SwarmConfig(workload=workload, agents=("a",), privacy=privacy, state_dir=tmp_path, run="r")
    return Protector(settings, secret, Journal(tmp_path / "journal.sqlite"), telemetry, lambda: 0.0)


async def test_the_noise_has_the_stated_deviation_and_no_two_rounds_share_it(tmp_path: Any) -> None:
    workload, privacy = Summed(dimension=64), PrivacyConfig(epsilon_round=1.0, epsilon_period=1e6, radius=2.0)
    silent = Telemetry.start(TelemetryConfig(), actor_kind=semconv.ActorKind.COORDINATOR, instance="coordinator")
    keeper = protector(tmp_path, workload, privacy, silent)
    base, exact = np.zeros(64, np.float32), np.linspace(-1, 1, 64)
    sigma = analytic_sigma(1.0, 1e-5) * 2.0 / LEAST
    drawn: list[np.ndarray] = []
    for number in range(1, 101):
        score = Score(aggregation=aggregation(exact))
        drawn.append(await keeper.make_value(terms(number, 64, 2.0), score, base, "") - exact)
        assert score.protected is not None
        assert score.protected.sigma == pytest.approx(sigma)
    noise = np.array(drawn)
    # 6,400 draws: the deviation is known to 0.9 %, the mean to 1.3 % of it; three times that is allowed.
    assert noise.std() == pytest.approx(sigma, rel=0.027)
    assert abs(noise.mean()) < 0.038 * sigma
    assert np.abs(np.corrcoef(noise)[np.triu_indices(100, 1)]).max() < 0.65
    # Asked again, for the same aggregate it is the same noise; with another secret it is another.
    again = await keeper.make_value(terms(100, 64, 2.0), Score(aggregation=aggregation(exact)), base, "")
    assert np.array_equal(again - exact, drawn[-1])
    other = protector(tmp_path / "other", workload, privacy, silent, Secret(bytes(32)))
    again = await other.make_value(terms(100, 64, 2.0), Score(aggregation=aggregation(exact)), base, "")
    assert not np.array_equal(again - exact, drawn[-1])


async def test_any_workload_that_says_how_is_protected(stage: Callable[..., Any]) -> None:
    privacy = PrivacyConfig(epsilon_round=1.0, radius=1.0, screened=False)
    play = stage(8, workload=Summed(dimension=400), privacy=privacy)
    [record] = await rounds(play, 1)
    released = await play.coordinator.release.remote()
    value = play.config.workload.unpack(released["artefact"]).astype(np.float64)
    # The sum of eight updates of norm 1 over four is at most 2 long; the noise is far longer.
    sigma = record["privacy"]["sigma"]
    assert np.linalg.norm(value) == pytest.approx(sigma * 20, rel=0.2)
    assert record["privacy"]["mean_error"] == pytest.approx(sigma, rel=0.15)


async def test_the_ledgers_answers_are_told(tmp_path: Any) -> None:
    privacy = PrivacyConfig(epsilon_round=1.0, epsilon_period=1.5, radius=2.0)
    with captured(actor_kind=semconv.ActorKind.COORDINATOR) as capture:
        keeper = protector(tmp_path, Summed(dimension=8), privacy, capture.telemetry)
        base = np.zeros(8, np.float32)
        await keeper.make_value(terms(1, 8, 2.0), Score(aggregation=aggregation(np.ones(8))), base, "")
        await keeper.make_value(terms(2, 8, 2.0), Score(aggregation=aggregation(np.ones(8))), base, "")
        with pytest.raises(PrivacyBudgetError):
            keeper.require(terms(3, 8, 2.0))
        with pytest.raises(PrivacyBudgetError):
            await keeper.make_value(terms(3, 8, 2.0), Score(aggregation=aggregation(np.ones(8))), base, "")
        spans = [span for span in capture.spans if span.name == semconv.SPAN_PROTECT]
        assert [dict(span.attributes or {}).get(semconv.ATTR_OUTCOME) for span in spans] == [
            "success",
            "success",
            "refused",
        ]
        told = dict(spans[1].attributes or {})
        assert told[semconv.ATTR_PRIVACY_EPSILON] == pytest.approx(1.0)
        assert told[semconv.ATTR_PRIVACY_EPSILON_SPENT] == pytest.approx(1.45, abs=0.05)
        assert told[semconv.ATTR_PRIVACY_RADIUS] == 2.0
        assert [event.name for event in capture.events] == [
            semconv.EVENT_PRIVACY_GRANTED,
            semconv.EVENT_PRIVACY_GRANTED,
            semconv.EVENT_PRIVACY_REFUSED,
            semconv.EVENT_PRIVACY_REFUSED,
        ]
        assert capture.total(semconv.METRIC_PRIVACY_REQUESTS) == 4


async def test_learning_waits_while_the_budget_is_spent() -> None:
    asked = [0]

    async def refused() -> dict[str, Any]:
        asked[0] += 1
        raise PrivacyBudgetError(limit="period", spent=1, asked=1, total=2, budget=1, delta=1e-5, renews_at=1e9)

    learning = Learning(refused, lambda active, interval: None)
    learning.start(0.0, rounds=1, until_converged=False)
    for _ in range(20):
        await asyncio.sleep(0)
    assert asked == [1]  # and not as fast as it can
    assert learning.active
    await learning.stop()
    assert not learning.active


async def test_many_flagged_end_a_round_of_patterns_for_review(stage: Callable[..., Any]) -> None:
    liars = frozenset(f"agent-{number:03d}" for number in range(5))  # 5 of 16: within f = 5, above 30 %
    attacked = partial(stage, 16, adversary=Adversary(agents=liars, attack=Scaled(factor=-2.0)))
    play = attacked(workload=fleet(16))
    with pytest.raises(ReviewError, match=r"5 of 16 updates stand out; at most 30 % and 5.*looked at") as caught:
        await play.coordinator.run_round.remote("once")
    assert caught.value.code == "round.mass_anomaly"
    assert (caught.value.flagged, caught.value.received, caught.value.bound, caught.value.share) == (5, 16, 5, 0.3)
    assert caught.value.agents == tuple(sorted(liars))
    with pytest.raises(ReviewError) as again:  # as the journal has it
        await play.coordinator.run_round.remote("once")
    assert again.value.fields == caught.value.fields
    status = await play.coordinator.status.remote()
    assert status["release"]["version"] == 0
    assert (await play.find(AGGREGATOR).status.remote())["mape"]["actions"]["abort"] == 1


async def test_the_share_that_is_reviewed_is_the_workloads_to_say(stage: Callable[..., Any]) -> None:
    liars = frozenset(f"agent-{number:03d}" for number in range(5))
    workload = replace(fleet(16), rounds=RoundSettings(review_above=0.4))
    [record] = await rounds(
        stage(16, workload=workload, adversary=Adversary(agents=liars, attack=Scaled(factor=-2.0))), 1
    )
    assert record["verdicts"]["rejected"] == 5


async def test_clients_of_a_federation_are_protected_and_wait_when_the_budget_is_spent(tmp_path: Any) -> None:
    privacy = PrivacyConfig(epsilon_round=8.0, epsilon_period=13.0, radius=4.0, adaptive=True, expected=40)
    swarm = Outside(tmp_path, privacy=privacy)
    for spent in (8.0, 12.26):
        swarm.submit(range(40))
        record = await swarm.round()
        assert record["privacy"]["epsilon_spent"] == pytest.approx(spent, abs=0.01)
        assert swarm.pending() == 0
    release = (await swarm.play.coordinator.release.remote())["release"]
    assert (release["agents"], release["epsilon"]) == (40, pytest.approx(8.0))
    swarm.submit(range(40))
    with pytest.raises(PrivacyBudgetError):
        await swarm.round()
    assert swarm.pending() == 40
    assert (await swarm.play.coordinator.status.remote())["rounds"] == 2
