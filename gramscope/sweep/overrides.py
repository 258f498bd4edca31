"""Overridden keys and values in short, for headings, tags and names of runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

__all__ = ["short_names", "short_value"]


def short_names(keys: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Return the last part of each key, or all of it where that would be ambiguous.

    Returns:
        Short name by key: ``feature_key``, ``gram/samples``.
    """
    # The part after @ says where in the config a group's option goes, not what it is.
    short = {key: key.partition("@")[0].rpartition(".")[2] or key for key in keys}
    names = list(short.values())
    return {k: k if names.count(s) > 1 or s in taken else s for k, s in short.items()}


def short_value(value: str) -> str:
    """Return a value with a number's digits rounded to five where a search drew far more."""
    if "." not in value or len(value) <= 10:
        return value
    try:
        return f"{float(value):.5g}"
    except ValueError:
        return value
