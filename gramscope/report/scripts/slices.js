// How alike the patches of an image are to one of them: planes through it, over the image.

// In which axes each plane lies; in two there is one.
const PLANES = { 2: [[0, 1]], 3: [[1, 2], [0, 2], [0, 1]] };

const placed = (at) => `(${at.join(", ")})`;

class Slices {
  constructor(header, cells) {
    Object.assign(this, header); // grid, at, low, high
    let begun = 0;
    this.planes = PLANES[this.grid.length].map((axes, across) => {
      const size = axes.map((axis) => this.grid[axis]);
      const plane = { axes, size, across, chosen: axes.map((axis) => this.at[axis]) };
      plane.cells = cells.subarray(begun, (begun += size[0] * size[1]));
      return plane;
    });
  }

  value(plane, i, j) {
    if (i === plane.chosen[0] && j === plane.chosen[1]) return 1;
    return this.low + ((this.high - this.low) * plane.cells[i * plane.size[1] + j]) / 255;
  }

  // The patch of a cell, by its place in the grid.
  patch(plane, [i, j]) {
    const at = [...this.at];
    [at[plane.axes[0]], at[plane.axes[1]]] = [i, j];
    return at;
  }

  title(plane) {
    return this.grid.length === 2 ? "" : `axis ${plane.across} at ${this.at[plane.across]}`;
  }
}

// The image of one panel in the same planes, as canvases.
class Grey {
  constructor(bytes) {
    const [{ at, sizes }, pixels] = parted(bytes);
    let begun = 0;
    this.at = at;
    this.planes = sizes.map(([rows, columns]) => {
      const first = begun;
      begun += rows * columns;
      return coloured(rows, columns, (i, j) => (255 << 24) | (0x10101 * pixels[first + i * columns + j]));
    });
  }

  // Of slices through another patch no image is kept.
  static plane(grey, slices, index) {
    return String(grey?.at) === String(slices.at) ? grey.planes[index] : null;
  }
}

// Fills a canvas of some width: the image, similarities over it, the chosen patch in a frame.
function paintSlice(canvas, width, slices, index, grey, adaptive, palette) {
  const plane = slices.planes[index];
  const image = Grey.plane(grey, slices, index);
  const [rows, columns] = plane.size;
  const share = Math.max(1 / 3, Math.min(3, image ? image.height / image.width : rows / columns));
  Object.assign(canvas, { width, height: Math.max(1, Math.round(width * share)) });
  canvas.style.aspectRatio = `1 / ${share}`;
  const context = canvas.getContext("2d");
  if (image) context.drawImage(image, 0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.globalAlpha = image ? 0.6 : 1;
  const span = spanOf(slices, adaptive);
  const cells = coloured(rows, columns, (i, j) => colourOf(slices.value(plane, i, j), span, palette));
  context.drawImage(cells, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
  frameCell(context, plane, plane.chosen, ["#000", "#fff"]);
}

// Colours from the outside in.
function frameCell(context, plane, [i, j], colours) {
  const [height, width] = [context.canvas.height / plane.size[0], context.canvas.width / plane.size[1]];
  const line = Math.max(1, Math.min(2 * devicePixelRatio, width / 6));
  context.lineWidth = line;
  colours.forEach((colour, at) => {
    const inset = (at + 0.5) * line;
    context.strokeStyle = colour;
    context.strokeRect(j * width + inset, i * height + inset, width - 2 * inset, height - 2 * inset);
  });
}

// One plane on its canvas.
class Plane extends Cells {
  constructor(index, view) {
    super(document.createElement("canvas"));
    Object.assign(this, { index, view });
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.title = document.createElement("small");
    this.place = document.createElement("div");
    this.place.append(this.canvas, this.title);
  }

  get plane() {
    return this.view.slices?.planes[this.index];
  }

  size() {
    return this.plane ? this.plane.size : null;
  }

  show() {
    this.place.hidden = !this.plane;
    if (!this.plane) return;
    const { slices } = this.view;
    this.title.textContent = slices.title(this.plane);
    this.canvas.setAttribute("aria-label", `Similarity to patch ${placed(slices.at)}, ${slices.title(this.plane) || "the whole image"}. Arrow keys read cells.`);
    if (this.pointed) this.pointed = this.inside(this.pointed);
    this.draw();
    if (this.pointed) this.tell();
  }

  draw() {
    const width = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!width || !this.plane) return;
    const { slices, grey, adaptive, palette } = this.view;
    paintSlice(this.canvas, width, slices, this.index, grey, adaptive, palette);
    if (this.pointed) frameCell(this.canvas.getContext("2d"), this.plane, this.pointed, ["#ff2e2e"]);
  }

  tell() {
    const { slices, read } = this.view;
    if (!this.pointed || !slices) return read.replaceChildren();
    const patch = slices.patch(this.plane, this.pointed);
    const other = String(patch) === String(slices.at) ? "itself" : `the chosen ${placed(slices.at)}`;
    readOut(read, slices.value(this.plane, ...this.pointed), `patch ${placed(patch)} of ${slices.grid.join(" × ")} with ${other}`);
  }
}

// All planes of one panel.
class SlicesView {
  constructor(figure, palette, grey) {
    Object.assign(this, { palette, grey });
    this.place = figure.querySelector(".slices");
    this.read = this.place.querySelector(".read");
    this.planes = [0, 1, 2].map((index) => new Plane(index, this));
    this.place.querySelector(".planes").append(...this.planes.map((plane) => plane.place));
  }

  show(slices, adaptive) {
    Object.assign(this, { slices, adaptive });
    this.place.hidden = !slices;
    this.place.querySelector(".chosen").textContent = slices ? placed(slices.at) : "";
    for (const plane of this.planes) plane.show();
  }
}
