"""The command lines that a Markdown file shows.

- In fenced blocks marked `bash` or `sh`, every line is a command.
- In those marked `console`, lines that begin with `$ ` are commands, and the lines after one are
  an excerpt of what it prints; `…` stands for anything.
- Elsewhere, code spans that begin with a program of ours or of an application
  (`python train.py …`, `gramscope presets`, `scripts/test`) are commands.
- In a table's column "write", code spans such as `data=nifti` are overrides of the training job.
- A table with the columns "you write", "you see" and "write instead" is one of bad input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BadInput", "Command", "bad_input", "blocks", "seen_in"]

BAD_INPUT = ["you write", "you see", "write instead"]

FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(\w*)")
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
OVERRIDES = re.compile(r"'?[+~]{0,2}[\w./@]+=\S")
PROGRAM = re.compile(
    r"(\w+=\S* )*"  # environment variables
    r"((python|gramscope|gramscope-train|pip|wandb|tensorboard|mlflow|git|\.venv/bin/\w+) "
    r"|scripts/(train|test|bench)( |$))"
)


@dataclass(frozen=True)
class Command:
    """A command line and where it stands."""

    file: str
    line: int
    text: str
    # What it is said to print.
    excerpt: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As pytest is to call it."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class BadInput:
    """A row of a table of bad input."""

    command: Command
    seen: tuple[str, ...]
    may_trace: bool
    only_warns: bool
    instead: tuple[Command, ...]


@dataclass(frozen=True)
class _Line:
    number: int
    text: str


def blocks(file: str, text: str) -> Iterator[tuple[Command, ...]]:
    """Yield the commands of each fenced block together, every other command alone."""
    for language, lines in _parts(text):
        if language in ("bash", "sh"):
            yield tuple(_commands(file, lines))
        elif language == "console":
            yield tuple(_session(file, lines))
        elif language is None and not _is_bad_input(lines):
            for line in lines:
                yield from ((command,) for command in _spans(file, line.number, line.text))
            yield from ((command,) for command in _overrides(file, lines))


def bad_input(file: str, text: str) -> Iterator[BadInput]:
    """Yield the rows of the tables of bad input."""
    for language, lines in _parts(text):
        if language is None and _is_bad_input(lines):
            for line in lines[2:]:
                yield _row(file, line)


def seen_in(output: str, excerpt: str) -> bool:
    """Whether an excerpt, in which `…` stands for anything, is part of an output."""
    wanted = ".*?".join(re.escape(" ".join(part.split())) for part in excerpt.split("…"))
    return re.search(wanted, " ".join(output.split())) is not None


def _parts(text: str) -> Iterator[tuple[str | None, list[_Line]]]:
    """Yield fenced blocks with their language, and between them (None) tables and other lines."""
    language, fence, part = None, "", []
    in_table = False
    for number, line in enumerate(text.splitlines(), start=1):
        opened = FENCE.match(line)
        if fence:
            if opened and opened[1].startswith(fence) and not opened[2]:
                yield language, part
                language, fence, part = None, "", []
            else:
                part.append(_Line(number, line))
        elif opened:
            yield None, part
            language, fence, part = opened[2], opened[1], []
        else:
            if line.lstrip().startswith("|") != in_table:
                yield None, part
                in_table, part = not in_table, []
            part.append(_Line(number, line))
    assert not fence, "a fenced block has no end"
    yield None, part


def _commands(file: str, lines: list[_Line]) -> Iterator[Command]:
    """Join continued lines, leave out comments."""
    begun: list[_Line] = []
    for line in lines:
        begun.append(line)
        if line.text.endswith("\\"):
            continue
        text = " ".join(part.text.removesuffix("\\").strip() for part in begun)
        text = _without_comment(text)
        if text:
            yield Command(file, begun[0].number, text)
        begun = []


def _session(file: str, lines: list[_Line]) -> Iterator[Command]:
    """Split what is typed from what is printed."""
    commands: list[tuple[list[_Line], list[str]]] = []
    for line in lines:
        text = line.text.strip()
        continued = commands and not commands[-1][1] and commands[-1][0][-1].text.endswith("\\")
        if text.startswith("$ "):
            commands.append(([_Line(line.number, text[2:])], []))
        elif continued:
            commands[-1][0].append(_Line(line.number, text.removeprefix("> ")))
        elif text not in ("", "…", "..."):
            assert commands, f"{file}:{line.number}: output without a command"
            commands[-1][1].append(text)
    for typed, printed in commands:
        for command in _commands(file, typed):
            yield Command(file, command.line, command.text, tuple(printed))


def _without_comment(text: str) -> str:
    """Cut a line at a `#` that begins a word outside quotes."""
    quote = ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (index == 0 or text[index - 1].isspace()):
            return text[:index].strip()
    return text.strip()


def _spans(file: str, number: int, text: str) -> Iterator[Command]:
    for span in _code(text):
        if PROGRAM.match(span):
            yield Command(file, number, span)


def _overrides(file: str, lines: list[_Line]) -> Iterator[Command]:
    titles = [cell.lower() for cell in _cells(lines[0])] if lines else []
    if "write" in titles:
        for line in lines[2:]:
            for span in _code(_cells(line)[titles.index("write")]):
                if OVERRIDES.match(span):
                    yield Command(file, line.number, f"gramscope-train --cfg job {span}")


def _code(text: str) -> list[str]:
    # Within a table a bar is escaped.
    return [match[2].strip().replace("\\|", "|") for match in SPAN.finditer(text)]


def _cells(line: _Line) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.text.strip())[1:-1]]


def _is_bad_input(lines: list[_Line]) -> bool:
    return bool(lines) and [cell.lower() for cell in _cells(lines[0])] == BAD_INPUT


def _row(file: str, line: _Line) -> BadInput:
    cells = _cells(line)
    where = f"{file}:{line.number}"
    assert len(cells) == len(BAD_INPUT), f"{where}: {len(cells)} cells"
    written, seen, instead = cells
    commands = _code(written)
    assert len(commands) == 1, f"{where}: expected one command line in the first cell"
    assert _code(seen), f"{where}: the second cell quotes nothing"
    assert _code(instead), f"{where}: the third cell has no code"
    return BadInput(
        command=Command(file, line.number, commands[0]),
        seen=tuple(_code(seen)),
        may_trace="traceback" in line.text.lower(),
        only_warns="warning" in seen.lower(),
        instead=tuple(_spans(file, line.number, instead)),
    )
