"""How private a swarm's rounds are to be, and what one of them cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from federation.errors import SettingError
from federation.privacy import AdaptiveClipping, PrivacyBudget, analytic_sigma
from federation.privacy.ledger import YEAR_S

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PrivacyConfig(BaseModel):
    """The settings of privacy. Unknown names are errors.

    Attributes:
        epsilon_round: of one release; its noise is made for exactly this.
        epsilon_period: of all releases of a period together; when it is spent, rounds are refused until the next.
        delta: of both.
        period_s: length of a period, a year by default.
        radius: L2 norm that updates are clipped to; with ``adaptive`` the first one.
        adaptive: the radius follows a quantile of the updates' norms, which a part of each round's epsilon pays for.
        quantile: share of updates that are to be shorter than the radius.
        expected: updates expected in a round, for ``adaptive``; None for the number of agents. Never who came.
        screened: whether the screen is asked. What it leaves out depends on the data, and is outside of the promise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon_round: Positive = 1.0
    epsilon_period: Positive = 8.0
    delta: float = Field(default=1e-5, gt=0, lt=1)
    period_s: Positive = YEAR_S
    radius: Positive = 1.0
    adaptive: bool = False
    quantile: float = Field(default=0.5, ge=0, le=1)
    expected: int | None = Field(default=None, ge=1)
    screened: bool = True

    @model_validator(mode="after")
    def _pays_for_a_round(self) -> PrivacyConfig:
        if self.epsilon_round > self.epsilon_period:
            raise ValueError(
                f"a round of epsilon {self.epsilon_round:g} is more than the {self.epsilon_period:g} of a period: no "
                "round would ever be run"
            )
        return self

    @property
    def budget(self) -> PrivacyBudget:
        return PrivacyBudget(
            epsilon_round=self.epsilon_round,
            epsilon_period=self.epsilon_period,
            delta=self.delta,
            period_s=self.period_s,
        )

    @property
    def noise_multiplier(self) -> float:
        """Of everything that a round releases: the least noise for ``epsilon_round``."""
        return analytic_sigma(self.epsilon_round, self.delta)

    def clipping(self, *, agents: int, radius: float | None = None) -> AdaptiveClipping:
        """The clipping that follows the norms, beginning at this radius.

        Raises:
            SettingError: when nobody is expected.
        """
        expected = self.expected or agents
        if not expected:
            raise SettingError(name="privacy.expected", found=0, needed="given, where agents come from outside")
        return AdaptiveClipping(
            radius=self.radius if radius is None else radius,
            expected=expected,
            # What Andrew et al. advise, and never so little that the bits take more than a quarter of the precision.
            bit_noise=max(expected / 20, self.noise_multiplier),
            quantile=self.quantile,
        )


MEASURES = ("epsilon_spent", "epsilon_budget", "epsilon_delta", "noise_sigma", "clip_radius")
"""Names of the public figures among a release's measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """What protecting one round took.

    Attributes:
        epsilon: of the release by itself.
        epsilon_spent, epsilon_lifetime: of the period and of everything, with the release in it.
        epsilon_budget: of the period.
        delta: of all of these.
        renews_at: when the period ends, in seconds since the epoch.
        noise_multiplier: of the noise over the sensitivity; ``sigma`` is the product.
        sensitivity, sigma: of the protected columns.
        radius: what updates were clipped to.
        clipped: share of the counted updates that were longer.
        noise_norm, aggregate_norm: L2 norms over the value columns of the noise, and of the aggregate without it.
        noise_ratio: one over the other.
        mean_error: root of the mean square, over the release's values, of the difference that privacy's noise makes.
        seconds: that it took.
        ledger_s: of these, until the ledger was on disk.
        clipping: of the next round; None unless it is adaptive.
    """

    epsilon: float
    epsilon_spent: float
    epsilon_lifetime: float
    epsilon_budget: float
    delta: float
    renews_at: float
    noise_multiplier: float
    sensitivity: float
    sigma: float
    radius: float
    clipped: float
    noise_norm: float
    aggregate_norm: float
    noise_ratio: float
    mean_error: float
    seconds: float
    ledger_s: float
    clipping: AdaptiveClipping | None = None

    def measures(self) -> dict[str, float]:
        """What the release says beside its epsilon: figures that depend on no data."""
        found = (self.epsilon_spent, self.epsilon_budget, self.delta, self.sigma, self.radius)
        return dict(zip(MEASURES, found, strict=True))

    def record(self) -> dict[str, Any]:
        """What the round's record says, for the operator: from ``clipped`` on it is made of what has no noise."""
        names = (name for name in self.__dataclass_fields__ if name != "clipping")
        figures = {name: getattr(self, name) for name in names}
        return {name: figure if math.isfinite(figure) else None for name, figure in figures.items()}

    def facts(self) -> dict[str, Any]:
        """What the journal keeps with the release."""
        return {} if self.clipping is None else {"clipping": self.clipping.to_dict()}
