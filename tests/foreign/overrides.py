"""What overrides do in applications that have keys with our groups' names; prints it as JSON.

Run in an environment where we are installed, and in one where we are not.
"""

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

APPLICATIONS = {
    "list": "callbacks: [{_target_: some.Callback}, other]\ngram: 0.5",
    "text": "callbacks: default\ngram: {weight: 1.0, name: null}",
    "mapping": "callbacks: {own: {_target_: some.Callback}}\ngram: [1, 2]",
    "null": "callbacks: null\ngram: null\ngramscope: 3",
    "a group": "defaults: [{callbacks: own}]\nlr: 0.1",
}
OVERRIDES = [
    *("callbacks=null", "callbacks=[]", "callbacks=[a,b]", "callbacks=some", "callbacks=3"),
    *("callbacks=False", "callbacks=''", "callbacks={a:1}", "callbacks=[{a:1}]", "callbacks=own"),
    *("+callbacks=null", "+callbacks=[]", "+callbacks=[{a:1}]", "+callbacks=some", "+callbacks=1"),
    *("++callbacks=null", "++callbacks=[]", "++callbacks=[{a:1}]", "++callbacks=some"),
    *("~callbacks", "~callbacks=default", "~callbacks.own", "callbacks.own=null"),
    *("+callbacks.more=1", "++callbacks.own.x=2", "callbacks.0=1", "callbacks@other=own"),
    *("+callbacks@other=some", "+callbacks@other=null", "+callbacks/own=x", "callbacks=${lr}"),
    *("gram=2", "gram=null", "+gram=2", "+gram=null", "++gram=2", "~gram", "gram=[]", "gram=text"),
    *("+gram=text", "gram={weight:2}", "gram.weight=2", "+gram.more=2", "gram@x=3", "~gram.name"),
    *("gramscope=2", "+gramscope=null", "++gramscope=text", "~gramscope", "+gramscope=[1]"),
    *("+callbacks=grad", "+callbacks=program", "+callbacks=gram_matrix", "+callbacks=[gram,x]"),
    *("+gramscope=local", "+gramscope@x=local", "callbacks=True", "+callbacks=[[gram]]"),
    *("callbacks={}", "+callbacks={}", "++callbacks={}", "callbacks=[null]", "++callbacks=False"),
    *("gram=0.7", "gram=False", "gram={}", "++gram=null", "~gram=0.5", "+gram=[1,2]"),
    *("callbacks.0._target_=a.B", "~callbacks.0", "+callbacks.1=x"),
    *("lr=1", "+lr=1", "++lr=1", "~lr", "+new.key=1"),
]


PLAIN = [o for o in OVERRIDES if re.fullmatch(r"[+~]*(callbacks|gram|gramscope)(=.*)?", o)]

BASE = {"version_base": "1.3"} if hydra.__version__ < "1.4" else {}


def composed(directory: Path, override: str) -> str:
    """What `compose` makes of it, or how it refuses."""
    with hydra.initialize_config_dir(str(directory), **BASE):
        try:
            return OmegaConf.to_yaml(hydra.compose("app", [override]))
        except Exception as error:
            return f"{type(error).__name__}: {error} {error.__cause__}"


def commanded(directory: Path, override: str) -> str:
    """The same at the command line."""
    sys.argv = ["app.py", override, "--cfg", "job"]
    GlobalHydra.instance().clear()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            hydra.main(config_path=str(directory), config_name="app", **BASE)(print)()
        except BaseException as error:
            said.write(f"{type(error).__name__} {error}")
    return said.getvalue()


def main() -> None:
    """Try all, below the working directory."""
    found = {}
    for name, text in APPLICATIONS.items():
        directory = Path(name.replace(" ", "_")).absolute()
        (directory / "callbacks").mkdir(parents=True)
        (directory / "app.yaml").write_text(text)
        if name == "a group":
            (directory / "callbacks" / "own.yaml").write_text("own: {_target_: some.Callback}")
        else:
            (directory / "callbacks").rmdir()
        ask = composed if name == "mapping" else commanded  # both take their time
        for override in OVERRIDES if name == "list" else PLAIN:
            found[f"{name}: {override}"] = ask(directory, override)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
