"""A folder of NIfTI files: find, clean, cache."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from project.data.volumes import FOREGROUND, Volume

__all__ = ["CachedVolumes", "Preparation", "cached_files", "find_volumes", "prepare_volumes"]

_log = logging.getLogger(__name__)
_SUFFIXES = (".nii", ".nii.gz")


def find_volumes(root: str | Path, datalist_key: str) -> list[Path]:
    """List the volumes that `data.root` stands for.

    Args:
        root: A folder, searched through all its levels, or a MONAI datalist (`.json`).
        datalist_key: List inside the datalist.

    Returns:
        Paths, sorted for a folder, in the order of the datalist otherwise.

    Raises:
        FileNotFoundError: If `root` does not exist.
        ValueError: If there is no volume in it, or if it is no datalist.
    """
    root = Path(root).expanduser()
    if not root.exists():
        raise FileNotFoundError(
            "Expected `data.root` to be a folder or a MONAI datalist,"
            f" but {str(root)!r} does not exist"
        )
    if root.is_dir():
        paths = sorted(path for path in root.rglob("*") if path.name.endswith(_SUFFIXES))
    elif root.suffix == ".json":
        paths = _read_datalist(root, datalist_key)
    else:
        raise ValueError(
            "Expected `data.root` to be a folder or a MONAI datalist (.json),"
            f" but got {str(root)!r}"
        )
    if not paths:
        raise ValueError(
            f"Expected `data.root` to hold .nii or .nii.gz files, but {str(root)!r} has none"
        )
    return paths


def _read_datalist(path: Path, key: str) -> list[Path]:
    try:
        items = json.loads(path.read_text())[key]
        images = [item["image"] if isinstance(item, dict) else item for item in items]
        return [path.parent / image for image in images]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected `data.root` to be a MONAI datalist whose {key!r} lists one `image` each,"
            f" but {str(path)!r} is not: {error!r}"
        ) from error


@dataclass(frozen=True)
class Preparation:
    """How a file becomes a volume.

    Attributes:
        spacing: Edge length of a voxel in mm.
        percentiles: Intensities that become 0 and 1.
        min_size: Shortest edge in voxels; shorter ones are padded.
    """

    spacing: float
    percentiles: tuple[float, float]
    min_size: int

    def __call__(self, path: Path) -> npt.NDArray[np.float16]:
        """Load, orient to RAS, resample, scale to 0…1, crop to the foreground and pad.

        Returns:
            `[D, H, W]`; half precision keeps a thousandth of the intensity range.

        Raises:
            Exception: Whatever makes the file unusable.
        """
        # MONAI is slow to import, and a filled cache needs none of it.
        from monai.transforms import (
            CropForeground,
            Orientation,
            ScaleIntensityRangePercentiles,
            Spacing,
            SpatialPad,
        )

        image = _load(path)
        _check(image)
        low, high = self.percentiles
        for transform in (
            Orientation(axcodes="RAS", labels=None),
            Spacing(pixdim=(self.spacing,) * 3, mode="bilinear"),
            ScaleIntensityRangePercentiles(low, high, b_min=0.0, b_max=1.0, clip=True),
            CropForeground(select_fn=_is_foreground),
            SpatialPad((self.min_size,) * 3),
        ):
            image = transform(image if image.ndim == 4 else image.unsqueeze(0))
        scaled: npt.NDArray[np.float16] = np.asarray(image[0]).astype(np.float16)
        _check(torch.from_numpy(scaled.astype(np.float32)))
        return scaled

    def key(self, path: Path) -> str:
        """Name of the result in a cache; another file content or setting, another name."""
        status = path.stat()
        parts = (str(path.resolve()), status.st_size, status.st_mtime_ns, asdict(self))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class CachedVolumes(Sequence[Volume]):
    """Prepared volumes on disk.

    Each access maps the file anew and reads only the crop that is cut: workers and ranks
    share the pages, and nothing large is ever pickled.

    Args:
        files: `.npy` files.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> Any:
        """Map one volume."""
        return Volume(np.load(self.files[index], mmap_mode="r"))


def prepare_volumes(
    paths: Sequence[Path], preparation: Preparation, cache_dir: Path, num_workers: int
) -> None:
    """Fill the cache, naming each unusable file in a warning.

    Args:
        paths: Files to prepare; those already cached cost nothing.
        preparation: How.
        cache_dir: Where the results go.
        num_workers: Processes that prepare files side by side.

    Raises:
        OSError: If the cache cannot be written.
    """
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache_dir).close()
    except OSError as error:
        raise OSError(f"Expected `data.cache_dir` to be writable, but {error}") from error
    _log.info("Preparing %d volumes; those in %s already are quick", len(paths), cache_dir)
    jobs = _Jobs(paths, preparation, cache_dir)
    for path, reason in zip(paths, DataLoader(jobs, None, num_workers=num_workers), strict=True):
        if reason:
            _log.warning("Skipping %s: %s", path, reason)


def cached_files(
    paths: Sequence[Path], preparation: Preparation, cache_dir: Path
) -> Iterator[Path]:
    """Yield the cache file of each path that could be prepared."""
    for path in paths:
        if path.is_file():
            file = cache_dir / f"{preparation.key(path)}.npy"
            if file.is_file():
                yield file


class _Jobs(Dataset[str]):
    """Item `i` prepares file `i` and says why it could not, or nothing."""

    def __init__(self, paths: Sequence[Path], preparation: Preparation, cache_dir: Path) -> None:
        self.paths = paths
        self.preparation = preparation
        self.cache_dir = cache_dir

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> str:
        path = self.paths[index]
        # Readers raise all sorts of things over a broken file, and none should end a training.
        try:
            file = self.cache_dir / f"{self.preparation.key(path)}.npy"
            if file.is_file():
                return ""
            volume = self.preparation(path)
        except Exception as error:
            return " ".join(str(error).split()) or type(error).__name__
        _write(file, volume)
        return ""


def _write(file: Path, volume: npt.NDArray[np.float16]) -> None:
    """Write so that no other process ever sees half a file."""
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
        np.save(part, volume)
    Path(part.name).replace(file)


def _load(path: Path) -> Any:
    """Load a file, or say what is wrong with it: MONAI would tell of readers to install."""
    from monai.data import NibabelReader
    from monai.transforms import LoadImage

    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    if path.suffix == ".gz" and not compressed:
        raise ValueError("it is no NIfTI file: its name ends in .gz, but it is not compressed")
    try:
        return LoadImage(NibabelReader, image_only=True, dtype=np.float32)(path)
    except RuntimeError as error:
        raise ValueError("it is no NIfTI volume, or its header is damaged") from error
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError("it is damaged or cut short: its voxels cannot all be read") from error


def _check(image: Tensor) -> None:
    """Reject what cannot be cut into crops or normalised."""
    if image.ndim != 3:
        raise ValueError(f"expected 3 dimensions, but got shape {tuple(image.shape)}")
    if image.numel() == 0:
        raise ValueError("it is empty")
    if not torch.isfinite(image).all():
        raise ValueError("it holds NaN or infinite values")
    if image.min() == image.max():
        raise ValueError(f"all voxels are {image.min().item():g}")


def _is_foreground(image: Tensor) -> Tensor:
    return image > FOREGROUND
