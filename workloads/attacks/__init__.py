"""Ways in which marked agents lie, for evaluation."""

from workloads.attacks.adversary import AdversarialLearner, Adversary
from workloads.attacks.base import Attack, Lie, Scene
from workloads.attacks.catalogue import ALL_ATTACKS, attack_from
from workloads.attacks.crafted import ALittleIsEnough, InnerProduct, Mimic, MinMax
from workloads.attacks.crude import (
    Gaussian,
    HugeWeight,
    LabelFlip,
    NotFinite,
    Replay,
    Scaled,
    SignFlip,
    Sybil,
    Zero,
)

__all__ = [
    "ALL_ATTACKS",
    "ALittleIsEnough",
    "AdversarialLearner",
    "Adversary",
    "Attack",
    "Gaussian",
    "HugeWeight",
    "InnerProduct",
    "LabelFlip",
    "Lie",
    "Mimic",
    "MinMax",
    "NotFinite",
    "Replay",
    "Scaled",
    "Scene",
    "SignFlip",
    "Sybil",
    "Zero",
    "attack_from",
]
