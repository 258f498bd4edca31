"""Folders of NIfTI files, good and bad."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from project.data.augment import ViewKind
from project.data.datamodule import Nifti


def _save(path: Path, voxels: np.ndarray, spacing: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels.astype(np.float32), np.diag([spacing] * 3 + [1.0])), path)
    return path


def _head(seed: int = 0, size: int = 24) -> np.ndarray:
    """A textured cube in the middle of an empty volume."""
    voxels = np.zeros((size + 8,) * 3)
    voxels[4:-4, 4:-4, 4:-4] = 100 + 50 * np.random.default_rng(seed).random((size,) * 3)
    return voxels


def _nifti(root: Path, cache: Path, **options: Any) -> Nifti:
    data = Nifti(
        root=str(root),
        cache_dir=str(cache),
        batch_size=2,
        batches_per_epoch=2,
        crop_size=20,
        global_views=ViewKind(2, 16, (0.5, 1.0)),
        local_views=ViewKind(2, 8, (0.1, 0.5)),
        **options,
    )
    data.prepare_data()
    data.setup()
    return data


NO_GZIP = "it is no NIfTI file: its name ends in .gz, but it is not compressed"
NO_VOLUME = "it is no NIfTI volume, or its header is damaged"
CUT_SHORT = "it is damaged or cut short: its voxels cannot all be read"


def _bad_folder(root: Path) -> dict[str, str]:
    """Fill a folder with files that cannot be used, and say what is to be said of each."""
    _save(root / "constant.nii.gz", np.full((24, 24, 24), 7.0))
    _save(root / "four_dimensional.nii.gz", np.random.default_rng(0).random((8, 8, 8, 3)))
    _save(root / "nan.nii", np.where(_head() > 149, np.nan, _head()))
    (root / "text.nii.gz").write_bytes(b"this is no NIfTI")
    (root / "compressed_text.nii.gz").write_bytes(gzip.compress(b"this is no NIfTI" * 100))
    whole = _save(root / "truncated.nii.gz", _head()).read_bytes()
    (root / "truncated.nii.gz").write_bytes(whole[: len(whole) // 2])
    whole = _save(root / "no_magic.nii", _head()).read_bytes()
    (root / "no_magic.nii").write_bytes(whole[:344] + b"abcd" + whole[348:])
    (root / "truncated.nii").write_bytes(whole[: len(whole) // 2])
    (root / "empty.nii").touch()
    (root / "notes.txt").write_text("no volume")
    return {
        "constant.nii.gz": "all voxels are 7",
        "four_dimensional.nii.gz": "expected 3 dimensions, but got shape (8, 8, 8, 3)",
        "nan.nii": "it holds NaN or infinite values",
        "text.nii.gz": NO_GZIP,
        "compressed_text.nii.gz": NO_VOLUME,
        "truncated.nii.gz": CUT_SHORT,
        "no_magic.nii": NO_VOLUME,
        "truncated.nii": CUT_SHORT,
        "empty.nii": NO_VOLUME,
    }


@pytest.mark.parametrize("num_workers", [0, 1])
def test_bad_volumes_are_named_once_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, num_workers: int
) -> None:
    root = tmp_path / "data"
    _save(root / "good.nii.gz", _head())
    _save(root / "deeper" / "other.nii", _head(1))
    reasons = _bad_folder(root)
    with caplog.at_level(logging.WARNING, "project"):
        data = _nifti(root, tmp_path / "cache", num_workers=num_workers)
    messages = [r.getMessage() for r in caplog.records if r.name.startswith("project")]

    assert len(data.training_volumes()) == 2
    expected = [f"Skipping {root / name}: {reason}" for name, reason in reasons.items()]
    assert sorted(messages) == sorted(expected)


def test_volumes_are_scaled_cropped_to_the_foreground_resampled_and_padded(tmp_path: Path) -> None:
    _save(tmp_path / "data" / "coarse.nii.gz", _head(size=6), spacing=2.0)
    (volume,) = _nifti(tmp_path / "data", tmp_path / "cache").training_volumes()

    # 6 voxels of 2 mm are 12 of 1 mm and a little more at the edge, padded to the crop size.
    assert volume.image.shape == (20, 20, 20)
    assert 11**3 <= (volume.image > 0.05).sum() <= 15**3
    assert (volume.image.min(), volume.image.max()) == (0.0, 1.0)


def test_batches_have_no_labels_and_the_probe_nothing_to_do(tmp_path: Path) -> None:
    _save(tmp_path / "data" / "good.nii.gz", _head())
    data = _nifti(tmp_path / "data", tmp_path / "cache", num_workers=1)
    batch = next(iter(data.train_dataloader()))

    assert set(batch) == {"global_crops", "local_crops", "masks", "sample_id"}
    assert batch["global_crops"].shape == (2, 2, 1, 16, 16, 16)
    assert data.probe_data() is None


def test_a_second_start_reads_the_cache_and_a_changed_file_does_not(tmp_path: Path) -> None:
    path = _save(tmp_path / "data" / "good.nii.gz", _head())

    def written() -> dict[str, int]:
        _nifti(tmp_path / "data", tmp_path / "cache")
        return {f.name: f.stat().st_mtime_ns for f in (tmp_path / "cache").glob("*")}

    first = written()
    assert written() == first
    _save(path, _head(1))
    assert len(written()) == 2


def test_a_datalist(tmp_path: Path) -> None:
    _save(tmp_path / "images" / "a.nii.gz", _head())
    _save(tmp_path / "images" / "b.nii.gz", _head(1))
    listed = {"training": [{"image": "images/a.nii.gz"}], "test": ["images/b.nii.gz"]}
    (tmp_path / "list.json").write_text(json.dumps(listed))
    data = _nifti(tmp_path / "list.json", tmp_path / "cache")

    assert len(data.training_volumes()) == 1
    assert Nifti(str(tmp_path / "list.json"), "test").paths == [tmp_path / "images" / "b.nii.gz"]


def test_a_listed_file_that_is_missing_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _save(tmp_path / "a.nii.gz", _head())
    listed = {"training": [{"image": "a.nii.gz"}, {"image": "gone.nii.gz"}]}
    (tmp_path / "list.json").write_text(json.dumps(listed))
    with caplog.at_level(logging.WARNING, "project"):
        data = _nifti(tmp_path / "list.json", tmp_path / "cache")

    assert len(data.training_volumes()) == 1
    assert "gone.nii.gz" in caplog.text


@pytest.mark.parametrize(
    "content", ["no json", "[]", '{"validation": []}', '{"training": [{"label": "a.nii"}]}']
)
def test_a_broken_datalist_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "list.json").write_text(content)

    with pytest.raises(ValueError, match=r"`data\.root`.*list\.json"):
        Nifti(str(tmp_path / "list.json"))


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`data\.root`.*nowhere"):
        Nifti(str(tmp_path / "nowhere"))


def test_a_root_without_volumes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`data\.root`.*has none"):
        Nifti(str(tmp_path))


def test_a_root_that_is_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "image.png").touch()

    with pytest.raises(ValueError, match=r"`data\.root`.*image\.png"):
        Nifti(str(tmp_path / "image.png"))


def test_a_root_without_usable_volumes_is_named(tmp_path: Path) -> None:
    _bad_folder(tmp_path / "data")

    with pytest.raises(ValueError, match=r"`data\.root`.*all 9 files"):
        _nifti(tmp_path / "data", tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    _save(tmp_path / "data" / "good.nii.gz", _head())
    (tmp_path / "cache").touch()

    with pytest.raises(OSError, match=r"`data\.cache_dir`"):
        _nifti(tmp_path / "data", tmp_path / "cache")


@pytest.mark.parametrize(
    ("options", "name"), [({"spacing": 0.0}, "spacing"), ({"percentiles": (99, 1)}, "percentiles")]
)
def test_bad_arguments_are_named(tmp_path: Path, options: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Nifti(str(tmp_path), **options)
