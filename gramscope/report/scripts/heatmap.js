// One matrix on its canvas, and the entry that somebody points at.

const MOST_LINES = 32;

class Heatmap {
  constructor(figure, palette) {
    this.canvas = figure.querySelector("canvas.matrix");
    this.read = figure.querySelector(".read");
    this.palette = palette;
    this.pointed = null; // positions as they are shown: row, column
    this.canvas.addEventListener("pointermove", (event) => this.point(this.entryAt(event)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(matrix, kind, adaptive) {
    this.matrix = matrix;
    this.order = matrix?.order(kind);
    this.groups = { rank: matrix?.rows.rank, label: matrix?.rows.label }[kind];
    this.span = adaptive && matrix?.high > matrix?.low ? [matrix.low, matrix.high] : [-1, 1];
    if (this.pointed && matrix) this.pointed = this.pointed.map((at) => Math.min(at, matrix.n - 1));
    this.draw();
    this.tell();
  }

  draw() {
    const size = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!size) return;
    this.canvas.width = this.canvas.height = size;
    if (!this.matrix) return;
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = this.matrix.n > size;
    context.drawImage(this.pixels(), 0, 0, size, size);
    this.drawLines(context, size / this.matrix.n, size);
    if (this.pointed) this.drawCross(context, size / this.matrix.n, size);
  }

  pixels() {
    const { matrix, order, span, palette } = this;
    const [low, high] = span;
    const image = new ImageData(matrix.n, matrix.n);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < matrix.n; i++) {
      for (let j = 0; j < matrix.n; j++) {
        const share = (matrix.value(order[i], order[j]) - low) / (high - low);
        pixels[i * matrix.n + j] = palette[Math.max(0, Math.min(255, Math.floor(share * 256)))];
      }
    }
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = matrix.n;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // Between ranks, or labels: black beside white, so that they are seen on any matrix.
  drawLines(context, cell, size) {
    const { order, groups } = this;
    const differs = (i) => groups && i && groups[order[i]] !== groups[order[i - 1]];
    const borders = order.map((_, i) => i).filter(differs);
    if (borders.length > MOST_LINES) return;
    for (const [shift, colour] of [[-0.5, "#000"], [0.5, "#fff"]]) {
      context.strokeStyle = colour;
      context.lineWidth = 1;
      for (const border of borders) this.lines(context, Math.round(border * cell) + shift, size);
    }
  }

  drawCross(context, cell, size) {
    const [row, column] = this.pointed.map((at) => (at + 0.5) * cell);
    context.strokeStyle = "#ff2e2e";
    context.lineWidth = Math.max(1, devicePixelRatio);
    context.beginPath();
    context.moveTo(0, row);
    context.lineTo(size, row);
    context.moveTo(column, 0);
    context.lineTo(column, size);
    context.stroke();
  }

  lines(context, at, size) {
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, size);
    context.moveTo(0, at);
    context.lineTo(size, at);
    context.stroke();
  }

  entryAt(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const at = [(event.clientY - top) / height, (event.clientX - left) / width];
    return at.map((share) => Math.max(0, Math.min(this.matrix?.n - 1, Math.floor(share * this.matrix?.n))));
  }

  point(entry) {
    this.pointed = this.matrix ? entry : null;
    this.draw();
    this.tell();
  }

  walk(event) {
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
    if (down === undefined || !this.matrix) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = this.pointed ?? [0, 0];
    const inside = (at) => Math.max(0, Math.min(this.matrix.n - 1, at));
    this.point([inside(row + down), inside(column + right)]);
  }

  tell() {
    if (!this.pointed || !this.matrix) return this.read.replaceChildren();
    const [i, j] = this.pointed.map((at) => this.order[at]);
    const value = document.createElement("b");
    value.textContent = this.matrix.value(i, j).toFixed(2).replace("-", "−");
    const rest = i === j
      ? ` ${this.matrix.row(i)} with itself`
      : ` ${this.matrix.row(i)} with ${this.matrix.row(j)}`;
    this.read.replaceChildren(value, rest);
  }
}
