"""Takes one step's features where the model makes them, and leaves no trace of having looked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gramscope.events import Reason
from gramscope.monitor.boundary import guarded
from gramscope.monitor.buffers import BufferPool
from gramscope.monitor.features import FeatureError, as_rows, available_keys, lookup
from gramscope.monitor.rows import RowSampler

__all__ = ["ForwardHook", "StepCapture", "find_module", "is_sharded"]


class StepCapture:
    """Collects the rows of one optimizer step from the outputs that are offered to it.

    Args:
        key: Dotted path of the features in an output.
        limit: Rows to take from this rank.
        micro_batches: How many micro-batches the step is expected to have.
        bare_tensor: Whether an output that is itself a tensor counts as the features.
        pool: Memory for rows that are on the host already; ``None``: fresh.
    """

    def __init__(
        self,
        key: str,
        limit: int,
        micro_batches: int = 1,
        *,
        bare_tensor: bool = False,
        pool: BufferPool | None = None,
    ) -> None:
        self.sampler = RowSampler(limit, micro_batches, pool)
        self.error: FeatureError | None = None
        self._key = key
        self._bare_tensor = bare_tensor
        self._filled = False
        self._mark = self.sampler.mark
        self._seen_keys: dict[str, None] = {}
        self._seen_tensor = False

    @property
    def filled(self) -> bool:
        """Whether the micro-batch has given its features."""
        return self._filled

    def begin_micro_batch(self) -> None:
        """Accept features again: each micro-batch gives its first, whatever else it computes."""
        self._filled = False
        self._mark = self.sampler.mark

    def end_micro_batch(self) -> None:
        """Note it if the micro-batch gave no features."""
        if not self._filled and self.error is None:
            self.error = self._missing()

    def offer(self, outputs: Any, *, override: bool = False) -> bool:
        """Take the rows of ``outputs`` if the micro-batch still needs them; never raises.

        Args:
            outputs: What a module or the training step returned.
            override: Take them also if the micro-batch has given features already, instead.

        Returns:
            Whether ``outputs`` was taken.
        """
        if self._filled and not override:
            return False
        try:
            features = self._find(outputs)
            if features is None:
                return False
            self.sampler.rewind(self._mark)
            self.sampler.add(features)
        except Exception as error:  # whatever a foreign output does must not reach training
            self.fail(error)
        self._filled = True
        return True

    def fail(self, error: Exception) -> None:
        """Give up this step's rows."""
        if self.error is None:
            foreign = FeatureError(Reason.capture_failed, f"capture failed with {error!r}")
            self.error = error if isinstance(error, FeatureError) else foreign

    def _find(self, outputs: Any) -> Tensor | None:
        if isinstance(outputs, Tensor):
            self._seen_tensor = self._seen_tensor or outputs.ndim > 1
            return as_rows(outputs, self._key) if self._bare_tensor else None
        try:
            value = lookup(outputs, self._key)
        except KeyError:
            self._seen_keys.update(dict.fromkeys(available_keys(outputs)))
            return None
        return as_rows(value, self._key)

    def _missing(self) -> FeatureError:
        there = ", ".join(self._seen_keys) or "no floating-point [N, D] tensor at all"
        if self._seen_tensor and not self._seen_keys:
            there = (
                "one tensor without a key. To watch it, name the module that returns it, for "
                "example module='model', or module='.' for the LightningModule itself"
            )
        return FeatureError(
            Reason.missing_key, f"no output has feature_key={self._key!r}; there is: {there}"
        )


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
    if path is None:
        path = "model" if isinstance(getattr(root, "model", None), nn.Module) else ""
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
