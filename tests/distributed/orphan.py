"""Rank 0, whose process has training's store, dies; rank 1 would connect again."""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist

from gramscope.monitor import store

store.SERVER = timedelta(seconds=1)
dist.init_process_group("gloo")
mine = store.Store("orphan")
dist.barrier()
if dist.get_rank() == 0:
    os._exit(0)
time.sleep(0.5)
start = time.monotonic()
try:
    mine.connecting(1, timedelta(seconds=1800))
except Exception as error:
    Path("seen").write_text(f"{type(error).__name__} {time.monotonic() - start < 30}")
sys.stdout.flush()
os._exit(0)
