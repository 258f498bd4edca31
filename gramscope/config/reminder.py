"""Says at the end of a Hydra job that nobody has used what was composed."""

from __future__ import annotations

import atexit
import logging
import sys
from types import FrameType

__all__ = ["expect", "met"]

log = logging.getLogger(__name__)

_expected: dict[str, None] = {}
_reminded: set[str] = set()


def expect(preset: str) -> None:
    """A preset is composed; if a job comes of it, some trainer is to have its callback."""
    if _jobs_have_run():
        _remind()
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)
    _expected[preset] = None


def met() -> None:
    """A trainer has a callback of ours, or was told why not."""
    _expected.clear()


def _at_exit() -> None:
    # Hydra opens one for a job, and neither to show a config nor to launch jobs.
    if any(isinstance(handler, logging.FileHandler) for handler in logging.getLogger().handlers):
        _remind()


def _jobs_have_run() -> bool:
    """Whether this process, which composes another job, is amid a sweep's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "launch":
        frame = frame.f_back
    return frame is not None and bool(frame.f_locals.get("runs"))


def _remind() -> None:
    unmet = {*_expected} - _reminded
    _reminded.update(unmet)
    if unmet:
        log.warning(
            "%s: composed, but no Lightning Trainer or Fabric of this job has watched anything, "
            "and there are no gram matrices. Another loop uses gramscope.Monitor.",
            ", ".join(sorted(unmet)),
        )
