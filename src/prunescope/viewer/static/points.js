// Points by the hundred thousand: read, put in order, drawn into the pixels of a canvas, found again.

export const SIDE = 65535;
const FADED = 128;

// What /api/map sends: see there.
export const read = (buffer) => {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const places = new Uint16Array(buffer, 4 + length, 2 * header.n);
  const codes = new Uint8Array(buffer, 4 + length + places.byteLength, header.n);
  return { ...header, places, codes, order: ordered(codes, header.categories.length) };
};

// What the view does not show comes first, then category by category: the last is drawn on top.
const ordered = (codes, categories) => {
  const rank = (code) => (code >= FADED ? 0 : code + 1);
  const starts = new Uint32Array(categories + 2);
  for (const code of codes) starts[rank(code) + 1]++;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  const order = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) order[starts[rank(codes[i])]++] = i;
  return order;
};

// Where the points lie: the middle, and how far from end to end.
export const boundsOf = ({ places }) => {
  const low = [SIDE, SIDE], high = [0, 0];
  for (let i = 0; i < places.length; i++) {
    if (places[i] < low[i & 1]) low[i & 1] = places[i];
    if (places[i] > high[i & 1]) high[i & 1] = places[i];
  }
  const [width, height] = [0, 1].map((i) => Math.max(1, high[i] - low[i]));
  return { x: (low[0] + high[0]) / 2, y: (low[1] + high[1]) / 2, width, height };
};

const PATHS = {
  circle: (c, r) => c.arc(0, 0, r, 0, 7),
  square: (c, r) => c.rect(-0.88 * r, -0.88 * r, 1.76 * r, 1.76 * r),
  triangle: (c, r) => polygon(c, [[0, -1.2 * r], [1.15 * r, 0.9 * r], [-1.15 * r, 0.9 * r]]),
  diamond: (c, r) => polygon(c, [[0, -1.25 * r], [1.25 * r, 0], [0, 1.25 * r], [-1.25 * r, 0]]),
  cross: (c, r) => { c.rect(-1.1 * r, -0.42 * r, 2.2 * r, 0.84 * r); c.rect(-0.42 * r, -1.1 * r, 0.84 * r, 2.2 * r); },
  bar: (c, r) => c.rect(-1.2 * r, -0.55 * r, 2.4 * r, 1.1 * r),
};
const polygon = (c, corners) => {
  corners.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.closePath();
};
export const trace = (context, shape, radius) => {
  context.beginPath();
  PATHS[shape](context, radius);
};

// How much of each pixel around a point its shape covers; only the pixels that it does.
const stampOf = (shape, radius, strength, width) => {
  const reach = Math.ceil(1.3 * radius + 0.5), side = 2 * reach + 1;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.translate(reach + 0.5, reach + 0.5);
  trace(context, shape, radius);
  context.fill();
  const { data } = context.getImageData(0, 0, side, side);
  const at = [], cover = [];
  for (let i = 0; i < side * side; i++) {
    const alpha = Math.round(data[4 * i + 3] * strength);
    if (alpha < 8) continue;
    at.push((Math.floor(i / side) - reach) * width + (i % side) - reach);
    cover.push(alpha > 247 ? 256 : alpha);
  }
  return { at: Int32Array.from(at), cover: Uint16Array.from(cover) };
};

const ROUND = 20; // pixels around the canvas that a point's shape may reach into

export class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.width = this.height = 0;
  }

  resize(width, height, density) {
    this.density = density;
    this.width = Math.max(1, Math.round(width * density));
    this.height = Math.max(1, Math.round(height * density));
    this.canvas.width = this.width;
    this.canvas.height = this.height;
    this.image = this.context.createImageData(this.width + 2 * ROUND, this.height + 2 * ROUND);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  stampsOf(categories, radius, wide) {
    if (this.made?.categories !== categories || this.made.radius !== radius || this.made.wide !== wide) {
      const big = (shape) => Math.min(ROUND - 6, shape === "circle" ? radius : 1.35 * radius);
      const stamps = categories.map(
        ({ shape, tone }) => stampOf(shape, big(shape), tone === "rest" ? 0.6 : 0.92, wide));
      stamps.unshift(stampOf("circle", 0.8 * radius, 0.25, wide)); // what is faded
      this.made = { categories, radius, wide, stamps };
    }
    return this.made.stamps;
  }

  // `colours` are [r, g, b]: of the ground, of what is faded, then of each category.
  draw({ places, codes, order, categories }, { scale, x, y }, colours, radius) {
    const { pixels, width, height } = this, wide = width + 2 * ROUND;
    const packed = colours.map(([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r);
    const stamps = this.stampsOf(categories, radius * this.density, wide);
    pixels.fill(packed[0]);
    const by = scale * this.density;
    const left = width / 2 - x * by + ROUND, top = height / 2 - y * by + ROUND;
    for (let k = 0; k < order.length; k++) {
      const i = order[k], px = Math.floor(places[2 * i] * by + left), py = Math.floor(places[2 * i + 1] * by + top);
      if (px < ROUND || py < ROUND || px >= width + ROUND || py >= height + ROUND) continue;
      const kind = codes[i] >= FADED ? 0 : codes[i] + 1;
      const { at, cover } = stamps[kind], colour = packed[kind + 1], base = py * wide + px;
      const r = colour & 255, g = (colour >> 8) & 255, b = (colour >> 16) & 255;
      for (let j = 0; j < at.length; j++) {
        const alpha = cover[j], place = base + at[j];
        if (alpha === 256) { pixels[place] = colour; continue; }
        const old = pixels[place], rest = 256 - alpha;
        pixels[place] = (255 << 24)
          | (((b * alpha + ((old >> 16) & 255) * rest) >> 8) << 16)
          | (((g * alpha + ((old >> 8) & 255) * rest) >> 8) << 8)
          | ((r * alpha + (old & 255) * rest) >> 8);
      }
    }
    this.context.putImageData(this.image, -ROUND, -ROUND);
  }
}

// The point nearest to a place of the map, within a distance; what is drawn on top wins a tie.
export const nearest = ({ places, codes, order }, x, y, within) => {
  let found = -1, least = within * within;
  for (let k = 0; k < order.length; k++) {
    const i = order[k];
    if (codes[i] >= FADED) continue;
    const dx = places[2 * i] - x, dy = places[2 * i + 1] - y, away = dx * dx + dy * dy;
    if (away <= least) { least = away; found = i; }
  }
  return found;
};

// A line with at most so many corners: that goes first which spans the smallest triangle with its
// neighbours (Visvalingam and Whyatt 1993).
export const simplified = (line, most) => {
  const corners = line.slice();
  const spans = (i) => {
    const [a, b, c] = [corners.at(i - 1), corners[i], corners[(i + 1) % corners.length]];
    return Math.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]));
  };
  while (corners.length > most) {
    let least = 0;
    for (let i = 1; i < corners.length; i++) if (spans(i) < spans(least)) least = i;
    corners.splice(least, 1);
  }
  return corners;
};
