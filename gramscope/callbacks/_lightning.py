"""What our callbacks inherit of Lightning, whichever copy of it an application uses.

`pytorch_lightning` and `lightning.pytorch` are separate copies, and a Trainer or a CLI of the one
does not take a callback of the other for one. So the classes here get that of each copy as a base
when the copy is loaded, be it before this module or after it. None is loaded for that: the one that
the application does not use would cost it seconds and memory.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = [
    "Callback",
    "TQDMProgressBar",
    "in_use",
    "rank_zero_info",
    "rank_zero_only",
    "rank_zero_warn",
]

log = logging.getLogger(__name__)

_COPIES = ("pytorch_lightning", "lightning.pytorch")
_CALLBACKS = tuple(f"{copy}.callbacks" for copy in _COPIES)

_NEITHER = (
    "gramscope.callbacks needs Lightning, and neither copy of it is installed: "
    "`pip install 'hydra-gramscope[lightning]'`, or `pip install "
    "'hydra-gramscope[pytorch-lightning]'` for programs that import `pytorch_lightning`. "
    "A loop without Lightning uses `gramscope.monitor.Monitor`."
)

_joining = Lock()


def in_use() -> str:
    """The copy that the application has loaded; before it has, one that is installed."""
    loaded = (copy for copy in _COPIES if copy in sys.modules)
    return next(loaded, None) or next(filter(_is_installed, _COPIES))


def _is_installed(copy: str) -> bool:
    return find_spec(copy.partition(".")[0]) is not None


if not any(map(_is_installed, _COPIES)):
    raise ImportError(_NEITHER)

# Both copies have them from there.
from lightning_utilities.core.rank_zero import (  # noqa: E402
    rank_zero_info,
    rank_zero_only,
    rank_zero_warn,
)

if TYPE_CHECKING:
    from pytorch_lightning.callbacks import Callback, TQDMProgressBar
else:

    class _Base:
        """Python exchanges bases, but for `object`."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # With Lightning's hooks in any case, also where a copy was loaded unnoticed.
            import_module(in_use())
            _join_loaded()
            super().__init__(*args, **kwargs)

    class Callback(_Base):
        """A `Callback` of each copy that is loaded."""

    class TQDMProgressBar(_Base):
        """A `TQDMProgressBar` of each copy that is loaded."""


class _Notices(MetaPathFinder):
    """Finds nothing itself, and has our classes join a copy that is about to be loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the finders behind this one look for the callbacks of a copy."""
        if fullname not in _CALLBACKS:
            return None
        try:
            return self._noticed(fullname, path, target)
        except Exception as error:  # they will be asked again, and answer the application
            log.debug("%s may be loaded unnoticed: %r", fullname, error)
            return None

    def _noticed(self, name: str, *where: Any) -> ModuleSpec | None:
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next(filter(None, (finder.find_spec(name, *where) for finder in behind)), None)
        if spec is not None and spec.loader is not None:
            _then_join(spec.loader, name)
        return spec


def _then_join(loader: Any, name: str) -> None:
    """Let a loader do one thing more, and remain what it is for whoever asks the module."""
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        if module.__name__ == name:  # some loaders load more than one
            _join(module)

    loader.exec_module = exec_module


def _join(module: ModuleType) -> None:
    """Make our classes subclasses of a copy's."""
    try:
        with _joining:
            for ours in (Callback, TQDMProgressBar):
                theirs = getattr(module, ours.__name__)
                if not issubclass(ours, theirs):
                    ours.__bases__ = (*ours.__bases__, theirs)
    except Exception as error:  # its trainers take our callbacks in a list nevertheless
        log.debug("The callbacks are none of %s: %r", module.__name__, error)


def _join_loaded() -> None:
    for name in filter(sys.modules.__contains__, _CALLBACKS):
        _join(import_module(name))  # waits for a thread that is loading it


sys.meta_path.insert(0, _Notices())
_join_loaded()
