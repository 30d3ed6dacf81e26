"""How far apart two releases are, in nats: between what two policies do, or between two Gaussians.

The two measures are different numbers. Whoever records one records its name beside it: ``policy_kl`` is
`categorical_kl` of two policies on probe states, ``gaussian_kl`` is `gaussian_kl` over raw values.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError, UpdatesError

Measure: TypeAlias = Literal["policy_kl", "gaussian_kl"]
Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]


def categorical_kl(old_logits: Floats, new_logits: Floats) -> float:
    """The mean over probe states of KL(old || new) in nats, from ``(states, actions)`` logits.

    The direction weighs each action by how often the old policy takes it: what agents that follow the old
    release would notice. Computed in float64 from log-probabilities, so that logits of any size are safe.
    A logit of -inf is an action never taken: nothing when the old policy never takes it, Inf when only
    the new one does not. NaN or +Inf among the logits gives NaN.

    Raises:
        UpdatesError: where the two are not of one shape (states >= 1, actions >= 1).
    """
    if old_logits.ndim != 2 or 0 in old_logits.shape or old_logits.shape != new_logits.shape:
        raise UpdatesError(
            found=f"logits of shapes {old_logits.shape} and {new_logits.shape}",
            needed="two (states, actions) arrays of one shape, both at least 1",
        )
    with np.errstate(invalid="ignore", over="ignore"):
        old, new = _log_softmax(old_logits), _log_softmax(new_logits)
        taken = old > -np.inf
        terms = np.where(taken, np.exp(old) * (old - np.where(taken, new, 0.0)), 0.0)
    if np.isnan(old).any() or np.isnan(new).any():
        return float("nan")
    return max(float(terms.sum(axis=1).mean()), 0.0)


def gaussian_kl(
    old: Floats,
    new: Floats,
    variance_old: Floats | float,
    variance_new: Floats | float,
    *,
    variance_floor: float = 1e-12,
) -> float:
    """KL(N(old, variance_old) || N(new, variance_new)) in nats, diagonal, summed over the d values.

    The variances come from the data, e.g. `honest_variance` of the round's updates: with a variance of 1
    the figure depends on the unit of the values. Variances below the floor are raised to it.

    Raises:
        UpdatesError: for shapes that differ, or a variance that is negative or not finite.
        SettingError: for a floor that is not above 0.
    """
    if old.ndim != 1 or old.shape != new.shape or old.size == 0:
        raise UpdatesError(found=f"shapes {old.shape} and {new.shape}", needed="two (d,) vectors of one length")
    if not (0 < variance_floor < np.inf):
        raise SettingError(name="variance_floor", found=variance_floor, needed="above 0 and finite")
    before = _variance(variance_old, old.shape, variance_floor)
    after = _variance(variance_new, old.shape, variance_floor)
    step = new.astype(np.float64) - old
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = before / after
        # ratio - 1 - log(ratio) is >= 0 term by term, which the usual order of the sum does not keep.
        total = 0.5 * float(np.sum((ratio - 1 - np.log(ratio)) + step / after * step))
    return max(total, 0.0) if np.isfinite(total) else total


def honest_variance(updates: Floats) -> NDArray[np.float64]:
    """``(d,)``: the sample variance (n - 1) of each value over the ``(n, d)`` updates that nothing speaks against.

    Raises:
        UpdatesError: for fewer than two updates.
    """
    if updates.ndim != 2 or len(updates) < 2:
        raise UpdatesError(found=f"updates of shape {updates.shape}", needed="(n, d) updates, at least two")
    return np.var(updates, axis=0, ddof=1, dtype=np.float64)


def _log_softmax(logits: Floats) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def _variance(given: Floats | float, shape: tuple[int, ...], floor: float) -> NDArray[np.float64]:
    variance = np.asarray(given, np.float64)
    if variance.shape not in ((), shape) or not np.isfinite(variance).all() or (variance < 0).any():
        raise UpdatesError(
            found=f"a variance of shape {variance.shape} with a value negative or not finite, or of another length",
            needed=f"finite variances >= 0, one or {shape[0]}",
        )
    return np.broadcast_to(np.maximum(variance, floor), shape)
