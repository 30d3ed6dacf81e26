"""Differential privacy: clipping, calibrated noise, an accountant, and the ledger that is asked first."""

from federation.privacy.accountant import ORDERS, RdpAccountant, noise_multiplier_for, rounds_within
from federation.privacy.calibration import analytic_sigma, gaussian_delta, gaussian_epsilon
from federation.privacy.clipping import AdaptiveClipping, Clipped, clip
from federation.privacy.errors import (
    KeyReplayError,
    MaskedRowError,
    PrivacyBudgetError,
    PrivacyGrantError,
    PrivacyLedgerError,
    PrivacyReplayError,
    SecureParametersError,
    SecureStageError,
    SecureThresholdError,
    ShareError,
    UnboundedRuleError,
    UnmaskError,
)
from federation.privacy.ledger import Charge, Grant, PrivacyBudget, PrivacyLedger
from federation.privacy.mechanism import (
    GaussianMechanism,
    Noised,
    Utility,
    contents_of,
    noise_generator,
    sensitivity,
    utility,
)

__all__ = [
    "ORDERS",
    "AdaptiveClipping",
    "Charge",
    "Clipped",
    "GaussianMechanism",
    "Grant",
    "KeyReplayError",
    "MaskedRowError",
    "Noised",
    "PrivacyBudget",
    "PrivacyBudgetError",
    "PrivacyGrantError",
    "PrivacyLedger",
    "PrivacyLedgerError",
    "PrivacyReplayError",
    "RdpAccountant",
    "SecureParametersError",
    "SecureStageError",
    "SecureThresholdError",
    "ShareError",
    "UnboundedRuleError",
    "UnmaskError",
    "Utility",
    "analytic_sigma",
    "clip",
    "contents_of",
    "gaussian_delta",
    "gaussian_epsilon",
    "noise_generator",
    "noise_multiplier_for",
    "rounds_within",
    "sensitivity",
    "utility",
]
