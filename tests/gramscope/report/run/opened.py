"""A page in a browser, as somebody sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Opened"]


class Opened:
    """A page that is ready; what went wrong is kept."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)
        page.wait_for_selector("html[data-ready]")

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def settle(self) -> None:
        """Wait until all pictures are those of what was chosen."""
        self.page.wait_for_selector("#viewer[aria-busy=false]", state="attached")

    def set_step(self, index: int) -> None:
        self.page.locator("#slider").fill(str(index))
        self.settle()

    def choose(self, what: str, option: str) -> None:
        self.page.select_option(what, option)
        self.settle()

    def colours(self, n: int, panel: int = 0) -> npt.NDArray[np.int64]:
        """``[n, n, 3]``, the colour in the middle of each entry of a matrix."""
        return self.cells(f".panel:nth-child({panel + 1}) canvas.matrix", n, n)

    def cells(self, canvas: str, rows: int, columns: int) -> npt.NDArray[np.int64]:
        """``[rows, columns, 3]``, the colour in the middle of each cell of a canvas."""
        values = self.page.evaluate(_COLOURS, [canvas, rows, columns])
        return np.array(values, np.int64).reshape(rows, columns, 4)[..., :3]

    def point(self, canvas: str, row: float, column: float) -> None:
        """Move the mouse to a place on a canvas, in shares of its height and width."""
        place = self.page.locator(canvas)
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        at = (box["x"] + column * box["width"], box["y"] + row * box["height"])
        self.page.mouse.move(*at)


_COLOURS = """([selector, rows, columns]) => {
  const canvas = document.querySelector(selector).cloneNode();
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(document.querySelector(selector), 0, 0);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  const all = (n) => [...Array(n).keys()];
  return all(rows).flatMap((i) => all(columns).flatMap((j) => {
    const [y, x] = [(i + 0.5) * height / rows, (j + 0.5) * width / columns].map(Math.floor);
    return [...data.slice(4 * (y * width + x), 4 * (y * width + x) + 4)];
  }));
}"""
