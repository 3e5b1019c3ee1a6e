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
  document.addEventListener("pointerover", (event) => {
    const source = event.target.closest("[data-tip]");
    tip.hidden = !source;
    if (!source) return;
    tip.textContent = source.dataset.tip;
    place(event.clientX, event.clientY);
  });
  document.addEventListener("pointermove", (event) => {
    if (!tip.hidden) place(event.clientX, event.clientY);
  });
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
