"""What fixed rows are compared with, as long as they are the same."""

from __future__ import annotations

import torch

from gramscope.monitor.earlier import Earlier

SOME, ALL = torch.tensor([0, 2]), torch.tensor([0, 1, 2])


def test_rows_that_were_missing_at_first_make_a_new_beginning() -> None:
    earlier = Earlier()
    earlier.keep(SOME, before=torch.eye(2))
    assert not earlier.of(ALL, torch.Size([3, 3]))

    earlier.keep(ALL, before=torch.eye(3))

    assert [*earlier.of(ALL, torch.Size([3, 3]))] == ["before"]


def test_rows_that_are_missing_once_change_nothing() -> None:
    earlier = Earlier()
    earlier.keep(ALL, before=torch.eye(3))

    earlier.keep(SOME, before=torch.ones(2, 2))

    assert not earlier.of(SOME, torch.Size([2, 2]))
    assert earlier.of(ALL, torch.Size([3, 3]))["before"].equal(torch.eye(3))


def test_after_a_checkpoint_the_same_rows_may_come_from_other_ranks() -> None:
    earlier, resumed = Earlier(), Earlier()
    earlier.begin("samples")
    earlier.keep(ALL, before=torch.eye(3))
    resumed.load(earlier.state())

    assert not resumed.begin("samples")
    resumed.keep(SOME, before=torch.ones(2, 2))  # of fewer of them
    assert resumed.of(ALL + 5, torch.Size([3, 3]))["before"].equal(torch.eye(3))
    assert resumed.begin("others")
    assert resumed.is_empty
