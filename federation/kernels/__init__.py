"""The arithmetic under the rules: order statistics, distances, sums. Matrices in, arrays out."""

from federation.kernels.distance import distances_to, squared_distances
from federation.kernels.geometric import geometric_weights
from federation.kernels.order import mean_around_median, median, trimmed_mean
from federation.kernels.sum import mixture, weighted_sum

__all__ = [
    "distances_to",
    "geometric_weights",
    "mean_around_median",
    "median",
    "mixture",
    "squared_distances",
    "trimmed_mean",
    "weighted_sum",
]
