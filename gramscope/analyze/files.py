"""Files by their endings, and which array of one is meant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from gramscope.analyze.arrays import Array, Contents, reading
from gramscope.analyze.formats.numpy_files import npy_file, npz_file
from gramscope.analyze.formats.parquet_files import parquet_file
from gramscope.analyze.formats.safetensors_files import safetensors_file
from gramscope.analyze.formats.text_tables import text_table
from gramscope.analyze.formats.torch_files import torch_file
from gramscope.picture.names import plain as short
from gramscope.report.files import ReportError

__all__ = ["FORMATS", "choose_features", "open_file"]

FORMATS: dict[str, Callable[[Path], Contents]] = {
    ".npy": npy_file,
    ".npz": npz_file,
    ".pt": torch_file,
    ".pth": torch_file,
    ".safetensors": safetensors_file,
    ".csv": text_table,
    ".tsv": text_table,
    ".parquet": parquet_file,
}
_LISTED = 12


def open_file(path: Path) -> Contents:
    """What a file holds.

    Raises:
        ReportError: If it is not there, of no known kind, empty, damaged, or refused.
    """
    with reading(path):
        if path.is_dir():
            raise ReportError(f"{path} is a directory; give a file of features")
        if not path.exists():
            raise ReportError(f"{path} does not exist")
        if path.suffix.lower() not in FORMATS:
            raise ReportError(f"{path} is of no known kind; known are {', '.join(FORMATS)}")
        if not path.stat().st_size:
            raise ReportError(f"{path} is empty")
        return FORMATS[path.suffix.lower()](path)


def choose_features(
    path: Path, held: Contents, name: str | None, others: Collection[str] = ()
) -> tuple[str, Array, list[str]]:
    """The array that holds the features.

    Args:
        path: The file, for messages.
        held: What it holds.
        name: As it was asked for: an array, or of a table a pattern of columns; ``None``: the one
            array of numbers with a row for each sample, or all of a table's columns of numbers.
        others: Columns of a table that are known to be something else.

    Returns:
        Its name, itself, and the columns of a table that are left out.

    Raises:
        ReportError: If there is none, or there are several.
    """
    if name is not None:
        return _named(path, held, name)
    found = {n: a for n, a in held.arrays.items() if len(a.shape) > 1 and n not in others}
    fitting = _of_a_kind(found, [*found])
    if len(fitting) == 1:
        return fitting[0], found[fitting[0]], []
    if fitting:
        raise ReportError(f"{path} holds several arrays; choose with --features: {_list(found)}")
    columns = [n for n, a in held.arrays.items() if len(a.shape) == 1 and n not in others]
    chosen = _of_a_kind(held.arrays, columns)
    if held.together is not None and chosen:
        return "", held.together(chosen), [n for n in columns if n not in chosen]
    raise ReportError(
        f"{path} holds no features: {_list(held.arrays) or 'nothing'}"
        f"{_reason(held.arrays.values())}"
    )


def _named(path: Path, held: Contents, name: str) -> tuple[str, Array, list[str]]:
    array = held.arrays.get(name)
    if array is not None and (held.together is None or len(array.shape) > 1):
        if not array.numeric or len(array.shape) < 2:
            raise ReportError(f"{path}: {name} is {array}{_reason([array])}")
        return name, array, []
    columns = [n for n, a in held.arrays.items() if len(a.shape) == 1 and fnmatchcase(n, name)]
    if held.together is not None and columns:
        return name, held.together(columns), []
    close = get_close_matches(name, held.arrays) or [*held.arrays]
    raise ReportError(
        f"{path} holds no --features {name!r}; there is {_list({n: held.arrays[n] for n in close})}"
    )


def _of_a_kind(arrays: Mapping[str, Array], names: Iterable[str]) -> list[str]:
    """Those of floating numbers, or else those of whole ones, which may be counts or ids."""
    kinds = {name: arrays[name].kind for name in names}
    floats = [name for name, kind in kinds.items() if kind == "floats"]
    return floats or [name for name, kind in kinds.items() if kind == "integers"]


def _list(arrays: Mapping[str, Array]) -> str:
    shown = [f"{name and short(name, 60)} {array}".strip() for name, array in arrays.items()]
    more = len(shown) - _LISTED
    return ", ".join(shown[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _reason(arrays: Iterable[Array]) -> str:
    """Why there are no features where somebody may think that there are."""
    if any(array.kind == "objects" for array in arrays):
        return (
            "; Python objects are pickles, which are refused: loading them could run code. Save "
            "numbers, as np.save(FILE, np.stack(rows))"
        )
    return "; expected numbers, a row for each sample: [N, D]"
