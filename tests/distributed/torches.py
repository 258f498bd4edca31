"""What not every supported torch has: its tests are left out where it lacks, and say so."""

import pytest
import torch.distributed as dist
from torch.distributed import fsdp

__all__ = ["MEETS_AGAIN", "SHARDS"]

MEETS_AGAIN = pytest.mark.skipif(
    not hasattr(dist.Store, "clone"),
    reason="in this torch no copy of training's store can be had, so ranks do not meet again",
)
SHARDS = pytest.mark.skipif(not hasattr(fsdp, "fully_shard"), reason="this torch has no FSDP2")
