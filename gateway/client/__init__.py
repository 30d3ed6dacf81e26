"""The federation client for plugins: `from gateway.client import FederationClient`."""

from gateway.client.client import FederationClient
from gateway.client.settings import ClientSettings, Trust

__all__ = ["ClientSettings", "FederationClient", "Trust"]
