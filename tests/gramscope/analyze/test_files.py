"""Whatever kind of file features are in, the numbers are those of the same rows."""

from __future__ import annotations

import builtins
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file

from gramscope.cli import main
from gramscope.events.matrix import read_matrix
from gramscope.metrics import standard
from gramscope.metrics.gram import gram_matrix
from gramscope.metrics.neighbours import label_agreement
from tests.gramscope.analyze.conftest import Said
from tests.gramscope.analyze.writing import WRITERS, features

PEAKS = """
import sys
from pathlib import Path
from gramscope.cli import main
for file in sys.argv[1:]:
    main(["analyze", file, "--samples", "64"])
    (peak,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    print(peak.split()[1], file=sys.stderr)
"""
KEPT = Path("kept/gram_matrix/step_00000001.npz")


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_the_numbers_are_those_of_the_chosen_rows(kind: str, said: Said) -> None:
    z, y = features()
    file, arguments = WRITERS[kind](z, y)

    found = said(file, *arguments, "--samples", 100, "--save-dir", "kept")

    index = np.arange(100) * 3
    rows = torch.from_numpy(z[index])
    (one,) = found["files"]
    assert (one["shape"], one["rows_read"], one["rows_nonfinite"]) == ([300, 12], 100, 0)
    expected = standard(rows)
    classes = torch.from_numpy(np.unique(np.array(y)[index], return_inverse=True)[1])
    expected["label_agreement"] = label_agreement(gram_matrix(rows), classes)
    assert one["metrics"] == pytest.approx(expected, rel=1e-5, abs=1e-6)
    unit = z[index] / np.linalg.norm(z[index], axis=1, keepdims=True)
    kept = read_matrix(KEPT)
    assert_allclose(kept.gram, unit @ unit.T, atol=2e-6)
    assert kept.index is not None
    assert kept.index.tolist() == index.tolist()
    assert kept.label is not None


@pytest.mark.parametrize("kind", ["fortran", "npy", "npz"])
def test_memory_does_not_grow_with_the_file(kind: str, said: Said) -> None:
    said(*_small(kind))  # what is imported is there
    z, y = features(100_000, 40)  # 16 MB
    file, arguments = WRITERS[kind](z, y)
    size = z.nbytes
    del z, y

    tracemalloc.start()
    try:
        said(file, *arguments, "--samples", 64)
        assert tracemalloc.get_traced_memory()[1] < size / 8
    finally:
        tracemalloc.stop()


def _small(kind: str) -> list[Any]:
    file, arguments = WRITERS[kind](*features(64, 40))
    return [file, *arguments]


@pytest.mark.slow
def test_memory_does_not_grow_with_files_that_others_read() -> None:
    """What maps and other libraries take is seen from outside alone."""
    size = 128 << 20
    many, few = np.zeros((size // 1024, 256), np.float32), np.zeros((200, 256), np.float32)
    for name, rows in (("small", few), ("large", many)):
        torch.save(torch.from_numpy(rows), f"{name}.pt")
        save_file({"z": torch.from_numpy(rows)}, f"{name}.safetensors")
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 256)
        table = pa.table({"z": vectors})
        pq.write_table(table, f"{name}.parquet", use_dictionary=False, compression="none")
    names = [f"{n}.{kind}" for n in ("small", "large") for kind in ("pt", "safetensors", "parquet")]

    done = subprocess.run([sys.executable, "-c", PEAKS, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    peaks = [int(line) * 1024 for line in done.stderr.split()]
    assert len(peaks) == 6
    assert peaks[-1] - peaks[2] < size / 2


@pytest.mark.parametrize("layout", ["interleaved", "stacked"])
def test_views_of_a_sample_stay_together(layout: str, said: Said) -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(90, 6))
    second = first + 0.5 * rng.normal(size=first.shape)
    stacked = layout == "stacked"
    rows = np.concatenate([first, second]) if stacked else np.stack([first, second], 1)
    lines = [",".join(map(str, row)) for row in rows.reshape(-1, 6).tolist()]
    Path("z.csv").write_text("\n".join(lines))
    np.save("id.npy", [f"s{i}" for i in range(90)])

    found = said(
        *("z.csv", "--views", 2, "--layout", layout, "--ids", "id.npy"),
        *("--samples", 60, "--save-dir", "kept"),
    )

    (one,) = found["files"]
    pairs = np.concatenate([first[::3], second[::3]])
    expected = standard(torch.from_numpy(pairs), views=2)
    assert one["metrics"] == pytest.approx(expected, rel=1e-9)
    kept = read_matrix(KEPT)
    assert kept.sample_id is not None
    assert set(kept.sample_id) == {f"s{i}" for i in range(0, 90, 3)}
    assert np.bincount(np.asarray(kept.sample)).tolist() == [2] * 30


def test_more_dimensions_are_pooled(said: Said) -> None:
    maps = np.random.default_rng(0).normal(size=(20, 5, 4, 3)).astype(np.float32)
    np.save("maps.npy", maps)

    (one,) = said("maps.npy", "--pool", "gap")["files"]

    assert one["metrics"] == pytest.approx(standard(torch.tensor(maps.mean((2, 3)))), rel=1e-4)


def test_rows_that_are_not_finite_are_left_out_and_counted(said: Said) -> None:
    z, _ = features()
    z[::10, 3] = np.nan
    np.save("z.npy", z)
    table = [",".join("" if np.isnan(v) else str(v) for v in row) for row in z.tolist()]
    Path("z.csv").write_text("\n".join(table))

    of_array, of_table = said("z.npy"), said("z.csv")

    for found in (of_array, of_table):
        (one,) = found["files"]
        assert (one["rows_read"], one["rows_nonfinite"]) == (300, 30)
        assert found["state"]["name"] == "non_finite"
        rest = standard(torch.tensor(z[np.isfinite(z).all(1)]))
        assert one["metrics"]["effective_rank"] == pytest.approx(rest["effective_rank"])


def test_a_table_says_which_columns_it_leaves_out(said: Said) -> None:
    lines = [f"{i},a{i},{i % 3},{i / 7},{-i / 3 + 0.1}" for i in range(30)]
    Path("t.csv").write_text("\n".join(["id,name,count,x,y", *lines]))

    (one,) = said("t.csv")["files"]
    (chosen,) = said("t.csv", "--features", "[cxy]*")["files"]

    assert one["shape"] == [30, 2]
    assert "left out: id, name, count" in one["remarks"][0]
    assert chosen["shape"] == [30, 3]


def test_whole_numbers_are_features_where_there_are_no_others(said: Said) -> None:
    codes = np.random.default_rng(0).integers(0, 255, (40, 6)).astype(np.uint8)
    np.save("u8.npy", codes)

    (one,) = said("u8.npy")["files"]

    assert one["metrics"] == pytest.approx(standard(torch.tensor(codes).float()))
    assert "whole numbers" in one["remarks"][0]


def test_a_terminal_shows_names_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    z, _ = features(20)
    np.savez("a\x1b[2J<b>.npz", **{"z\x1b]0;x\x07": z, "y": np.arange(20)})

    main(["analyze", "a\x1b[2J<b>.npz", "--labels", "y"])

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "a\\x1b[2J<b>.npz z\\x1b]0;x\\x07 [20, 12] float32" in out
    assert "all 20 rows" in out
    assert "effective_rank" in out
    assert "one look" in out


def test_a_page_is_written(said: Said) -> None:
    z, y = features()
    file, arguments = WRITERS["npz"](z, y)

    found = said(file, *arguments, "--output", "page.html")

    page = Path("page.html").read_text()
    assert found["page"] == "page.html"
    assert "label_agreement" in page
    assert "one look" in page
    assert f"Features from files: {file}" in page


@pytest.mark.parametrize(("suffix", "library"), [("parquet", "pyarrow"), ("safetensors",) * 2])
def test_a_library_that_is_not_there_is_named(
    suffix: str, library: str, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(f"z.{suffix}").write_text("x")
    monkeypatch.setattr(
        "gramscope.analyze.arrays.import_module", lambda name: builtins.__import__("no")
    )

    line = refused(f"z.{suffix}")

    assert f".{suffix} files are read with {library}, which is not installed" in line
    assert "pip install 'hydra-gramscope[analyze]'" in line
