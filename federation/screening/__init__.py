"""Which updates look like lies, and how well that was told where the truth is known."""

from federation.screening.base import Screen

__all__ = ["Screen"]
