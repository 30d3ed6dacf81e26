"""Which updates look like lies, and how well that was told where the truth is known."""

from federation.screening.base import Screen
from federation.screening.combination import Screens
from federation.screening.detection import Detection, detection
from federation.screening.direction import DirectionScreen
from federation.screening.distance import DistanceScreen
from federation.screening.unscreened import Unscreened
from federation.screening.zero import ZeroScreen

__all__ = [
    "Detection",
    "DirectionScreen",
    "DistanceScreen",
    "Screen",
    "Screens",
    "Unscreened",
    "ZeroScreen",
    "detection",
]
