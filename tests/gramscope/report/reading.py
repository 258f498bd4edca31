"""What a reader sees of a report."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

VOID = {"meta", "img", "br", "wbr", "input"}


@dataclass
class Element:
    """A node of the page."""

    tag: str
    attributes: dict[str, str]
    children: list[Any] = field(default_factory=list)

    def all(self, tag: str, css_class: str = "") -> list[Element]:
        found = []
        for child in self.children:
            if isinstance(child, Element):
                classes = child.attributes.get("class", "").split()
                if child.tag == tag and (not css_class or css_class in classes):
                    found.append(child)
                found += child.all(tag, css_class)
        return found

    @property
    def text(self) -> str:
        if self.tag in ("style", "script"):
            return ""
        parts = [c.text if isinstance(c, Element) else c for c in self.children]
        return re.sub(r"\s+", " ", "".join(parts)).strip()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].children.append(element)
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack[-1].tag == tag, f"</{tag}> closes <{self.stack[-1].tag}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


class Page:
    """A parsed page."""

    def __init__(self, path: Path) -> None:
        self.html = path.read_text(encoding="utf-8")
        parser = _Parser()
        parser.feed(self.html)
        parser.close()
        (self.root,) = parser.stack  # every element is closed

    @property
    def text(self) -> str:
        return self.root.text

    def table(self, css_class: str) -> Element:
        (table,) = self.root.all("table", css_class)
        return table

    @property
    def steps(self) -> list[str]:
        """Headings of the picture columns."""
        return [th.text for th in self.table("grid").all("thead")[0].all("th")][2:]

    @property
    def cells(self) -> list[list[Element]]:
        """The picture cells of each row."""
        rows = self.table("grid").all("tbody")[0].all("tr")
        return [[td for td in row.all("td") if td not in row.all("td", "chart")] for row in rows]


def pixels(image: Element) -> npt.NDArray[np.uint8]:
    """The pixels of an embedded picture, `[height, width, 3]`."""
    head, _, data = image.attributes["src"].partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def table_rows(printed: str) -> list[dict[str, str]]:
    """The printed table, by heading; only where no cell is empty."""
    lines = printed.splitlines()
    rule = next(i for i, line in enumerate(lines) if set(line) == {"─"})
    headings = re.split(r"\s{2,}", lines[rule - 1].strip())
    end = lines.index("", rule)
    return [
        dict(zip(headings, re.split(r"\s{2,}", line.strip()), strict=False))
        for line in lines[rule + 1 : end]
    ]
