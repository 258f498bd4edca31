"""Fixed samples that two processes encode together, also where each has half of the weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gramscope.callbacks import GramPatchCallback, GramProbeCallback
from gramscope.events.files import read_events
from gramscope.events.matrix import read_matrix
from tests.distributed.launch import run
from tests.gramscope.callbacks.probed import fit

pytestmark = pytest.mark.distributed


def test_two_processes_see_what_one_does_and_train_as_without(tmp_path: Path) -> None:
    codes = run(Path(__file__).with_name("probing.py"), {}, 2, tmp_path, timeout_s=240)

    assert codes == [0, 0], (tmp_path / "rank0.out").read_text()
    for rank in range(2):
        seen = json.loads((tmp_path / f"rank{rank}.json").read_text())
        for kind, events in (("ddp", 3), ("sharded", 2)):  # none before a sharded model has run
            assert seen[kind]["watched"] == seen[kind]["alone"]
            outcomes = {"logged": events} if rank == 0 else {}
            assert seen[kind]["outcomes"] == [outcomes] * 4, kind
    for kind in ("ddp", "sharded"):  # of one sample, rank 0's, nobody misses the other rank's
        found, _ = read_events(tmp_path / kind / "events.jsonl")
        assert {e.reason for e in found if e.log_key in ("single", "one")} == {None}
    settings = {"input_key": "image", "save_dir": tmp_path / "one"}
    probe = GramProbeCallback(2, "token", 9, **settings)
    patches = GramPatchCallback(2, "patches", 7, class_key="token", **settings)
    fit(tmp_path, probe, patches, steps=2)
    for log_key in ("gram_probe", "gram_patch"):
        files = [tmp_path / w / log_key / "step_00000000.npz" for w in ("one", "ddp")]
        one, two = map(read_matrix, files)
        assert np.allclose(one.gram, two.gram, atol=1e-6)  # of the same random weights
