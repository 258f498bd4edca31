"""From what came together of a step to its event: what there is to show, and what it lacks."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator

import torch

from gramscope.events import Event, Reason
from gramscope.monitor.due_step import Channel, DueStep
from gramscope.monitor.finder import advice, look
from gramscope.monitor.identity import known
from gramscope.monitor.numbers import measure
from gramscope.monitor.warn_once import WarnOnce
from gramscope.monitor.wire import Gathered

__all__ = ["evaluate", "look_for_views"]

log = logging.getLogger(__name__)


def evaluate(event: Event, due: DueStep, gathered: Gathered, warn: WarnOnce) -> None:
    """Give an event its matrix and numbers, or the reason why it has none.

    Args:
        event: What becomes of the step.
        due: The step, as rank 0 has it.
        gathered: The rows of all ranks.
        warn: Says which ranks' rows are missing, and what had to be left out.
    """
    missing = _by_reason(gathered.reasons)
    roles = dict(zip(due.channel.features, gathered.features, strict=False))
    features = {role: found for role, found in roles.items() if found is not None and len(found)}
    if not features:
        event.skip(_why_nothing(gathered.reasons))
        if len(missing) > 1:
            event.remark("; ".join(missing))
        return
    identity, unlike = known(gathered.identities)
    measured = (due.channel.measure or measure)(due, features, identity)
    event.n, event.matrix = measured.rows, measured.matrix
    event.metrics, event.absent = measured.numbers, measured.absent
    if not event.n:
        event.skip(due.reason or Reason.nonfinite)
        return
    for ranks in missing:
        warn(ranks, f"No rows at step {event.step} from {ranks}")
    for remark in unlike:
        warn(f"{event.log_key}: {remark}", f"{event.log_key} at step {event.step}: {remark}")
    for remark in [*missing, *_lacking(due.channel, gathered), *due.remarks, *unlike]:
        event.remark(remark)
    if measured.left_out:
        event.remark(f"{measured.left_out} rows with NaN or Inf left out")


def look_for_views(due: DueStep) -> None:
    """Say it, once, if the order of rows looks like views that nobody declared."""
    channel, seen = due.channel, due.chunks[0].look if due.chunks else None
    if channel.finder is None or seen is None:
        return
    rows, n = seen
    try:
        found = channel.finder.update(rows.cpu().float(), torch.tensor(look(n)), n)
    except Exception as error:  # an event is worth more than a hint
        channel.finder, found = None, None
        log.info("Nobody looks for views any more: %r", error)
    if found is not None:
        log.info("%s", advice(found, channel.title))


def _lacking(channel: Channel, gathered: Gathered) -> Iterator[str]:
    """What is missing of several features, and which other ranks have remarks."""
    names = list(channel.features)
    for position, why in gathered.lacking.items():
        yield f"{names[position] or 'features'}: {why.name}"
    for rank in gathered.odd:
        yield f"rank {rank} has a remark of its own, in its log"


def _by_reason(reasons: dict[int, Reason]) -> list[str]:
    """One text for each reason, naming its ranks."""
    ranks: dict[Reason, list[int]] = defaultdict(list)
    for rank, reason in sorted(reasons.items()):
        ranks[reason].append(rank)
    return [
        f"rank{'s' if len(r) > 1 else ''} {', '.join(map(str, r))}: {reason.name}"
        for reason, r in ranks.items()
    ]


def _why_nothing(reasons: dict[int, Reason]) -> Reason:
    """Rank 0's reason, or the first other one."""
    return next(iter(sorted(reasons.items())), (0, Reason.no_rows))[1]
