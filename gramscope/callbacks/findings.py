"""What an event's numbers say of a feature, and of the run, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gramscope.config.callbacks import MonitorConfig
from gramscope.diagnosis import NUMBERS, number_of, with_ceiling

__all__ = ["findings", "last_numbers", "verdict"]

_MOST = 5
"""Numbers in a line."""


def verdict(diagnosis: str, text: str) -> list[tuple[str, str]]:
    """A label and what the diagnosis says; nothing before it has been made.

    Args:
        diagnosis: Name of the state.
        text: All that there is to say of it; empty before the first event.
    """
    said = diagnosis if diagnosis == "healthy" else text
    return [("diagnosis", said)] if text else []


def last_numbers(latest: Mapping[str, float]) -> str:
    """The headlines among an event's numbers, in a line."""
    headlines = [number for number in NUMBERS.values() if number.headline]
    keys = [key for number in headlines for key in latest if number_of(key) is number]
    said = [f"{key} {with_ceiling(key, latest)}" for key in keys[:_MOST]]
    return ", ".join([*said, "…"][: len(keys)])


def findings(config: MonitorConfig, latest: Mapping[str, float]) -> list[tuple[str, str]]:
    """A label and a text for each feature that has numbers.

    Args:
        config: What is watched.
        latest: Numbers of an event, by name.
    """
    found = []
    for role in config.watched:
        start = f"{role}/" if role else ""
        own = {n[len(start) :]: v for n, v in latest.items() if n.startswith(start)}
        if said := ", ".join(_clauses(own)):
            found.append((role.replace("_", " ") or config.title, said))
    return found


def _clauses(numbers: Mapping[str, float]) -> Iterator[str]:
    if {"effective_rank", "rank_ceiling"} <= numbers.keys():
        ceiling = numbers["rank_ceiling"]
        yield f"effective rank {numbers['effective_rank']:.1f} of {ceiling:.0f}"
    if "view_correlation" in numbers:
        yield f"views share {numbers['view_correlation']:.2f} of the variance"
    if "shared_rank" in numbers:
        yield f"in {numbers['shared_rank']:.1f} directions"
