// A table of rows that the engine sorts, searches and cuts into pages; its state stands in the address.
import { html, nothing } from "lit-html";
import { count, csvCell, identifier, money, plain, plural, save } from "./words.js";

export const PAGE = 50;

// Characters: what is shorter stays on one line; what is longer is cut, and whole in the dialog and the download.
const SHORT = 28;
const LONGEST = 160;

const NUMBERS = new Set(["number", "money"]);

const ordered = (columns, sort, fallback) => {
  const name = sort.replace(/^-/, "");
  const column = columns.find((one) => one.name === name);
  if (!column) {
    return fallback;
  }
  return `${column.sortBy ?? column.sql} ${sort.startsWith("-") ? "desc" : "asc"} nulls last, ${fallback}`;
};

// A shown column is text, and has a name of its own: else ORDER BY took that text for the column, and 10 came before 2.
const SHOWN = "shown.";

const named = (row) => Object.fromEntries(
  Object.entries(row).map(([name, text]) => [name.startsWith(SHOWN) ? name.slice(SHOWN.length) : name, text]));

/**
 * Loads one page of rows.
 *
 * `columns` are {name, label, sql, kind, sortBy, hidden}; `source` is a FROM clause with its WHERE; `keys` names SQL
 * expressions that a row carries without showing them. `sort` is what rows are ordered by where nothing else tells them
 * apart, as the expressions of an ORDER BY.
 */
export const load = async (engine, { name, columns, source, values = [], searched, sort, state, keys = {} }) => {
  const text = (state.q ?? "").trim();
  const wanted = searched ?? columns.map((column) => column.sql);
  const found = text
    ? ` and (${wanted.map((sql) => `contains(lower((${sql})::varchar), lower(?))`).join(" or ")})` : "";
  const bound = text ? [...values, ...wanted.map(() => text)] : values;
  const page = Math.max(0, Number.parseInt(state.page ?? "0", 10) || 0);
  const shown = columns.map((column) => `(${column.sql})::varchar as ${identifier(SHOWN + column.name)}`);
  const carried = Object.entries(keys).map(([key, sql]) => `(${sql})::varchar as ${identifier(`key.${key}`)}`);
  const order = ordered(columns, state.sort ?? "", sort);
  const [[{ total }], rows] = [
    await engine.rows(`select count(*)::integer as total ${source}${found}`, bound),
    await engine.rows(
      `select ${[...shown, ...carried].join(", ")} ${source}${found} order by ${order} limit ${PAGE} offset ${page * PAGE}`,
      bound),
  ];
  const download = async () => {
    const parts = [`${columns.map((column) => csvCell(column.name)).join(",")}\r\n`];
    await engine.batches(
      `select ${shown.join(", ")} ${source}${found} order by ${order}`, bound,
      (batch) => parts.push(batch.map((row) => `${columns.map((column) => (
        csvCell(row[SHOWN + column.name], NUMBERS.has(column.kind)))).join(",")}\r\n`).join("")));
    save(`${name}.csv`, parts);
  };
  return { name, columns, rows: rows.map(named), total, page, state, download };
};

const heading = (column, state, navigate) => {
  const isUp = state.sort === column.name;
  const isDown = state.sort === `-${column.name}`;
  const next = isDown ? column.name : isUp ? "" : NUMBERS.has(column.kind) ? `-${column.name}` : column.name;
  const then = isUp && !NUMBERS.has(column.kind) ? `-${column.name}` : next;
  return html`
    <th scope="col" class=${NUMBERS.has(column.kind) ? "number" : ""}
        aria-sort=${isUp ? "ascending" : isDown ? "descending" : "none"}>
      <button type="button" class="sort" title=${column.title || nothing}
          @click=${() => navigate({ sort: then, page: "" })}>
        ${column.label}<span aria-hidden="true">${isUp ? " ▲" : isDown ? " ▼" : ""}</span>
      </button>
    </th>`;
};

const value = (row, column) => {
  const text = row[column.name];
  if (text === null || text === undefined) {
    return html`<span class="none">–</span>`;
  }
  if (column.kind === "money") {
    return html`<data value=${text} title=${text}>${money(text)}</data>`;
  }
  if (column.kind === "number") {
    return /^-?\d+$/.test(text) ? count(text) : text;
  }
  if (column.kind === "time") {
    return html`<time datetime=${`${text.slice(0, 19).replace(" ", "T")}Z`}>${text.slice(0, 16)}</time>`;
  }
  const whole = plain(text);
  return html`<bdi class=${whole.length > SHORT ? "long" : ""}>${
    whole.length > LONGEST ? `${whole.slice(0, LONGEST)}…` : whole}</bdi>`;
};

/** The table with its search, pages and download; `doubt(row)` says why a row is no plain fact, or nothing. */
export const view = (model, { navigate, caption, action, doubt = () => "", untrusted = () => false, what = "row" }) => {
  const { columns, rows, total, page, state } = model;
  const shown = columns.filter((column) => !column.hidden);
  const last = Math.max(0, Math.ceil(total / PAGE) - 1);
  const search = (event) => {
    event.preventDefault();
    navigate({ q: new FormData(event.target).get("q"), page: "" });
  };
  return html`
    <div class="bar-of-table">
      <form role="search" @submit=${search}>
        <label for="q">Search</label>
        <input id="q" name="q" type="search" autocomplete="off" spellcheck="false" .value=${state.q ?? ""}>
        <button type="submit">Search</button>
      </form>
      <p role="status" class="found">${plural(total, what)}${state.q ? html` with <bdi>${plain(state.q)}</bdi>` : ""}</p>
      <button type="button" class="save" @click=${model.download} ?disabled=${!total}>Download CSV</button>
    </div>
    <div class="scroll" tabindex="0" role="region" aria-label=${caption}>
      <table data-name=${model.name}>
        <caption class="aside">${caption}</caption>
        <thead><tr>
          <th scope="col">Source</th>
          ${shown.map((column) => heading(column, state, navigate))}
        </tr></thead>
        <tbody>
          ${rows.map((row) => {
            const why = doubt(row);
            return html`
              <tr class=${`${why ? "doubt" : ""} ${untrusted(row) ? "untrusted" : ""}`}>
                <td class="action">
                  <button type="button" class="small-button" @click=${() => action.run(row, columns, action.hasCell ?? true)}
                      aria-label=${`${action.button}: ${action.of(row)}`}>${action.button}</button>
                  ${why ? html`<span class="why">⚠ ${why}</span>` : nothing}
                </td>
                ${shown.map((column) => html`<td class=${`${NUMBERS.has(column.kind) ? "number" : ""} ${column.kind ?? ""}`}>${
                  value(row, column)}</td>`)}
              </tr>`;
          })}
        </tbody>
      </table>
    </div>
    ${total > PAGE ? html`
      <nav class="pages" aria-label="Pages of the table">
        <button type="button" ?disabled=${page === 0} @click=${() => navigate({ page: String(page - 1) })}>Earlier rows</button>
        <span>${count(page * PAGE + 1)} to ${count(Math.min(total, (page + 1) * PAGE))} of ${count(total)}</span>
        <button type="button" ?disabled=${page >= last} @click=${() => navigate({ page: String(page + 1) })}>Further rows</button>
      </nav>` : nothing}`;
};
