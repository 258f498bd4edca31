// Colours of the page as it looks now, and those of matrices.

const themed = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const HUES = ["blue", "orange", "green", "violet"];
const DASHES = [[], [6, 3], [2, 2], [9, 3, 2, 3], [1, 3], [12, 4]];

const lineOf = (index) => ({
  stroke: themed(HUES[index % HUES.length]),
  dash: DASHES[Math.floor(index / HUES.length) % DASHES.length],
});

// 256 classes, packed as a canvas has its pixels.
const paletteOf = (hex) =>
  Uint32Array.from({ length: 256 }, (_, i) => {
    const [red, green, blue] = [0, 2, 4].map((at) =>
      parseInt(hex.slice(6 * i + at, 6 * i + at + 2), 16));
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
