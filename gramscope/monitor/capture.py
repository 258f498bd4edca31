"""Takes one step's features where the model makes them, and leaves no trace of having looked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gramscope.config.views import Layout, Views
from gramscope.events import Reason
from gramscope.monitor.boundary import guarded
from gramscope.monitor.buffers import BufferPool
from gramscope.monitor.features import FeatureError, as_rows, available_keys, lookup
from gramscope.monitor.identity import pick
from gramscope.monitor.rows import RowSampler, Selection, copy_rows

__all__ = ["Chunk", "ForwardHook", "StepCapture", "find_module", "is_sharded"]

_COLUMNS_LOOKED_AT = 1024
"""Enough to tell which rows are alike."""


@dataclass
class Chunk:
    """What is taken of one micro-batch."""

    chosen: Selection
    declared: Views | None
    """Views of the first feature, to whose rows positions refer."""
    features: dict[str, Tensor]
    """By role, ``[k, D]`` each, the same rows of all."""
    sample_id: Any = None
    """See `gramscope.monitor.identity.pick`."""
    label: Any = None
    look: tuple[Tensor, int] | None = None
    """Rows to look for views in, and of how many they were looked out."""


class StepCapture:
    """Collects the rows of one optimizer step from the outputs that are offered to it.

    Args:
        keys: Dotted path of the features in an output, or of several by role.
        limit: Rows to take from this rank; a function: samples, by the views taken of each.
        micro_batches: How many micro-batches the step is expected to have.
        bare_tensor: Whether an output that is itself a tensor counts as the features.
        pools: By role, memory for rows that are on the host already.
        look: Which rows to look for views in, by the number of rows; ``None``: do not look.
    """

    def __init__(
        self,
        keys: str | Mapping[str, str],
        limit: int | Callable[[int], int],
        micro_batches: int = 1,
        *,
        bare_tensor: bool = False,
        pools: Mapping[str, BufferPool] | None = None,
        look: Callable[[int], list[int]] | None = None,
    ) -> None:
        self.chunks: list[Chunk] = []
        self.error: FeatureError | None = None
        """Why there are no rows at all."""
        self.lacking: dict[str, FeatureError] = {}
        """By role, why there are no rows of one."""
        self.remarks: dict[str, None] = {}
        """What else was wrong with the step."""
        self.alike: int | None = None
        """How many of a sample's views are of one crop type; ``None``: all."""
        self.assignment: Mapping[str, Any] | None = None
        """How the model's logits become assignments, where it says so."""
        self._keys = {"": keys} if isinstance(keys, str) else dict(keys)
        self._sampler = RowSampler(limit if callable(limit) else lambda _: limit, micro_batches)
        self._bare_tensor = bare_tensor and len(self._keys) == 1
        self._pools = pools or defaultdict(lambda: BufferPool(0))
        self._look = look
        self._filled = 0  # features that the micro-batch has given
        self._mark = self._present
        self._views: Mapping[str, Views | None] = {}
        self._marks: Mapping[str, Any] = {}
        self._seen_keys: dict[str, None] = {}
        self._seen_tensor = False

    @property
    def filled(self) -> bool:
        """Whether the micro-batch has given features."""
        return self._filled > 0

    def begin_micro_batch(
        self,
        views: Mapping[str, Views | None] | None = None,
        marks: Mapping[str, Any] | None = None,
    ) -> None:
        """Accept features again: each micro-batch gives its first, whatever else it computes.

        Args:
            views: By role, how rows are views of samples, where that is known.
            marks: ``sample_id`` and ``label`` of the micro-batch, each where there is one.
        """
        self._filled = 0
        self._mark = self._present
        self._views, self._marks = views or {}, marks or {}

    def end_micro_batch(self) -> None:
        """Note what the micro-batch has not given."""
        if self.error is None and not self._filled:
            self.error = self._missing(*self._keys.values())
        for role, key in self._keys.items() if self._filled < len(self._keys) else ():
            if self.error is None and role not in self.chunks[-1].features:
                self.lacking.setdefault(role, self._missing(key))

    def offer(self, outputs: Any, *, override: bool = False) -> bool:
        """Take the rows of ``outputs`` if they hold more than the micro-batch has; never raises.

        Args:
            outputs: What a module or the training step returned.
            override: Take them also if they hold as much, instead.

        Returns:
            Whether ``outputs`` was taken.
        """
        if self._filled == len(self._keys) and not override:
            return False
        found: dict[str, Tensor | FeatureError] = {}
        try:
            found = self._find(outputs)
            if len(found) < max(self._filled + (not override), 1):
                return False
            self._rewind()
            self._add(found)
        except Exception as error:  # whatever a foreign output does must not reach training
            self.fail(error)
        self._filled = max(len(found), 1)
        return True

    def fail(self, error: Exception) -> None:
        """Give up this step's rows."""
        if self.error is None:
            foreign = FeatureError(Reason.capture_failed, f"capture failed with {error!r}")
            self.error = error if isinstance(error, FeatureError) else foreign

    @property
    def _present(self) -> tuple[tuple[int, int], int, dict[str, FeatureError]]:
        return self._sampler.mark, len(self.chunks), dict(self.lacking)

    def _rewind(self) -> None:
        mark, chunks, self.lacking = self._mark
        self._sampler.rewind(mark)
        del self.chunks[chunks:]

    def _find(self, outputs: Any) -> dict[str, Tensor | FeatureError]:
        """By role, the rows, or why what is there is none."""
        if isinstance(outputs, Tensor):
            self._seen_tensor = self._seen_tensor or outputs.ndim > 1
            return self._rows_of(outputs, *self._keys) if self._bare_tensor else {}
        found: dict[str, Tensor | FeatureError] = {}
        for role, key in self._keys.items():
            try:
                value = lookup(outputs, key)
            except KeyError:
                continue
            found.update(self._rows_of(value, role))
        if len(found) < len(self._keys):
            self._seen_keys.update(dict.fromkeys(available_keys(outputs)))
        return found

    def _rows_of(self, value: Any, role: str) -> dict[str, Tensor | FeatureError]:
        try:
            return {role: as_rows(value, self._keys[role])}
        except FeatureError as error:
            return {role: error}

    def _add(self, found: Mapping[str, Tensor | FeatureError]) -> None:
        errors = {role: e for role, e in found.items() if isinstance(e, FeatureError)}
        features = {role: f for role, f in found.items() if isinstance(f, Tensor)}
        if not features:
            raise next(iter(errors.values()))
        self.lacking = {**errors, **self.lacking}
        views, samples = self._shared(features)
        first_role, first = next(iter(features.items()))
        declared = views.get(first_role)
        chosen = self._choose(len(first), samples, declared, views)
        taken = {
            role: copy_rows(f, chosen, views.get(role), self._pools[role])
            for role, f in features.items()
        }
        chunk = Chunk(chosen, declared, taken)
        for name, value in self._marks.items():
            self._mark_rows(chunk, name, value, len(first))
        if self._look is not None and declared is None and not self.chunks and len(first):
            chunk.look = (_some(first, self._look(len(first))), len(first))
        self.chunks.append(chunk)

    def _choose(
        self, rows: int, samples: int, declared: Views | None, views: Mapping[str, Views]
    ) -> Selection:
        common = min((v.count for v in views.values()), default=1)
        self.alike = min((v.comparable for v in views.values()), default=None)
        layout = declared.layout if declared else Layout.stacked.value
        return self._sampler.choose(rows, samples=samples, views=common, layout=layout)

    def _shared(self, features: dict[str, Tensor]) -> tuple[dict[str, Views], int]:
        """The views by role and the number of samples that features share; others leave."""
        views = {r: v for r in features if (v := self._views.get(r)) is not None}
        odd = [(v.count, len(features[r])) for r, v in views.items() if len(features[r]) % v.count]
        for count, rows in odd:
            self.remarks[f"views: {count} do not divide the {rows} rows"] = None
        if odd or len(views) < len(features):
            views.clear()
        samples = {r: len(f) // views[r].count if views else len(f) for r, f in features.items()}
        first = next(iter(samples))
        for role in [r for r in samples if samples[r] != samples[first]]:
            self.lacking[role] = FeatureError(
                Reason.other_rows,
                f"{self._keys[role]!r} has {len(features.pop(role))} rows, which are not those of "
                f"{self._keys[first]!r} with {len(features[first])}; declare its `views`",
            )
            views.pop(role, None)
        return views, samples[first]

    def _mark_rows(self, chunk: Chunk, name: str, value: Any, rows: int) -> None:
        try:
            if isinstance(value, FeatureError):
                raise value
            setattr(chunk, name, pick(value, name, chunk.chosen, chunk.declared, rows))
        except Exception as error:  # the rows can do without
            self.remarks[str(error)] = None

    def _missing(self, *keys: str) -> FeatureError:
        there = ", ".join(self._seen_keys) or "no floating-point [N, D] tensor at all"
        if self._seen_tensor and not self._seen_keys:
            there = (
                "one tensor without a key. To watch it, name the module that returns it, for "
                "example module='model', or module='.' for the LightningModule itself"
            )
        named = " or ".join(map(repr, keys))
        return FeatureError(
            Reason.missing_key, f"no output has feature_key={named}; there is: {there}"
        )


def _some(features: Tensor, places: list[int]) -> Tensor:
    """Rows to look for views in, without all of their columns."""
    index = torch.tensor(places, dtype=torch.int64).to(features.device, non_blocking=True)
    return features.detach()[:, :_COLUMNS_LOOKED_AT].index_select(0, index)


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
