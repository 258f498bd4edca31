"""Settings of callbacks that watch the same samples over time, and the inside of one of them.

Only the standard library is imported here, see `gramscope.config.callbacks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gramscope.config.callbacks import Capture, FeatureConfig, MonitorConfig, RowsConfig, fixed
from gramscope.config.settings import (
    CallbackConfig,
    local_path,
    optional,
    setting,
    text,
    whole_number,
)

__all__ = ["GramPatchConfig", "GramProbeConfig", "ProbeConfig", "Samples"]

SUFFIXES = (".pt", ".pth", ".npy", ".npz")
"""Of files that hold samples."""


class Samples(str, Enum):
    """Where fixed samples come from, if they are in no file."""

    # The validation data if there are any, else the first batch.
    auto = "auto"
    # Of the datamodule, the LightningModule or the trainer.
    validation = "validation"
    # What training has first; another one after a resume.
    first_batch = "first_batch"


def _samples(name: str, value: Any) -> str:
    """Check where samples come from."""
    if value in [choice.value for choice in Samples]:
        return str(Samples(value).value)
    path = local_path(name, value) if isinstance(value, (str, Path)) else None
    if path is None or path.suffix not in SUFFIXES or not path.is_file():
        why = "" if path is None or path.suffix not in SUFFIXES else ": there is no such file"
        raise ValueError(
            f"Expected argument `{name}` to be 'auto', 'validation', 'first_batch' or a file "
            f"{', '.join(SUFFIXES)} of samples, but got {value!r}{why}."
        )
    return str(path)


def _edges(name: str, value: Any) -> tuple[int, ...]:
    """Check how many patches lie along each edge of an image."""
    numbers = isinstance(value, Sequence) and all(type(n) is int for n in value)
    if not numbers or len(value) not in (2, 3) or min(value) < 1:
        raise ValueError(
            f"Expected argument `{name}` to be the numbers of patches along the two or three edges "
            f"of an image, as [14, 14], but got {value!r}."
        )
    return tuple(value)


def _patch(name: str, value: Any) -> int | tuple[int, ...]:
    """Check which patch is meant, by its number or its place."""
    places = [value] if type(value) is int else value
    numbers = isinstance(places, Sequence) and all(type(n) is int for n in places)
    if not numbers or not (type(value) is int or len(places) in (2, 3)) or min(places) < 0:
        raise ValueError(
            f"Expected argument `{name}` to be a patch's number from 0, or its place in the grid, "
            f"as [3, 5], but got {value!r}."
        )
    return value if type(value) is int else tuple(places)


@dataclass
class ProbeConfig(CallbackConfig):
    """Fixed samples, which a forward pass of their own encodes."""

    capture = fixed(Capture.extra_forward.value)

    samples: str = setting(
        Samples.auto.value,
        "which samples are watched, the same at every event: `validation` (the first of the "
        "validation data), `first_batch` (of this training; another one after a resume), `auto` "
        "(the former if there are any), or a file `.pt`, `.npy` or `.npz` of them, whose arrays "
        "have a sample in each row",
        _samples,
    )
    input_key: str | None = setting(
        None,
        "dotted path into the batch of what `module` is given; `null`: the batch, or its first "
        "element if it is a sequence",
        optional(text),
    )
    batch_size: int = setting(16, "samples in one forward pass, at least 1", whole_number(1))


@dataclass
class GramProbeConfig(ProbeConfig, RowsConfig, MonitorConfig, FeatureConfig):
    """The gram matrix of the same samples over time."""

    _target_: str = "gramscope.callbacks.GramProbeCallback"
    feature_key: str = setting(
        "teacher_cls_token_backbone",
        "key of the features in what `probe_features(batch)` of the LightningModule or its "
        "`model` returns, if it has such a method and no `module` is named, else in what `module` "
        "returns. The features are `[N, D]`, or of more dimensions, see `pool`",
        text,
    )
    max_samples: int = setting(
        64, "samples, at least 1, spread evenly over ranks; each makes a row", whole_number(1)
    )
    log_key: str = setting("gram_probe", "logger key of the picture", text)

    @property
    def watched(self) -> dict[str, str]:
        """The one feature."""
        return {"": self.feature_key}

    @property
    def title(self) -> str:
        """Told from the same feature of training's own batches."""
        return self.name or f"probe_{self.module or self.feature_key}"

    @property
    def what(self) -> str:
        """The one feature's key."""
        return f"feature_key={self.feature_key!r} of fixed samples"


@dataclass
class GramPatchConfig(ProbeConfig, MonitorConfig, FeatureConfig):
    """The gram matrix of one sample's patches, over time."""

    _target_: str = "gramscope.callbacks.GramPatchCallback"
    feature_key: str = setting(
        "teacher_patch_tokens_backbone",
        "key of the patch tokens, `[N, T, D]` or `[N, h, w(, d), D]`, in what "
        "`probe_features(batch)` of the LightningModule or its `model` returns, if it has such a "
        "method and no `module` is named, else in what `module` returns",
        text,
    )
    max_samples: int = setting(
        16,
        "samples, at least 1, spread evenly over ranks, over which numbers of patches are means",
        whole_number(1),
    )
    log_key: str = setting("gram_patch", "logger key of the picture", text)
    prefix_tokens: int = setting(
        0,
        "tokens before the patches that are none, as class token and registers: their number; the "
        "first of them is the class token unless `class_key` is found",
        whole_number(0),
    )
    class_key: str | None = setting(
        "teacher_cls_token_backbone",
        "key of the class tokens `[N, D]` of the same samples, beside which patches are judged",
        optional(text),
    )
    raw_key: str | None = setting(
        None,
        "key of the same patch tokens before the last normalisation, where norms tell outliers",
        optional(text),
    )
    mask_key: str | None = setting(
        None,
        "key of which patches were masked, `[N, T]` true or false, in the output or the batch: "
        "drift is then also of masked and of other patches apart",
        optional(text),
    )
    image_key: str = setting(
        "image",
        "key of the images `[N, C, h, w]`, in 3D alike, in the output or the batch; where there is "
        "none, what `module` was given",
        text,
    )
    grid: Any = setting(
        None,
        "patches along each edge of the image, `[14, 14]` or `[8, 8, 8]`; `null`: as the image's "
        "shape says, for patches with equal edges",
        optional(_edges),
    )
    sample: int = setting(0, "which of rank 0's samples is drawn, from 0", whole_number(0))
    patch: Any = setting(
        None,
        "the patch with which all of that sample's are compared: its number, or its place in the "
        "grid, `[4, 4, 4]`; `null`: in the middle",
        optional(_patch),
    )

    @property
    def watched(self) -> dict[str, str]:
        """The one feature."""
        return {"": self.feature_key}

    @property
    def roles(self) -> dict[str, str]:
        """By role, the key under which rows are handed on: tokens, and what goes with them."""
        more = {"norms": self.raw_key, "masked": self.mask_key}
        asked = {role: role for role, key in more.items() if key is not None}
        return {"patches": self.feature_key, **asked} if asked else self.watched

    @property
    def title(self) -> str:
        """Told from other features."""
        return self.name or f"patches_{self.module or self.feature_key}"

    @property
    def judges_patches(self) -> bool:
        """Where there is a class token."""
        return self.class_key is not None or self.prefix_tokens > 0

    @property
    def takes_bare_tensor(self) -> bool:
        """Not under the key that the preset has."""
        return self.module is not None or self.feature_key != type(self).feature_key

    @property
    def what(self) -> str:
        """The one feature's key."""
        return f"feature_key={self.feature_key!r} of fixed samples' patches"
