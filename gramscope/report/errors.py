"""What stops a report."""

from __future__ import annotations

__all__ = ["ReportError"]


class ReportError(Exception):
    """There is nothing to report on, or nowhere to write it; the message is for the user."""
