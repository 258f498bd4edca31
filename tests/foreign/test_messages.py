"""What an application says when a preset can't be had: one message, no stack trace."""

import pytest

from tests.foreign.running import Done, after, run

PRESETS = ("gram", "gram_global", "gram_student", "gram_teacher")


def message(done: Done) -> str:
    """What a command that failed has said."""
    assert done.result.returncode == 1
    assert "Traceback" not in done.result.output
    return " ".join(done.result.output.split())


@after(
    run("shadowed", "python shadowed.py +callbacks=gram_teacher"),
    run("shadowed", "python shadowed.py --config-name naming"),
    ids=["command line", "config"],
)
def test_a_preset_that_no_plugin_provides_arrives_as_a_string(done: Done) -> None:
    said = message(done)

    assert said.count("Expected `callbacks` to be a callback") == 1
    assert "'gram_teacher' is a preset, and it did not reach the config as one" in said
    assert "`pip install hydra-gramscope`" in said


@after(run("shadowed", "python shadowed.py --config-name selecting"))
def test_a_defaults_list_names_a_preset_that_no_plugin_provides(done: Done) -> None:
    assert "Could not find 'callbacks/gram_teacher'" in message(done)


@after(run("shadowed", "python shadowed.py --config-name nameless"))
def test_a_node_without_target(done: Done) -> None:
    said = message(done)

    assert said.count("Expected `callbacks.gram_student` to be a callback") == 1
    assert "no `_target_`" in said
    assert "`+callbacks=gram_student`" in said


@pytest.mark.parametrize("preset", PRESETS)
@after(run("packaged", "python show.py +callbacks=gram_techer"))
def test_a_misspelt_preset_is_answered_with_the_presets_there_are(done: Done, preset: str) -> None:
    said = message(done)

    assert "Could not find 'callbacks/gram_techer'" in said
    assert preset in said.partition("Available options")[2].split()


@after(run("list", "python train_list.py +callbacks=gram_teacher"))
def test_a_preset_added_to_a_list(done: Done) -> None:
    assert "Cannot merge DictConfig with ListConfig" in message(done)


@after(run("template", "python src/train.py +callbacks=gram_teacher"))
def test_a_preset_added_where_the_defaults_select_the_group(done: Done) -> None:
    assert "Multiple values for callbacks" in message(done)
