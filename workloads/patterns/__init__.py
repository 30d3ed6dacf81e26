"""Pattern weights: how well tools, recoveries, tasks and teams work out, shared as numbers only."""

from workloads.patterns.blending import Installed, hot_swapped, own_ratio, recovered
from workloads.patterns.bounds import GroupBound, group_bound
from workloads.patterns.delta import Extracted, Submitted, extracted, row_of
from workloads.patterns.errors import KeySpaceError, MassAnomalyError, OlderReleaseError, PatternError
from workloads.patterns.experience import PatternExperience, experience_of
from workloads.patterns.fast_cache import CacheSettings, FastCache
from workloads.patterns.grouped import GroupedPatternsWorkload
from workloads.patterns.key_space import OTHER, STANDARD, Domain, KeySpace, PatternType
from workloads.patterns.knowledge import stabilities, weights_of
from workloads.patterns.learner import PatternsLearner
from workloads.patterns.learning import BatchLearning, Pattern, Scoring
from workloads.patterns.rule import PatternRule
from workloads.patterns.schema import DeltaWeightVector, GlobalWeightVector, checksum, json_schemas
from workloads.patterns.screen import PatternScreen
from workloads.patterns.scrubber import ALLOWED, Scrubber
from workloads.patterns.source import GivenExperiences, PatternSource, of_trajectories, of_trajectory, read_lines
from workloads.patterns.streaming import Folded, Streaming
from workloads.patterns.window import Window
from workloads.patterns.workload import PatternsWorkload, RoundSettings

__all__ = [
    "ALLOWED",
    "OTHER",
    "STANDARD",
    "BatchLearning",
    "CacheSettings",
    "DeltaWeightVector",
    "Domain",
    "Extracted",
    "FastCache",
    "Folded",
    "GivenExperiences",
    "GlobalWeightVector",
    "GroupBound",
    "GroupedPatternsWorkload",
    "Installed",
    "KeySpace",
    "KeySpaceError",
    "MassAnomalyError",
    "OlderReleaseError",
    "Pattern",
    "PatternError",
    "PatternExperience",
    "PatternRule",
    "PatternScreen",
    "PatternSource",
    "PatternType",
    "PatternsLearner",
    "PatternsWorkload",
    "RoundSettings",
    "Scoring",
    "Scrubber",
    "Streaming",
    "Submitted",
    "Window",
    "checksum",
    "experience_of",
    "extracted",
    "group_bound",
    "hot_swapped",
    "json_schemas",
    "of_trajectories",
    "of_trajectory",
    "own_ratio",
    "read_lines",
    "recovered",
    "row_of",
    "stabilities",
    "weights_of",
]
