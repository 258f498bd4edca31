"""What several callbacks of one trainer are called."""

from __future__ import annotations

from typing import Any

import pytest

from gramscope.config.callbacks import GramMatrixConfig as One
from gramscope.config.callbacks import RepresentationMonitorConfig as Several
from gramscope.config.names import names


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        ([One()], [("gram_matrix", "representation")]),
        # Roles tell their numbers from those of a single feature.
        (
            [Several(), One()],
            [("gram_matrices", "representation"), ("gram_matrix", "representation")],
        ),
        (
            [One(), One(feature_key="b")],
            [
                ("gram_matrix/teacher_cls_token", "representation/teacher_cls_token"),
                ("gram_matrix/b", "representation/b"),
            ],
        ),
        (
            [One(), One()],
            [
                ("gram_matrix/teacher_cls_token", "representation/teacher_cls_token"),
                ("gram_matrix/teacher_cls_token.2", "representation/teacher_cls_token.2"),
            ],
        ),
        (
            [One(module="a.b"), One(module="c", name="mine")],
            [
                ("gram_matrix/a.b", "representation/a.b"),
                ("gram_matrix/mine", "representation/mine"),
            ],
        ),
        (
            [One(module="m"), One(module="m", feature_key="f")],
            [
                ("gram_matrix/m.teacher_cls_token", "representation/m.teacher_cls_token"),
                ("gram_matrix/m.f", "representation/m.f"),
            ],
        ),
        (
            [One(log_key="x"), One(log_key="y", name="z")],
            [("x", "representation/teacher_cls_token"), ("y", "representation/z")],
        ),
        (
            [Several(name="x"), Several(name="y")],
            [("gram_matrices/x", "representation/x"), ("gram_matrices/y", "representation/y")],
        ),
    ],
    ids=["one", "one of each", "keys", "alike", "modules", "a module's", "log keys", "several"],
)
def test_keys_of_pictures_and_of_numbers_have_one_name(configs: Any, expected: Any) -> None:
    assert [(given.log_key, given.prefix) for given in names(configs)] == expected
