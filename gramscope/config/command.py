"""The command `gramscope presets`."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping
from dataclasses import Field
from typing import Any

from gramscope.config.settings import CallbackConfig, default_of, settings

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser("presets", help="list what any Hydra application can add")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    """Print the presets, the options of their sub-groups, the parameters, and the numbers."""
    # Hydra is loaded for this command only.
    from gramscope.config.callbacks import GramMatrixConfig
    from gramscope.config.presets import OF_OWN_FEATURES, OTHERS, PRESETS, SUB_GROUPS
    from gramscope.diagnosis import NUMBERS

    print("Presets: add one with +callbacks=NAME, several with '+callbacks=[NAME,NAME]'.")
    features = SUB_GROUPS["gram/feature"].options
    _print_options({name: features[feature] for name, feature in PRESETS.items()})
    _print_options({name: config.__doc__ for name, config in {**OTHERS, **OF_OWN_FEATURES}.items()})
    print("\nAnywhere in a config: +gramscope@PLACE=FEATURE, with an option of gram/feature.")
    print("\nOptions: GROUP=OPTION for the preset gram, GROUP@callbacks.NAME=OPTION for another.")
    for group, (parameter, options, default) in SUB_GROUPS.items():
        unless = "the preset's own" if group == "gram/feature" else default
        print(f"\n{group} (sets {parameter}; {unless} unless chosen)")
        _print_options({name: _yaml(value) for name, value in options.items()})
    print("\nParameters: callbacks.NAME.PARAMETER=VALUE. Defaults:")
    _print_parameters(GramMatrixConfig, {})
    known = settings(GramMatrixConfig)
    for name, config in OF_OWN_FEATURES.items():
        without = ", ".join(name for name in known if name not in settings(config))
        print(f"\n{name} has the same but {without}, and otherwise:")
        _print_parameters(config, known)
    print("\nNumbers of an event, in loggers below representation/: range, which end is bad.")
    for number in NUMBERS.values():
        text = f"{number.name} ({number.range}; bad: {number.bad or 'none'}) {number.sentence}"
        print(textwrap.fill(text, 96, initial_indent="  ", subsequent_indent="      "))


def _print_parameters(config: type[CallbackConfig], known: Mapping[str, Field[Any]]) -> None:
    """Those that are not known to have the same default."""
    for name, field in settings(config).items():
        if name not in known or default_of(known[name]) != default_of(field):
            print(f"\n{name}={_yaml(default_of(field))}")
            text = field.metadata["help"]
            print(textwrap.fill(text, 96, initial_indent="  ", subsequent_indent="  "))


def _print_options(options: Mapping[str, object]) -> None:
    for name, value in options.items():
        print(f"  {name:<20} {value}")


def _yaml(value: Any) -> Any:
    """Spell a value as an override does."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{v}" for key, v in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return {None: "null", (): "[]"}.get(value, value)
