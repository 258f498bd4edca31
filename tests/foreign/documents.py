"""The command lines that a Markdown file shows.

- In fenced blocks marked `bash`, every line is a command.
- Elsewhere, code spans that begin with a program of ours or of an application
  (`python train.py …`, `gramscope presets`, `scripts/test`) are commands.
- In a table's column "write", code spans such as `data=nifti` are overrides of the training job.
- A table with the columns "you write", "you see" and "write instead" is one of bad input; one
  with "a mistake", "is answered with" and "what works" the same of Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

__all__ = ["BadInput", "answers", "bad_input", "blocks", "mistakes", "programs", "seen_in"]

MARKDOWN = MarkdownIt("commonmark").enable("table")
MISTAKES = ["a mistake", "is answered with", "what works"]
BAD_INPUT = ["you write", "you see", "write instead"]
OVERRIDES = re.compile(r"'?[+~]{0,2}[\w./@]+=\S")
PROGRAM = re.compile(
    r"(\w+=\S* )*"  # environment variables
    r"((python|gramscope|pip|wandb|tensorboard|mlflow|git|\.venv/bin/\w+) "
    r"|scripts/(train|test|bench)( |$))"
)
OTHER_SHELLS = {"console", "sh", "shell", "zsh"}


@dataclass(frozen=True)
class BadInput:
    """A row of a table of bad input."""

    line: int
    written: str
    seen: list[str]
    only_warns: bool
    instead: list[str]
    later_hydra: bool = False


def blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line and commands: of each fenced block together, every other command alone."""
    for title, line, node in _parts(text):
        if node.type == "fence":
            assert node.info not in OTHER_SHELLS, f"line {line}: mark it `bash`"
            if node.info == "bash":
                joined = re.sub(r"\s*\\\n\s*", " ", f"\n{node.content}")
                yield line, [c for c in re.sub(r"\s+#\s.*", "", joined).splitlines() if c]
        elif title not in BAD_INPUT:
            yield from ((line, [span]) for span in _code(node) if PROGRAM.match(span))
            if title == "write":
                overrides = filter(OVERRIDES.match, _code(node))
                yield from ((line, [f"scripts/train --cfg job {span}"]) for span in overrides)


def bad_input(text: str) -> Iterator[BadInput]:
    """Yield the rows of the tables of bad input."""
    cells = [(line, node) for title, line, node in _parts(text) if title in BAD_INPUT]
    for (line, written), (_, seen), (_, instead) in zip(*[iter(cells)] * 3, strict=True):
        (command,) = _code(written)
        assert _code(seen), f"{command} is said to be answered with nothing"
        commands = [span for span in _code(instead) if PROGRAM.match(span)]
        warns = "warning" in seen.content.lower()
        later = "with hydra 1.4" in seen.content.lower()
        yield BadInput(line, command, _code(seen), warns, commands, later)


def mistakes(text: str) -> Iterator[tuple[int, str, list[str], str]]:
    """Yield line, mistake, answers and remedy of the rows of the tables of bad input in Python."""
    cells = [(line, _code(node)) for title, line, node in _parts(text) if title in MISTAKES]
    for (line, (mistake,)), (_, said), (_, (remedy,)) in zip(*[iter(cells)] * 3, strict=True):
        assert said, f"{mistake} is said to be answered with nothing"
        yield line, mistake, said, remedy


def programs(text: str) -> list[str]:
    """Give the fenced blocks marked `python`."""
    return [node.content for _, _, node in _parts(text) if node.info == "python"]


def answers(text: str) -> Iterator[tuple[str, str]]:
    """Yield the rows of a table of bad input in Python: what is written, and what is said."""
    cells = [node for title, _, node in _parts(text) if title in ("in python", "the answer")]
    for written, said in zip(*[iter(cells)] * 2, strict=True):
        ((code,), (answer,)) = _code(written), _code(said)
        yield code, answer


def seen_in(output: str, excerpt: str) -> bool:
    """Whether an excerpt, in which `…` stands for anything, is part of an output."""
    wanted = ".*?".join(re.escape(" ".join(part.split())) for part in excerpt.split("…"))
    return re.search(wanted, " ".join(output.split())) is not None


def _parts(text: str) -> Iterator[tuple[str, int, SyntaxTreeNode]]:
    """Yield the title of the column where in a table, the line, and a fenced block or a text."""
    for node in SyntaxTreeNode(MARKDOWN.parse(text)).walk():
        if node.type in ("fence", "inline"):
            first, end = node.map
            last = text.splitlines()[end - 1].strip()
            ended = node.type == "inline" or last == node.markup
            assert ended, f"line {first + 1}: the block has no end"
            yield _title(node), first + 1, node


def _title(node: SyntaxTreeNode) -> str:
    cell = node.parent
    if cell.type != "td":
        return ""
    (titles,) = cell.parent.parent.parent.children[0].children
    return titles.children[cell.parent.children.index(cell)].children[0].content.lower()


def _code(node: SyntaxTreeNode) -> list[str]:
    return [child.content.strip() for child in node.children if child.type == "code_inline"]
