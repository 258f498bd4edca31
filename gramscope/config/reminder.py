"""Says at the end of a Hydra job that nobody has used what was composed."""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Iterable
from types import FrameType

__all__ = ["expect", "met"]

log = logging.getLogger(__name__)

_expected: dict[str, int] = {}
"""Presets, each with how many jobs of a sweep had run here when it was composed."""
_reminded: set[str] = set()


def expect(preset: str) -> None:
    """A preset is composed; if a job comes of it, some trainer is to have its callback."""
    jobs = _jobs_run()
    _remind([one for one, before in _expected.items() if before < jobs])
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)
    _expected[preset] = jobs


def met() -> None:
    """A trainer has a callback of ours, or was told why not."""
    _expected.clear()


def _at_exit() -> None:
    # Hydra opens one for a job, and neither to show a config nor to launch jobs.
    if any(isinstance(handler, logging.FileHandler) for handler in logging.getLogger().handlers):
        _remind(_expected)


def _jobs_run() -> int:
    """How many jobs this process has run if it composes one of a sweep's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "launch":
        frame = frame.f_back
    return len(frame.f_locals.get("runs") or ()) if frame is not None else 0


def _remind(presets: Iterable[str]) -> None:
    unmet = {*presets} - _reminded
    _reminded.update(unmet)
    if unmet:
        log.warning(
            "%s: composed, but no Lightning Trainer or Fabric of this job has watched anything, "
            "and there are no gram matrices. Another loop uses gramscope.Monitor.",
            ", ".join(sorted(unmet)),
        )
