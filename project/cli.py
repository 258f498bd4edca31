"""The console script `gramscope`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from project.presets import PRESETS, SUB_GROUPS

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run one of the commands.

    Args:
        argv: The command line, `sys.argv[1:]` by default.
    """
    parser = argparse.ArgumentParser(
        prog="gramscope", description="Watch self-supervised features while they train."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    presets = commands.add_parser("presets", help="list what any Hydra application can add")
    presets.set_defaults(run=_presets)
    arguments = parser.parse_args(argv)
    arguments.run(arguments)


def _presets(arguments: argparse.Namespace) -> None:
    """Print the presets and the options of their sub-groups."""
    print("Presets: add one with +callbacks=NAME, several with '+callbacks=[NAME,NAME]'.")
    _, features = SUB_GROUPS["gram/feature"]
    _print_options({name: features[feature] for name, feature in PRESETS.items()})
    print("\nOptions: GROUP=OPTION for the preset gram, GROUP@callbacks.NAME=OPTION for another.")
    for group, (parameter, options) in SUB_GROUPS.items():
        print(f"\n{group} (sets {parameter})")
        _print_options(options)


def _print_options(options: dict[str, object]) -> None:
    for name, value in options.items():
        print(f"  {name:<20} {value}")


if __name__ == "__main__":
    main()
