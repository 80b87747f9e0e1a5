// Saves a table as CSV, lets the keyboard reach what scrolls, and leads to the explorer beside. Nobody's data stands in this text, so the page's
// policy knows its hash. Without scripts the page is the same, but for the buttons.
(() => {
  const shownIn = (cell) => {
    const shown = [...cell.querySelectorAll("[data-column]")];
    return shown.length ? shown : [cell];
  };
  const shownOf = (row) => [...row.cells].flatMap(shownIn);
  const textOf = (shown) => {
    if (shown.classList.contains("unknown")) {
      return "";
    }
    return shown.getAttribute("value") ?? shown.getAttribute("datetime") ?? shown.textContent.trim();
  };
  // As in plain_text.as_csv_cell: no text becomes a formula; an amount below zero is none.
  const quoted = (text, isNumber) => {
    const harmless = !isNumber && /^[\t\r\n]|^[\s\p{C}]*[=+\-@＝＋－＠﹢﹣﹦﹫]/u.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  };
  const csvOf = (table) => {
    const rows = [...table.tBodies[0].rows];
    const widest = rows.reduce((best, row) => (shownOf(row).length > shownOf(best).length ? row : best), rows[0]);
    const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    const columns = [...widest.cells].flatMap((cell, at) => shownIn(cell).map(
      (shown) => ({ name: shown.dataset.column, heading: headings[at] ?? "" })));
    // A column that stands there once a month is called by its month.
    const names = columns.map(({ name, heading }) => (
      name && columns.filter((other) => other.name === name).length === 1 ? name : heading));
    const { currency } = table.dataset;
    const lines = rows.map((row) => [
      ...shownOf(row).map((shown) => quoted(textOf(shown), shown.tagName === "DATA")), ...(currency ? [currency] : []),
    ]);
    return [[...names.map((name) => quoted(name, false)), ...(currency ? ["currency"] : [])], ...lines]
      .map((line) => `${line.join(",")}\r\n`).join("");
  };
  const save = (table) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", csvOf(table)], { type: "text/csv" }));
    link.download = `${table.dataset.csv}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  for (const table of document.querySelectorAll("table[data-csv]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "csv";
    button.textContent = "CSV";
    button.setAttribute("aria-label", `CSV of ${table.dataset.csv.replaceAll("_", " ")}`);
    button.addEventListener("click", () => save(table));
    table.parentElement.after(button);
  }
  // What does not scroll takes no stop of the tabulator.
  const reach = () => {
    for (const area of document.querySelectorAll(".scroll, pre")) {
      if (area.scrollWidth > area.clientWidth || area.scrollHeight > area.clientHeight) {
        area.tabIndex = 0;
      } else {
        area.removeAttribute("tabindex");
      }
    }
  };
  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", reach);
  }
  addEventListener("resize", reach);
  reach();
  if (location.protocol !== "file:") {
    for (const link of document.querySelectorAll(".explore")) {
      link.hidden = false;
    }
  }
})();
