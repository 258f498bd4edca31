"""The command lines that a Markdown file shows.

- In fenced blocks marked `bash`, every line is a command.
- Elsewhere, code spans that begin with a program of ours or of an application
  (`python train.py …`, `gramscope presets`, `scripts/test`) are commands.
- In a table's column "write", code spans such as `data=nifti` are overrides of the training job.
- A table with the columns "you write", "you see" and "write instead" is one of bad input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["BadInput", "bad_input", "blocks", "seen_in"]

MARKDOWN = MarkdownIt("commonmark").enable("table")
BAD_INPUT = ["you write", "you see", "write instead"]
OVERRIDES = re.compile(r"'?[+~]{0,2}[\w./@]+=\S")
PROGRAM = re.compile(
    r"(\w+=\S* )*"  # environment variables
    r"((python|gramscope|pip|wandb|tensorboard|mlflow|git|\.venv/bin/\w+) "
    r"|scripts/(train|test|bench)( |$))"
)
COMMENT = re.compile(r"""((?:'[^']*'|"[^"]*"|[^'"#]|(?<=\S)\#)*)(#.*)?""")
OTHER_SHELLS = {"console", "sh", "shell", "zsh"}


@dataclass(frozen=True)
class BadInput:
    """A row of a table of bad input."""

    line: int
    written: str
    seen: list[str]
    only_warns: bool
    instead: list[str]


def blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line and commands: of each fenced block together, every other command alone."""
    for title, token in _parts(text):
        line = (token.map or [0])[0] + 1
        if token.type == "fence":
            assert token.info not in OTHER_SHELLS, f"line {line}: mark it `bash`"
            assert token.map
            end = text.splitlines()[token.map[1] - 1]
            assert end.strip() == token.markup, f"line {line}: the block has no end"
            if token.info == "bash":
                yield line, list(filter(None, map(_without_comment, _lines(token.content))))
        elif title not in BAD_INPUT:
            yield from ((line, [span]) for span in _code(token) if PROGRAM.match(span))
            if title == "write":
                overrides = filter(OVERRIDES.match, _code(token))
                yield from ((line, [f"scripts/train --cfg job {span}"]) for span in overrides)


def bad_input(text: str) -> Iterator[BadInput]:
    """Yield the rows of the tables of bad input."""
    cells = [token for title, token in _parts(text) if title in BAD_INPUT]
    for written, seen, instead in zip(*[iter(cells)] * len(BAD_INPUT), strict=True):
        assert written.map
        (command,) = _code(written)
        assert _code(seen), f"{command} is said to be answered with nothing"
        yield BadInput(
            line=written.map[0] + 1,
            written=command,
            seen=_code(seen),
            only_warns="warning" in seen.content.lower(),
            instead=[span for span in _code(instead) if PROGRAM.match(span)],
        )


def seen_in(output: str, excerpt: str) -> bool:
    """Whether an excerpt, in which `…` stands for anything, is part of an output."""
    wanted = ".*?".join(re.escape(" ".join(part.split())) for part in excerpt.split("…"))
    return re.search(wanted, " ".join(output.split())) is not None


def _parts(text: str) -> Iterator[tuple[str, Token]]:
    """Yield fenced blocks and texts, those of a table's cells with the title of their column."""
    titles: list[str] = []
    column: int | None = None
    for before, token in zip([None, *(tokens := MARKDOWN.parse(text))], tokens, strict=False):
        if token.type == "table_open":
            titles = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "table_close":
            column = None
        elif token.type == "inline" and before and before.type == "th_open":
            titles.append(token.content.lower())
        elif token.type in ("fence", "inline"):
            yield "" if column is None else titles[column], token
            column = None if column is None else column + 1


def _lines(content: str) -> list[str]:
    return re.sub(r"\s*\\\n\s*", " ", content).splitlines()


def _without_comment(line: str) -> str:
    """Cut a line at a `#` that begins a word outside quotes."""
    match = COMMENT.match(line)
    assert match
    return match[1].strip()


def _code(token: Token) -> list[str]:
    return [child.content.strip() for child in token.children or [] if child.type == "code_inline"]
