"""How far apart two releases are, and what a series of such figures says about learning."""

from federation.convergence.disagreement import Disagreement, disagreement
from federation.convergence.divergence import Measure, categorical_kl, gaussian_kl, honest_variance
from federation.convergence.tracker import ConvergenceCriterion, ConvergenceTracker, Status
from federation.convergence.trend import Trend, trend

__all__ = [
    "ConvergenceCriterion",
    "ConvergenceTracker",
    "Disagreement",
    "Measure",
    "Status",
    "Trend",
    "categorical_kl",
    "disagreement",
    "gaussian_kl",
    "honest_variance",
    "trend",
]
