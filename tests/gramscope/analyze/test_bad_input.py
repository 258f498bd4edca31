"""What cannot be analyzed is answered with one line, and nothing in a file is run."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gramscope.analyze.files import FORMATS
from tests.gramscope.analyze.conftest import Refused
from tests.gramscope.analyze.writing import WRITERS, features

Z = np.random.default_rng(0).normal(size=(20, 3))


class Touch:
    """Leaves a trace where it is loaded."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("trace"),)


def _saved(name: str, array: Any) -> str:
    np.save(name, array)
    return name


def _text(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def _cut(kind: str) -> str:
    file, _ = WRITERS[kind](*features())
    file.write_bytes(file.read_bytes()[:-900])
    return str(file)


def _torch(held: Any, **options: Any) -> str:
    torch.save(held, "z.pt", **options)
    return "z.pt"


def _pickled(name: str) -> str:
    Path(name).write_bytes(pickle.dumps(Touch()))
    return name


def _parquet(**columns: Any) -> str:
    pq.write_table(pa.table(columns), "z.parquet")
    return "z.parquet"


def _script() -> str:
    with warnings.catch_warnings():  # it is deprecated, but such files are about
        warnings.simplefilter("ignore")
        torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save("z.pt")
    return "z.pt"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: "no.npy", "no.npy does not exist"),
        (lambda: ".", ". is a directory; give a file of features"),
        (lambda: _text("z.txt", "1"), "z.txt is of no known kind; known are .npy, .npz, .pt"),
        (lambda: _text("z.csv.gz", "1"), "z.csv.gz is of no known kind"),
        (lambda: "x" * 300 + ".npy", "cannot be read (File name too long)"),
        (lambda: _saved("z.npy", Z[0]), "z.npy holds no features: [3] float64; expected numbers"),
        (lambda: _saved("z.npy", Z + 1j), "holds no features: [20, 3] complex128"),
        (lambda: _saved("z.npy", Z > 0), "holds no features: [20, 3] bool"),
        (lambda: _saved("z.npy", Z.astype(str)), "holds no features: [20, 3] <U"),
        (lambda: _saved("z.npy", np.zeros(4, "i4,f4")), "holds no features: [4] records"),
        (lambda: _saved("z.npy", Z[:0]), "[0, 3] float64 holds no two rows to compare"),
        (lambda: _saved("z.npy", Z[:, :0]), "[20, 0] float64 holds no two rows to compare"),
        (lambda: _saved("z.npy", Z[:1]), "[1, 3] float64 holds no two rows to compare"),
        (lambda: _saved("z.npy", np.zeros((4, 2, 3))), "say with --pool what is a row: cls, mean"),
        (lambda: _cut("npy"), "z.npy cannot be read: it is damaged, or no .npy file (it ends"),
        (lambda: _cut("npz"), "z.npz cannot be read"),
        (lambda: _cut("pt"), "z.pt"),
        (lambda: _cut("safetensors"), "z.safetensors cannot be read"),
        (lambda: _cut("parquet vectors"), "z.parquet cannot be read"),
        (lambda: _torch({}), "z.pt holds no features: nothing"),
        (lambda: _torch({"a": torch.zeros(3, 2), "b": torch.ones(3, 2)}), "choose with --features"),
        (lambda: _parquet(z=[[1.0], [1.0, 2.0]]), "has lists of 1 and of 2 values"),
        (lambda: _parquet(z=["a", "b"]), "z.parquet holds no features: z [2] string"),
        (lambda: _text("z.csv", "a,b\n1.5,2.5\n1.5\n"), "z.csv, line 3: 1 values where"),
        (lambda: _text("z.csv", "a,a\n1.5,2.5\n1,2\n"), "two columns called 'a'"),
        (lambda: _text("z.csv", "a,b\nx,y\nx,z\n"), "holds no features: a [2] text, b [2] text"),
        (
            lambda: _text("z.csv", "a,b\n" + "1.5,2.5\n" * 300 + "x,1\n" * 300),
            "column 'a' holds 'x', which is no number",
        ),
        (lambda: _text("z.csv", "a\n" + "9" * 200_000 + ".5\n1.5"), "z.csv cannot be read"),
    ],
)
def test_one_line_says_what_is_wrong(make: Callable[[], str], why: str, refused: Refused) -> None:
    line = refused(make())

    assert line.startswith("gramscope: ")
    assert why in line
    assert len(line) < 600


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_empty_and_foreign_files(suffix: str, refused: Refused) -> None:
    Path(f"empty{suffix}").touch()
    Path(f"other{suffix}").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe" * 9)

    assert refused(f"empty{suffix}") == f"gramscope: empty{suffix} is empty"
    assert f"other{suffix}" in refused(f"other{suffix}")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: _saved("z.npy", np.array([Touch(), 1], object)), "pickles, which are refused"),
        (lambda: _torch({"z": torch.zeros(3, 3), "x": Touch()}), "is refused: it names"),
        (lambda: _torch({"z": Z}), "is refused: it names numpy."),
        (lambda: _torch(Touch(), _use_new_zipfile_serialization=False), "it is a bare pickle"),
        (lambda: _pickled("z.pth"), "is refused: it is a bare pickle"),
        (lambda: _pickled("z.npy"), "z.npy cannot be read"),
        (lambda: _pickled("z.npz"), "z.npz cannot be read"),
        (_script, "is refused: it is a TorchScript program"),
    ],
)
def test_nothing_in_a_file_is_run(make: Callable[[], str], why: str, refused: Refused) -> None:
    assert why in refused(make())
    assert not Path("trace").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--labels", "no"], "--labels no: no file, and z.npz holds z, y, w"),
        (["--labels", "w"], "--labels w is [20] float64; expected an integer or text"),
        (["--labels", "short.npy"], "short.npy has 7 entries for 20 rows of z.npz"),
        (["--ids", "short.npy", "--views", "2"], "7 entries for 20 rows of z.npz, or 10 samples"),
        (["--labels", "z.npz"], "z.npz holds z, y, w; --labels takes a file of one"),
        (["--features", "zz"], "z.npz holds no --features 'zz'; there is z [20, 3] float64"),
        (["--features", "y"], "z.npz: y is [20] int64; expected numbers"),
        (["--views", "3"], "20 rows are not 3 views of each sample"),
        (["--views", "1"], "--views takes 2 to 2048 (--samples), but got 1"),
        (["--save-dir", "used"], "used holds events already; choose another --save-dir"),
        (["--save-dir", "z.npz"], "z.npz"),
        (["other.npy"], "files of one course hold the same features"),
    ],
)
def test_what_does_not_fit_the_file(arguments: list[str], why: str, refused: Refused) -> None:
    np.savez("z.npz", z=Z, y=np.arange(20), w=Z[:, 0])
    np.save("short.npy", np.arange(7))
    np.save("other.npy", Z[:, :2])
    Path("used").mkdir()
    Path("used/events.jsonl").touch()

    assert why in refused("z.npz", *arguments)
