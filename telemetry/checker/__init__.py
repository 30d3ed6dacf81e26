"""The registry as Weaver reads it, checked as Weaver checks it."""

from telemetry.checker.diagnostics import RegistryError
from telemetry.checker.registry import Registry, load

__all__ = ["Registry", "RegistryError", "load"]
