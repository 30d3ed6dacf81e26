"""Workflow systems that agents manage and learn to manage together."""

from examples.workflows.managed import ManagedSystem
from examples.workflows.source import WorkflowExperiences

__all__ = ["ManagedSystem", "WorkflowExperiences"]
