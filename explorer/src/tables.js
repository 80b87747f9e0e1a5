// Every other public table: search, sort, download, with what is known of its scope.
import { html, nothing } from "lit-html";
import * as table from "./table.js";
import * as trust from "./trust.js";
import { identifier, plain, plural } from "./words.js";

const KINDS = [[/^(BIGINT|INTEGER|UBIGINT|HUGEINT|DOUBLE|DECIMAL)/, "number"], [/^TIMESTAMP/, "time"]];

const kindOf = (type) => KINDS.find(([pattern]) => pattern.test(type))?.[1];

export const load = async (engine, state) => {
  const relations = await engine.rows("select name, row_count::integer as row_count from explorer.relation order by name");
  const elsewhere = await engine.rows("select name, place from explorer.left_out order by name");
  const name = relations.some((one) => one.name === state.table) ? state.table : "cmdb.decommission_signal";
  const [described] = await engine.rows(
    `select name, comment, judged::integer as judged, unknown::integer as unknown, unknown_reason, as_of, has_cell
     from explorer.relation where name = ?`, [name]);
  const columns = await engine.rows(
    "select name, type, comment from explorer.relation_column where relation = ? order by place", [name]);
  const has = (column) => columns.some((one) => one.name === column);
  const isNarrowed = state.account && has("account_id");
  return {
    relations,
    elsewhere,
    described,
    columns,
    isNarrowed,
    hasStale: has("is_stale"),
    table: await table.load(engine, {
      name: name.replace(".", "-"),
      source: `from ${name.split(".").map(identifier).join(".")} where ${isNarrowed ? "account_id = ?" : "true"}`,
      values: isNarrowed ? [state.account] : [],
      sort: columns.map((column) => identifier(column.name)).join(", "),
      state,
      columns: columns.map((column) => ({
        name: column.name, label: column.name, sql: identifier(column.name), kind: kindOf(column.type), title: column.comment,
      })),
      keys: described.has_cell
        ? { run_id: "run_id", role: "role", account_id: "caller_account_id", region: "cell_region", listing: "listing" } : {},
    }),
  };
};

export const view = (model, { state, navigate, showCell }) => {
  const { described } = model;
  const reasons = described.judged !== null
    ? trust.unknownCells([
      { is_judged: true, cells: described.judged },
      { is_judged: false, cells: described.unknown, unknown_reason: described.unknown_reason },
    ].filter((one) => one.cells)).map((text) => text.replace(/\((.*) [\d,]+\)/, "($1)")) : [];
  const clear = described.judged === null
    ? "The table rests on no response of AWS." : `All ${plural(described.judged, "cell")} that the table rests on are trusted.`;
  return html`
    <section id="answer" tabindex="-1" aria-label="Tables">
      <div class="pick">
        <label for="table">Table</label>
        <select id="table" @change=${(event) => navigate({ table: event.target.value, sort: "", page: "", q: "" })}>
          ${model.relations.map((one) => html`<option .value=${one.name} ?selected=${one.name === described.name}>${one.name} (${plural(one.row_count, "row")})</option>`)}
        </select>
      </div>
      <p class="lead">${plain(described.comment)}</p>
      ${trust.box(reasons, clear)}
      ${model.isNarrowed ? html`<p class="aside">Only the account of the filter; months, service and team do not apply here.</p>` : nothing}
      ${table.view(model.table, {
        navigate,
        caption: `The table ${described.name}; times are UTC.`,
        doubt: (row) => [
          model.hasStale && row.is_stale === "true" ? "stale" : "",
          row.verdict === "unknown" || row.unknown_reason ? "not judged" : "",
        ].filter(Boolean).join(", "),
        untrusted: (row) => model.hasStale && row.is_stale === "true",
        action: {
          button: described.has_cell ? "Who said so?" : "Details",
          of: (row) => Object.values(row).slice(0, 2).join(" "),
          run: showCell,
          hasCell: described.has_cell,
        },
      })}
      <details><summary>What the columns mean</summary>
        <dl class="columns">${model.columns.map((column) => html`<div><dt><code>${column.name}</code> <span class="aside">${column.type}</span></dt><dd>${plain(column.comment)}</dd></div>`)}</dl>
      </details>
      <details><summary>Tables that are not in this list</summary>
        <ul>${model.elsewhere.map((one) => html`<li><code>${one.name}</code>: ${one.place}</li>`)}</ul>
      </details>
    </section>`;
};
