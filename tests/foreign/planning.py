"""What is run for a command line that the documentation shows.

`steps` says how a command is run, `checks` how one that can't be run here is looked at; what
neither knows is an error, so that no command goes unchecked.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.foreign.running import APPLICATIONS, NEWEST_SWEEP, Step

__all__ = ["UnknownCommandError", "check", "steps"]

ROOT = Path(__file__).parents[2]

# Where `gramscope-train` runs: an empty directory.
NOWHERE = ""

# Nothing trains with these; they are run as they stand.
ONLY_SHOWS = {"--help", "--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc"}

# No test machine is sure to have these: the job is only composed.
ELSEWHERE = re.compile(
    r"trainer=(gpu|ddp)\b|(launch|launcher)=(submitit_)?slurm\b|mode=online|address=auto"
)

# The bundled job as small as it gets.
SMALL = (
    "data.batch_size=4",
    "callbacks.knn_probe=null",
    "model.model.backbone.depth=1",
    "model.model.dino_head.hidden_dim=32",
    "model.model.dino_head.num_prototypes=64",
)

MAKE_VOLUMES = """\
import json, nibabel, numpy, pathlib
pathlib.Path("volumes").mkdir(exist_ok=True)
rng = numpy.random.default_rng(0)
for name in "ab":
    image = nibabel.Nifti1Image(rng.random((40, 40, 40), dtype="float32"), numpy.eye(4))
    nibabel.save(image, f"volumes/{name}.nii.gz")
training = [{"image": f"volumes/{name}.nii.gz"} for name in "ab"]
pathlib.Path("volumes.json").write_text(json.dumps({"training": training}))
"""


class UnknownCommandError(ValueError):
    """A command line that nobody has taught this harness."""


def steps(text: str, *, compared: bool = False, told: bool = False) -> list[Step]:
    """Plan a command that is run; the last step is the command itself.

    Args:
        text: The command line.
        compared: Its results are to be compared: it has to run long enough for some.
        told: Something that it prints, perhaps about W&B, is shown.

    Returns:
        No steps for a command that `check` knows.
    """
    # A directory that everyone has another name for.
    text = text.removesuffix(" …").replace("outputs/…", "outputs/some")
    if completion := re.fullmatch(r'eval "\$\((.*) -sc install=bash\)"', text):
        (shown,) = steps(f"{completion[1]} --help")
        program = completion[1].split()[0]
        return [Step(f"{text} && complete -p {program}", shown.application)]
    words = _words(text)
    if words[0] == "python" and len(words) > 1 and words[1].endswith(".py"):
        return [Step(text, _owner(words[1]), warm=True)]
    if words[0] == "python" and words[1:2] == ["-c"]:
        return [Step(text, NOWHERE)]
    if words[0] in ("gramscope-train", "scripts/train"):
        return list(_job(text, words, compared=compared, told=told))
    if words[0] == "gramscope":
        return list(_console_script(text, words))
    if words[0] == "pip":
        return list(_pip(text, words))
    _checker(words)
    return []


def check(text: str) -> None:
    """Look at a command that is not run here; raise AssertionError if it can't be right."""
    words = _words(text)
    _checker(words)(words)


def _words(text: str) -> list[str]:
    """Split a command line; placeholders such as NAME and … stay as they are."""
    if re.search(r"&&|\|\||;", text):
        raise UnknownCommandError(f"more than one command in a line: {text}")
    words = shlex.split(text)
    while "=" in words[0] and not words[0].startswith(("/", ".")):  # environment variables
        words = words[1:]
    return words


def _owner(script: str) -> str:
    owners = [path.name for path in APPLICATIONS.iterdir() if (path / script).is_file()]
    if len(owners) != 1:
        raise UnknownCommandError(f"no application has a script {script}")
    return owners[0]


def _job(text: str, words: list[str], *, compared: bool, told: bool) -> Iterator[Step]:
    """Shorten a training of the bundled job."""
    text = text.replace("scripts/train", "gramscope-train", 1)
    if ONLY_SHOWS & set(words):
        yield Step(text, NOWHERE)
        return
    if ELSEWHERE.search(text):
        yield Step(f"{text} --cfg job", NOWHERE)
        return
    # Optuna ends with an error if no job has had a gram matrix.
    searches = re.search(r"optuna\b", text) is not None
    more = [f"trainer.max_steps={50 if compared or searches else 3}"]
    keys = {word.lstrip("+~").partition("=")[0] for word in words}
    more += [one for one in SMALL if one.partition("=")[0] not in keys]
    if "experiment=plain_list" in words:  # a list has no knn_probe
        more.remove("callbacks.knn_probe=null")
    if searches:
        more.append("hydra.sweeper.n_trials=2")
    if re.search(r"experiment=sweep_features launch=(slurm_local|ray)\b", text):
        # One job of the sweep: each is a process that imports everything anew.
        more.append("callbacks.gram.feature_key=student_cls_token")
    if "data.root" in keys:
        yield Step(f"python -c {shlex.quote(MAKE_VOLUMES)}", NOWHERE)
        text = re.sub(r"data\.root=[^\s.]*(\.json)?\S*", r"data.root=volumes\1", text)
        more.append("data.cache_dir=cache")
    if "ckpt_path" in keys:
        yield Step(
            " ".join(["gramscope-train trainer.max_steps=1 hydra.run.dir=earlier", *more[1:]]),
            NOWHERE,
            warm=True,
        )
        text = re.sub(r"ckpt_path=\S+", "ckpt_path=earlier/checkpoints/last.ckpt", text)
    # W&B takes seconds to start; it is left out where nothing of it is shown.
    wandb = "" if told else "export WANDB_MODE=disabled; "
    yield Step(f"{wandb}{text} {' '.join(more)}", NOWHERE, warm=True)


def _console_script(text: str, words: list[str]) -> Iterator[Step]:
    if words[1:2] != ["sweep-report"]:
        yield Step(text, NOWHERE)
        return
    if len(words) == 2:  # only named
        yield Step(f"{text} --help", NOWHERE)
        return
    # Where the sweep was made; a report on its own gets a sweep first, see `plan`.
    yield Step(re.sub(r"(\S*/)?multirun/\S*|MULTIRUN_DIR", NEWEST_SWEEP, text), None)


def _pip(text: str, words: list[str]) -> Iterator[Step]:
    if words[1] == "list":
        yield Step(f'pip() {{ python -m pip --disable-pip-version-check "$@"; }}; {text}', NOWHERE)
        return
    if words[1] != "install":
        raise UnknownCommandError(text)
    # What is named has to be in the index, and what it offers has to have the extras; the
    # dependencies' own index is far away.
    options = "--dry-run --ignore-installed --no-index --no-deps --no-build-isolation"
    (what,) = [word for word in words[2:] if not word.startswith("-")]
    if {"-e", "--editable"} & set(words):
        what = re.sub(r"^[^\[]*", '"$CHECKOUT"', what.replace("[", "'[").replace("]", "]'"))
        options += " --editable"
    else:
        what = f'--find-links "$WHEELS" {shlex.quote(what)}'
    yield Step(f"python -m pip --disable-pip-version-check install {options} {what}", NOWHERE)


Checker = Callable[[list[str]], None]


def _checker(words: list[str]) -> Checker:
    for pattern, checker in CHECKERS:
        if re.match(pattern, " ".join(words)):
            return checker
    raise UnknownCommandError(
        f"unknown command, teach the harness (tests/foreign/planning.py): {shlex.join(words)}"
    )


def _call(*command: str | Path) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def _script(words: list[str]) -> None:
    """A script of the checkout: there, executable, and its arguments name what exists."""
    assert os.access(ROOT / words[0], os.X_OK), f"{words[0]} can't be executed"
    for word in words[1:]:
        if word.startswith("tests"):
            assert (ROOT / word.partition("::")[0]).exists(), f"there is no {word}"


def _bench(words: list[str]) -> None:
    """A benchmark that is listed, with options that it has."""
    _script(words[:1])
    listed = {line.split()[0] for line in _call(ROOT / words[0]).splitlines()[1:]}
    for name in words[1:2]:
        names = name.split("|")
        assert name == "NAME" or set(names) <= listed, f"there is no benchmark {name}"
    # Asking for --help would import torch.
    sources = "".join(file.read_text() for file in (ROOT / "scripts" / "benchmarks").glob("*.py"))
    for word in words[2:]:
        assert not word.startswith("-") or f'"{word}"' in sources, f"no benchmark has {word}"


def _module_of_ours(words: list[str]) -> None:
    """A program among the tests."""
    file = ROOT.joinpath(*words[2].split(".")).with_suffix(".py")
    assert '__name__ == "__main__"' in file.read_text(), f"{words[2]} is no program"


def _program_of(module: str) -> Checker:
    """A program of a dependency that knows the subcommand."""

    def check(words: list[str]) -> None:
        subcommand = [word for word in words[1:2] if not word.startswith("-")]
        help_ = _call(sys.executable, "-m", module, *subcommand, "--help")
        for word in words[1:]:
            if word.startswith("--"):
                assert word.partition("=")[0] in help_, f"{module} has no {word}"

    return check


def _git(words: list[str]) -> None:
    assert words[1] in _call("git", "--list-cmds=builtins").split()


def _in_environment(words: list[str]) -> None:
    """A program in the checkout's environment; a module is looked for in this one."""
    if words[1:2] == ["-m"]:
        _call(sys.executable, "-c", f"import importlib.util as u; assert u.find_spec({words[2]!r})")
    for word in words[1:]:
        if word.startswith("tests"):
            assert (ROOT / word.partition("::")[0]).exists(), f"there is no {word}"


CHECKERS: list[tuple[str, Checker]] = [
    (r"scripts/test\b", _script),
    (r"scripts/bench\b", _bench),
    (r"python -m tests\.", _module_of_ours),
    (r"\.venv/bin/", _in_environment),
    (r"git ", _git),
    (r"wandb ", _program_of("wandb")),
    (r"tensorboard ", _program_of("tensorboard.main")),
    (r"mlflow ", _program_of("mlflow")),
]
