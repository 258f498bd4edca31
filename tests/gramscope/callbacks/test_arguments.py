"""What the constructor accepts, and what it says to the rest."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from gramscope.callbacks import GramMatrixCallback


def test_the_first_three_parameters_are_the_contract() -> None:
    parameters = list(inspect.signature(GramMatrixCallback).parameters.values())

    assert [(p.name, p.default) for p in parameters[:3]] == [
        ("log_every_n_steps", 100),
        ("feature_key", "teacher_cls_token"),
        ("max_samples", 128),
    ]
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters[:3])
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[3:])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"log_every_n_steps": 0}, "`log_every_n_steps` to be at least 1, but got 0"),
        ({"log_every_n_steps": -5}, "`log_every_n_steps` to be at least 1, but got -5"),
        ({"log_every_n_steps": 2.5}, "`log_every_n_steps` to be a whole number, but got 2.5"),
        ({"log_every_n_steps": True}, "`log_every_n_steps` to be a whole number, but got True"),
        ({"max_samples": 0}, "`max_samples` to be at least 1, but got 0"),
        ({"max_samples": "8"}, "`max_samples` to be a whole number, but got '8'"),
        ({"feature_key": ""}, "`feature_key` to be a non-empty string, but got ''"),
        ({"feature_key": None}, "`feature_key` to be a non-empty string, but got None"),
        ({"log_key": " "}, "`log_key` to be a non-empty string, but got ' '"),
        ({"module": 3}, "`module` to be a non-empty string, but got 3"),
        ({"capture": "hook"}, "`capture` to be one of 'auto', 'outputs', .* but got 'hook'"),
        ({"save_limit_mb": -1}, "`save_limit_mb` to be a finite number of megabytes .* got -1"),
        ({"save_limit_mb": float("nan")}, "`save_limit_mb` to be a finite number .* got nan"),
        ({"save_limit_mb": 10**400}, "`save_limit_mb` to be a finite number of megabytes above 0"),
        ({"save_limit_mb": True}, "`save_limit_mb` to be a number of megabytes, but got True"),
        ({"max_pending": 0}, "`max_pending` to be at least 1, but got 0"),
        ({"timeout_s": 0}, "`timeout_s` to be a finite number of seconds above 0, but got 0"),
        ({"timeout_s": float("inf")}, "`timeout_s` to be a finite number .* but got inf"),
        ({"timeout_s": "1"}, "`timeout_s` to be a number of seconds, but got '1'"),
        ({"save_dir": __file__}, "`save_dir` to be a directory .* is not a directory"),
        ({"save_dir": f"{__file__}/x"}, "`save_dir` to be a directory .* is not a directory"),
        ({"save_dir": "s3://b/gram"}, "`save_dir` to be the path of a local .* 's3://b/gram'"),
        ({"save_dir": Path("gs://b")}, "`save_dir` to be the path of a local .* 'gs:/b'"),
        ({"save_dir": "memory://gram"}, "`save_dir` to be the path of a local directory"),
        ({"save_dir": "simplecache::s3://b"}, "`save_dir` to be the path of a local directory"),
        ({"save_dir": "file:///gram"}, "`save_dir` to be the path of a local directory"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named_with_its_value_and_what_is_right(
    arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=f"Expected argument {says}"):
        GramMatrixCallback(**arguments)


def test_out_of_range_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="max_samples"):
        GramMatrixCallback(max_samples=-1)


def test_nothing_is_written_at_construction(tmp_path: Path) -> None:
    GramMatrixCallback(save_dir=tmp_path / "a" / "b")

    assert not list(tmp_path.iterdir())
