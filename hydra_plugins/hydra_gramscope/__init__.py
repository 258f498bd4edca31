"""Hydra plugin: Hydra's plugin scan finds the presets' source here.

Hydra 1.4 finds it by entry points, too, and takes both for one.
"""

from gramscope.config.source import PresetSearchPath, PresetSource

__all__ = ["PresetSearchPath", "PresetSource"]
