(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  // What is picked (a model, a metric) decides which panels are seen.
  const picked = {};
  const show = () => {
    for (const panel of document.querySelectorAll(".panel")) {
      panel.hidden = Object.entries(picked).some(
        ([kind, value]) => kind in panel.dataset && panel.dataset[kind] !== value,
      );
    }
  };
  for (const control of document.querySelectorAll("[data-picks]")) {
    const pick = () => {
      if (control.type === "radio" && !control.checked) return;
      picked[control.dataset.picks] = control.value;
    };
    pick();
    control.addEventListener("change", () => { pick(); show(); });
  }
  show();

  // One tooltip for every element that has something more to say.
  const tip = document.getElementById("tip");
  const place = (x, y) => {
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
    const number = value === "" ? "no value" : (value / 100).toFixed(2).replace("-", "−");
    return `${names[column]} · ${names[row]}: ${number}`;
  };
  const tell = (event) => {
    const source = event.target.closest("[data-tip]");
    const text = source ? source.dataset.tip : cell(event);
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    place(event.clientX, event.clientY);
  };
  document.addEventListener("pointerover", tell);
  document.addEventListener("pointermove", tell);
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // On paper nothing can be unfolded, so it is unfolded before.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const element of folded) element.open = true;
  });
  addEventListener("afterprint", () => {
    for (const element of folded) element.open = false;
  });
})();
