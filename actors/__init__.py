"""The running swarm. Importing this package does not import Ray."""

from actors.config import SwarmConfig
from actors.swarm import Swarm

__all__ = ["Swarm", "SwarmConfig"]
