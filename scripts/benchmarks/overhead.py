"""What watching costs training: ours against the usual synchronous callback and against none.

Three parts, chosen with `--only`:

events     training-thread time of an event, at several sizes, with and without W&B (offline),
           timed from outside by clocks before and behind the callback and around the model's call
slowdown   wall time of whole runs of a small 3D ViT, at every step and at every 100, with and
           without a free core
resources  CPU time and memory added on rank 0 and on another rank, with two processes

The reference (`_reference.py`) makes an extra forward pass, gathers, draws with pyplot and logs,
all on the training thread. Runs that are compared take turns within one process, or within one
call of this program.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("WANDB_SILENT", "true")
os.environ["WANDB_MODE"] = "offline"  # nothing is uploaded, whatever the machine's settings
os.environ.pop("WANDB_DISABLED", None)
os.environ["MPLBACKEND"] = "Agg"

import _events
import _resources
import _slowdown
from _machine import machine
from _report import Report, parser, sizes

PARTS = {
    "events": _events.measure,
    "slowdown": _slowdown.measure,
    "resources": _resources.measure,
}


def main() -> None:
    """Measure, print and write."""
    arguments = _arguments()
    report = Report("overhead", arguments)
    for name in arguments.only:
        PARTS[name](report, arguments)
    report.finish()


def _arguments() -> argparse.Namespace:
    options = parser("overhead", __doc__)
    add = options.add_argument
    add("--only", type=_parts, default=list(PARTS), metavar="PART,…", help="(all three)")
    add("--sizes", type=sizes, metavar="NxD,…", help="(128x192,128x768,512x768,128x65536)")
    add("--step-ms", type=float, help="least length of a step in `events` (60)")
    add("--rounds", type=int, help="rounds of `events` (4)")
    add("--steps", type=int, help="measured steps of a run that draws at every step (40)")
    add("--vit-patch", type=int, help="edge of the patches of the ViT of `events` (8)")
    add("--batch", type=int, help="batch of the smaller ViT of the other parts (128)")
    add("--dim", type=int, default=768, help="columns of the ViT's features (768)")
    add("--threads", type=_numbers, metavar="T,…", help="of `slowdown` (1, and all cores)")
    add("--pairs", type=int, help="pairs of runs of `slowdown` (6)")
    add("--every", type=int, help="the rarer frequency of `slowdown` (100)")
    add("--repeats", type=int, help="repeats of `resources` (5)")
    add("--resource-steps", type=int, help="steps of a run of `resources` (40)")
    arguments = options.parse_args()
    full, quick = _defaults()
    for name, value in (quick if arguments.quick else full).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def _defaults() -> tuple[dict[str, object], dict[str, object]]:
    """Of a full run, and of a smoke run."""
    full: dict[str, object] = {
        "sizes": [(128, 192), (128, 768), (512, 768), (128, 65536)],
        "step_ms": 60.0,
        "rounds": 4,
        "steps": 40,
        "vit_patch": 8,
        "batch": 128,
        "threads": sorted({1, machine()["cores"]}),
        "pairs": 6,
        "every": 100,
        "repeats": 5,
        "resource_steps": 40,
    }
    quick: dict[str, object] = {
        "sizes": [(128, 768)],
        "step_ms": 30.0,
        "rounds": 1,
        "steps": 4,
        "vit_patch": 16,
        "batch": 16,
        "threads": [1],
        "pairs": 2,
        "every": 10,
        "repeats": 1,
        "resource_steps": 8,
    }
    return full, quick


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected any of {', '.join(PARTS)}, got {unknown[0]!r}")
    return parts


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
