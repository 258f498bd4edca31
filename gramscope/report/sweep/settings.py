"""What was swept: the overrides in which jobs differ."""

from __future__ import annotations

from collections.abc import Sequence

from gramscope.report.jobs import Job
from gramscope.sweep.overrides import short_names

__all__ = ["compare_settings"]

# Headings of the table's other columns.
_TAKEN = {"job", "feature", "logged", "skipped", "last step", "remarks"}


def compare_settings(jobs: Sequence[Job]) -> tuple[dict[str, str], dict[str, str]]:
    """Separate what was swept from what all jobs share.

    Args:
        jobs: All jobs of the sweep. One whose overrides cannot be read is left out of account.

    Returns:
        A heading for every swept key, and the value of every key that is alike in all jobs.
    """
    readable = [job.overrides for job in jobs if job.overrides or not job.problems] or [{}]
    keys = list(dict.fromkeys(key for overrides in readable for key in overrides))
    shared = {
        key: readable[0][key]
        for key in keys
        if all(key in o and o[key] == readable[0][key] for o in readable)
    }
    return short_names([key for key in keys if key not in shared], _TAKEN), shared
