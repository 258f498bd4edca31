"""What watching costs training: ours against the usual synchronous callback and against none.

The reference (`_reference.py`) makes an extra forward pass, gathers, draws with pyplot and logs,
all on the training thread. Runs that are compared take turns. Three parts, chosen with `--only`:

events     Training-thread time of an event, from outside: clocks before and behind the callback
           and around the model's call. Every step is due; one thread; pictures go to files or,
           offline, to W&B. A stand-in for a model writes the features freshly to memory, so the
           reference's extra forward is hardly part of its figures, and is then busy for a while,
           so that there is time to draw. `3D ViT` is a real model with a real forward pass.
           `event` is above the same step without a callback, whose time is `taken off`.
slowdown   Wall time of the steps of whole runs of a small 3D ViT, with and without a free core, at
           every step, at every 100, and with numbers alone (views known) at every 10: median and
           mean over pairs of runs of the same seed.
           `fixed` is what start and end take more, once, however long the run. `again` is a second
           run without a callback: what that seems to cost is the measurement's own error.
resources  CPU time and memory added to each rank, its helper process included: two processes
           (DDP, gloo) of one thread each, the same 3D ViT. `idle` is ours with no step due; an
           event's CPU time is what `ours` takes above it. Memory is the most seen in the second
           half of the run.
"""

import os

os.environ.setdefault("WANDB_SILENT", "true")
os.environ["WANDB_MODE"] = "offline"  # nothing is uploaded, whatever the machine's settings
os.environ.pop("WANDB_DISABLED", None)
os.environ["MPLBACKEND"] = "Agg"

import _events
import _resources
import _slowdown
from _machine import cores
from _report import Report, numbers, options, sizes, some_of

PARTS = {"events": _events, "slowdown": _slowdown, "resources": _resources}
FOUR = "128x192,128x768,512x768,128x65536"


def main() -> None:
    """Measure, print and write."""
    chosen = options(
        "overhead",
        __doc__,
        ("--only", some_of(*PARTS), ",".join(PARTS), ",".join(PARTS), "what is measured"),
        ("--sizes", sizes, FOUR, "128x768", "rows and columns of `events`"),
        ("--step-ms", float, 60.0, 60.0, "least length of a step in `events`"),
        ("--warm-up-s", float, 2.5, 0.1, "of `events`, until the helper draws"),
        ("--rounds", int, 4, 1, "rounds of `events`"),
        ("--vit-patch", int, 8, 16, "edge of the patches of the ViT of `events`"),
        ("--steps", int, 40, 4, "measured steps where every step is due"),
        ("--batch", int, 128, 16, "batch of the smaller ViT of the other parts"),
        ("--dim", int, 768, 768, "columns of that ViT's features"),
        ("--threads", numbers, f"1,{cores()}", "1", "of `slowdown`"),
        ("--warm-up", int, 20, 2, "steps of `slowdown` that do not count; of `events` ≤ 5"),
        ("--pairs", int, 6, 1, "pairs of runs of `slowdown`"),
        ("--every", int, 100, 10, "the rarer frequency of `slowdown`"),
        ("--numbers-every", int, 10, 2, "how often `slowdown` has numbers without a picture"),
        ("--repeats", int, 5, 1, "repeats of `resources`"),
        ("--resource-steps", int, 40, 8, "steps of a run of `resources`"),
    )
    report = Report("overhead", __doc__, chosen)
    for name in chosen.only:
        PARTS[name].measure(report, chosen)
    report.finish()


if __name__ == "__main__":
    main()
