"""What is run for a command line that the documentation shows, and what is looked at otherwise.

What neither knows is an error, so that no command goes unchecked.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

__all__ = ["UnknownCommandError", "check", "plan"]

ROOT = Path(__file__).parents[2]
APPLICATIONS = Path(__file__).parent / "applications"

# A sweep that `gramscope sweep-report` can be tried on.
SWEEP = (
    "python train.py -m +callbacks=gram gram/files=run"
    " callbacks.gram.feature_key=teacher_cls_token,student_cls_token"
)

# Of the bundled job only composed: no test machine is sure to have these.
COMPOSED = re.compile(r"--cfg job|trainer=(gpu|ddp)\b|launch=slurm\b|mode=online|address=auto")

# The bundled job as small as it gets.
SMALL = (
    "trainer.max_steps=3 data.batch_size=4 model.model.backbone.depth=1"
    " model.model.dino_head.hidden_dim=32 model.model.dino_head.num_prototypes=64"
)
# Where each job is a process that imports everything anew, something smaller trains.
STANDIN = ROOT / "tests" / "integration" / "standin"
SMALLER = (
    f"'hydra.searchpath=[file://{STANDIN}/conf]' data=standin model=standin trainer.max_steps=3"
)
LAUNCHED = re.compile(r"launch=(joblib|slurm_local|ray)\b")
# What else makes it short.
SHORT = {
    "": "callbacks.knn_probe=null",
    # Optuna ends with an error if no job has had a gram matrix.
    "experiment=optuna": "hydra.sweeper.n_trials=2 callbacks.gram.log_every_n_steps=3",
    "[gram_teacher,gram_student]' trainer=ddp_cpu": (
        "callbacks.gram_teacher.log_every_n_steps=1 callbacks.gram_student.log_every_n_steps=2"
    ),
    "experiment=sweep_features launch=": (
        "callbacks.gram.feature_key=teacher_cls_token,student_cls_token"
        " callbacks.gram.log_every_n_steps=3"
    ),
}


class UnknownCommandError(ValueError):
    """A command line that nobody has taught this harness."""


def plan(text: str, before: str = SWEEP) -> tuple[Any, ...] | None:
    """Say what to run for a command line: in which application, and after which others.

    Args:
        text: The command line.
        before: What stands before it, and may have left what it needs.

    Returns:
        None for a command that `check` knows.
    """
    text = _plain(text)
    if completion := re.fullmatch(r'eval "\$\((.*) -sc install=bash\)"', text):
        program = completion[1].split()[0].rpartition("/")[2]
        words = _words(completion[1])
        return (_owner(words[1]) if words[1:] else None, f"{text} && complete -p {program}")
    words = _words(text)
    if words[0] == "python" and words[1].endswith(".py"):
        return (_owner(words[1]), text)
    if words[0] == "scripts/train" and not COMPOSED.search(text):
        application = STANDIN if LAUNCHED.search(text) else None
        return (application, text if "--help" in words else _shortened(text))
    if words[:2] == ["gramscope", "sweep-report"] and "…" in text:
        return (_owner("train.py"), before, re.sub(r"multirun/\S*", "multirun/*/*", text))
    if words[0] == "gramscope":
        return (None, f"{text} --help" if words[-1] == "sweep-report" else text)
    if words[0] == "pip":
        return (None, _pip(text, words))
    _checker(words)
    return None


def check(text: str) -> None:
    """Look at a command that is not run here; raise AssertionError if it can't be right."""
    words = _words(_plain(text))
    _checker(words)(words)


def _plain(text: str) -> str:
    """Leave out what may follow, and name a directory that everyone has another name for."""
    return text.removesuffix(" …").replace("outputs/…", "outputs/some")


def _words(text: str) -> list[str]:
    """Split a command line; placeholders such as NAME and … stay as they are."""
    if re.search(r"&&|\|\||;", text):
        raise UnknownCommandError(f"more than one command in a line: {text}")
    words = shlex.split(text)
    while "=" in words[0] and not words[0].startswith(("/", ".")):  # environment variables
        words = words[1:]
    return words


def _owner(script: str) -> Path:
    owners = [path for path in APPLICATIONS.iterdir() if (path / script).is_file()]
    if len(owners) != 1:
        raise UnknownCommandError(f"no application has a script {script}")
    return owners[0]


def _shortened(text: str) -> str:
    """A training of the bundled job that takes seconds."""
    more = [SMALLER if LAUNCHED.search(text) else SMALL]
    more += [short for shown, short in SHORT.items() if shown in text]
    # W&B takes seconds to start.
    wandb = "" if re.search("wandb|launch=joblib", text) else "WANDB_MODE=disabled "
    return f"{wandb}{text} {' '.join(more)}"


def _pip(text: str, words: list[str]) -> str:
    pip = "python -m pip --disable-pip-version-check"
    if words[1] == "list":
        return text.replace("pip", pip, 1)
    if words[1] != "install":
        raise UnknownCommandError(text)
    # What is named has to be in the index, and what it offers has to have the extras; the
    # dependencies' own index is far away.
    options = "--dry-run --ignore-installed --no-index --no-deps --no-build-isolation"
    (what,) = [word for word in words[2:] if not word.startswith("-")]
    if {"-e", "--editable"} & set(words):
        extras = "".join(re.findall(r"\[.*", what))
        return f'{pip} install {options} --editable "$CHECKOUT"{shlex.quote(extras)}'
    return f'{pip} install {options} --find-links "$WHEELS" {shlex.quote(what)}'


Checker = Callable[[list[str]], None]


def _checker(words: list[str]) -> Checker:
    for pattern, checker in CHECKERS.items():
        if re.match(pattern, shlex.join(words)):
            return checker
    raise UnknownCommandError(
        f"unknown command, teach the harness (tests/foreign/planning.py): {shlex.join(words)}"
    )


def _call(*command: str | Path) -> str:
    env = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=120
    ).stdout


def _composes(words: list[str]) -> None:
    """The bundled job with overrides that no test machine is sure to be able to run."""
    overrides = [word for word in words[1:] if word not in ("-m", "--cfg", "job")]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        compose("train", overrides, return_hydra_config=True)


def _script(words: list[str]) -> None:
    """A script of the checkout: there, executable, and its arguments name what exists."""
    assert os.access(ROOT / words[0], os.X_OK), f"{words[0]} can't be executed"
    _tests_exist(words)


def _tests_exist(words: list[str]) -> None:
    for word in words[1:]:
        if word.startswith("tests"):
            assert (ROOT / word.partition("::")[0]).exists(), f"there is no {word}"


def _bench(words: list[str]) -> None:
    """A benchmark that is listed, with options that it has."""
    _script(words[:1])
    listed = {line.split()[0] for line in _call(ROOT / words[0]).splitlines()[1:]}
    for name in words[1:2]:
        assert name == "NAME" or set(name.split("|")) <= listed, f"there is no benchmark {name}"
    # Asking for --help would import torch.
    sources = "".join(file.read_text() for file in (ROOT / "scripts" / "benchmarks").glob("*.py"))
    for word in words[2:]:
        assert not word.startswith("-") or f'"{word}"' in sources, f"no benchmark has {word}"


def _module_of_ours(words: list[str]) -> None:
    """A program among the tests."""
    file = ROOT.joinpath(*words[2].split(".")).with_suffix(".py")
    assert '__name__ == "__main__"' in file.read_text(), f"{words[2]} is no program"


def _program(words: list[str]) -> None:
    """A program of a dependency that knows the subcommand."""
    module = {"tensorboard": "tensorboard.main"}.get(words[0], words[0])
    subcommand = [word for word in words[1:2] if not word.startswith("-")]
    help_ = _call(sys.executable, "-m", module, *subcommand, "--help")
    for word in words[1:]:
        if word.startswith("--"):
            assert word.partition("=")[0] in help_, f"{module} has no {word}"


def _git(words: list[str]) -> None:
    assert words[1] in _call("git", "--list-cmds=builtins").split(), f"git has no {words[1]}"


def _in_environment(words: list[str]) -> None:
    """A program in the checkout's environment; a module is looked for in this one."""
    if words[1:2] == ["-m"]:
        assert importlib.util.find_spec(words[2]), f"there is no module {words[2]}"
    _tests_exist(words)


CHECKERS: dict[str, Checker] = {
    r"scripts/train\b": _composes,
    r"scripts/test\b": _script,
    r"scripts/bench\b": _bench,
    r"python -m tests\.": _module_of_ours,
    r"\.venv/bin/": _in_environment,
    r"git ": _git,
    r"(wandb|tensorboard|mlflow) ": _program,
}
