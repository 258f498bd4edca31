"""The same features in a file of every kind."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

__all__ = ["WRITERS", "features"]

Floats = npt.NDArray[np.float32]
Texts = list[str]


def features(n: int = 300, d: int = 12, seed: int = 0) -> tuple[Floats, Texts]:
    """``[n, d]`` in three classes, and the classes' names."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, 3, n)
    z = rng.normal(size=(n, d)) + 3 * np.eye(3, d)[of]
    return z.astype(np.float32), [f"class {i}" for i in of]


def _npy(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    np.save("z.npy", z)
    np.save("y.npy", y)
    return Path("z.npy"), ["--labels", "y.npy"]


def _fortran(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    return _npy(np.asfortranarray(z), y)


def _big_endian(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    return _npy(z.astype(">f4"), y)


def _npz(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    np.savez_compressed("z.npz", z=z, y=np.array(y), odd=np.array([{}]), more=z[:, :3])
    return Path("z.npz"), ["--features", "z", "--labels", "y"]


def _pt(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    torch.save({"out": [{"z": torch.from_numpy(z)}], "y": y, "epoch": 3}, "z.pt")
    return Path("z.pt"), ["--labels", "y"]


def _safetensors(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    classes = torch.from_numpy(np.unique(y, return_inverse=True)[1])
    save_file({"z": torch.from_numpy(z), "y": classes}, "z.safetensors")
    return Path("z.safetensors"), ["--labels", "y"]


def _table(z: Floats, y: Texts) -> list[list[Any]]:
    names = ["", "class", *(f"z{i}" for i in range(z.shape[1]))]
    return [names, *([i, y[i], *row] for i, row in enumerate(z.tolist()))]


def _csv(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    with Path("z.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(_table(z, y))
    return Path("z.csv"), ["--labels", "class"]


def _tsv(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    y = [f"{text}\nin two lines" for text in y]
    with Path("z.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(_table(z, y))
    return Path("z.tsv"), ["--labels", "class", "--features", "z*"]


def _columns(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    names, *rows = _table(z, y)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({k: list(v) for k, v in columns.items()}), "z.parquet")
    return Path("z.parquet"), ["--labels", "class"]


def _vectors(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    table = pa.table({"z": pa.array(list(z)), "class": y, "score": z[:, 0]})
    pq.write_table(table, "z.parquet", row_group_size=77)
    return Path("z.parquet"), ["--labels", "class"]


def _fixed(z: Floats, y: Texts) -> tuple[Path, list[str]]:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(z.ravel()), z.shape[1])
    classes = pa.array(y).dictionary_encode()
    pq.write_table(pa.table({"z": vectors, "class": classes}), "z.parquet")
    return Path("z.parquet"), ["--labels", "class"]


WRITERS: dict[str, Callable[[Floats, Texts], tuple[Path, list[str]]]] = {
    "big endian": _big_endian,
    "csv": _csv,
    "fortran": _fortran,
    "npy": _npy,
    "npz": _npz,
    "parquet columns": _columns,
    "parquet fixed": _fixed,
    "parquet vectors": _vectors,
    "pt": _pt,
    "safetensors": _safetensors,
    "tsv": _tsv,
}
