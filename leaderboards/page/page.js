"use strict";
(async () => {
  if (!("DecompressionStream" in window)) {
    document.getElementById("count").textContent = "This browser is too old to unpack the rows; leaderboard.md and results.csv hold the same.";
    return;
  }
  const packed = Uint8Array.from(atob(document.getElementById("data").textContent), (character) => character.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = await new Response(unpacked).json();
  const span = (low, high, wording) => low === null ? "" : [low, high].map((end) => (end > 0 ? "+" : "") + end.toFixed(3)).join(" to ") + " dB, " + wording;
  const rows = data.lines.flatMap((line) => line.figures.length === 0 ? [{ ...line, split: "–", shift: "–" }] : line.figures.map(
    ([place, patients, rank, psnr, low, high, change, changeLow, changeHigh]) => ({
      ...line, split: data.conditions[place][0], shift: data.conditions[place][1], patients, rank, psnr, change, changeLow, changeHigh,
      psnr_interval: span(low, high, line.wording), change_interval: change === null ? "" : span(changeLow, changeHigh, line.wording),
    })));
  const filters = { setting: "setting", architecture: "architecture", pruner: "pruner", timing: "timing", split: "split", shift: "shift", control: "control" };
  const first = { setting: data.setting, split: data.split, shift: "none" };
  const form = document.getElementById("filters");
  const chosen = {};
  for (const [field, name] of Object.entries(filters)) {
    const values = [...new Set(rows.map((row) => String(row[field])))].sort();
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.textContent = name;
    select.name = field;
    for (const value of ["all", ...values]) select.add(new Option(value, value));
    select.value = values.includes(first[field]) ? first[field] : "all";
    select.addEventListener("change", apply);
    chosen[field] = select;
    label.append(select);
    form.append(label);
  }
  const reset = document.createElement("button");
  reset.type = "button";
  reset.textContent = "show everything";
  reset.addEventListener("click", () => { for (const select of Object.values(chosen)) select.value = "all"; apply(); });
  form.append(reset);
  form.addEventListener("submit", (event) => event.preventDefault());

  // an element, as text given to the table would be read as HTML
  const words = (text) => { const element = document.createElement("span"); element.textContent = text; return element; };
  const tip = (field) => (event, cell) => { const text = cell.getData()[field]; return text ? words(text) : ""; };
  const figure = (digits, sign) => (cell) => {
    const value = cell.getValue();
    return value === null || value === undefined ? "" : (sign && value > 0 ? "+" : "") + value.toFixed(digits);
  };
  const change = (cell) => {
    const { changeLow, changeHigh } = cell.getData();
    if (changeLow > 0) cell.getElement().classList.add("better");
    if (changeHigh < 0) cell.getElement().classList.add("worse");
    return figure(2, true)(cell);
  };
  const wide = window.innerWidth > 700;
  const columns = [
    { title: "row", field: "row", tooltip: tip("command"), ...(wide ? { frozen: true, minWidth: 190 } : { width: 130, formatter: "textarea" }) },
    { title: "rank", field: "rank", sorter: "number", sorterParams: { alignEmptyValues: "bottom" } },
    { title: "PSNR", field: "psnr", sorter: "number", formatter: figure(2), tooltip: tip("psnr_interval"), sorterParams: { alignEmptyValues: "bottom" } },
    { title: "− dense", field: "change", sorter: "number", formatter: change, tooltip: tip("change_interval"), sorterParams: { alignEmptyValues: "bottom" } },
    { title: "95 % interval of the change", field: "change_interval", headerSort: false, formatter: (cell) => (cell.getValue() || "").split(" dB")[0] },
    { title: "split", field: "split" },
    { title: "shift", field: "shift" },
    { title: "seeds", field: "seeds", sorter: "number" },
    { title: "patients", field: "patients", sorter: "number" },
    { title: "mask has seen", field: "seen" },
    { title: "compression", field: "compression", sorter: "number", formatter: figure(1), sorterParams: { alignEmptyValues: "bottom" } },
    { title: "MACs kept", field: "macs", sorter: "number", formatter: figure(2), tooltip: () => "share of multiply–accumulates that an ideal sparse machine would do; time is measured apart", sorterParams: { alignEmptyValues: "bottom" } },
    { title: "faster, measured", field: "faster", sorter: "number", formatter: figure(2), tooltip: () => "time of dense over that of the compacted network, where it was measured", sorterParams: { alignEmptyValues: "bottom" } },
    { title: "cost", field: "cost", sorter: "number", formatter: figure(2), tooltip: () => "dense trainings, search included", sorterParams: { alignEmptyValues: "bottom" } },
    { title: "eff. robustness", field: "robustness", sorter: "number", formatter: figure(2, true), sorterParams: { alignEmptyValues: "bottom" } },
    { title: "notes", field: "notes", minWidth: 160 },
  ];
  const table = new Tabulator("#table", {
    data: rows, columns, layout: "fitDataFill", height: Math.max(320, Math.min(640, window.innerHeight * 0.8)), renderHorizontal: "basic",
    placeholder: "no row fits these filters",
    rowFormatter: (row) => { row.getElement().tabIndex = 0; row.getElement().setAttribute("aria-label", row.getData().row); },
  });
  function apply() {
    const wanted = Object.entries(chosen).filter(([, select]) => select.value !== "all");
    table.setFilter((row) => wanted.every(([field, select]) => row[field] === "–" && ["split", "shift"].includes(field) || String(row[field]) === select.value));
  }
  function show(data) {
    const place = document.getElementById("details");
    place.replaceChildren();
    const add = (name, text) => { const element = document.createElement(name); element.textContent = text; place.append(element); };
    add("strong", data.row + ", " + data.split + (data.shift === "none" ? "" : " · " + data.shift));
    if (data.psnr_interval) add("p", "PSNR " + data.psnr + " dB, 95 % interval " + data.psnr_interval);
    if (data.change_interval) add("p", "change against dense " + data.change + " dB, 95 % interval " + data.change_interval);
    if (data.notes) add("p", data.notes);
    if (data.command) { add("span", "again:"); add("code", data.command); }
    place.hidden = false;
    place.scrollIntoView({ block: "nearest" });
  }
  table.on("tableBuilt", () => {
    apply();
    // by keyboard: Enter or Space sorts by a heading, and chooses a row
    for (const heading of document.querySelectorAll("#table .tabulator-col.tabulator-sortable")) {
      heading.tabIndex = 0;
      heading.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); heading.querySelector(".tabulator-col-content").click(); }
      });
    }
  });
  table.on("rowClick", (event, row) => show(row.getData()));
  document.getElementById("table").addEventListener("keydown", (event) => {
    if (!["Enter", " "].includes(event.key) || !event.target.classList.contains("tabulator-row")) return;
    const row = table.getRows("visible").find((candidate) => candidate.getElement() === event.target);
    if (row) { event.preventDefault(); show(row.getData()); }
  });
  table.on("dataFiltered", (active, found) => { document.getElementById("count").textContent = found.length + " of " + rows.length + " rows"; });
  window.leaderboard = table;
})();
