"""One alert rule, and how alerts are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PREFIX = "Swarmlore"
RUNBOOKS = "docs/runbooks"
"""Where the pages stand, from the project's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert rule.

    Attributes:
        name: without `PREFIX`; the runbook is named after it.
        severity: ``critical`` (somebody is to be woken) or ``warning``.
        expr: PromQL; holds while the alert does.
        held: how long it has to hold.
        summary: what it means, the same for all of its series.
        description: with values.
    """

    name: str
    severity: str
    expr: str
    held: str
    summary: str
    description: str

    def rule(self) -> dict[str, Any]:
        """The rule as Prometheus takes it."""
        return {
            "alert": f"{PREFIX}{self.name}",
            "expr": self.expr,
            "for": self.held,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOKS}/{PREFIX}{self.name}.md",
            },
        }
