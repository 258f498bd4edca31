"""Compares the jobs of a Hydra multirun; imports neither torch nor Lightning."""

from gramscope.report.errors import ReportError
from gramscope.report.sweep_report import sweep_report

__all__ = ["ReportError", "sweep_report"]
