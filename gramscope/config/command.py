"""The command `gramscope presets`."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser("presets", help="list what any Hydra application can add")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    """Print the presets, the options of their sub-groups, the parameters, and the numbers."""
    # Hydra is loaded for this command only.
    from gramscope.config.callbacks import GramMatrixConfig
    from gramscope.config.presets import OTHERS, PRESETS, SUB_GROUPS
    from gramscope.config.settings import helps
    from gramscope.diagnosis import NUMBERS

    print("Presets: add one with +callbacks=NAME, several with '+callbacks=[NAME,NAME]'.")
    features = SUB_GROUPS["gram/feature"].options
    _print_options({name: features[feature] for name, feature in PRESETS.items()})
    _print_options({name: config.__doc__ for name, config in OTHERS.items()})
    print("\nAnywhere in a config: +gramscope@PLACE=FEATURE, with an option of gram/feature.")
    print("\nOptions: GROUP=OPTION for the preset gram, GROUP@callbacks.NAME=OPTION for another.")
    for group, (parameter, options, default) in SUB_GROUPS.items():
        unless = "the preset's own" if group == "gram/feature" else default
        print(f"\n{group} (sets {parameter}; {unless} unless chosen)")
        _print_options({name: _yaml(value) for name, value in options.items()})
    print("\nParameters: callbacks.NAME.PARAMETER=VALUE. Defaults:")
    for parameter, text in helps(GramMatrixConfig).items():
        print(f"\n{parameter}={_yaml(getattr(GramMatrixConfig, parameter))}")
        print(textwrap.fill(text, 96, initial_indent="  ", subsequent_indent="  "))
    print("\nNumbers of an event, in loggers below representation/: range, which end is bad.")
    for number in NUMBERS.values():
        text = f"{number.name} ({number.range}; bad: {number.bad or 'none'}) {number.sentence}"
        print(textwrap.fill(text, 96, initial_indent="  ", subsequent_indent="      "))


def _print_options(options: Mapping[str, object]) -> None:
    for name, value in options.items():
        print(f"  {name:<20} {value}")


def _yaml(value: object) -> object:
    """Spell a value as an override does."""
    return "null" if value is None else value
