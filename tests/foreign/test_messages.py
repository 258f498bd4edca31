"""What an application says when a preset can't be had: one message, no stack trace."""

import pytest

from tests.commands import Done, Run

PRESETS = ("gram", "gram_global", "gram_student", "gram_teacher")


def message(done: Done) -> str:
    """What a command that failed has said."""
    assert done.result.returncode == 1
    assert "Traceback" not in done.result.output
    return " ".join(done.result.output.split())


@pytest.mark.parametrize("naming", ["+callbacks=gram_teacher", "--config-name naming"])
def test_a_preset_that_no_plugin_provides_arrives_as_a_string(naming: str, run: Run) -> None:
    said = message(run("shadowed", f"python shadowed.py {naming}"))

    assert said.count("Expected `callbacks` to be a callback") == 1
    assert "'gram_teacher' is a preset, and it did not reach the config as one" in said
    assert "`pip install hydra-gramscope`" in said


def test_a_defaults_list_names_a_preset_that_no_plugin_provides(run: Run) -> None:
    said = message(run("shadowed", "python shadowed.py --config-name selecting"))

    assert "Could not find 'callbacks/gram_teacher'" in said


def test_a_node_without_target(run: Run) -> None:
    said = message(run("shadowed", "python shadowed.py --config-name nameless"))

    assert said.count("Expected `callbacks.gram_student` to be a callback") == 1
    assert "no `_target_`" in said
    assert "`+callbacks=gram_student`" in said


@pytest.mark.parametrize("preset", PRESETS)
def test_a_misspelt_preset_is_answered_with_the_presets_there_are(run: Run, preset: str) -> None:
    said = message(run("packaged", "python show.py +callbacks=gram_techer"))

    assert "Could not find 'callbacks/gram_techer'" in said
    assert preset in said.partition("Available options")[2].split()


def test_a_preset_added_to_a_list(run: Run) -> None:
    said = message(run("list", "python train_list.py +callbacks=gram_teacher"))

    assert "Cannot merge DictConfig with ListConfig" in said


def test_a_preset_added_where_the_defaults_select_the_group(run: Run) -> None:
    said = message(run("template", "python src/train.py +callbacks=gram_teacher"))

    assert "Multiple values for callbacks" in said
