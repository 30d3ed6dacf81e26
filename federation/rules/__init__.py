"""The aggregation rules and pre-aggregators. Of all of them only `Mean` uses declared weights."""

from federation.rules.base import Aggregate, Mixed, PreAggregator, Rule
from federation.rules.bucketing import Bucketing
from federation.rules.bulyan import Bulyan
from federation.rules.catalogue import ALL_PRE_AGGREGATORS, ALL_RULES, rule_from
from federation.rules.centered_clipping import CenteredClipping
from federation.rules.geometric_median import GeometricMedian
from federation.rules.krum import Krum
from federation.rules.meamed import Meamed
from federation.rules.mean import Mean
from federation.rules.median import Median
from federation.rules.multi_krum import MultiKrum
from federation.rules.nearest_neighbor_mixing import NearestNeighborMixing
from federation.rules.norm_clipping import NormClipping
from federation.rules.pipeline import Pipeline
from federation.rules.trimmed_mean import TrimmedMean

__all__ = [
    "ALL_PRE_AGGREGATORS",
    "ALL_RULES",
    "Aggregate",
    "Bucketing",
    "Bulyan",
    "CenteredClipping",
    "GeometricMedian",
    "Krum",
    "Meamed",
    "Mean",
    "Median",
    "Mixed",
    "MultiKrum",
    "NearestNeighborMixing",
    "NormClipping",
    "Pipeline",
    "PreAggregator",
    "Rule",
    "TrimmedMean",
    "rule_from",
]
