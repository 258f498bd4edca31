"""Representation-health metrics: pure functions on tensors, without Lightning or state."""

from gramscope.metrics.gram import (
    gram_matrix,
    offdiag_max,
    offdiag_mean,
    offdiag_min,
    offdiag_std,
)
from gramscope.metrics.rows import finite_rows, nonfinite_rows
from gramscope.metrics.spectrum import singular_values

__all__ = [
    "finite_rows",
    "gram_matrix",
    "nonfinite_rows",
    "offdiag_max",
    "offdiag_mean",
    "offdiag_min",
    "offdiag_std",
    "singular_values",
]
