"""Representation-health metrics: pure functions on tensors, without Lightning or state."""

from gramscope.metrics.assignment import (
    assignment_entropy,
    teacher_entropy,
    teacher_entropy_normalised,
    teacher_student_kl,
)
from gramscope.metrics.gram import (
    gram_matrix,
    offdiag_max,
    offdiag_mean,
    offdiag_min,
    offdiag_std,
)
from gramscope.metrics.kernels import gram_distance, hsic, linear_cka
from gramscope.metrics.neighbours import duplicate_share, label_agreement
from gramscope.metrics.ranks import (
    PowerLaw,
    alpha_req,
    cev_auc,
    effective_rank,
    nesum,
    participation_ratio,
    power_law,
    rankme,
    stable_rank,
)
from gramscope.metrics.rows import finite_rows, nonfinite_rows
from gramscope.metrics.spectrum import Spectrum, singular_values, spectrum
from gramscope.metrics.sphere import (
    alignment,
    feature_std,
    spread,
    uniformity,
    uniformity_w2,
    unit_rows,
)
from gramscope.metrics.standard import standard
from gramscope.metrics.views import (
    Pair,
    lidar,
    pair,
    shared_rank,
    shared_rank_parts,
    view_cka,
    view_correlation,
    view_correlation_z,
)

__all__ = [
    "Pair",
    "PowerLaw",
    "Spectrum",
    "alignment",
    "alpha_req",
    "assignment_entropy",
    "cev_auc",
    "duplicate_share",
    "effective_rank",
    "feature_std",
    "finite_rows",
    "gram_distance",
    "gram_matrix",
    "hsic",
    "label_agreement",
    "lidar",
    "linear_cka",
    "nesum",
    "nonfinite_rows",
    "offdiag_max",
    "offdiag_mean",
    "offdiag_min",
    "offdiag_std",
    "pair",
    "participation_ratio",
    "power_law",
    "rankme",
    "shared_rank",
    "shared_rank_parts",
    "singular_values",
    "spectrum",
    "spread",
    "stable_rank",
    "standard",
    "teacher_entropy",
    "teacher_entropy_normalised",
    "teacher_student_kl",
    "uniformity",
    "uniformity_w2",
    "unit_rows",
    "view_cka",
    "view_correlation",
    "view_correlation_z",
]
