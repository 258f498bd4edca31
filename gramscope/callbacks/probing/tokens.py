"""Patch tokens in what a model returns: rows of them, their grid, and the image they are of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gramscope.config.probes import GramPatchConfig
from gramscope.config.views import Layout, Views
from gramscope.events import Reason
from gramscope.monitor.features import FeatureError, available_keys, lookup
from gramscope.monitor.patches import About
from gramscope.monitor.pooling import plain

__all__ = ["Tokens", "about_of", "image_in", "read_tokens"]

_POINTS = 1 << 18
"""Of the image that is kept: 64 along each edge in 3D, 512 in 2D."""


@dataclass
class Tokens:
    """What was found of one chunk's samples."""

    patches: Tensor
    """``[N, T, D]``."""
    token: Tensor | None = None
    """``[N, D]``, the class tokens."""
    norms: Tensor | None = None
    """``[N, T]``, lengths of the patch tokens before the last normalisation."""
    masked: Tensor | None = None
    """``[N, T]``, which patches were masked."""
    shape: tuple[int, ...] | None = None
    """The grid, where the features themselves have it."""
    remarks: list[str] = field(default_factory=list)
    """What was looked for in vain."""

    def rows(self, key: str) -> dict[str, Tensor]:
        """``[N * V, …]`` by key: a sample's class token, if it has one, and its patches."""
        one = self.token is not None
        tokens = self.patches if self.token is None else _behind(self.token[:, None], self.patches)
        found = {key: tokens.flatten(0, 1)}
        for name, values in (("norms", self.norms), ("masked", self.masked)):
            if values is not None:
                nothing = values.new_zeros(len(values), int(one))
                found[name] = _behind(nothing, values).flatten()[:, None].float()
        return found

    @property
    def views(self) -> Views:
        """How rows belong to samples."""
        return Views(
            self.patches.shape[1] + (self.token is not None), layout=Layout.interleaved.value
        )


def _behind(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat([first, second], dim=1)


def read_tokens(config: GramPatchConfig, output: Any, batch: Any) -> Tokens:
    """Find them.

    Args:
        config: Says under which keys.
        output: What the model returned.
        batch: What it was given.

    Raises:
        FeatureError: If there are no patch tokens.
    """
    value = output if isinstance(output, Tensor) else _found(config, output)
    is_floating = isinstance(value, Tensor) and value.is_floating_point()
    if not is_floating or value.ndim not in (3, 4, 5):
        raise _no_tokens(config, value)
    value = plain(value.detach(), config.feature_key)
    shape = tuple(value.shape[1:-1]) if value.ndim > 3 else None
    value = value.flatten(1, -2)
    patches = value[:, config.prefix_tokens :]
    if patches.shape[1] < 2:
        raise FeatureError(
            Reason.bad_shape,
            f"feature_key={config.feature_key!r} leads to {value.shape[1]} tokens, of which "
            f"prefix_tokens={config.prefix_tokens} leave {patches.shape[1]}; expected two at least",
        )
    tokens = Tokens(patches, shape=shape if not config.prefix_tokens else None)
    tokens.token = _class_tokens(config, output, value, tokens.remarks)
    _read_more(config, tokens, output, batch)
    return tokens


def _found(config: GramPatchConfig, output: Any) -> Any:
    try:
        return lookup(output, config.feature_key)
    except KeyError:
        there = ", ".join(available_keys(output)) or f"a {type(output).__name__} without keys"
        raise FeatureError(
            Reason.missing_key,
            f"no patch tokens under feature_key={config.feature_key!r}; there is: {there}",
        ) from None


def _no_tokens(config: GramPatchConfig, value: Any) -> FeatureError:
    what = f"a {type(value).__name__}"
    if isinstance(value, Tensor):
        what = f"a tensor of shape {list(value.shape)} and {value.dtype}"
    return FeatureError(
        Reason.bad_shape,
        f"feature_key={config.feature_key!r} leads to {what}; expected patch tokens [N, T, D], or "
        "[N, h, w, D], in 3D alike",
    )


def _class_tokens(
    config: GramPatchConfig, output: Any, value: Tensor, remarks: list[str]
) -> Tensor | None:
    if config.class_key is not None and not isinstance(output, Tensor):
        try:
            found = lookup(output, config.class_key)
        except KeyError:
            pass
        else:
            if isinstance(found, Tensor) and found.shape == (len(value), value.shape[-1]):
                return plain(found.detach(), config.class_key).to(value.dtype)
            remarks.append(
                f"class_key={config.class_key!r} leads to no [{len(value)}, {value.shape[-1]}]"
            )
    return value[:, 0] if config.prefix_tokens else None


def _read_more(config: GramPatchConfig, tokens: Tokens, output: Any, batch: Any) -> None:
    """What else there is of each patch, if it was asked for."""
    for name, key in (("raw_key", config.raw_key), ("mask_key", config.mask_key)):
        if key is None:
            continue
        value = _in_either(key, output, batch)
        fits = isinstance(value, Tensor) and value.ndim == (3 if name == "raw_key" else 2)
        if not fits or value.shape[1] not in _lengths(config, tokens):
            n, t, _ = tokens.patches.shape
            more = ", …" if name == "raw_key" else ""
            tokens.remarks.append(f"{name}={key!r} leads to no [{n}, {t}{more}]")
            continue
        value = plain(value.detach(), key)[:, value.shape[1] - tokens.patches.shape[1] :]
        if name == "raw_key":
            tokens.norms = torch.linalg.vector_norm(value.float(), dim=-1)
        else:
            tokens.masked = value.to(tokens.patches.device)


def _lengths(config: GramPatchConfig, tokens: Tokens) -> tuple[int, int]:
    patches = tokens.patches.shape[1]
    return patches, patches + config.prefix_tokens


def _in_either(key: str, *places: Any) -> Any:
    for place in places:
        try:
            return lookup(place, key)
        except KeyError:
            continue
    return None


def image_in(config: GramPatchConfig, output: Any, batch: Any) -> Any:
    """The images of a chunk's samples, as far as can be told: ``[N, C, …]``."""
    found = _in_either(config.image_key, batch, output)  # on the host, if it is there
    if found is None and config.input_key is not None:
        found = _in_either(config.input_key, batch)
    if found is None:
        found = batch[0] if isinstance(batch, (list, tuple)) and batch else batch
    return found


def about_of(config: GramPatchConfig, tokens: Tokens, image: Any, remarks: list[str]) -> About:
    """What is known of the patches beside their rows.

    Args:
        config: Which sample, which patch, which grid.
        tokens: Of the chunk with the sample that is drawn.
        image: ``[C, h, w]`` or ``[C, d, h, w]`` of it; anything else is none.
        remarks: Gets what does not fit.
    """
    patches = tokens.patches.shape[1]
    has_image = isinstance(image, Tensor) and image.ndim in (3, 4) and image.is_floating_point()
    edges = tuple(image.shape[1:]) if has_image else None
    grid = _grid(config, tokens, patches, edges, remarks)
    fits = has_image and grid is not None and len(grid) == len(edges or ())
    shown = _thinned(image[0], grid or ()) if fits else None
    return About(
        has_class=tokens.token is not None,
        sample=config.sample,
        patch=_patch(config, grid, patches, remarks),
        grid=grid,
        image=shown,
    )


def _grid(
    config: GramPatchConfig,
    tokens: Tokens,
    patches: int,
    edges: tuple[int, ...] | None,
    remarks: list[str],
) -> tuple[int, ...] | None:
    given = config.grid or tokens.shape
    if given is not None and math.prod(given) == patches:
        return tuple(given)
    of = f" of an image {list(edges)}" if edges else ""
    if config.grid is not None:
        remarks.append(
            f"grid={list(config.grid)} has {math.prod(config.grid)} places, and there are "
            f"{patches} patches{of}"
        )
        return None
    for found in _possible(patches, edges):
        if math.prod(found) == patches:
            return found
    remarks.append(f"{patches} patches{of} fill no grid of equal edges; set `grid`")
    return None


def _possible(patches: int, edges: tuple[int, ...] | None) -> list[tuple[int, ...]]:
    """Of patches with equal edges in the image, or of as many along each edge."""
    if edges is not None:
        size = round((math.prod(edges) / patches) ** (1 / len(edges)))
        return [tuple(edge // max(size, 1) for edge in edges)]
    return [(round(patches ** (1 / axes)),) * axes for axes in (2, 3)]


def _patch(
    config: GramPatchConfig, grid: tuple[int, ...] | None, patches: int, remarks: list[str]
) -> int:
    asked = config.patch
    if isinstance(asked, int) and asked < patches:
        return asked
    if isinstance(asked, tuple) and grid is not None and _lies_in(asked, grid):
        return int(np.ravel_multi_index(asked, grid))
    if asked is not None:
        of = f"the grid {list(grid)}" if grid else f"{patches} patches"
        remarks.append(f"patch={list(asked) if isinstance(asked, tuple) else asked} is not in {of}")
    middle = tuple(edge // 2 for edge in grid) if grid else ()
    return int(np.ravel_multi_index(middle, grid)) if grid else patches // 2


def _lies_in(place: tuple[int, ...], grid: tuple[int, ...]) -> bool:
    return len(place) == len(grid) and all(p < edge for p, edge in zip(place, grid, strict=True))


def _thinned(points: Tensor, grid: tuple[int, ...]) -> npt.NDArray[np.float16]:
    """What the patches cover of one channel, with so few points that it is drawn fast."""
    step = math.ceil((points.numel() / _POINTS) ** (1 / points.ndim))
    edges = [edge // patches * patches for edge, patches in zip(points.shape, grid, strict=True)]
    points = points[tuple(slice(step // 2, edge, step) for edge in edges)].float()
    low, high = points.min(), points.max()
    scaled = (points - low) / (high - low).clamp(min=1e-12)
    thinned: npt.NDArray[np.float16] = scaled.nan_to_num(0.0).half().cpu().numpy()
    return thinned
