// One matrix on its canvas, and the entry that somebody points at.

const MOST_LINES = 32;

class Heatmap extends Cells {
  constructor(figure, palette) {
    super(figure.querySelector("canvas.matrix"));
    this.read = figure.querySelector(".read");
    this.palette = palette;
  }

  size() {
    return this.matrix ? [this.matrix.n, this.matrix.n] : null;
  }

  show(matrix, kind, adaptive) {
    this.matrix = matrix;
    this.order = matrix?.order(kind);
    this.groups = { rank: matrix?.rows.rank, label: matrix?.rows.label }[kind];
    this.span = spanOf(matrix, adaptive);
    if (this.pointed && matrix) this.pointed = this.inside(this.pointed);
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
    context.drawImage(pixelsOf(this.matrix, this.order, this.span, this.palette), 0, 0, size, size);
    this.drawLines(context, size / this.matrix.n, size);
    if (this.pointed) this.drawCross(context, size / this.matrix.n, size);
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

  tell() {
    if (!this.pointed || !this.matrix) return this.read.replaceChildren();
    const [i, j] = this.pointed.map((at) => this.order[at]);
    const other = i === j ? "itself" : this.matrix.row(j);
    readOut(this.read, this.matrix.value(i, j), `${this.matrix.row(i)} with ${other}`);
  }
}

const pixelsOf = (matrix, order, span, palette) =>
  coloured(matrix.n, matrix.n, (i, j) => colourOf(matrix.value(order[i], order[j]), span, palette));
