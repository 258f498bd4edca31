"""From a composed config to objects, with one clear message when something is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import hydra.utils
from hydra.errors import CompactHydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from gramscope.config.callbacks import watching
from gramscope.config.names import clashes
from gramscope.config.presets import MONITORS, OTHERS

__all__ = ["ConfigError", "build", "callback_nodes", "instantiate_callbacks"]

# Wrong values and names, missing files: the user's to mend. Anything else is a bug, and keeps its
# own trace.
_MENDABLE = (ValueError, TypeError, OSError)

_OURS = {config._target_.rpartition(".")[2] for config in (*MONITORS.values(), *OTHERS.values())}


class ConfigError(CompactHydraException, ValueError):
    """A config that can't be used; Hydra shows the message without a stack trace."""


def instantiate_callbacks(cfg: Any) -> list[Any]:
    """Instantiate every callback below a config node.

    Args:
        cfg: What stands under `callbacks` in a composed config: a mapping of names to callbacks,
            a list of callbacks, any nesting of the two, or null.
            A null entry is a callback that is switched off.

    Returns:
        The callbacks, in the order of the config.

    Raises:
        ConfigError: If an entry is a string or lacks `_target_`, if a callback refuses a value, or
            if two gram callbacks would log the same feature under the same key.

    Example:
        >>> instantiate_callbacks({"off": None})
        []
    """
    made = {key: build(node, key) for key, node in callback_nodes(cfg)}
    _require_distinct(made)
    return list(made.values())


def _require_distinct(made: dict[str, Any]) -> None:
    """Refuse gram callbacks whose pictures could not be told apart."""
    configs = {key: c.config for key, c in made.items() if watching([c])}
    for alike in clashes(list(configs.values())):
        first, second = (list(configs)[i] for i in alike[:2])
        config = configs[first]
        raise ConfigError(
            f"`{first}` and `{second}` both log {config.what} under "
            f"log_key='{config.log_key}'. Leave one out, or give `{second}` another feature "
            f"(`{second}.feature_key=…`) or a name of its own (`{second}.name=…`)."
        )


def build(node: Any, key: str, *, partial: bool = False) -> Any:
    """Instantiate one node; what its constructor says about a value is said of `key`.

    Args:
        node: A config with `_target_`.
        key: Where the node stands in the config, for messages.
        partial: Leave the call to the caller, who has more arguments to give.

    Returns:
        What `_target_` makes, or with `partial` a callable that makes it.

    Raises:
        ConfigError: If there is no `_target_`, or if the target refuses a value.
    """
    if not isinstance(node, (DictConfig, Mapping)) or not node.get("_target_"):
        raise ConfigError(f"Expected `{key}` to be a node with `_target_` but got {_show(node)}.")
    try:
        _require_values(node, key)
        # Plain lists and dicts, since few constructors know OmegaConf's.
        with _allowed(str(node["_target_"])):
            return instantiate(node, _convert_="all", **({"_partial_": True} if partial else {}))
    except InterpolationResolutionError as error:
        raise ConfigError(f"`{key}` can't be set up: {error}") from error
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ConfigError):
            raise cause from None
        if isinstance(cause, _MENDABLE):
            raise ConfigError(f"`{key}` can't be set up: {cause}") from error
        if isinstance(cause, ImportError) and _is_ours(str(node["_target_"])):
            raise ConfigError(f"`{key}` can't be set up: {cause.__cause__ or cause}") from error
        raise
    except ConfigError:
        raise
    except _MENDABLE as error:  # Hydra, from 1.4 on, lets them through as they are
        raise ConfigError(f"`{key}` can't be set up: {error}") from error


def _allowed(target: str) -> AbstractContextManager[Any]:
    """Where Hydra (from 1.4 on) makes only what a whitelist names: let it make ours."""
    allow = getattr(hydra.utils, "execution_whitelist", None)
    return allow(target) if allow is not None and _is_ours(target) else nullcontext()


def _is_ours(target: str) -> bool:
    """Whether it is one of our callbacks, by whatever path it is imported."""
    return target.startswith("gramscope.") and target.rpartition(".")[2] in _OURS


def _require_values(node: Any, key: str) -> None:
    """Name what the config leaves to the user (`???`) and the user has not given."""
    missing = sorted(OmegaConf.missing_keys(node)) if OmegaConf.is_config(node) else []
    if missing:
        names = ", ".join(f"{name}=…" for name in missing)
        raise ConfigError(f"`{key}` can't be set up before it has a value for: {names}")


def callback_nodes(cfg: Any, key: str = "callbacks") -> Iterator[tuple[str, Any]]:
    """Yield each callback's dotted key and node in the order of the config, but what is null.

    Raises:
        ConfigError: If an entry is neither a callback nor a container of callbacks.
    """
    if cfg is None:
        return
    if isinstance(cfg, (ListConfig, list, tuple)):
        for index, child in enumerate(cfg):
            yield from callback_nodes(child, f"{key}.{index}")
    elif not isinstance(cfg, (DictConfig, Mapping)):
        raise ConfigError(_not_a_callback(key, cfg))
    elif "_target_" in cfg:
        yield key, cfg
    elif key != "callbacks" and any(not _is_container(child) for child in cfg.values()):
        raise ConfigError(_without_target(key, cfg))
    else:
        for name, child in cfg.items():
            yield from callback_nodes(child, f"{key}.{name}")


def _is_container(value: Any) -> bool:
    return value is None or isinstance(value, (DictConfig, ListConfig, Mapping, list, tuple))


def _not_a_callback(key: str, value: Any) -> str:
    message = f"Expected `{key}` to be a callback, a node with `_target_`, but got {_show(value)}."
    if not isinstance(value, str):
        return message
    if value not in MONITORS:
        return f"{message} {_did_you_mean(value)}"
    return (
        f"{message} '{value}' is a preset, and it did not reach the config as one. "
        f"On the command line write `+callbacks={value}`, in a YAML defaults list "
        f"`- /callbacks/{value}`. If you did, the Hydra application does not see the plugin: "
        f"`pip install hydra-gramscope` in its environment."
    )


def _without_target(key: str, node: Any) -> str:
    name = key.rpartition(".")[2]
    return (
        f"Expected `{key}` to be a callback, but it has no `_target_`: {_show(node)}. "
        f"{_did_you_mean(name)}"
    )


def _did_you_mean(name: str) -> str:
    names = difflib.get_close_matches(name, MONITORS, n=3, cutoff=0.5) or [*MONITORS][:4]
    listed = ", ".join(f"`+callbacks={name}`" for name in names)
    return f"Presets of hydra-gramscope are added with {listed}."


def _show(value: Any) -> str:
    return repr(OmegaConf.to_container(value) if OmegaConf.is_config(value) else value)
