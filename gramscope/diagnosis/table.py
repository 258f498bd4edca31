"""The one table of numbers, which the monitor, the bar, reports, commands and docs read."""

from __future__ import annotations

from math import inf, sqrt

from gramscope.diagnosis.number import Number

__all__ = ["NUMBERS"]

# fmt: off
# A row reads: name, what it needs, range, bad end; what it is; what the bad end says; how it shows.
_ROWS = (
    # Cosine similarities of all pairs of rows.
    Number("offdiag_mean", "gram", -1, 1, "high",
           "Mean cosine similarity of two different samples.",
           "At 1 all samples are one point. A low mean is no fault.",
           headline=True, short="mean"),
    Number("offdiag_std", "gram", 0, 1, "both",
           "Standard deviation of the cosine similarity of two different samples.",
           "Near 0 beside a mean near 1, all samples are one point; near 1, two opposite points.",
           headline=True),
    Number("offdiag_min", "gram", -1, 1, "high",
           "Cosine similarity of the least similar pair of samples.",
           "At 1 even the least similar samples are alike."),
    Number("offdiag_max", "gram", -1, 1, "high",
           "Cosine similarity of the most similar pair of different samples.",
           "At 1 two samples are alike, as views of one sample should be."),
    Number("nonfinite_rows", "features", 0, inf, "high",
           "Rows with NaN or Inf.",
           "They are left out of the matrix and of all other numbers.",
           decimals=None, sound=0),
    Number("spread", "features", 0, 1, "low",
           "Variance of the features at length 1: 1 less the squared length of their mean.",
           "At 0 all samples are one point, however high a rank the noise that is left has."),
    Number("feature_std", "features", 0, 1, "low",
           "Standard deviation of an entry of the features at length 1, times the root of D.",
           "At 0 all samples are one point. It misses a line, which scores 0.8."),

    # In how many directions features vary.
    Number("effective_rank", "features", 0, inf, "low",
           "Directions in use: exponential of the entropy of the centred singular values.",
           "At 1 features lie on a line, at 0 they are one point. Blind to scale: noise around one "
           "point scores high.",
           decimals=1, ceiling="rank_ceiling", headline=True, short="effective rank"),
    Number("participation_ratio", "features", 0, inf, "low",
           "Directions in use: squared sum of the covariance's eigenvalues over that of squares.",
           "At 1 features lie on a line, at 0 they are one point. Biased low at small N.",
           decimals=1, ceiling="rank_ceiling"),
    Number("stable_rank", "features", 0, inf, "low",
           "Directions in use: sum of the covariance's eigenvalues over the largest.",
           "At 1 features lie on a line, at 0 they are one point.",
           decimals=1, ceiling="rank_ceiling"),
    Number("rankme", "features", 0, inf, "low",
           "As effective_rank, of features that are not centred.",
           "At 1 features are multiples of one vector. A mean that all share hides the rest.",
           decimals=1, ceiling="min(N, D)"),
    Number("rank_ceiling", "features", 1, inf, None,
           "The most directions that there can be: min(N - 1, D).",
           "Ranks near it say how many samples there are, not how many directions.",
           decimals=0),
    Number("effective_rank_share", "features", 0, 1, "low",
           "effective_rank over rank_ceiling.",
           "As effective_rank; white noise scores 0.8 and more."),
    Number("participation_ratio_share", "features", 0, 1, "low",
           "participation_ratio over rank_ceiling.",
           "As participation_ratio; white noise scores 0.5 and more."),
    Number("stable_rank_share", "features", 0, 1, "low",
           "stable_rank over rank_ceiling.",
           "As stable_rank; white noise scores 0.25 and more."),
    Number("rankme_share", "features", 0, 1, "low",
           "rankme over min(N, D).",
           "As rankme; white noise scores 0.8 and more."),
    Number("cev_auc", "features", 0.5, 1, "high",
           "Area under the cumulative share of the centred singular values, by rank.",
           "At 1 features lie on a line, or are one point."),
    Number("alpha_req", "features", 0, inf, "both",
           "Exponent of the power law of the covariance's eigenvalues, over ranks 6 to 50.",
           "Its authors find near 1 to generalise best: low is noise, high is few directions. "
           "See alpha_req_r2.",
           decimals=2),
    Number("alpha_req_r2", "features", 0, 1, "low",
           "How well that power law fits: the share of variance that it explains.",
           "Where it is low there is no power law, and alpha_req says nothing."),

    # How features lie on the sphere, and what their neighbours are.
    Number("uniformity", "gram", -8, 0, "high",
           "Logarithm of the mean Gaussian potential of two samples, of one view if that is known.",
           "At 0 all samples are one point; evenly spread ones score -4.",
           decimals=2),
    Number("uniformity_w2", "features", 0, sqrt(2), "high",
           "Wasserstein distance of the features at length 1 to an isotropic Gaussian.",
           "At 1.414 all samples are one point. Its floor depends on N and D: 1.10 at 128 x 768."),
    Number("duplicate_share", "gram", 0, 1, "high",
           "Rows whose nearest neighbour is of another sample and all but the same (above 0.999).",
           "Samples occur twice, or features collapse. Unknown views of one sample count too."),
    Number("label_agreement", "labels", 0, 1, "low",
           "Rows whose nearest neighbour, of another sample, has the same label.",
           "At the level of chance features say nothing of the labels. Noisy at few rows."),

    # What views of one sample have in common.
    Number("positive_similarity", "views", -1, 1, "both",
           "Mean cosine similarity of two views of one sample.",
           "At 1 views are the same. Near negative_similarity they do not agree, or all samples "
           "are one point."),
    Number("negative_similarity", "views", -1, 1, "high",
           "Mean cosine similarity of rows of different samples.",
           "At 1 all samples are one point."),
    Number("alignment", "views", 0, 4, "both",
           "Mean squared distance of two views of one sample, at length 1.",
           "At 0 views are the same, as in collapse; at 2 they are at right angles."),
    Number("view_correlation", "views", -1, 1, "both",
           "Share of the variance that views of one sample have in common.",
           "At 1 the augmentation changes nothing. Untrained models are low; that it stays low or "
           "falls is bad.",
           headline=True),
    Number("view_correlation_z", "views", -inf, inf, "low",
           "view_correlation in standard deviations of what independent views would score.",
           "Below 2 it may be chance.",
           decimals=1),
    Number("view_cka", "views", -1, 1, "low",
           "Debiased kernel alignment (CKA) of two views of the samples.",
           "About 0 where views have nothing in common. Below 0.1 there is no shared_rank."),
    Number("shared_rank", "views", 0, inf, "low",
           "In how many directions views of a sample agree. Missing where view_cka is below 0.1.",
           "About 1: they agree on a line only.",
           decimals=1, headline=True),
    Number("lidar", "views", 0, inf, "low",
           "Effective rank of what tells samples apart beside what tells views of one apart.",
           "At 1 a line tells them apart, at 0 nothing. Noise scores high, and higher at larger N.",
           decimals=1, ceiling="min(samples - 1, D)"),

    # Teacher against student, head against backbone.
    Number("teacher_student_cka", "roles", -1, 1, "low",
           "Debiased kernel alignment (CKA) of the teacher's features with the student's.",
           "About 0: they have nothing in common. 1: the same up to rotation and scale."),
    Number("teacher_student_gram_distance", "roles", 0, 2, "high",
           "Root mean square difference of the teacher's cosine similarities and the student's.",
           "The two part ways."),
    Number("teacher_student_rank_ratio", "roles", 0, inf, "low",
           "effective_rank of the student over the teacher's.",
           "Below 1 the student has lost directions, and its teacher will follow."),
    Number("head_backbone_cka", "roles", -1, 1, "low",
           "Debiased kernel alignment (CKA) of the head's features with the backbone's.",
           "About 0: what the head shows is no longer what the backbone has."),
    Number("head_backbone_gram_distance", "roles", 0, 2, "high",
           "Root mean square difference of the head's cosine similarities and the backbone's.",
           "The two part ways. Some distance is usual: heads are made to spread."),
    Number("head_backbone_rank_ratio", "roles", 0, inf, "low",
           "effective_rank of the head over the backbone's.",
           "Near 0 the head has collapsed and the backbone has not. Below 1 is usual."),

    # How a DINO head assigns samples to its K prototypes.
    Number("teacher_entropy", "logits", 0, inf, "both",
           "Mean entropy of the teacher's assignment of a sample to K prototypes, in nats.",
           "At ln K each sample is assigned to all alike; at 0 each to one, all to the same one if "
           "assignment_entropy is 0 too.",
           ceiling="ln K"),
    Number("teacher_entropy_normalised", "logits", 0, 1, "both",
           "teacher_entropy over ln K.",
           "As teacher_entropy."),
    Number("assignment_entropy", "logits", 0, inf, "low",
           "Entropy of the teacher's mean assignment, in nats: how many prototypes are in use.",
           "At 0 all samples go to one prototype. High is no sign of health: assignments that are "
           "all uniform give ln K.",
           ceiling="ln K"),
    Number("teacher_student_kl", "logits", 0, inf, "low",
           "Mean divergence of the student's assignment of a view from the teacher's of another.",
           "Near 0 the student has nothing left to learn, as in either collapse."),
    Number("sinkhorn_entropy_normalised", "logits", 0, 1, "high",
           "Mean entropy of a sample's Sinkhorn-Knopp target over ln K.",
           "At 1 targets tell no sample from another, as where all logits are alike."),
)
# fmt: on

NUMBERS = {number.name: number for number in _ROWS}
"""By name, in the order in which they are shown."""
