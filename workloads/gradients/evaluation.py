"""Held-out figures of a policy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.gradients.policy import Floats
from workloads.gradients.source import HeldOut


def right_figures(logits: Floats, best: NDArray[np.int32]) -> dict[str, float]:
    """``accuracy``: the share of ``(m, actions)`` rows whose highest logit is the right action's."""
    return {"accuracy": float((logits.argmax(axis=1) == best).mean())}


def agreement_figures(logits: Floats, kept: HeldOut, *, values: tuple[float, float]) -> dict[str, float]:
    """What the log says about a policy that would have acted by itself.

    ``reward``: the mean reward of the logged actions that the policy agrees with, each over its
    propensity: the self-normalised estimate of Swaminathan and Joachims (NeurIPS 2015); NaN where it
    agrees with none. ``agreement``: the share it agrees with. ``loss``: cross-entropy of the logged rewards
    as shares of the range of values, by what was learned (for experiences that are done; NaN without).
    """
    logged, propensities = kept.logged, kept.propensities
    if logged is None or propensities is None:
        return {}
    agrees = logits.argmax(axis=1) == logged.actions
    weights = agrees / propensities
    mass = float(weights.sum())
    low, high = values
    done = logged.done
    chosen = logits[np.arange(len(logits)), logged.actions].astype(np.float64)[done]
    targets = np.clip((logged.rewards[done] - low) / (high - low), 0, 1)
    return {
        "reward": float(weights @ logged.rewards.astype(np.float64)) / mass if mass > 0 else float("nan"),
        "agreement": float(agrees.mean()),
        "loss": float((np.logaddexp(0, chosen) - targets * chosen).mean()) if done.any() else float("nan"),
    }
