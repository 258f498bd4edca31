"""Features that presets name, by the presets' own words. Only the standard library is imported."""

from __future__ import annotations

__all__ = ["FEATURES"]

FEATURES = {
    "teacher": "teacher_cls_token",
    "student": "student_cls_token",
    "global": "student_glob_cls_token",
    # Features before the projection head.
    "teacher_backbone": "teacher_cls_token_backbone",
    "student_backbone": "student_cls_token_backbone",
    "global_backbone": "student_glob_cls_token_backbone",
}
"""Feature keys by option of `gram/feature`."""
