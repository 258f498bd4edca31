"""The console script `gramscope`."""

import pytest

from project.cli import main
from project.presets import PRESETS, SUB_GROUPS


def test_presets_lists_every_name_with_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    main(["presets"])

    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    for _, options in SUB_GROUPS.values():
        assert [[name, str(value)] in shown for name, value in options.items()] == [True] * len(
            options
        )
    assert ["gram_global", "student_glob_cls_token"] in shown
    assert {line[0] for line in shown if line} >= set(PRESETS)


def test_no_command_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])

    assert stopped.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
