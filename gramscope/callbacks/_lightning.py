"""The Lightning in use: `pytorch_lightning` and `lightning.pytorch` are separate copies of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

__all__ = ["Callback", "TQDMProgressBar", "rank_zero_info", "rank_zero_only"]

# Importing the copy that the application does not use would cost it seconds and memory.
# A trainer of either copy accepts callbacks of the other in a list: it only calls their hooks.
if not TYPE_CHECKING and "pytorch_lightning" not in sys.modules and "lightning" in sys.modules:
    from lightning.pytorch.callbacks import Callback, TQDMProgressBar
    from lightning.pytorch.utilities import rank_zero_info, rank_zero_only
else:
    from pytorch_lightning.callbacks import Callback, TQDMProgressBar
    from pytorch_lightning.utilities import rank_zero_info, rank_zero_only
