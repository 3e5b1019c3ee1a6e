// The table of all estimates: columns from the page's JSON, filtered, sorted, a page of rows at a time.
(async () => {
  "use strict";
  const { view, holds, wordsOf, sorted, button, mark } = page;
  const ROWS = 25, MOST_DIGITS = 6, NOISE = 1e-9;
  const section = document.getElementById("estimates");
  const table = section.querySelector("table"), heads = [];
  const bytes = Uint8Array.from(atob(table.dataset.rows), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const { names, units, runs, numbers } = await new Response(stream).json();
  const unrolled = (run) => {
    const column = [];
    for (let i = 0; i < run.length; i += 2) for (let k = 0; k < run[i + 1]; k++) column.push(run[i]);
    return column;
  };
  const column = Object.fromEntries(Object.entries(runs).map(([name, run]) => [name, unrolled(run)]));
  Object.assign(column, numbers);

  // Numbers as everywhere in the report: few digits, but never a false 0 or 100.
  const decimal = (value, digits, never) => {
    const exact = [0, ...never].find((one) => Math.abs(value - one) < NOISE);
    if (exact !== undefined) return String(exact);
    let text = "";
    for (let places = digits; places <= MOST_DIGITS; places++) {
      text = value.toFixed(places);
      if (!never.includes(Number(text))) break;
    }
    return text.replace("-", "−");
  };
  const signed = (value, digits) =>
    Math.abs(value) < NOISE ? "±0" : (value > 0 ? "+" : "") + decimal(value, digits, [0]);
  const written = (value, unit, change = false) => {
    const scaled = value * unit.scale;
    return change || unit.signed ? signed(scaled, unit.digits) : decimal(scaled, unit.digits, unit.never);
  };
  const interval = (row, low, high, unit, change) =>
    column[low][row] === null || column[high][row] === null ? ""
      : `${written(column[low][row], unit, change)} to ${written(column[high][row], unit, change)}`;

  const text = {
    model: (row) => names.models[column.model[row]],
    metric: (row) => units[column.metric[row]].label,
    attribute: (row) => names.attributes[column.attribute[row]] ?? "",
    group: (row) => {
      const group = names.groups[column.group[row]], value = names.group_values[column.group_value[row]];
      if (group === undefined || value === undefined || value === "True") return group ?? "";
      return value === "False" ? `not ${group}` : `${group} = ${value}`;
    },
    verdict: (row) => names.verdicts[column.verdict[row]]
      ?? (column.value[row] === null ? names.statuses[column.status[row]].replaceAll("_", " ") : ""),
  };
  const COLUMNS = [
    ["model", "Model"], ["metric", "Metric"], ["attribute", section.dataset.noun], ["group", "Group"],
    ["value", "Value"], ["n", "n"], ["change", "Change"], ["q", "q"], ["verdict", "Verdict"],
  ];
  const WAYS = { value: 1, n: 1, change: 1, q: 1 };
  const TONES = { worse: "harm", better: "relief", changed: "shift" };
  const cells = {
    value(row, unit) {
      if (column.value[row] !== null)
        return [written(column.value[row], unit) + unit.suffix, interval(row, "low", "high", unit, false)];
      return ["–", names.reasons[column.reason[row]] ?? ""];
    },
    n: (row) => [column.n[row]?.toLocaleString("en") ?? "", ""],
    change: (row, unit) => (column.change[row] === null ? ["", ""]
      : [written(column.change[row], unit, true), interval(row, "change_low", "change_high", unit, true)]),
    q: (row) => [column.q[row] === null ? "" : column.q[row] < 1e-4 ? "<0.0001" : String(column.q[row]), ""],
  };

  const inputs = Object.fromEntries(page.all("[data-filters]", section).map((one) => [one.dataset.filters, one]));
  const told = section.querySelector("output");
  let sort = "", start = 0, found = [];

  // At first, changes for the worse come first, and what has no change comes last.
  const grave = (row) => (text.verdict(row) === "worse" ? 0 : column.change[row] === null ? 2 : 1);
  const every = sorted(column.model.map((_, row) => row), grave, 1);
  const searched = column.model.map((_, row) =>
    ["model", "metric", "attribute", "group"].map((name) => text[name](row)).join(" ").toLowerCase());
  const draw = () => {
    const rows = found.slice(start, start + ROWS).map((row) => {
      const line = document.createElement("tr"), unit = units[column.metric[row]];
      for (const [name, label] of COLUMNS) {
        const cell = line.insertCell();
        const [main, small] = name in cells ? cells[name](row, unit) : [text[name](row), ""];
        cell.dataset.label = label;
        cell.textContent = main;
        if (name in cells) cell.className = "number";
        if (name === "verdict" && TONES[main]) cell.className = `change ${TONES[main]}`;
        if (!main) cell.classList.add("blank");
        if (small) cell.appendChild(document.createElement("small")).textContent = small;
      }
      return line;
    });
    table.tBodies[0].replaceChildren(...rows);
    const last = Math.min(start + ROWS, found.length);
    told.textContent = found.length
      ? `${(start + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${found.length.toLocaleString("en")}`
      : "No estimate is like that.";
    section.querySelector("[data-step='-1']").disabled = start === 0;
    section.querySelector("[data-step='1']").disabled = last >= found.length;
  };
  const update = () => {
    const words = wordsOf(inputs.search.value);
    found = every.filter((row) =>
      ["model", "metric", "verdict"].every((name) => !inputs[name].value || text[name](row) === inputs[name].value)
        && holds(searched[row], words));
    const name = sort.replace("-", "");
    if (name) {
      const key = name in WAYS ? (row) => column[name][row] : (row) => text[name](row) || null;
      found = sorted(found, key, sort.startsWith("-") ? -1 : 1);
    }
    mark(heads, heads[COLUMNS.findIndex(([one]) => one === name)], sort.startsWith("-") ? -1 : 1);
    start = 0;
    draw();
  };

  for (const [name, label] of COLUMNS) {
    const head = table.tHead.rows[0].appendChild(document.createElement("th"));
    head.scope = "col";
    if (name in cells) head.className = "number";
    head.textContent = label;
    heads.push(head);
    button(head, () => {
      sort = sort === name ? `-${name}` : sort === `-${name}` ? "" : name;
      view.set("rows.sort", sort);
      update();
    });
  }
  for (const name of ["model", "metric", "verdict"]) {
    for (const value of new Set(every.map(text[name]))) if (value) inputs[name].add(new Option(value, value));
  }
  for (const [name, input] of Object.entries(inputs)) {
    view.on(`rows.${name}`, (value = "") => { input.value = value; update(); });
    input.addEventListener("input", () => { view.set(`rows.${name}`, input.value); update(); });
  }
  view.on("rows.sort", (value = "") => {
    sort = COLUMNS.some(([name]) => name === value.replace("-", "")) ? value : "";
    update();
  });
  for (const one of page.all("[data-step]", section)) {
    one.addEventListener("click", () => { start += ROWS * Number(one.dataset.step); draw(); });
  }
  section.classList.add("ready");
  page.reveal(); // the page has become longer, so that more of it can be scrolled to
})();
