"use strict";
// What the page carries: base64 of gzip.

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const textOf = (bytes) => new TextDecoder().decode(bytes);

const content = (id) => document.getElementById(id)?.textContent;

// A header of JSON, and the bytes after it.
function parted(bytes) {
  const end = 4 + new DataView(bytes.buffer).getUint32(0, true);
  return [JSON.parse(textOf(bytes.subarray(4, end))), bytes.subarray(end)];
}

// A gram matrix: a header, and the entries above the diagonal as steps from `low` to `high`; where
// it is of an image's patches, then its slices in the same way.
class Matrix {
  constructor(bytes) {
    const [header, rest] = parted(bytes);
    Object.assign(this, header); // n, of, low, high, rows, slices, …
    const pairs = (this.n * (this.n - 1)) / 2;
    this.pairs = rest.subarray(0, pairs);
    this.slices &&= new Slices(this.slices, rest.subarray(pairs));
  }

  value(i, j) {
    if (i === j) return 1;
    const [above, below] = i < j ? [i, j] : [j, i];
    const at = above * this.n - (above * (above + 1)) / 2 + below - above - 1;
    return this.low + ((this.high - this.low) * this.pairs[at]) / 255;
  }

  order(kind) {
    return this.orders[kind] ?? Array.from({ length: this.n }, (_, i) => i);
  }

  // What is known of a row, as text.
  row(i) {
    const known = Object.entries(this.rows).map(([what, values]) => `${what} ${values[i]}`);
    return known.join(", ") || `row ${i}`;
  }
}

// The pictures of one panel, unpacked when they are asked for, a few of them kept.
class Pictures {
  constructor(frames) {
    this.frames = frames;
    this.kept = new Map();
  }

  // The last at or before a step.
  at(step) {
    let low = 0, high = this.frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.frames[middle].step <= step) low = middle + 1;
      else high = middle;
    }
    return this.frames[low - 1];
  }

  async matrix(frame) {
    if (!this.kept.has(frame)) {
      if (this.kept.size >= 64) this.kept.delete(this.kept.keys().next().value);
      this.kept.set(frame, unpacked(frame.data).then((bytes) => new Matrix(bytes)));
    }
    return this.kept.get(frame);
  }
}
