// The cells: every request that ought to have been made, and what came of it; and one of them in full.
import { html, nothing } from "lit-html";
import * as table from "./table.js";
import * as trust from "./trust.js";
import { count, plain } from "./words.js";

const OF_SERVICE = "(select listing from ref.service_listing where service = ?)";

const conditions = (state) => {
  const found = [["true"]];
  if (state.account) {
    found.push(["cell.account_id = ?", state.account]);
  }
  if (state.service) {
    found.push([`cell.listing_name in ${OF_SERVICE}`, state.service]);
  }
  return { where: found.map(([sql]) => sql).join(" and "), values: found.flatMap((one) => one.slice(1)) };
};

export const load = async (engine, state) => {
  const { where, values } = conditions(state);
  const judged = await engine.rows(
    `select is_judged, unknown_reason, count(*)::integer as cells from audit.expected_cell as cell
     where ${where} group by 1, 2 order by 3 desc`, values);
  const rows = await table.load(engine, {
    name: "cells",
    source: `from audit.expected_cell as cell where ${where}`,
    values,
    sort: "cell.is_judged, cell.account_id, cell.region, cell.listing",
    state,
    columns: [
      { name: "is_judged", label: "Known", sql: "case when cell.is_judged then 'known' else 'unknown' end" },
      { name: "unknown_reason", label: "Why unknown", sql: "cell.unknown_reason" },
      { name: "role", label: "Role", sql: "cell.role" },
      { name: "account_id", label: "Account", sql: "cell.account_id" },
      { name: "region", label: "Region", sql: "cell.region" },
      { name: "listing", label: "Listing", sql: "cell.listing" },
      { name: "outcome", label: "Outcome", sql: "cell.outcome" },
      { name: "record_count", label: "Records", sql: "cell.record_count", kind: "number" },
      { name: "known_at", label: "Known as of (UTC)", sql: "cell.known_at", kind: "time" },
      { name: "last_trusted_at", label: "Last trusted (UTC)", sql: "cell.last_trusted_at", kind: "time" },
    ],
  });
  return { judged, table: rows };
};

export const view = (model, { navigate, showCell }) => {
  const all = model.judged.reduce((sum, one) => sum + one.cells, 0);
  const known = model.judged.filter((one) => one.is_judged).reduce((sum, one) => sum + one.cells, 0);
  const reasons = trust.unknownCells(model.judged);
  return html`
    <section id="answer" tabindex="-1" aria-label="Cells">
      <div class="answer">
        <div class=${`total ${reasons.length ? "doubt" : ""}`}>
          <h2>Cells that are known</h2>
          <p class="figure" data-total=${known}>${reasons.length ? html`<span class="mark" aria-hidden="true">⚠</span> ` : nothing}${count(known)} of ${count(all)}</p>
          <p class="aside">A cell is one listing of one account and region, or of the bill one slice and month.</p>
        </div>
        ${trust.box(reasons, "Every cell that ought to have been requested is known.")}
      </div>
      ${table.view(model.table, {
        navigate,
        what: "cell",
        caption: "Cells, the unknown ones first; the months of the filter do not apply.",
        doubt: (row) => (row.is_judged === "unknown" ? row.unknown_reason : ""),
        untrusted: (row) => row.is_judged === "unknown",
        action: { button: "Details", of: (row) => `${row.account_id} ${row.region} ${row.listing}`, run: showCell },
      })}
    </section>`;
};

const when = (text) => (text ? `${text.slice(0, 19)} UTC` : null);

const facts = (cell) => [
  ["Role", cell.role],
  ["Profile", cell.profile],
  ["Caller", cell.caller_account_id],
  ["Account", cell.account_id],
  ["Region", cell.region],
  ["Listing", cell.listing],
  ["Call", cell.call],
  ["Requested", when(cell.started_at)],
  ["Complete", when(cell.ended_at)],
  ["Outcome", cell.skip_reason ? `${cell.outcome}: ${cell.skip_reason}` : cell.outcome],
  ["Records", cell.record_count],
  ["Last trusted", when(cell.last_trusted_at)],
  ["Error", [cell.error_code, cell.error_message].filter(Boolean).join(": ")],
  ["Accepted", cell.accepted_by ? `by ${cell.accepted_by}: ${cell.accepted_reason}` : null],
  ["Run", cell.run_id],
].filter(([, text]) => text !== null && text !== undefined && text !== "");

const CALL = "(select any_value(one.call) from explorer.listing as one where one.name = split_part(cell.listing, ':', 1)) as call";

/** The cell that a row came from, and the newest one of the same request. */
export const find = async (engine, row) => {
  const named = (name) => row[`key.${name}`] ?? row[name] ?? "";
  const key = [named("role"), named("account_id"), named("region"), named("listing")];
  const came = row["key.run_id"]
    ? await engine.rows(
      `select role, profile, caller_account_id, account_id, region, listing, ${CALL}, outcome, skip_reason, is_trusted,
         record_count::varchar as record_count, error_code, error_message, accepted_by, accepted_reason, run_id,
         started_at::varchar as started_at, ended_at::varchar as ended_at
       from explorer.cell as cell where role = ? and account_id = ? and region = ? and listing = ? and run_id = ?`,
      [...key, row["key.run_id"]])
    : [];
  const newest = await engine.rows(
    `select role, profile, account_id, region, listing, ${CALL}, outcome, skip_reason, is_trusted, is_known,
       record_count::varchar as record_count, error_code, error_message, accepted_by, accepted_reason, run_id,
       ended_at::varchar as ended_at, last_trusted_at::varchar as last_trusted_at
     from audit.coverage as cell where role = ? and account_id = ? and region = ? and listing = ?`, key);
  return { key, came: came[0], newest: newest[0] };
};

const list = (cell) => html`<dl>${facts(cell).map(([name, text]) => html`<div><dt>${name}</dt><dd><bdi>${plain(text)}</bdi></dd></div>`)}</dl>`;

const source = ({ key, came, newest }) => {
  const [, account, region, listing] = key;
  const isOlder = came && newest && came.run_id !== newest.run_id;
  return html`
    ${came ? html`
      <p class=${came.is_trusted ? "verdict good" : "verdict bad"}>${came.is_trusted ? "✓ A trusted response" : "⚠ Not a trusted response"}</p>
      ${list(came)}` : nothing}
    ${newest && (!came || isOlder) ? html`
      <h3>${came ? "The newest response about the same" : "The newest response"}</h3>
      <p class=${newest.is_known ? "verdict good" : "verdict bad"}>${newest.is_known ? "✓ It is known what is there" : "⚠ It is not known what is there"}</p>
      ${list(newest)}` : nothing}
    ${!came && !newest ? html`<p class="verdict bad">⚠ Never requested: no run has asked for this.</p>
      ${list({ role: key[0], account_id: account, region, listing })}` : nothing}
    ${account && region && listing ? html`<p class="aside">More, with the evidence: <code>cmdb explain ${plain(account)} ${plain(region)} ${plain(listing)}</code></p>` : nothing}`;
};

/** The dialog: the request that a row came from, if it came from one, and the row in full. */
export const dialog = (found, row, columns) => html`
  <form method="dialog" class="close"><button type="submit" aria-label="Close">✕</button></form>
  <h2 id="cell-title" tabindex="-1">${found ? "Who said so" : "The row"}</h2>
  ${found ? source(found) : nothing}
  <details ?open=${!found}><summary>The whole row</summary>
    <dl>${columns.map(({ name, label }) => html`<div><dt>${label}</dt><dd>${
      row[name] === null ? html`<span class="none">–</span>` : html`<bdi>${plain(row[name])}</bdi>`}</dd></div>`)}</dl>
  </details>`;
