// The bill: a total, what it consists of, its rows.
import { html, nothing } from "lit-html";
import { bars } from "./bars.js";
import * as table from "./table.js";
import * as trust from "./trust.js";
import { csvCell, money, plain, plural, save, short } from "./words.js";

export const UNTAGGED = "(not tagged)";

const MEASURES = [
  { id: "unblended", label: "Unblended", column: "unblended_cost" },
  { id: "amortized", label: "Amortized", column: "amortized_cost" },
  { id: "net", label: "Net unblended", column: "net_unblended_cost", isNet: true },
];

const PLAIN_CUTS = { region: "Region", usage_type: "Usage type", record_type: "Record type" };

export const cuts = (known) => [
  ["account", "Account"], ["service", "Service"], ["month", "Month"], ...Object.entries(PLAIN_CUTS),
  ...known.keys.map((key) => [`key:${key.tag_key}`, key.tag_key]),
];

// A cut of its own name: what ends a tag key says nothing, since people choose keys.
const TAG_SERVICE = "tag_service:";

const titled = (name) => name[0].toUpperCase() + name.slice(1).replace("_", " ");

const dimensionOf = (by) => (by.startsWith("key:") ? "team" : by);

/** The slice of the bill that has all of what is asked, or null: AWS divides by two things at most. */
export const sliceFor = (needs, key, known) => {
  const within = (...there) => [...needs].every((need) => there.includes(need));
  if (within("account", "service")) {
    return { slice: "service", account: "account_id", service: "value" };
  }
  if (key && within("account", "team")) {
    return { slice: `tag:${key}`, account: "account_id", team: "value" };
  }
  if (key && within("service", "team") && known.keys.some((one) => one.tag_key === key && one.by_service)) {
    return { slice: `${TAG_SERVICE}${key}`, service: "service", team: "value" };
  }
  const cut = Object.keys(PLAIN_CUTS).find((name) => within("account", name));
  return cut ? { slice: cut, account: "account_id", [cut]: "value" } : null;
};

const listingOf = (slice) => (slice.startsWith(TAG_SERVICE)
  ? `cost_tag_service_daily:${slice.slice(TAG_SERVICE.length)}` : `cost_daily:${slice}`);

const chosen = (state, known) => {
  const by = state.by || "account";
  const key = by.startsWith("key:") ? by.slice(4) : state.key || "";
  const needs = new Set([dimensionOf(by)].filter((one) => one !== "month"));
  if (state.account) {
    needs.add("account");
  }
  if (state.service) {
    needs.add("service");
  }
  if (state.team) {
    needs.add("team");
  }
  // Two keys are two cuts of the same money.
  const isTwoKeys = state.team && by.startsWith("key:") && state.key && state.key !== key;
  return { by, key, needs, cut: isTwoKeys ? null : sliceFor(needs, key, known) };
};

const conditions = (state, cut, month) => {
  const found = [["slice = ?", cut.slice], [`${month} >= ?::date`, `${state.from}-01`], [`${month} <= ?::date`, `${state.to}-01`]];
  if (state.account) {
    found.push([`${cut.account} = ?`, state.account]);
  }
  if (state.service) {
    found.push([`${cut.service} = ?`, state.service]);
  }
  if (state.team) {
    found.push([`${cut.team} = ?`, state.team === UNTAGGED ? "" : state.team]);
  }
  return { where: found.map(([sql]) => sql).join(" and "), values: found.map(([, it]) => it) };
};

const measureOf = (state, known) => {
  const chosenOne = state.measure || (known.reporting ? "reporting-unblended" : "unblended");
  const isReporting = chosenOne.startsWith("reporting-");
  const kind = MEASURES.find((one) => one.id === chosenOne.replace("reporting-", "")) ?? MEASURES[0];
  return {
    ...kind,
    id: chosenOne,
    isReporting,
    sql: isReporting ? `reporting_${kind.column}` : kind.column,
    daily: isReporting ? `(${kind.column} * rate)::decimal(28, 10)` : kind.column,
    currency: isReporting ? "reporting_currency" : "currency",
  };
};

export const measures = (known) => [
  ...(known.reporting ? MEASURES.map((one) => [`reporting-${one.id}`, `${one.label}, ${known.reporting}`]) : []),
  ...MEASURES.map((one) => [one.id, `${one.label}, as billed`]),
];

const SUMS = `
  sum(row_count)::integer as row_count, sum(stale_rows)::integer as stale_rows,
  sum(estimated_rows)::integer as estimated_rows, sum(unconverted_rows)::integer as unconverted_rows,
  sum(rows_without_net)::integer as rows_without_net, sum(example_rate_rows)::integer as example_rate_rows,
  min(collected_at)::varchar as oldest`;

export const load = async (engine, state, known) => {
  const { by, key, needs, cut } = chosen(state, known);
  if (!cut) {
    return { refused: needs };
  }
  const measure = measureOf(state, known);
  const { where, values } = conditions(state, cut, "month");
  const dimension = dimensionOf(by);
  const label = by === "month" ? "strftime(month, '%Y-%m')" : cut[dimension];
  const sums = await engine.rows(
    `select ${measure.currency} as currency, sum(${measure.sql})::varchar as amount, ${SUMS}
     from explorer.cost_month where ${where} group by 1 order by 1`, values);
  const groups = await engine.rows(
    `select coalesce(${label}, '')::varchar as label, ${measure.currency} as currency,
       sum(${measure.sql})::varchar as amount, ${SUMS}
     from explorer.cost_month where ${where} group by 1, 2
     order by ${by === "month" ? "label" : `sum(${measure.sql}) desc nulls last, label`}`, values);
  const points = by === "month" ? [] : await engine.rows(
    `select strftime(month, '%Y-%m') as month, coalesce(${label}, '')::varchar as label,
       sum(${measure.sql})::double as amount
     from explorer.cost_month where ${where} group by 1, 2 order by 1`, values);
  const months = await engine.rows(
    `select month::varchar as month, through_date::varchar as through_date, is_final::varchar as is_final,
       days_missing::integer as days_missing, bill_domain
     from cost.month_coverage where slice = ? and month >= ?::date and month <= ?::date order by month`,
    [cut.slice.startsWith(TAG_SERVICE) ? `tag:${key}` : cut.slice, `${state.from}-01`, `${state.to}-01`]);
  const cells = await engine.rows(
    `select is_judged, unknown_reason, count(*)::integer as cells from audit.expected_cell
     where left(listing, -8) = ? and right(listing, 7) between ? and ?
     group by 1, 2 order by 3 desc`, [listingOf(cut.slice), state.from, state.to]);
  const model = { by, key, cut, measure, sums, groups, points, months, cells };
  if (state.rows) {
    const daily = conditions(state, cut, "date_trunc('month', usage_date)");
    const named = Object.entries(cut).filter(([name]) => name !== "slice" && name !== "account");
    model.table = await table.load(engine, {
      name: "bill",
      source: `from explorer.cost_day where ${daily.where}`,
      values: daily.values,
      sort: "usage_date desc, account_id, value",
      state,
      columns: [
        { name: "usage_date", label: "Day", sql: "usage_date" },
        ...(cut.account ? [{ name: "account_id", label: "Account", sql: "account_id" }] : []),
        ...named.map(([name, sql]) => ({ name, label: titled(name), sql })),
        { name: "amount", label: `${measure.label}`, sql: measure.daily, kind: "money" },
        { name: "currency", label: "Currency", sql: measure.currency },
        { name: "is_estimated", label: "May change", sql: "is_estimated", hidden: true },
        { name: "is_stale", label: "Stale", sql: "is_stale", hidden: true },
        { name: "is_example_rate", label: "Example rate", sql: "is_example_rate", hidden: true },
        { name: "collected_at", label: "Collected (UTC)", sql: "collected_at", kind: "time" },
      ],
      keys: { run_id: "run_id", role: "role", account_id: "caller_account_id", region: "cell_region", listing: "listing" },
    });
  }
  return model;
};

const labelled = (label, by, known) => {
  if (by === "account") {
    return known.accounts.get(label) ?? label;
  }
  return label === "" ? UNTAGGED : label;
};

const narrowed = (label, by) => {
  if (by === "month") {
    return { from: label, to: label, by: "account" };
  }
  if (by === "account") {
    return { account: label, by: "service" };
  }
  if (by === "service") {
    return { service: label, by: "month" };
  }
  if (by.startsWith("key:")) {
    return { key: by.slice(4), team: label || UNTAGGED, by: "account" };
  }
  return null;
};

const csvOf = (model, known) => [
  "value,amount,currency,rows,doubt\r\n",
  ...model.groups.map((group) => `${[
    csvCell(labelled(group.label, model.by, known)), csvCell(group.amount, true), csvCell(group.currency),
    csvCell(group.row_count, true), csvCell(trust.ofGroup(group, model.measure)),
  ].join(",")}\r\n`),
];

export const view = (model, { state, known, navigate, showCell }) => {
  if (model.refused) {
    const names = [...model.refused].map((name) => name.replace("_", " "));
    return html`
      <section id="answer" tabindex="-1" aria-label="The bill">
        <div class="trust doubtful" role="note">
          <h3>⚠ AWS does not say</h3>
          <p>AWS divides the bill by two things at most, and not by ${names.join(" and ")} together: this sum is unknown.
            Take one filter away, or divide by something else.</p>
        </div>
      </section>`;
  }
  const { by, measure, sums, groups, points, months, cells } = model;
  const key = known.keys.find((one) => one.tag_key === model.key && model.cut.team);
  const total = sums[0];
  const reasons = [...new Set((sums.length ? sums : [undefined]).flatMap(
    (sum) => trust.ofBill(sum, months, cells, measure, key)))];
  const largest = Math.max(...groups.map((group) => Math.abs(Number(group.amount ?? 0))), 0);
  const byName = cuts(known).find(([id]) => id === by)?.[1] ?? by;
  return html`
    <section id="answer" tabindex="-1" aria-label="The bill">
      <div class="answer">
        <div class=${`total ${reasons.length ? "doubt" : ""}`}>
          <h2>${measure.label} cost, ${state.from === state.to ? state.from : `${state.from} to ${state.to}`}</h2>
          ${sums.length ? sums.map((sum) => html`<p class="figure" data-total=${sum.amount ?? ""}>${
            reasons.length ? html`<span class="mark" aria-hidden="true">⚠</span> ` : nothing}${money(sum.amount, sum.currency)}</p>`)
            : html`<p class="figure">${trust.isNone(sums[0], cells, key) ? "nothing billed" : "unknown"}</p>`}
          <p class="aside">${total ? plural(total.row_count, "row") : "no rows"} of the bill${
            state.rows ? nothing : html`, <button type="button" class="link" @click=${() => navigate({ rows: "1", sort: "", page: "", q: "" }, true)}>show the rows</button>`}</p>
        </div>
        ${trust.box(reasons, `All ${plural(cells.reduce((sum, one) => sum + one.cells, 0), "cell")} of the bill that this rests on are trusted, and AWS does not change these months any more.`)}
      </div>
      ${state.rows ? html`
        <p><button type="button" class="link" @click=${() => navigate({ rows: "", sort: "", page: "", q: "" }, true)}>← back to what it consists of</button></p>
        ${table.view(model.table, {
          navigate,
          caption: "Rows of the bill: each leads to the request that it came from.",
          doubt: (row) => [
            row.is_stale === "true" ? "stale" : "", row.is_estimated === "true" ? "may change" : "",
            row.amount === null ? "no rate" : "", measure.isReporting && row.is_example_rate === "true" ? "example rate" : "",
          ].filter(Boolean).join(", "),
          untrusted: (row) => row.is_stale === "true" || row.amount === null,
          action: { button: "Who said so?", of: (row) => `${row.usage_date} ${row.account_id ?? ""}`, run: showCell },
        })}`
      : html`
        ${points.length ? bars(points, (label) => labelled(label, by, known), months, navigate) : nothing}
        <div class="bar-of-table">
          <p class="found" role="status">By ${byName.toLowerCase()}: ${plural(groups.length, "group")}</p>
          <button type="button" class="save" ?disabled=${!groups.length} @click=${() => save(`cost-by-${by.replace(/\W/g, "-")}.csv`, csvOf(model, known))}>Download CSV</button>
        </div>
        <div class="scroll" tabindex="0" role="region" aria-label="What the sum consists of">
          <table data-name="groups">
            <caption class="aside">Choose one to go on from there.</caption>
            <thead><tr><th scope="col">${byName}</th><th scope="col" class="number">${measure.label}</th>
              <th scope="col" class="wide"><span class="hidden">Size</span></th><th scope="col" class="number rows">Rows</th><th scope="col">As it stands</th></tr></thead>
            <tbody>${groups.map((group) => {
              const why = trust.ofGroup(group, measure);
              const next = narrowed(group.label, by);
              const name = html`<bdi>${short(labelled(group.label, by, known))}</bdi>`;
              return html`<tr class=${`${why ? "doubt" : ""} ${trust.isUntrusted(group, measure) ? "untrusted" : ""}`}>
                <th scope="row">${next ? html`<button type="button" class="link" @click=${() => navigate(next, true)}>${name}</button>` : name}</th>
                <td class="number">${money(group.amount, group.currency)}</td>
                <td class="wide"><meter min="0" max=${largest || 1} .value=${Math.abs(Number(group.amount ?? 0))} aria-hidden="true"></meter></td>
                <td class="number rows">${plural(group.row_count, "row")}</td>
                <td>${why ? html`<span class="why">⚠ ${why}</span>` : html`<span class="fine">✓</span>`}</td>
              </tr>`;
            })}</tbody>
          </table>
        </div>`}
    </section>`;
};
