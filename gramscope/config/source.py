"""Where Hydra finds the presets: a config source behind all others, which no application notices.

Hydra's plugin scan imports this module in every Hydra application of the environment, and anything
but an ImportError raised here would stop that application from starting.
So it is small, loads the presets when one is asked for, and imports neither torch nor Lightning.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from gramscope.config import reminder
from gramscope.config.environment import is_off

if TYPE_CHECKING:
    from gramscope.config.presets import Entry

__all__ = ["PresetSearchPath", "PresetSource"]

log = logging.getLogger(__name__)

_PROVIDER = "hydra-gramscope"
_GROUPS = ("", "callbacks", "gram", "gramscope")


class PresetSource(ConfigSource):
    """The presets, as configs of the groups `callbacks`, `gram` and `gramscope`."""

    @staticmethod
    def scheme() -> str:
        """What a search path of this source begins with."""
        return "gramscope"

    def available(self) -> bool:
        """It always is."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Whether it is a group of ours; not while Hydra asks because of somebody else's key.

        Where a group exists Hydra takes an override of that name for a choice of it, and refuses
        `callbacks=null` and `callbacks=[]` to an application that has a value there.
        """
        if not self.list(config_path, None):
            return False
        asked = _asked_for(config_path)
        if asked is not None:
            _refuse_a_number(asked)
        return asked is None or self._may_mean_us(asked)

    def is_config(self, config_path: str) -> bool:
        """Whether it is a preset of ours; what an application has stored itself comes first."""
        if _entry(config_path) is None:
            return False
        theirs = ConfigStore.instance().get_type(f"{config_path}.yaml") is ObjectType.CONFIG
        if theirs:
            _say_hidden(config_path.removesuffix(".yaml"))
        return not theirs

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Names of the groups and presets in a group of ours."""
        group = config_path.strip("/")
        found: list[str] = []
        if group.partition("/")[0] in _GROUPS:
            if results_filter is not ObjectType.GROUP:
                found += _entries().get(group, ())
            if results_filter is not ObjectType.CONFIG:
                inside = [g.removeprefix(f"{group}/") for g in _entries() if _is_in(g, group)]
                found += {name.partition("/")[0] for name in inside}
        return sorted(found)

    def load_config(self, config_path: str) -> ConfigResult:
        """A preset, or one option of a sub-group."""
        entry = _entry(config_path)
        if entry is None:
            raise ConfigLoadError(f"there is no {config_path}")
        if not config_path.startswith("gram/"):
            reminder.expect(config_path)
        config = OmegaConf.create(entry.make())
        return ConfigResult(self.provider, self.full_path(), config, {"package": entry.package})

    def _may_mean_us(self, override: Override) -> bool:
        group = override.key_or_group
        if "/" in group:  # no key of a config
            return True
        value = override.value()
        names = value if isinstance(value, list) else [value]
        options = self.list(group, ObjectType.CONFIG)
        return bool(names) and all(
            name in options or (override.is_add() and _is_close(name, options)) for name in names
        )


class PresetSearchPath(SearchPathPlugin):
    """Adds the presets to the search path of every application."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append them once, however often Hydra has found this plugin."""
        there = any(item.provider == _PROVIDER for item in search_path.get_path())
        if not there and not is_off():
            search_path.append(_PROVIDER, f"{PresetSource.scheme()}://")


def _entries() -> dict[str, dict[str, Entry]]:
    from gramscope.config.presets import entries

    return entries()


def _entry(config_path: str) -> Entry | None:
    group, _, name = config_path.removesuffix(".yaml").strip("/").rpartition("/")
    ours = group.partition("/")[0] in _GROUPS and group
    return _entries().get(group, {}).get(name) if ours else None


def _is_in(group: str, other: str) -> bool:
    return not other or group.startswith(f"{other}/")


def _is_close(name: object, options: Sequence[str]) -> bool:
    """Whether it is most probably a slip of the pen."""
    import difflib  # few applications come here

    return isinstance(name, str) and bool(difflib.get_close_matches(name, options, cutoff=0.85))


def _refuse_a_number(override: Override) -> None:
    """Say how a value is written that is no option, as in `gram/samples=64`.

    Hydra takes none for a choice either, and only shows where in Hydra that was found.
    """
    from gramscope.config.presets import SUB_GROUPS

    group = SUB_GROUPS.get(override.key_or_group)
    value = override.value()
    if group is None or override.is_delete() or not isinstance(value, (int, float, type(None))):
        return
    text = override.get_value_string()
    node = override.package or "callbacks.gram"
    other = "" if override.package else "; of another preset, with its name in the place of `gram`"
    raise ConfigCompositionException(
        f"Expected {override.key_or_group} to be one of {', '.join(map(repr, group.options))}, "
        f"but got {text}. Another value is written {node}.{group.parameter}={text}{other}."
    )


@cache
def _say_hidden(preset: str) -> None:
    log.warning(
        "The preset '%s' of hydra-gramscope is hidden by a config of that name which this "
        "application has stored; store it under another name to have both.",
        preset,
    )


def _asked_for(group: str) -> Override | None:
    """The override because of which Hydra asks whether there is a group of that name.

    Hydra says only the name. A version of it that asks in another way gets the answer that it
    would get from any plugin.
    """
    frame: Any = sys._getframe(2)
    for _ in range(4):
        for value in frame.f_locals.values():
            if isinstance(value, Override) and value.key_or_group == group:
                return value
        frame = frame.f_back
        if frame is None:
            break
    return None
