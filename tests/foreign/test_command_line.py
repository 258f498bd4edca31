"""Help, information, shell completion and messages in applications of others."""

import shlex

import pytest
import yaml

from tests.commands import Run, assert_no_traceback
from tests.composing import BASE

# By entry points Hydra 1.4 finds also what an application's own `hydra_plugins` hides.
UNSEEN = "" if BASE else "GRAMSCOPE=off "
PRESETS = ("gram", "gram_global", "gram_patch", "gram_probe", "gram_student", "gram_teacher")


def test_help_lists_presets_and_options(run: Run) -> None:
    said = run("minimal", "python train.py --help").output
    listed = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)

    assert {*PRESETS, "own"} <= set(listed["callbacks"].split(", "))
    assert listed["gram/samples"] == "default, large, small"
    assert "teacher_backbone" in listed["gram/feature"].split(", ")
    assert "often" in listed["gram/frequency"].split(", ")


def test_info_says_what_the_plugin_costs(run: Run) -> None:
    assert (
        "hydra_plugins.hydra_gramscope" in run("minimal", "python train.py --info plugins").output
    )


def test_info_defaults_shows_where_each_part_comes_from(run: Run) -> None:
    said = run("minimal", "python train.py +callbacks=gram_teacher --info defaults").output
    rows = [[cell.strip() for cell in line.split("|")] for line in said.splitlines()]
    packages = {row[1]: row[2] for row in rows if len(row) > 3}

    assert packages["callbacks/gram_teacher"] == ""
    assert packages["gram/samples/default"] == "callbacks.gram_teacher"
    assert packages["callbacks/own"] == "callbacks"


def test_cfg_shows_every_value(run: Run) -> None:
    done = run("minimal", "python train.py +callbacks=gram_student --cfg job --package callbacks")
    shown = yaml.safe_load(done.output)

    assert list(shown) == ["stop_if_broken", "timer", "gram_student"]
    node = shown["gram_student"]
    assert node["_target_"] == "gramscope.callbacks.GramMatrixCallback"
    assert (node["feature_key"], node["log_every_n_steps"]) == ("student_cls_token", 100)
    assert {"max_samples", "log_key", "capture", "module", "save_dir"} <= set(node)


OFFERS = {
    "python train.py": {
        "+callbacks=gram_t": "+callbacks=gram_teacher",
        "+callbacks=g": " ".join(f"+callbacks={preset}" for preset in PRESETS),
        "+callbacks=o": "+callbacks=own",
        "+callb": "+callbacks=",
        "+callbacks=gram gram/samples=": (
            "gram/samples=default gram/samples=large gram/samples=small"
        ),
        "+callbacks=gram gram/fr": "gram/frequency=",
        "+callbacks=gram_teacher callbacks.gram_teacher.log_e": (
            "callbacks.gram_teacher.log_every_n_steps="
        ),
        "+callbacks=gram_teacher callbacks.gram_teacher.max_samples=": (
            "callbacks.gram_teacher.max_samples=128"
        ),
    },
    "scripts/train": {
        "+callbacks=gram_s": "+callbacks=gram_student",
        "logger=t": "logger=tensorboard",
        "trainer.max_st": "trainer.max_steps=",
    },
}


@pytest.mark.parametrize("program", OFFERS)
def test_the_tab_key_offers_presets_options_and_values(program: str, run: Run) -> None:
    session = [f'eval "$({program} -sc install=bash)"']
    for line in OFFERS[program]:
        words = f"{program} {line}".split(" ")
        session += [
            f"COMP_LINE={shlex.quote(' '.join(words))} COMP_POINT={len(' '.join(words))}",
            f"COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}",
            "COMPREPLY=() && hydra_bash_completion",
            'echo "${COMPREPLY[*]}"',
        ]
    # Bash looks for the last part of the program that is typed.
    name = program.split()[0].rpartition("/")[2]

    *offered, known = run(
        "minimal", "\n".join([*session, f"complete -p {name}"])
    ).output.splitlines()

    assert dict(zip(OFFERS[program], offered, strict=True)) == OFFERS[program]
    assert known.endswith(f"hydra_bash_completion {name}")


@pytest.mark.parametrize("naming", ["+callbacks=gram_teacher", "--config-name naming"])
def test_a_preset_that_no_plugin_provides_arrives_as_a_string(naming: str, run: Run) -> None:
    result = run("shadowed", f"{UNSEEN}python shadowed.py {naming}").result

    said = " ".join(result.output.split())
    assert said.count("Expected `callbacks` to be a callback") == 1
    assert "'gram_teacher' is a preset, and it did not reach the config as one" in said
    assert "`pip install hydra-gramscope`" in said
    assert result.returncode == 1
    assert_no_traceback(result)


def test_a_node_without_target(run: Run) -> None:
    result = run("shadowed", f"{UNSEEN}python shadowed.py --config-name nameless").result

    said = " ".join(result.output.split())
    assert said.count("Expected `callbacks.gram_student` to be a callback") == 1
    assert "no `_target_`" in said
    assert "`+callbacks=gram_student`" in said
    assert result.returncode == 1
    assert_no_traceback(result)


def test_a_defaults_list_names_a_preset_that_no_plugin_provides(run: Run) -> None:
    result = run("shadowed", f"{UNSEEN}python shadowed.py --config-name selecting").result

    assert "Could not find 'callbacks/gram_teacher'" in result.output
    assert (result.returncode, "Traceback" in result.output) == (1, False)


def test_a_hidden_namespace_package_hides_no_plugin_with_an_entry_point(run: Run) -> None:
    result = run("shadowed", "python shadowed.py +callbacks=gram_teacher").result

    # Hydra 1.3 finds plugins in the namespace package alone.
    made = "[<gramscope.callbacks.gram.GramMatrixCallback object" in result.output
    assert made == (not BASE), result.output
