"""Hydra plugin: Hydra's plugin scan imports this module, and the presets are there.

Every Hydra application on the machine pays for this import, and anything but an ImportError
raised here would stop that application from starting.
So it stays small, imports no torch and raises nothing.
It adds nothing to the search path.
"""

from gramscope.config.presets import register

register()
