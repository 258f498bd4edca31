"""Each mistake of docs/python.md is answered as the page says, and what works does."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gramscope.callbacks import GramMatrixCallback
from tests.foreign.documents import mistakes, seen_in
from tests.support import TinyNet, TinySSL, trainer

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
ROWS = [*mistakes(PAGE.read_text())]


class Net(TinyNet):
    def forward(self, x: Tensor) -> dict[str, Any]:
        outputs = super().forward(x)
        maps = outputs["teacher_cls_token"][:, :, None, None].expand(-1, -1, 3, 2)
        return {"teacher_cls_token": outputs["teacher_cls_token"], "tokens": outputs["tokens"]} | {
            "maps": maps
        }


Net.__name__ = TinyNet.__name__  # as the page calls it


class OnThePage(TinySSL):
    def __init__(self) -> None:
        super().__init__()
        self.model, self.idle = Net(), torch.nn.Linear(8, 8)


def said(code: str, directory: Path, caplog: pytest.LogCaptureFixture) -> tuple[str, Any]:
    """What a line of Python is answered with, when it is made and in a short training."""
    try:
        callback = eval(code, {"GramMatrixCallback": GramMatrixCallback})
    except (ValueError, TypeError) as error:
        return str(error), None
    if "log_every_n_steps" not in code:
        callback.log_every_n_steps = 2
    callback.save_dir = directory / "gram"
    caplog.clear()
    with caplog.at_level(logging.WARNING, "gramscope"):
        trainer(directory, [callback], max_steps=4).fit(OnThePage())
    return "\n".join(r.getMessage() for r in caplog.records if r.name[:9] == "gramscope"), callback


@pytest.mark.parametrize("row", ROWS, ids=[f"{line}" for line, *_ in ROWS])
def test_a_mistake_is_answered_as_shown(
    row: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, mistake, answers, remedy = row

    answer, _ = said(mistake, tmp_path / "mistake", caplog)
    after, callback = said(remedy, tmp_path / "remedy", caplog)

    assert [a for a in answers if not seen_in(answer, a)] == [], answer
    assert (after, set(callback.outcomes)) == ("", {"logged"})
