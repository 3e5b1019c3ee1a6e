// What the colours of the map mean, how many images are of each; some lead to them.
import { trace } from "./points.js";

export const cell = (tag, content, kind = "") => {
  const made = document.createElement(tag);
  made.append(content);
  made.className = kind;
  return made;
};

const mark = (shape, tone) => {
  const sign = document.createElement("canvas"), density = 2;
  sign.width = sign.height = 18 * density;
  const context = sign.getContext("2d");
  context.scale(density, density);
  context.translate(9, 9);
  context.fillStyle = `rgb(${tone.join(" ")})`;
  trace(context, shape, 6);
  context.fill();
  return sign;
};

export const legend = (root, { categories }, tones, colour) => {
  const chosen = document.querySelector('form.chooser [name="colour"]').selectedOptions[0];
  const byFlip = colour === "flip", all = categories.reduce((sum, one) => sum + one.n, 0);
  root.querySelector("caption").textContent = chosen.textContent;
  root.querySelector("thead th:last-child").textContent = byFlip ? "share" : "flipped";
  const rows = categories.map(({ label, shape, n, flipped, query }, i) => {
    const row = document.createElement("tr"), head = cell("th", mark(shape, tones[i + 2]));
    const link = query && Object.assign(cell("a", label), { href: `samples?${query}` });
    head.scope = "row";
    head.append(link || label);
    const share = `${(100 * (byFlip ? n / all : flipped)).toFixed(1)}%`;
    row.append(head, cell("td", n.toLocaleString("en"), "number"), cell("td", share, "number"));
    return n ? row : null;
  });
  root.querySelector(".legend tbody").replaceChildren(...rows.filter(Boolean).reverse());
};
