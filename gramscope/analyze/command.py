"""The command `gramscope analyze`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gramscope.report.commands import errors_in_a_line

if TYPE_CHECKING:
    from gramscope.analyze.finding import Asked

__all__ = ["add"]

_SAMPLES = 2048
_MOST = 8192  # rows: 2 GB while they are measured


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "analyze",
        help="measure features that lie in a file, from any framework",
        description="Measure features that lie in a file: gram matrix, numbers, and what they are "
        "a sign of. Several files are looked at as steps of one course; the step is the number in "
        "their names.",
        epilog="Memory does not grow with the file: of a million rows only those that are chosen "
        "(--samples) are read, evenly spread over the file, or kept of a stream that is read once. "
        "Nothing in a file is run; what would have to be, as pickles, is refused. Exit code: 0; 2 "
        "for bad input.",
    )
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        type=Path,
        help=".npy, .npz, .pt, .pth, .safetensors, .csv, .tsv or .parquet, with a row for each "
        "sample",
    )
    _add_what(command)
    _add_output(command)
    command.set_defaults(run=_analyze)


def _add_what(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--features",
        metavar="NAME",
        help="the array, where a file holds several; of a table a column of vectors, or a pattern "
        "of columns, as 'z*' (default: all columns of numbers with a point)",
    )
    for option, what in (("--labels", "class"), ("--ids", "identity")):
        command.add_argument(
            option,
            metavar="NAME_OR_FILE",
            help=f"each row's {what}: an array or column of FILE, or another file; integers or "
            "texts",
        )
    command.add_argument(
        "--views", metavar="N", type=int, help="how many rows are views of each sample"
    )
    command.add_argument(
        "--layout",
        choices=("stacked", "interleaved"),
        default="stacked",
        help="all first views, then all second ones; or each sample's side by side (default: "
        "%(default)s)",
    )
    command.add_argument(
        "--pool",
        metavar="HOW",
        type=_pool,
        help="what is a row of [N, T, D] or [N, C, H, W]: cls, mean, gap, flatten, or the index of "
        "a token",
    )
    command.add_argument(
        "--samples",
        metavar="N",
        type=_samples,
        default=_SAMPLES,
        help="rows to look at, evenly spread, at most (default: %(default)s)",
    )


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="also write a page, one HTML file"
    )
    command.add_argument(
        "--save-dir",
        metavar="DIR",
        type=Path,
        help="also keep events and matrices, as a run does, for `gramscope report` and others",
    )
    command.add_argument("--json", action="store_true", help="print JSON, for machines")


def _pool(text: str) -> str | int:
    if text in ("cls", "mean", "gap", "flatten"):
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected cls, mean, gap, flatten or the index of a token, but got {text!r}"
        ) from None


def _samples(text: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 2 to {_MOST}, but got {text!r}"
        )
    return int(text)


def _analyze(arguments: argparse.Namespace) -> None:
    # What needs torch is loaded for this command only.
    from gramscope.analyze.analysis import analyze, as_json
    from gramscope.analyze.view import print_analysis

    with errors_in_a_line():
        found = analyze(arguments.files, _asked(arguments), arguments.output, arguments.save_dir)
    if arguments.json:
        print(json.dumps(as_json(found), indent=2))
    else:
        print_analysis(found)


def _asked(arguments: argparse.Namespace) -> Asked:
    from gramscope.analyze.finding import Asked
    from gramscope.config.views import Views
    from gramscope.report.files import ReportError

    count = arguments.views
    if count is not None and not 2 <= count <= arguments.samples:
        raise ReportError(f"--views takes 2 to {arguments.samples} (--samples), but got {count}")
    return Asked(
        features=arguments.features,
        labels=arguments.labels,
        ids=arguments.ids,
        pool=arguments.pool,
        views=None if count is None else Views(count, arguments.layout),
        samples=arguments.samples,
    )
