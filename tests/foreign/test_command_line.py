"""Help, information and shell completion in applications of others."""

import shlex

import yaml

from tests.commands import Run

PRESETS = ("gram", "gram_global", "gram_student", "gram_teacher")


def test_help_lists_presets_and_options(run: Run) -> None:
    done = run("minimal", "python train.py --help")
    listed = dict(line.split(": ", 1) for line in done.output.splitlines() if ": " in line)

    assert {*PRESETS, "own"} <= set(listed["callbacks"].split(", "))
    assert listed["gram/samples"] == "default, large, small"
    assert "teacher_backbone" in listed["gram/feature"].split(", ")
    assert "often" in listed["gram/frequency"].split(", ")


def test_info_says_what_the_plugin_costs(run: Run) -> None:
    done = run("minimal", "python train.py --info plugins")
    (line,) = [line for line in done.output.splitlines() if "hydra_gramscope" in line]

    assert "hydra_plugins.hydra_gramscope" in line


def test_info_defaults_shows_where_each_part_comes_from(run: Run) -> None:
    done = run("minimal", "python train.py +callbacks=gram_teacher --info defaults")
    rows = [[cell.strip() for cell in line.split("|")] for line in done.output.splitlines()]
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


def completions(program: str, *lines: str) -> str:
    """A shell session that prints what the Tab key offers at the end of each line."""
    session = [f'eval "$({program} -sc install=bash)"']
    for line in lines:
        words = line.split(" ")
        session += [
            f"COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}",
            f"COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}",
            "COMPREPLY=() && hydra_bash_completion",
            'echo "${COMPREPLY[*]}"',
        ]
    return "\n".join(session)


OFFERS = {
    "python train.py +callbacks=gram_t": "+callbacks=gram_teacher",
    "python train.py +callbacks=g": " ".join(f"+callbacks={preset}" for preset in PRESETS),
    "python train.py +callbacks=o": "+callbacks=own",
    "python train.py +callb": "+callbacks=",
    "python train.py +callbacks=gram gram/samples=": (
        "gram/samples=default gram/samples=large gram/samples=small"
    ),
    "python train.py +callbacks=gram gram/fr": "gram/frequency=",
    "python train.py +callbacks=gram_teacher callbacks.gram_teacher.log_e": (
        "callbacks.gram_teacher.log_every_n_steps="
    ),
    "python train.py +callbacks=gram_teacher callbacks.gram_teacher.max_samples=": (
        "callbacks.gram_teacher.max_samples=128"
    ),
}


def test_the_tab_key_offers_presets_options_and_values(run: Run) -> None:
    done = run("minimal", completions("python train.py", *OFFERS))

    assert dict(zip(OFFERS, done.output.splitlines(), strict=True)) == OFFERS


JOB_OFFERS = {
    "scripts/train +callbacks=gram_s": "+callbacks=gram_student",
    "scripts/train logger=t": "logger=tensorboard",
    "scripts/train trainer.max_st": "trainer.max_steps=",
}


def test_the_tab_key_serves_the_training_job_too(run: Run) -> None:
    done = run("", f"{completions('scripts/train', *JOB_OFFERS)}\ncomplete -p train")

    *offers, registered = done.output.splitlines()
    assert dict(zip(JOB_OFFERS, offers, strict=True)) == JOB_OFFERS
    # Bash looks for the last part of what is typed.
    assert registered.endswith("hydra_bash_completion train")
