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
        canvas = f".panel:nth-child({panel + 1}) canvas.matrix"
        values = self.page.evaluate(_COLOURS, [canvas, n])
        return np.array(values, np.int64).reshape(n, n, 4)[..., :3]


_COLOURS = """([selector, n]) => {
  const canvas = document.querySelector(selector);
  const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const at = (i) => Math.floor((i + 0.5) * width / n);
  const all = [...Array(n).keys()];
  return all.flatMap((i) => all.flatMap((j) => {
    const start = 4 * (at(i) * width + at(j));
    return [...data.slice(start, start + 4)];
  }));
}"""
