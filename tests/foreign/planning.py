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
from pathlib import Path
from typing import Any

from hydra import compose

from tests.composing import application

__all__ = ["UnknownCommandError", "check", "plan"]

ROOT = Path(__file__).parents[2]
APPLICATIONS = Path(__file__).parent / "applications"

# A sweep that `gramscope sweep-report` can be tried on.
SWEEP = (
    "python train.py -m +callbacks=gram gram/files=run"
    " callbacks.gram.feature_key=teacher_cls_token,student_cls_token"
)
# A run that `gramscope diagnose` and `gramscope show` can be tried on, and one to compare it with.
RUN = "python train.py +callbacks=gram gram/files=run callbacks.gram.log_every_n_steps=1"
OTHER_RUN = f"{RUN} callbacks.gram.max_samples=64"
# Files that `gramscope analyze` can be tried on.
FEATURES = '''python -c "
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
rng = np.random.default_rng(0)
z, y = rng.normal(size=(120, 8)), rng.integers(0, 3, 120)
np.save('features.npy', z), np.save('classes.npy', y), np.savez('embeddings.npz', z=z, y=y)
[np.save(f'features_step_{step}.npy', z + step / 1000) for step in (100, 200, 300)]
names = ['image', 'species', *(f'z{i}' for i in range(8))]
rows = [[f'{i}.png', y[i], *z[i]] for i in range(120)]
table = pa.table({name: column for name, column in zip(names, zip(*rows))})
pq.write_table(table.append_column('embedding', pa.array(list(z))), 'embeddings.parquet')
open('table.csv', 'w').writelines(','.join(map(str, row)) + chr(10) for row in [names, *rows])
"'''
# Of the bundled job only composed: no test machine is sure to have these.
COMPOSED = re.compile(
    r"--cfg job|checkpoints=|trainer=(gpu|ddp)\b|launch=slurm\b|mode=online|address=auto"
)
# The bundled job as small as it gets.
SMALL = (
    "trainer.max_steps=3 data.batch_size=4 model.model.backbone.depth=1"
    " model.model.dino_head.hidden_dim=32 model.model.dino_head.num_prototypes=64"
)
# Where each job is a process that imports everything anew, something smaller trains.
LAUNCHED = re.compile(r"launch=(joblib|slurm_local|ray)\b")
STANDIN = ROOT / "tests" / "integration" / "standin"
SMALLER = (
    f"'hydra.searchpath=[file://{STANDIN}/conf]' data=standin model=standin trainer.max_steps=3"
)
# What else makes it short.
SHORT = {
    "": "callbacks.knn_probe=null callbacks.collapse_monitor=null",
    # Optuna ends with an error if no job has had a gram matrix.
    "experiment=optuna": "hydra.sweeper.n_trials=2 callbacks.gram.log_every_n_steps=3",
    "[gram_teacher,gram_student]' trainer=ddp_cpu": (
        "callbacks.gram_teacher.log_every_n_steps=1 callbacks.gram_student.log_every_n_steps=2"
    ),
    "experiment=sweep_koleo": (
        "model.objective.head_koleo_weight=0.0,1.0 callbacks.gram.log_every_n_steps=3"
    ),
    "experiment=sweep_features launch=": (
        "callbacks.gram.feature_key=teacher_cls_token,student_cls_token"
        " callbacks.gram.log_every_n_steps=3"
    ),
}
# What loggers' own commands are as modules.
LOGGERS = {"wandb": "wandb", "tensorboard": "tensorboard.main", "mlflow": "mlflow"}
PIP = "python -m pip --disable-pip-version-check"
# What is named has to be in the index, and what it offers has to have the extras; the
# dependencies' own index is far away.
INSTALL = f"{PIP} install --dry-run --ignore-installed --no-index --no-deps --no-build-isolation"


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
        program, *script = completion[1].split()
        return _owner(*script), f"{text} && complete -p {Path(program).name}"
    words = _words(text)
    if words[0] == "python" and words[1].endswith(".py"):
        return _owner(words[1]), text
    if words[0] == "scripts/train" and not COMPOSED.search(text):
        application = STANDIN if LAUNCHED.search(text) else None
        return application, text if "--help" in words else _shortened(text)
    if words[:2] == ["gramscope", "sweep-report"] and "…" in text:
        return _owner("train.py"), before, re.sub(r"multirun/\S*", "multirun/*/*", text)
    if words[0] == "gramscope" and "--watch" in words:
        return None
    if words[0] == "gramscope" and "outputs/some outputs/some" in text:
        both = text.replace("outputs/some outputs/some", "outputs/*/*")
        return _owner("train.py"), RUN, OTHER_RUN, both
    if words[0] == "gramscope" and "outputs/some" in text:
        return _owner("train.py"), RUN, text.replace("outputs/some", "outputs/*/*")
    if words[:2] == ["gramscope", "analyze"] and len(words) > 2:
        return None, FEATURES, text
    if words[0] == "gramscope":
        alone = len(words) == 2 and words[1] not in ("presets", "--help")
        return None, f"{text} --help" if alone else text
    if words[:2] == ["pip", "list"]:
        return None, text.replace("pip", PIP, 1)
    if words[:2] == ["pip", "install"]:
        return None, _pip_install(words[2:])
    return None


def check(text: str) -> None:
    """Look at a command that is not run here; raise an error if it can't be right."""
    words = _words(_plain(text))
    for word in words:
        if word.startswith(("tests/", "scripts/")):
            mode = os.X_OK if word.startswith("scripts/") else os.F_OK
            assert os.access(ROOT / word.partition("::")[0], mode), f"there is no {word}"
    if words[0] == "scripts/train":
        overrides = [word for word in words[1:] if word not in ("-m", "--cfg", "job")]
        with application(ROOT / "conf"):
            compose("train", overrides, return_hydra_config=True)
    elif words[0] == "scripts/bench":
        _check_benchmark(*words[1:])
    elif words[:2] == ["python", "-m"] and words[2].startswith("tests."):
        file = ROOT.joinpath(*words[2].split(".")).with_suffix(".py")
        assert '__name__ == "__main__"' in file.read_text(), f"{words[2]} is no program"
    elif words[:2] == [".venv/bin/python", "-m"]:
        assert importlib.util.find_spec(words[2]), f"there is no module {words[2]}"
    elif words[0] == "gramscope":  # it would go on until Ctrl-C
        usage = _call(sys.executable, "-m", "gramscope.cli", words[1], "--help")
        assert "--watch" in usage, f"gramscope {words[1]} has no --watch"
    elif words[0] in LOGGERS:
        subcommand = [] if words[1].startswith("-") else words[1:2]
        options = _call(sys.executable, "-m", LOGGERS[words[0]], *subcommand, "--help")
        for word in words:
            assert not word.startswith("--") or word in options, f"there is no {word}"
    elif words[0] != "scripts/test":
        raise UnknownCommandError(f"teach the harness (tests/foreign/planning.py): {text}")


def _plain(text: str) -> str:
    """Leave out what may follow, and name a directory that everyone has another name for."""
    return text.removesuffix(" …").replace("outputs/…", "outputs/some")


def _words(text: str) -> list[str]:
    """Split a command line; placeholders such as NAME and … stay as they are."""
    if re.search(r"&&|\|\||;", text):
        raise UnknownCommandError(f"more than one command in a line: {text}")
    words = shlex.split(text)
    while "=" in words[0]:  # environment variables
        words = words[1:]
    return words


def _owner(script: str = "") -> Path | None:
    """The application that has a script."""
    owners = [path for path in APPLICATIONS.iterdir() if script and (path / script).is_file()]
    if script and len(owners) != 1:
        raise UnknownCommandError(f"no application has a script {script}")
    return owners[0] if script else None


def _shortened(text: str) -> str:
    """A training of the bundled job that takes seconds."""
    more = [SMALLER if LAUNCHED.search(text) else SMALL]
    more += [short for shown, short in SHORT.items() if shown in text]
    # W&B takes seconds to start.
    wandb = "" if re.search("wandb|launch=joblib", text) else "WANDB_MODE=disabled "
    return f"{wandb}{text} {' '.join(more)}"


def _pip_install(words: list[str]) -> str:
    (what,) = [word for word in words if not word.startswith("-")]
    if {"-e", "--editable"} & {*words}:
        extras = "".join(re.findall(r"\[.*", what))
        return f'{INSTALL} --editable "$CHECKOUT"{shlex.quote(extras)}'
    return f'{INSTALL} --find-links "$WHEELS" {shlex.quote(what)}'


def _check_benchmark(names: str = "NAME", *options: str) -> None:
    """A benchmark has to be listed, and to have the options."""
    listed = {line.split()[0] for line in _call(ROOT / "scripts" / "bench").splitlines()[1:]}
    assert {*names.split("|")} <= {"NAME", *listed}, f"there is no benchmark {names}"
    # Asking for --help would import torch.
    sources = "".join(file.read_text() for file in (ROOT / "scripts" / "benchmarks").glob("*.py"))
    for option in options:
        assert not option.startswith("-") or f'"{option}"' in sources, f"there is no {option}"


def _call(*command: str | Path) -> str:
    env = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(command, env=env, stdout=-1, text=True, check=True, timeout=120).stdout
