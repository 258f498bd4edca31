"""Finds the module to watch below a model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import nn

from gramscope.events import Reason
from gramscope.monitor.features import FeatureError, available_keys
from gramscope.monitor.hook import ForwardHook

__all__ = ["RollCall", "default_path", "find_module", "is_sharded"]


_DEPTH = 2
"""Of the names that a roll is called by."""
_MOST_NAMED = 12


class RollCall:
    """Notes which modules run and return what could be features, not far below a model.

    What lies inside a compiled one is left alone.

    Args:
        root: The model.
    """

    def __init__(self, root: nn.Module) -> None:
        self._ran: dict[str, None] = {}
        self._hooks = [
            ForwardHook(module, partial(self._note, name)) for name, module in _shallow(root)
        ]

    @property
    def ran(self) -> str:
        """The names of those that ran, those that lie highest first."""
        names = sorted(self._ran, key=lambda name: name.count("."))
        more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        return (", ".join(names[:_MOST_NAMED]) or "none that returns what could be features") + more

    def arm(self) -> None:
        """Start listening."""
        for hook in self._hooks:
            hook.arm()

    def disarm(self) -> None:
        """Stop listening."""
        for hook in self._hooks:
            hook.disarm()

    def _note(self, name: str, output: Any) -> None:
        if available_keys({name: output}):
            self._ran[name] = None


def _shallow(module: nn.Module, prefix: str = "", depth: int = 1) -> Iterator[Any]:
    for name, child in module.named_children():
        yield f"{prefix}{name}", child
        if depth < _DEPTH and not is_compiled(child):
            yield from _shallow(child, f"{prefix}{name}.", depth + 1)


def default_path(root: nn.Module) -> str:
    """Of the module that is watched where none is named: `model`, or the root itself (empty)."""
    return "model" if isinstance(getattr(root, "model", None), nn.Module) else ""


def find_module(root: nn.Module, path: str | None) -> nn.Module:
    """The module to watch, checked for being reachable by a hook.

    Args:
        root: The model as the trainer knows it.
        path: Dotted path below ``root``, ``.`` for ``root`` itself; ``None``: ``root.model`` if
            there is one, else ``root``.

    Raises:
        FeatureError: If there is no such module, or it lies inside a compiled one, whose graph
            calls no hooks.
    """
    path = default_path(root) if path is None else path
    module: nn.Module = root
    if getattr(root, "_compiler_ctx", None) is not None:
        raise FeatureError(
            Reason.inside_compiled_module,
            "the whole LightningModule is torch.compile'd, which calls no hooks on its parts; "
            "return the features from training_step and use capture='outputs', or compile only "
            "the submodule that is watched.",
        )
    for name in filter(None, path.split(".")):
        if is_compiled(module):
            raise FeatureError(
                Reason.inside_compiled_module,
                f"module={path!r} lies inside a torch.compile'd {type(module).__name__}, which "
                "calls no hooks on its parts; watch the compiled module itself, or return the "
                "features from training_step and use capture='outputs'.",
            )
        child = module._modules.get(name)  # `named_children` knows only one of two names
        if child is None:
            names = ", ".join(module._modules) or "none"
            raise FeatureError(
                Reason.no_such_module,
                f"module={path!r}: {type(module).__name__} has no submodule {name!r}; "
                f"its submodules: {names}.",
            )
        module = child
    return module


def is_sharded(model: nn.Module) -> bool:
    """Whether any part of ``model`` has its weights sharded by FSDP, of either generation."""
    names = {base.__name__ for module in model.modules() for base in type(module).__mro__}
    return not names.isdisjoint({"FSDPModule", "FullyShardedDataParallel"})


def is_compiled(module: nn.Module) -> bool:
    """Whether ``module`` was compiled, in place or by wrapping."""
    return getattr(module, "_compiled_call_impl", None) is not None or hasattr(module, "_orig_mod")
