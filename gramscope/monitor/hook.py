"""Listens to what a module returns, and leaves no trace of having listened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gramscope.monitor.boundary import guarded

__all__ = ["ForwardHook", "is_recomputation"]


class ForwardHook:
    """Shows a module's outputs to a listener while armed; also when the module is compiled."""

    def __init__(self, module: nn.Module, listener: Callable[[Any], Any]) -> None:
        self._module = module
        self._listener = listener
        self._disarm: Callable[[], None] | None = None

    def arm(self) -> None:
        """Start listening; again after `disarm`, as often as one likes."""
        if self._disarm is not None:
            return
        compiled = getattr(self._module, "_compiled_call_impl", None)
        if compiled is None:
            self._disarm = self._module.register_forward_hook(_Hook(self._listener)).remove
        else:
            self._disarm = self._wrap_compiled_call(compiled)

    def disarm(self) -> None:
        """Stop listening and leave the module as it was."""
        if self._disarm is not None:
            self._disarm()
            self._disarm = None

    def _wrap_compiled_call(self, compiled: Callable[..., Any]) -> Callable[[], None]:
        # After `module.compile()` a forward hook would be traced into the graph and recompile it,
        # so the compiled call is listened to from outside.
        def call(*args: Any, **kwargs: Any) -> Any:
            output = compiled(*args, **kwargs)
            self._listener(output)
            return output

        def restore() -> None:
            self._module._compiled_call_impl = compiled

        self._module._compiled_call_impl = call
        return restore


class _Hook:
    """What sits on the module; a copy or a pickle of the module carries one that does nothing."""

    def __init__(self, listener: Callable[[Any], Any] | None = None) -> None:
        self._listener = listener

    @guarded()
    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        # While a function around the module is being compiled this is no step's output yet.
        if self._listener is not None and not torch.compiler.is_compiling():
            self._listener(output)

    def recover(self, error: Exception, *_: Any) -> None:
        """Leave it at that: a step without features says so."""

    def __deepcopy__(self, memo: Any) -> _Hook:
        return _Hook()

    def __reduce__(self) -> tuple[type[_Hook], tuple[()]]:
        return _Hook, ()


def is_recomputation() -> bool:
    """Whether a forward pass lies within a backward one, as where activations are checkpointed."""
    return bool(torch._C._current_graph_task_id() != -1)
