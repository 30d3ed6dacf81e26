"""Sorting networks sort, and pruned ones put the right values on the wires that are wanted."""

from __future__ import annotations

import numpy as np
import pytest

from federation.kernels.network import pruned_network, run_network


def run(n: int, first: int, last: int, inputs: np.ndarray) -> np.ndarray:
    wires = [*inputs.copy()]
    run_network(pruned_network(n, first, last), wires, np.empty(inputs.shape[1]))
    return np.stack(wires)


@pytest.mark.parametrize("n", range(1, 13))
def test_sorts_every_sequence_of_zeros_and_ones(n: int) -> None:
    # The 0-1 principle: a network that sorts these sorts everything (Knuth 3, 5.3.4, theorem Z).
    inputs = (np.arange(2**n)[None, :] >> np.arange(n)[:, None] & 1).astype(float)
    expected = np.sort(inputs, axis=0)
    np.testing.assert_array_equal(run(n, 0, n - 1, inputs), expected)
    for first in range(n):
        for last in range(first, n):
            np.testing.assert_array_equal(run(n, first, last, inputs)[first : last + 1], expected[first : last + 1])


@pytest.mark.parametrize("n", [20, 31, 32])
def test_finds_the_middle_of_many(n: int) -> None:
    inputs = np.random.default_rng(n).standard_normal((n, 300))
    low, high = (n - 1) // 2, n // 2
    np.testing.assert_array_equal(run(n, low, high, inputs)[low : high + 1], np.sort(inputs, axis=0)[low : high + 1])


def test_pruning_saves_work() -> None:
    assert len(pruned_network(10, 4, 5)) < len(pruned_network(10, 0, 9)) == 31
    assert pruned_network(1, 0, 0) == ()
