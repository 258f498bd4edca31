"""The command `gramscope presets`."""

import pytest

from gramscope.cli import main
from gramscope.config.callbacks import GramMatrixConfig
from gramscope.config.presets import OTHERS, PRESETS, SUB_GROUPS
from gramscope.config.settings import helps


def test_presets_lists_every_name_with_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    main(["presets"])

    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    for _, options, _ in SUB_GROUPS.values():
        spelt = {name: "null" if value is None else str(value) for name, value in options.items()}
        assert [item for item in spelt.items() if list(item) not in shown] == []
    assert ["gram_global", "student_glob_cls_token"] in shown
    assert {line[0] for line in shown if line} >= {*PRESETS, *OTHERS}


def test_presets_explains_every_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    main(["presets"])

    shown = " ".join(capsys.readouterr().out.split())
    for parameter, text in helps(GramMatrixConfig).items():
        assert f"{parameter}=" in shown
        assert text in shown
