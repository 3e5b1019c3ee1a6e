(() => {
  "use strict";

  // A filter that is chosen is applied at once; fields that were left blank stay out of the URL.
  for (const form of document.querySelectorAll("form.chooser")) {
    const clean = () => {
      for (const field of form.elements) {
        if (field.name && field.value === "") field.disabled = true;
      }
    };
    form.addEventListener("submit", clean);
    form.addEventListener("change", (event) => {
      if (event.target.type !== "search") form.requestSubmit();
    });
  }

  const typing = (event) =>
    event.ctrlKey || event.metaKey || event.altKey ||
    /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);

  // Left and right turn pages.
  const turn = (event) => {
    if (typing(event)) return;
    const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    const link = rel && document.querySelector(`a[rel="${rel}"]`);
    if (link) link.click();
  };

  const token = document.querySelector('meta[name="prunescope-token"]').content;

  const ask = async (path, body) => {
    const how = body && {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Prunescope-Token": token },
      body: JSON.stringify(body),
    };
    const answer = await fetch(path, how || {}).catch(() => {
      throw new Error("the viewer does not answer");
    });
    const text = await answer.text();
    if (answer.status === 403) {
      throw new Error(`${text.trim()}; if the viewer was started anew, reload this page`);
    }
    if (!answer.ok) {
      let told = text;
      try { told = JSON.parse(text).detail; } catch { /* plain text */ }
      throw new Error(typeof told === "string" ? told : JSON.stringify(told));
    }
    return JSON.parse(text);
  };

  // Why an answer flipped: pictures that the viewer makes when a button is pressed.
  const figure = ({ title, note, alt, src }) => {
    const made = document.createElement("figure");
    const image = new Image(256, 256);
    image.src = src;
    image.alt = alt;
    const caption = document.createElement("figcaption");
    const more = document.createElement("span");
    more.textContent = note;
    caption.append(title, more);
    made.append(image, caption);
    return made;
  };
  const block = (kind, name, ...inside) => {
    const made = document.createElement(kind);
    made.className = name;
    made.append(...inside);
    return made;
  };
  const explained = (part, found) => {
    const scales = part.querySelector("template").content.cloneNode(true);
    if (found.method === "gradcam") scales.querySelector("[data-signed]").remove();
    const summary = block("summary", "", "The same maps from networks that learned nothing");
    const checks = block("div", "maps", ...found.checks.map(figure));
    const behind = block("details", "more checks", summary, checks);
    behind.open = found.warnings.length > 0;
    return [
      ...found.warnings.map((text) => block("p", "warning", text)),
      block("ul", "notes", ...found.told.map((text) => block("li", "", text))),
      block("div", "maps", ...found.maps.map(figure)),
      scales,
      behind,
    ];
  };
  const part = document.getElementById("explain");
  for (const button of part ? part.querySelectorAll("[data-explain]") : []) {
    const here = button.parentElement;
    const state = here.querySelector(".state");
    button.addEventListener("click", async () => {
      const { id, model, against } = part.dataset;
      const method = part.querySelector("[name=method]").value || null;
      button.disabled = true;
      state.classList.remove("bad");
      state.textContent = "Working …";
      try {
        const found = await ask("api/explain", { id, model, against, method, attribute: button.dataset.explain });
        here.querySelector(".shown").replaceChildren(...explained(part, found));
        state.textContent = found.method === "gradcam" ? "Grad-CAM" : "Integrated gradients";
      } catch (error) {
        state.textContent = `Not done: ${error.message}`;
        state.classList.add("bad");
      } finally {
        button.disabled = false;
      }
    });
  }

  const review = document.getElementById("review");
  if (!review) {
    document.addEventListener("keydown", turn);
    return;
  }

  const by = review.querySelector('input[name="by"]');
  const state = review.querySelector(".state");
  const seen = review.querySelector(".seen");
  const session = Array.from(crypto.getRandomValues(new Uint32Array(4)), String).join("-");
  let item = null;
  let busy = false;
  by.value = localStorage.getItem("prunescope-reviewer") || by.value;
  review.hidden = false;

  const say = (text, bad = false) => {
    state.textContent = text;
    state.classList.toggle("bad", bad);
  };

  const number = (p) => (p < 0.005 ? "<0.01" : p > 0.995 ? ">0.99" : p.toFixed(2));
  const count = (n) => n.toLocaleString("en");
  const word = (yes) => (yes ? "yes" : "no");

  const show = (found) => {
    item = found;
    const { decided, total } = found.progress;
    review.querySelector("progress").max = total || 1;
    review.querySelector("progress").value = decided;
    review.querySelector("output").textContent = `${count(decided)} of ${count(total)}`;
    const frame = review.querySelector(".frame");
    frame.replaceChildren();
    const asked = found.position !== null;
    for (const button of review.querySelectorAll("[data-answer]")) button.disabled = !asked;
    if (!asked) {
      review.querySelector(".question").textContent = total ? "Nothing is left here." : "The queue is empty.";
      review.querySelector(".told").textContent = total ? "Every answer is decided, or somebody else is looking at it." : "Choose other answers above.";
      seen.textContent = "";
      return;
    }
    if (found.image) {
      const image = new Image();
      image.src = found.image;
      image.alt = `image of ${found.id}`;
      frame.append(image);
    } else {
      const blank = document.createElement("span");
      blank.className = "no-image large";
      blank.textContent = "no image";
      frame.append(blank);
    }
    const { attribute, label, dense, compressed, p_dense, p_compressed, why } = found.answer;
    review.querySelector(".question").textContent = `${attribute}?`;
    review.querySelector(".told").textContent =
      `${found.id} · ${label === null ? "unlabelled" : `labelled ${word(label)}`}`;
    seen.textContent =
      `dense says ${word(dense)} (${number(p_dense)}), compressed says ${word(compressed)} (${number(p_compressed)})` +
      (why ? ` · ${why}` : "");
    review.querySelector('[data-answer="label_wrong"]').disabled = label === null;
  };

  const next = async (after) => {
    const query = new URLSearchParams(review.dataset.query);
    query.set("session", session);
    query.set("after", after);
    show(await ask(`api/review/next?${query}`, {}));
  };

  // One thing at a time; what is typed meanwhile is dropped, not queued.
  const doing = async (work) => {
    if (busy) return;
    if (!by.reportValidity()) return;
    busy = true;
    review.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (error) {
      say(`Not done: ${error.message}`, true);
    } finally {
      busy = false;
      review.removeAttribute("aria-busy");
    }
  };

  const decide = (answer) => doing(async () => {
    if (!item || item.position === null) return;
    const { id, answer: { attribute } } = item;
    await ask("api/review/decisions", { id, attribute, answer, by: by.value });
    say(`${id}, ${attribute}: ${answer.replace("_", " ")}. Kept.`);
    await next(item.position);
  });

  const undo = () => doing(async () => {
    const { undone } = await ask("api/review/undo", { by: by.value });
    say(undone ? `${undone.id}, ${undone.attribute}: taken back.` : "There is nothing to take back.");
    await next(item && item.position !== null ? Math.max(-1, item.position - 2) : -1);
  });

  const skip = () => doing(() => next(item && item.position !== null ? item.position : -1));

  const reveal = () => {
    seen.hidden = !seen.hidden;
    review.querySelector('[data-do="answers"]').setAttribute("aria-pressed", String(!seen.hidden));
  };

  const acts = {
    y: () => decide("yes"), n: () => decide("no"), u: () => decide("unsure"),
    l: () => item?.answer?.label !== null && decide("label_wrong"),
    arrowright: skip, z: undo, a: reveal,
  };
  document.addEventListener("keydown", (event) => {
    const act = acts[event.key.toLowerCase()];
    if (typing(event) || event.repeat || !act) return;
    event.preventDefault();
    act();
  });
  for (const button of review.querySelectorAll("[data-answer]")) {
    button.addEventListener("click", () => decide(button.dataset.answer));
  }
  const buttons = { next: skip, undo, answers: reveal };
  for (const button of review.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => buttons[button.dataset.do]());
  }
  review.querySelector("form.who").addEventListener("submit", (event) => {
    event.preventDefault();
    by.blur(); // the next key is an answer
  });
  by.addEventListener("change", () => localStorage.setItem("prunescope-reviewer", by.value));
  doing(() => next(-1));
})();
