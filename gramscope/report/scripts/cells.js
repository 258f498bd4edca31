// A canvas of cells, one of which somebody points at or walks to. What extends it has `size()`,
// rows and columns or null, `draw()` and `tell()`.

class Cells {
  constructor(canvas) {
    this.canvas = canvas;
    this.pointed = null; // row and column as they are shown
    canvas.addEventListener("pointermove", (event) => this.point(this.entryAt(event)));
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  inside(entry) {
    return entry.map((at, axis) => Math.max(0, Math.min(this.size()[axis] - 1, at)));
  }

  entryAt(event) {
    if (!this.size()) return null;
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const shares = [(event.clientY - top) / height, (event.clientX - left) / width];
    return this.inside(shares.map((share, axis) => Math.floor(share * this.size()[axis])));
  }

  point(entry) {
    this.pointed = this.size() ? entry : null;
    this.draw();
    this.tell();
  }

  walk(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || !this.size()) return;
    event.preventDefault();
    event.stopPropagation();
    this.point(this.inside((this.pointed ?? [0, 0]).map((at, axis) => at + step[axis])));
  }
}

// What an entry says: its value, and whose it is.
function readOut(place, value, whose) {
  const said = document.createElement("b");
  said.textContent = value.toFixed(2).replace("-", "−");
  place.replaceChildren(said, ` ${whose}`);
}
