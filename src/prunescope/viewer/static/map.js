// The map: come nearer, look at a point, draw around points to see them all.
import { cell, legend } from "./legend.js";
import { Plot, SIDE, boundsOf, nearest, read, simplified } from "./points.js";

const MOST_CORNERS = 32, NEAREST = 400, POLL = 3000, STILL = 200, TAP = 5, STEP = 60;
const root = document.getElementById("map");
const { layout, area } = root.dataset;
const stage = root.querySelector(".stage"), canvas = stage.querySelector("canvas");
const drawn = stage.querySelector(".drawn"), kept = stage.querySelector(".area");
const cross = stage.querySelector(".cross"), point = stage.querySelector(".point");
const select = document.querySelector('form.chooser [name="colour"]');
const state = root.querySelector(".state"), plot = new Plot(canvas);
const query = () => new URLSearchParams(root.dataset.query);
let colour = root.dataset.colour, map = null, tones = [];
let bounds = { x: SIDE / 2, y: SIDE / 2, width: SIDE, height: SIDE };
let x = null, y = null, zoom = 1, width = 1, height = 1;
let tool = "move", corner = null, touched = false, waiting = false;

root.hidden = false;
const scale = () => zoom * 0.92 * Math.min(width / bounds.width, height / bounds.height);
const toMap = ([px, py]) => [x + (px - width / 2) / scale(), y + (py - height / 2) / scale()];
const toScreen = ([mx, my]) => [(mx - x) * scale() + width / 2, (my - y) * scale() + height / 2];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
// Few points are large ones, and all grow as one comes nearer.
const radius = () =>
  clamp(2.1 * ((4000 / map.n) * (Math.min(width, height) / 600) ** 2 * zoom ** 1.6) ** 0.25, 0.9, 6);

const say = (text, bad = false) => {
  state.textContent = text;
  state.classList.toggle("bad", bad);
};
const shape = (element, corners) => {
  element.toggleAttribute("hidden", !corners);
  if (corners) element.setAttribute("points", corners.map((one) => one.join(",")).join(" "));
};
const box = ([a, b], [c, d]) => [[a, b], [c, b], [c, d], [a, d]];

// Colours come from the style sheet, so they follow light and dark.
const readTones = () => {
  const probe = document.createElement("i");
  stage.append(probe);
  const rgb = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  };
  tones = ["card", "rest", ...map.categories.map(({ tone }) => tone)].map(rgb);
  probe.remove();
};

const draw = () => {
  waiting = false;
  if (!map || !plot.width) return; // what is still to come draws again
  if (x === null) ({ x, y } = bounds);
  const start = performance.now();
  plot.draw(map, { scale: scale(), x, y }, tones, radius());
  canvas.dataset.ms = (performance.now() - start).toFixed(1);
  cross.setAttribute("transform", `translate(${width / 2} ${height / 2})`);
  if (corner) shape(drawn, box(toScreen(corner), [width / 2, height / 2]));
  const own = area && area.startsWith(`${map.layout}.${map.digest}_`);
  const corners = own && area.split("_").slice(1).map((one) => toScreen(one.split(".").map(Number)));
  shape(kept, corners && (corners.length === 2 ? box(...corners) : corners));
};
const redraw = () => {
  if (!waiting) requestAnimationFrame(draw);
  waiting = true;
};

// The address keeps where one looks, once one stands still: browsers refuse to be told too often.
let noting = 0;
const note = () => {
  clearTimeout(noting);
  const whole = zoom === 1 && x === bounds.x && y === bounds.y;
  page.view.set("at", whole ? "" : `${Math.round(x)}.${Math.round(y)}.${Number(zoom.toPrecision(3))}`);
};
const moved = () => {
  x = clamp(x, 0, SIDE);
  y = clamp(y, 0, SIDE);
  zoom = clamp(zoom, 0.5, NEAREST);
  clearTimeout(noting);
  noting = setTimeout(note, STILL);
  redraw();
};
const leave = (address) => {
  note();
  location.href = address;
};
const nearer = (factor, at = [width / 2, height / 2]) => {
  const [mx, my] = toMap(at), old = zoom;
  zoom = clamp(zoom * factor, 0.5, NEAREST);
  x = mx + ((x - mx) * old) / zoom;
  y = my + ((y - my) * old) / zoom;
  moved();
};
const whole = () => { ({ x, y } = bounds); zoom = 1; moved(); };
page.view.on("at", (told) => {
  const match = /^(\d+)\.(\d+)\.(\d+(?:\.\d+)?)$/.exec(told ?? "");
  [x, y, zoom] = match ? [clamp(+match[1], 0, SIDE), clamp(+match[2], 0, SIDE), clamp(+match[3], 0.5, NEAREST)]
    : [null, null, 1];
  cross.toggleAttribute("hidden", !match);
  redraw();
});

const ask = async (path) => {
  const answer = await fetch(path).catch(() => { throw new Error("the viewer does not answer"); });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({ detail: answer.status }))).detail);
  return answer;
};
const load = async () => {
  try {
    const asked = query();
    asked.set("layout", layout);
    asked.set("colour", colour);
    map = read(await (await ask(`api/map?${asked}`)).arrayBuffer());
    bounds = boundsOf(map);
    readTones();
    legend(root, map, tones, colour);
    redraw();
    stage.dataset.ready = map.layout;
  } catch (error) {
    say(`Not done: ${error.message}`, true);
  }
};

// The image of a point, asked for once.
const cards = new Map();
const cardOf = (row) => {
  if (!cards.has(row)) {
    cards.set(row, ask(`api/map/image/${row}?${query()}`).then((answer) => answer.json())
      .catch((error) => { cards.delete(row); say(`Not done: ${error.message}`, true); }));
  }
  return cards.get(row);
};
const FLIPS = { harmful: "right to wrong", helpful: "wrong to right", unlabelled: "flipped" };
const addressOf = ({ id }) => {
  const asked = query();
  asked.set("of", id);
  return `sample?${asked}`;
};
let pointed = -1, timer = 0;
const hide = () => { pointed = -1; clearTimeout(timer); point.hidden = true; };
const show = async (row, aloud) => {
  const card = await cardOf(row);
  if (!card || row !== pointed) return;
  const { attribute, flip, p_dense: before, p_compressed: after } = card.answer;
  const told = `${attribute}: ${flip ? FLIPS[flip] : "no flip"}`;
  const text = cell("span", cell("b", told));
  text.append(cell("small", `${before.toFixed(2)} → ${after.toFixed(2)}`), cell("small", card.id));
  point.replaceChildren(text);
  if (card.image) {
    const image = Object.assign(new Image(), { src: card.image, alt: "", width: 64, height: 64 });
    point.prepend(image);
  }
  point.href = addressOf(card);
  point.hidden = false;
  const [px, py] = toScreen([map.places[2 * row], map.places[2 * row + 1]]);
  point.style.left = `${clamp(px + 12, 4, Math.max(4, width - point.offsetWidth - 4))}px`;
  point.style.top = `${py + 16 + point.offsetHeight > height ? Math.max(4, py - 12 - point.offsetHeight) : py + 14}px`;
  if (aloud) say(`${card.id}, ${told}`);
};
const pointAt = (at, within, aloud = false) => {
  const row = map ? nearest(map, ...toMap(at), within / scale()) : -1;
  if (row === pointed) return;
  hide();
  pointed = row;
  if (row >= 0) timer = setTimeout(show, aloud ? 250 : 60, row, aloud);
};
const open = async (at, within) => {
  const row = map ? nearest(map, ...toMap(at), within / scale()) : -1;
  const card = row >= 0 && await cardOf(row);
  if (card) leave(addressOf(card));
};

// Go to the images within corners, which are on the screen.
const pick = (corners) => {
  const text = corners.map((one) => toMap(one).map((value) => Math.round(clamp(value, 0, SIDE))).join(".")).join("_");
  const asked = query();
  asked.set("area", `${map.layout}.${map.digest}_${text}`);
  leave(`samples?${asked}`);
};

const setTool = (name) => {
  tool = name;
  stage.dataset.tool = name;
  for (const button of root.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }
};
for (const button of root.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", () => setTool(button.dataset.tool));
}
const acts = { nearer: () => nearer(1.6), farther: () => nearer(1 / 1.6), whole };
for (const button of root.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => acts[button.dataset.do]());
}

// Fingers and the mouse: one drags or draws, two come nearer.
const fingers = new Map();
let line = null, start = null, still = true;
const at = (event) => {
  const frame = canvas.getBoundingClientRect();
  return [event.clientX - frame.left, event.clientY - frame.top];
};
const drop = () => { line = corner = null; shape(drawn, null); };
canvas.addEventListener("pointerdown", (event) => {
  if (event.button || !map) return;
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, at(event));
  hide();
  drop();
  cross.toggleAttribute("hidden", true);
  start = fingers.size === 1 ? at(event) : null;
  still = Boolean(start);
  const kind = event.shiftKey ? "rectangle" : tool;
  if (start && kind !== "move") line = { kind, corners: [start] };
});
canvas.addEventListener("pointermove", (event) => {
  const now = at(event), before = fingers.get(event.pointerId);
  if (!before) {
    if (event.pointerType === "mouse") pointAt(now, Math.max(8, radius()));
    return;
  }
  fingers.set(event.pointerId, now);
  still &&= Math.hypot(now[0] - start[0], now[1] - start[1]) < TAP;
  if (line) {
    if (line.kind === "rectangle") line.corners[1] = now;
    else if (Math.hypot(now[0] - line.corners.at(-1)[0], now[1] - line.corners.at(-1)[1]) > 2) line.corners.push(now);
    shape(drawn, line.kind === "rectangle" ? box(start, now) : line.corners);
    return;
  }
  if (fingers.size === 2) {
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const away = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
    nearer(away(now) / away(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
  }
  x -= (now[0] - before[0]) / scale() / fingers.size;
  y -= (now[1] - before[1]) / scale() / fingers.size;
  moved();
});
canvas.addEventListener("pointerup", (event) => {
  if (!fingers.delete(event.pointerId)) return;
  const now = at(event), done = line;
  drop();
  if (fingers.size) still = false;
  else if (done && !still && done.corners.length > 1) {
    pick(done.kind === "rectangle" ? [start, now] : simplified(done.corners, MOST_CORNERS));
  } else if (still) open(now, Math.max(event.pointerType === "mouse" ? 8 : 18, radius()));
});
canvas.addEventListener("pointercancel", (event) => { fingers.delete(event.pointerId); drop(); });
canvas.addEventListener("pointerleave", () => { if (!fingers.size) hide(); });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  hide();
  const step = event.ctrlKey ? 0.01 : event.deltaMode ? 0.05 : 0.0015; // Ctrl: two fingers on a pad
  nearer(Math.exp(-event.deltaY * step), at(event));
}, { passive: false });

// The cross in the middle is what the keyboard points with; the map moves below it.
const go = (dx, dy) => (event) => {
  const step = event.shiftKey ? STEP / 10 : STEP;
  x += (dx * step) / scale();
  y += (dy * step) / scale();
  moved();
  if (!corner) pointAt([width / 2, height / 2], 40, true);
};
const keys = {
  ArrowLeft: go(-1, 0), ArrowRight: go(1, 0), ArrowUp: go(0, -1), ArrowDown: go(0, 1),
  "+": () => nearer(1.6), "=": () => nearer(1.6), "-": () => nearer(1 / 1.6), 0: whole,
  r: () => { hide(); corner = [x, y]; say("A corner is set: move, then Enter."); redraw(); },
  Enter: () => (corner ? pick([toScreen(corner), [width / 2, height / 2]]) : open([width / 2, height / 2], 40)),
  Escape: () => { drop(); hide(); say(""); redraw(); },
};
canvas.addEventListener("keydown", (event) => {
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!map || !act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  act(event);
});
canvas.addEventListener("focus", () => cross.toggleAttribute("hidden", !canvas.matches(":focus-visible")));
canvas.addEventListener("blur", () => { cross.toggleAttribute("hidden", true); hide(); });

// Another colour changes the points alone; where one looks stays.
select.addEventListener("change", (event) => {
  event.stopPropagation();
  colour = event.target.value;
  const address = new URL(location.href);
  address.searchParams.set("colour", colour);
  history.replaceState(null, "", address);
  load();
});

// A better layout is shown when it is ready, unless somebody has begun to look around.
const wait = async () => {
  const { layouts, problem } = await ask("api/map/layouts").then((answer) => answer.json())
    .catch(() => ({ layouts: {} }));
  const others = Object.entries(layouts).filter(([name]) => name !== layout);
  const ready = others.find(([, how]) => how === "ready");
  if (problem) say(problem, true);
  else if (ready && !touched) location.reload();
  else if (ready) {
    say("The map by UMAP is ready. ");
    const address = new URL(location.href);
    address.searchParams.set("layout", ready[0]);
    address.hash = "";
    state.append(Object.assign(cell("a", "Show it"), { href: address }));
  } else setTimeout(wait, POLL);
};
for (const kind of ["pointerdown", "keydown", "wheel"]) {
  document.addEventListener(kind, () => { touched = true; }, { passive: true, capture: true });
}
if ("waits" in root.dataset) {
  say("The map by UMAP is being made; meanwhile images lie by principal components.");
  setTimeout(wait, POLL);
}

new ResizeObserver(() => {
  ({ width, height } = canvas.getBoundingClientRect());
  plot.resize(width, height, Math.min(devicePixelRatio || 1, 2));
  redraw();
}).observe(stage);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (!map) return;
  readTones();
  legend(root, map, tones, colour);
  redraw();
});
load();
