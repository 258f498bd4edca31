// Colours of the page as it looks now, and those of matrices.

const themed = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const HUES = ["blue", "orange", "green", "violet"];
const DASHES = [[], [6, 3], [2, 2], [9, 3, 2, 3], [1, 3], [12, 4]];

const lineOf = (index) => ({
  stroke: themed(HUES[index % HUES.length]),
  dash: DASHES[Math.floor(index / HUES.length) % DASHES.length],
});

// The values that the ends of the scale stand for: of all matrices the same, or of one its own.
const spanOf = (of, adaptive) => (adaptive && of?.high > of?.low ? [of.low, of.high] : [-1, 1]);

const colourOf = (value, [low, high], palette) =>
  palette[Math.max(0, Math.min(255, Math.floor((256 * (value - low)) / (high - low))))];

// A canvas with one pixel for each entry.
function coloured(rows, columns, colour) {
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) pixels[i * columns + j] = colour(i, j);
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// 256 classes, packed as a canvas has its pixels.
const paletteOf = (hex) =>
  Uint32Array.from({ length: 256 }, (_, i) => {
    const [red, green, blue] = [0, 2, 4].map((at) =>
      parseInt(hex.slice(6 * i + at, 6 * i + at + 2), 16));
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
