// What every page does: its view is kept in the address, sections fold, tables sort, marks have tips.
const page = (() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // The address tells what is seen, as #section&name=value: a copied link opens the same view. What
  // is as at first is left out.
  const readers = {};
  let place = "", values = {}, read = false;
  const write = (visit = false) => {
    const rest = new URLSearchParams(values).toString();
    const hash = [encodeURIComponent(place), rest].filter(Boolean).join("&");
    if (!read || hash === location.hash.slice(1)) return;
    history[visit ? "pushState" : "replaceState"](null, "", `#${hash}`);
  };
  const reveal = () => {
    const target = place && document.getElementById(place);
    if (!target) return;
    const part = target.querySelector(":scope > details.part");
    if (part) part.open = true;
    for (let above = target; (above = above.closest("details:not([open])")); ) above.open = true;
    target.scrollIntoView({ behavior: "instant" });
  };
  const follow = () => {
    const parts = location.hash.slice(1).split("&");
    place = parts[0].includes("=") ? "" : decodeURIComponent(parts.shift());
    values = Object.fromEntries(new URLSearchParams(parts.join("&")));
    for (const [name, reader] of Object.entries(readers)) reader(values[name]);
    read = true;
    reveal();
  };
  const view = {
    // Call `reader` with what the address says of a name, or with nothing.
    on(name, reader) {
      readers[name] = reader;
      if (read) reader(values[name]);
    },
    set(name, value, usual = "") {
      if (value === usual) delete values[name];
      else values[name] = value;
      write();
    },
  };
  document.addEventListener("DOMContentLoaded", follow);
  addEventListener("hashchange", follow);
  addEventListener("popstate", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    place = link.getAttribute("href").slice(1);
    write(true);
    reveal();
    const target = document.getElementById(place);
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
  });

  // What is picked (a model, a metric) decides which panels are seen.
  const picked = {}, controls = {};
  const show = () => {
    for (const panel of all(".panel")) {
      panel.hidden = Object.entries(picked).some(
        ([kind, value]) => kind in panel.dataset && panel.dataset[kind] !== value,
      );
    }
  };
  for (const one of all("[data-picks]")) (controls[one.dataset.picks] ??= []).push(one);
  for (const [kind, group] of Object.entries(controls)) {
    const options = group.flatMap((one) => (one.options ? [...one.options] : [one]));
    const state = "selected" in options[0] ? "selected" : "checked";
    const named = (option) => option.dataset.name ?? option.value;
    const pick = () => {
      const option = options.find((one) => one[state]);
      picked[kind] = option.value;
      show();
      return named(option);
    };
    const usual = pick();
    view.on(kind, (name = usual) => {
      const option = options.find((one) => named(one) === name)
        ?? options.find((one) => named(one) === usual);
      option[state] = true;
      pick();
    });
    for (const one of group) one.addEventListener("change", () => view.set(kind, pick(), usual));
  }

  // Sections fold. Those that are not as at first stand in the address.
  const folds = all("details.part");
  const usual = new Map(folds.map((part) => [part, part.open]));
  view.on("folds", (names = "") => {
    const turned = names.split(" ");
    for (const part of folds) part.open = usual.get(part) !== turned.includes(part.parentElement.id);
  });
  let printing = false;
  const tellFolds = () => {
    if (printing) return;
    const turned = folds.filter((part) => part.open !== usual.get(part));
    view.set("folds", turned.map((part) => part.parentElement.id).join(" "));
  };
  for (const part of folds) part.addEventListener("toggle", tellFolds);
  for (const button of all("[data-folds]")) {
    button.addEventListener("click", () => {
      for (const part of folds) part.open = button.dataset.folds === "open";
    });
  }

  // A search leaves the rows whose header holds all its words.
  const holds = (text, words) => words.every((word) => text.includes(word));
  const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const input of all("input[data-finds]")) {
    const rows = all(input.dataset.finds);
    const find = () => {
      const words = wordsOf(input.value);
      for (const row of rows) row.hidden = !holds(row.querySelector("th").textContent.toLowerCase(), words);
      input.classList.toggle("nothing", rows.length > 0 && rows.every((row) => row.hidden));
    };
    view.on(input.id, (text = "") => { input.value = text; find(); });
    input.addEventListener("input", () => { find(); view.set(input.id, input.value); });
  }

  // Headers sort: up, down, as at first. A cell goes by its bold part; columns that are mostly numbers
  // by these.
  const order = (a, b) => {
    if (a === b) return 0;
    if (a === null || b === null) return a === null ? 1 : -1;
    return typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  };
  const sorted = (rows, key, way) =>
    rows.map((row) => [key(row), row])
      .sort(([a], [b]) => (a === null || b === null ? order(a, b) : way * order(a, b)))
      .map(([, row]) => row);
  const button = (head, turn) => {
    const made = document.createElement("button");
    made.type = "button";
    made.append(...head.childNodes);
    made.addEventListener("click", turn);
    head.append(made);
  };
  const mark = (heads, head, way) => {
    for (const one of heads) {
      if (one === head && way) one.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      else one.removeAttribute("aria-sort");
    }
  };
  const number = (text) => parseFloat(text.replace("−", "-").replace("±", "").replaceAll(",", ""));
  for (const table of all("table.sorts")) {
    const body = table.tBodies[0], first = [...body.rows];
    const heads = all("thead th", table);
    let current = null, way = 0;
    for (const head of heads) {
      button(head, () => {
        way = head === current ? [1, -1, 0][[0, 1, -1].indexOf(way)] : 1;
        current = head;
        const texts = first.map((row) => {
          const cell = row.cells[Math.min(head.cellIndex, row.cells.length - 1)];
          return (cell.querySelector(":scope > b, :scope > span > b") ?? cell).textContent.trim();
        });
        const numbers = texts.map((text) => (Number.isNaN(number(text)) ? null : number(text)));
        const numeric = 2 * numbers.filter((one) => one !== null).length > texts.length;
        const keys = new Map(first.map((row, i) => [row, numeric ? numbers[i] : texts[i]]));
        body.append(...(way ? sorted(first, (row) => keys.get(row), way) : first));
        mark(heads, head, way);
      });
    }
  }

  // One tooltip for every element that has something more to say.
  const tip = document.getElementById("tip");
  const put = (x, y) => {
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, x - box.width / 2), root.clientWidth - box.width - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${y > box.height + 24 ? y - box.height - 14 : y + 20}px`;
  };
  // The cells of a map of correlations have no elements of their own: find out which one it is.
  const cell = (event) => {
    const map = event.target.closest("[data-cells]");
    const svg = event.target.closest("svg");
    if (!map || !svg) return null;
    const box = svg.getBoundingClientRect();
    const unit = (svg.viewBox.baseVal.width / box.width) / map.dataset.size;
    const column = Math.floor((event.clientX - box.left) * unit);
    const row = Math.floor((event.clientY - box.top) * unit);
    const names = JSON.parse(map.closest("[data-names]").dataset.names);
    if (column < 0 || column >= row || row >= names.length) return null;
    const value = map.dataset.cells.split(",")[(row * (row - 1)) / 2 + column];
    const told = value === "" ? "no value" : (value / 100).toFixed(2).replace("-", "−");
    return `${names[column]} · ${names[row]}: ${told}`;
  };
  const tell = (event) => {
    const source = event.target.closest("[data-tip]");
    const text = source ? source.dataset.tip : cell(event);
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    put(event.clientX, event.clientY);
  };
  const hide = () => { tip.hidden = true; };
  document.addEventListener("pointerover", tell);
  document.addEventListener("pointermove", tell);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // The colours follow the system until the button, where there is one, says otherwise.
  const theme = document.getElementById("theme");
  if (theme) {
    const dark = [...document.styleSheets[0].cssRules].find((rule) => rule.media?.mediaText.includes("dark"));
    const night = matchMedia("(prefers-color-scheme: dark)");
    const shown = () => (dark.media.mediaText === "screen" ? true : dark.media.mediaText.includes("dark") && night.matches);
    const name = () => { theme.textContent = shown() ? "Light" : "Dark"; };
    theme.hidden = false;
    theme.addEventListener("click", () => { dark.media.mediaText = shown() ? "speech" : "screen"; name(); });
    night.addEventListener("change", name);
    name();
  }

  // On paper nothing can be unfolded, so it is unfolded before.
  let folded = [];
  addEventListener("beforeprint", () => {
    printing = true;
    folded = all("details:not([open])");
    for (const element of folded) element.open = true;
  });
  addEventListener("afterprint", () => {
    for (const element of folded) element.open = false;
    setTimeout(() => { printing = false; });
  });

  return { all, view, reveal, holds, wordsOf, sorted, button, mark };
})();
