"""Error feedback: what a lossy codec leaves out arrives later."""

from __future__ import annotations

import numpy as np
import pytest

from federation.compression import Codec, ErrorFeedback, Int8Codec, RawCodec, TopKCodec, TopKInt8Codec
from federation.errors import UpdatesError

LOSSY = [Int8Codec(), TopKCodec(fraction=0.05), TopKInt8Codec(fraction=0.2), TopKInt8Codec(fraction=0.02)]


def steady(rounds: int, k: int = 4, d: int = 100) -> np.ndarray:
    """A constant signal with noise per round, ``(rounds, k, d)``."""
    rng = np.random.default_rng(3)
    signal = rng.standard_normal((k, d))
    return (signal + 0.3 * rng.standard_normal((rounds, k, d))).astype(np.float32)


@pytest.mark.parametrize("codec", LOSSY, ids=lambda codec: codec.name)
def test_the_mean_over_rounds_is_recovered(codec: Codec) -> None:
    rounds = steady(400)
    feedback = ErrorFeedback(4, 100)
    told = np.mean([codec.decode(feedback.compress(codec, rows), 100) for rows in rounds], axis=0)
    alone = np.mean([codec.decode(codec.encode(rows), 100) for rows in rounds], axis=0)
    truth = rounds.mean(axis=0)
    error = np.linalg.norm(told - truth) / np.linalg.norm(truth)
    without = np.linalg.norm(alone - truth) / np.linalg.norm(truth)
    assert error < 0.1
    assert error < without / 2


@pytest.mark.parametrize("codec", LOSSY, ids=lambda codec: codec.name)
def test_what_was_told_and_the_residual_sum_to_what_was_learned(codec: Codec) -> None:
    rounds = steady(30)
    feedback = ErrorFeedback(4, 100)
    told = np.sum([codec.decode(feedback.compress(codec, rows), 100) for rows in rounds], axis=0)
    assert np.allclose(told + feedback.residual, rounds.sum(axis=0), atol=1e-3)


def test_the_residual_stays_bounded() -> None:
    codec = TopKInt8Codec(fraction=0.05)
    feedback = ErrorFeedback(4, 100)
    norms = []
    for rows in steady(300):
        feedback.compress(codec, rows)
        norms.append(float(np.linalg.norm(feedback.residual)))
    assert max(norms[200:]) < 1.2 * max(norms[50:150])


def test_an_exact_codec_leaves_nothing() -> None:
    feedback = ErrorFeedback(4, 100)
    rows = steady(1)[0]
    assert np.array_equal(feedback.compress(RawCodec(), rows), rows)
    assert not feedback.residual.any()


def test_rows_that_are_not_finite_or_not_sent_keep_their_residual() -> None:
    codec = TopKCodec(fraction=0.1)
    feedback = ErrorFeedback(4, 100)
    first, second = steady(2)
    feedback.compress(codec, first)
    before = feedback.residual
    second[1, 5] = np.nan
    feedback.compress(codec, second, sent=np.array([True, True, False, True]))
    after = feedback.residual
    assert np.array_equal(after[1:3], before[1:3])
    assert not np.array_equal(after[0], before[0])
    assert np.isfinite(after).all()


def test_a_snapshot_resumes_to_the_same_bytes_and_shares_nothing() -> None:
    codec = TopKInt8Codec()
    first, second = steady(2)
    feedback = ErrorFeedback(4, 100)
    feedback.compress(codec, first)
    state = feedback.snapshot()
    again = ErrorFeedback.restore(state)
    expected = feedback.compress(codec, second).tobytes()
    assert np.array_equal(again.residual, state["residual"])
    assert again.compress(codec, second).tobytes() == expected


@pytest.mark.parametrize(
    "state", [{}, {"residual": np.zeros((2, 3))}, {"residual": np.full((2, 3), np.nan, np.float32)}]
)
def test_a_damaged_snapshot_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(UpdatesError):
        ErrorFeedback.restore(state)


def test_rows_of_another_shape_are_refused_and_change_nothing() -> None:
    feedback = ErrorFeedback(4, 100)
    with pytest.raises(UpdatesError):
        feedback.compress(RawCodec(), np.zeros((3, 100), np.float32))
    assert not feedback.residual.any()


def test_inputs_are_not_changed() -> None:
    rows = steady(1)[0]
    kept = rows.copy()
    rows.flags.writeable = False
    ErrorFeedback(4, 100).compress(TopKCodec(), rows)
    assert np.array_equal(rows, kept)
