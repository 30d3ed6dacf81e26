"""The REST interface: one router for each thing that can be asked about."""

from gateway.rest import agents, events, health, releases, rounds

__all__ = ["agents", "events", "health", "releases", "rounds"]
