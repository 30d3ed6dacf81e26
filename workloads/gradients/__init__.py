"""A policy learned from experiences (state, action, reward, next state, done)."""

from workloads.gradients.agreement import AgreementClipping
from workloads.gradients.digits import DigitsBandit
from workloads.gradients.experience import Experience, Experiences
from workloads.gradients.files import ExperienceFiles
from workloads.gradients.learner import GradientsLearner
from workloads.gradients.policy import Policy
from workloads.gradients.screen import CascadeScreen, TwinScreen
from workloads.gradients.settings import LearningSettings
from workloads.gradients.source import ExperienceSource, HeldOut
from workloads.gradients.workload import GradientsWorkload

__all__ = [
    "AgreementClipping",
    "CascadeScreen",
    "DigitsBandit",
    "Experience",
    "ExperienceFiles",
    "ExperienceSource",
    "Experiences",
    "GradientsLearner",
    "GradientsWorkload",
    "HeldOut",
    "LearningSettings",
    "Policy",
    "TwinScreen",
]
