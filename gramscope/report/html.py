"""How pages are filled: everything in one file, and nothing from elsewhere."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gramscope.diagnosis import format_number
from gramscope.sweep.overrides import short_value

__all__ = ["templates"]


@cache
def templates() -> Environment:
    """The pages' templates."""
    environment = Environment(
        loader=PackageLoader("gramscope.report"),
        autoescape=True,  # names and values come from other people's configs
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rounded"] = short_value
    environment.filters["number"] = format_number
    return environment
