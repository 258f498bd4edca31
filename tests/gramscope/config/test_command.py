"""The command `gramscope presets`."""

import pytest

from gramscope.cli import main
from gramscope.config.callbacks import GramMatrixConfig
from gramscope.config.presets import MONITORS, OTHERS, SUB_GROUPS
from gramscope.config.settings import helps
from gramscope.diagnosis import NUMBERS


def test_presets_lists_every_name_with_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    main(["presets"])

    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    for _, options, _ in SUB_GROUPS.values():
        spelt = {name: "null" if value is None else str(value) for name, value in options.items()}
        assert [item for item in spelt.items() if list(item) not in shown] == []
    assert ["gram_global", "student_glob_cls_token"] in shown
    assert {line[0] for line in shown if line} >= {*MONITORS, *OTHERS}


def test_presets_explains_every_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    main(["presets"])

    shown = " ".join(capsys.readouterr().out.split())
    for parameter, text in helps(GramMatrixConfig).items():
        assert f"{parameter}=" in shown
        assert text in shown


def test_presets_lists_every_number_with_its_range_and_its_bad_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["presets"])

    shown = " ".join(capsys.readouterr().out.split())
    for number in NUMBERS.values():
        assert f" {number.name} ({number.range}; bad: {number.bad or 'none'}) " in shown
        assert number.sentence in shown
