// What the accounts hold: a number, what it consists of, its rows. What was not judged stands beside it.
import { html, nothing } from "lit-html";
import * as table from "./table.js";
import * as trust from "./trust.js";
import { count, csvCell, plain, plural, save, short } from "./words.js";

export const cuts = (known) => [
  ["type", "Type"], ["account", "Account"], ["region", "Region"], ["status", "Status"],
  ...known.keys.filter((key) => key.resource_column).map((key) => [`key:${key.tag_key}`, key.tag_key]),
];

const columnOf = (by, known) => {
  if (by.startsWith("key:")) {
    return known.keys.find((key) => key.tag_key === by.slice(4))?.resource_column;
  }
  return { type: "resource_type", account: "account_id", region: "region", status: "status" }[by];
};

const nextMonth = (month) => {
  const [year, number] = month.split("-").map(Number);
  return number === 12 ? `${year + 1}-01` : `${year}-${String(number + 1).padStart(2, "0")}`;
};

const OF_SERVICE = "(select listing from ref.service_listing where service = ?)";

// Months are those of the bill, which has none yet on a month's first day: up to its last one means up to now.
export const isUpToNow = (month, known) => month === known.months.at(-1);

// Why these months may have held more: nobody knows what had gone before the first run that was published.
const unseen = (state, known) => (`${state.from}-01` < known.since ? `No run looked before ${known.since}` : "");

const conditions = (state, known) => {
  const found = [
    // There in these months, as far as the collection saw it.
    ["(status = 'active' or coalesce(retired_at, missing_since, last_seen_at) >= ?::date)", `${state.from}-01`],
  ];
  if (!isUpToNow(state.to, known)) {
    found.push(["first_seen_at < ?::date", `${nextMonth(state.to)}-01`]);
  }
  if (state.account) {
    found.push(["account_id = ?", state.account]);
  }
  if (state.service) {
    found.push([`listing in ${OF_SERVICE}`, state.service]);
  }
  if (state.team && state.key) {
    const column = columnOf(`key:${state.key}`, known);
    found.push(state.team === "(not tagged)" ? [`coalesce(${column}, '') = ?`, ""] : [`${column} = ?`, state.team]);
  }
  for (const [name, column] of [["type", "resource_type"], ["region", "region"], ["status", "status"]]) {
    if (state[name]) {
      found.push([`${column} = ?`, state[name]]);
    }
  }
  return { where: found.map(([sql]) => sql).join(" and "), values: found.map(([, it]) => it) };
};

const CLAIMED = "listing_name in (select listing from audit.claim_listing where claim = 'cmdb.resource' and left_out_because is null)";

// A type rests on its listing, or on whatever showed its items: of some types no listing exists.
const OF_TYPE = `(${CLAIMED} and listing_name in (select name from explorer.listing where resource_type = ?)
  or listing_name in (select split_part(listing, ':', 1) from cmdb.resource where resource_type = ?))`;

// The cells that the items rest on: an account's own, and those of the organisation.
const scope = (state) => {
  const found = [state.type ? [OF_TYPE, state.type, state.type] : [CLAIMED]];
  if (state.account) {
    found.push(["(account_id = ? or role not in ('workload', 'operations'))", state.account]);
  }
  if (state.region) {
    found.push(["region in (?, 'aws-global')", state.region]);
  }
  if (state.service) {
    found.push([`listing_name in ${OF_SERVICE}`, state.service]);
  }
  return { where: found.map(([sql]) => sql).join(" and "), values: found.flatMap((one) => one.slice(1)) };
};

// Of each cut the group that an unknown cell belongs to; null where it may hide items of every group, as a cell without
// a region may: of an account that nobody reaches no regions are known.
const UNKNOWN_OF = {
  account: "case when role in ('workload', 'operations') then account_id end",
  region: "nullif(region, 'aws-global')",
  type: "(select any_value(resource_type) from explorer.listing where name = listing_name)",
};

export const load = async (engine, state, known) => {
  const by = state.by || "type";
  const column = columnOf(by, known);
  if (!column) {
    return { refused: by };
  }
  const { where, values } = conditions(state, known);
  const cells = scope(state);
  const [sum] = await engine.rows(
    `select count(*)::integer as items, count(*) filter (where is_stale)::integer as stale,
       min(last_seen_at) filter (where is_stale)::varchar as oldest,
       count(*) filter (where discovered_by <> 'listing')::integer as discovered
     from cmdb.resource where ${where}`, values);
  const groups = await engine.rows(
    `select coalesce(${column}, '')::varchar as label, count(*)::integer as items,
       count(*) filter (where is_stale)::integer as stale,
       count(*) filter (where discovered_by <> 'listing')::integer as discovered, 0::integer as unknown, '' as reasons
     from cmdb.resource where ${where} group by 1`, values);
  const judged = await engine.rows(
    `select is_judged, unknown_reason, count(*)::integer as cells from audit.expected_cell
     where ${cells.where} group by 1, 2 order by 3 desc`, cells.values);
  const gaps = await engine.rows(
    `select (${UNKNOWN_OF[by] ?? "null"})::varchar as label, count(*)::integer as unknown,
       string_agg(distinct unknown_reason, ', ' order by unknown_reason) as reasons
     from audit.expected_cell where not is_judged and ${cells.where} group by 1`, cells.values);
  // An account of which nothing is known has no row: it must not look as if it had nothing.
  for (const gap of gaps.filter((one) => one.label !== null && !groups.some((group) => group.label === one.label))) {
    groups.push({ label: gap.label, items: 0, stale: 0, discovered: 0, unknown: 0, reasons: "" });
  }
  for (const group of groups) {
    const own = gaps.filter((gap) => gap.label === group.label || gap.label === null);
    group.unknown = own.reduce((all, gap) => all + gap.unknown, 0);
    group.isJudged = judged.length > 0;
    group.unseen = unseen(state, known);
    group.reasons = [...new Set(own.flatMap((gap) => gap.reasons.split(", ")))].sort().join(", ");
  }
  groups.sort((one, other) => other.items - one.items || other.unknown - one.unknown || one.label.localeCompare(other.label));
  const services = state.service
    ? await engine.rows("select count(*)::integer as listings from ref.service_listing where service = ?", [state.service])
    : [{ listings: 1 }];
  const types = state.type
    ? await engine.rows("select count(*)::integer as listings from explorer.listing where resource_type = ?", [state.type])
    : [{ listings: 1 }];
  const model = { by, sum, groups, judged, unseen: unseen(state, known), isListed: services[0].listings > 0, isListedType: types[0].listings > 0 };
  if (state.rows) {
    model.table = await table.load(engine, {
      name: "items",
      source: `from cmdb.resource where ${where}`,
      values,
      sort: "account_id, region, resource_type, resource_id",
      state,
      columns: [
        { name: "resource_type", label: "Type", sql: "resource_type" },
        { name: "resource_id", label: "Id", sql: "resource_id" },
        { name: "name", label: "Name", sql: "name" },
        { name: "account_id", label: "Account", sql: "account_id" },
        { name: "region", label: "Region", sql: "region" },
        { name: "state", label: "State", sql: "state" },
        { name: "status", label: "Status", sql: "status" },
        ...known.keys.filter((key) => key.resource_column).map((key) => (
          { name: key.resource_column, label: key.tag_key, sql: key.resource_column })),
        { name: "is_stale", label: "Stale", sql: "is_stale", hidden: true },
        { name: "last_seen_at", label: "Last seen (UTC)", sql: "last_seen_at", kind: "time" },
        { name: "arn", label: "ARN", sql: "arn" },
        { name: "tags", label: "Tags", sql: "tags" },
        { name: "attributes", label: "Attributes", sql: "attributes", hidden: true },
      ],
      keys: { run_id: "run_id", role: "role", account_id: "caller_account_id", region: "cell_region", listing: "listing" },
    });
  }
  return model;
};

const labelled = (label, by, known) => {
  if (by === "account") {
    return known.accounts.get(label) ?? (label || "account not known");
  }
  return label || "(none)";
};

const narrowed = (label, by) => {
  if (by.startsWith("key:")) {
    return { key: by.slice(4), team: label || "(not tagged)", by: "type" };
  }
  return { [by]: label, by: by === "account" ? "type" : by === "type" ? "account" : "type" };
};

const DISCOVERED = "shown by AWS Config, tags or a group: there may be more";

const doubtOf = (group) => [
  group.stale ? `${count(group.stale)} stale` : "",
  group.discovered ? DISCOVERED : "",
  group.isJudged ? "" : "no cell shows that this is all",
  group.unknown ? `${plural(group.unknown, "cell")} unknown: ${group.reasons}` : "",
  group.unseen,
].filter(Boolean).join("; ");

const figureOf = (group) => {
  if (group.isJudged && !group.unknown && !group.discovered && !group.unseen) {
    return count(group.items);
  }
  return group.items ? `at least ${count(group.items)}` : "unknown";
};

export const view = (model, { state, known, navigate, showCell }) => {
  if (model.refused) {
    return html`<section id="answer" tabindex="-1" aria-label="Items"><p>Items are not divided by this.</p></section>`;
  }
  const { by, sum, groups, judged } = model;
  const reasons = trust.unknownCells(judged);
  const isUnknown = reasons.length > 0 || !model.isListed || !model.isListedType || sum.discovered > 0 || model.unseen;
  if (!model.isListed) {
    reasons.push(`No listing of the contract shows items of ${state.service}: what there is of it is unknown, not nothing.`);
  }
  if (!model.isListedType) {
    reasons.push(`No listing of the contract shows items of ${state.type}: what there is of it is known in part at most.`);
  }
  if (sum.discovered) {
    reasons.push(`${plural(sum.discovered, "item")} of types that no listing shows: ${DISCOVERED}.`);
  }
  if (model.unseen) {
    reasons.push(`${model.unseen}: what had gone by then is missing here; it is not zero.`);
  }
  if (sum.stale) {
    reasons.push(
      `${plural(sum.stale, "item")} are stale: the newest response about them is not trusted. They are as they were last seen, `
      + `the oldest at ${sum.oldest.slice(0, 16)} UTC.`);
  }
  const byName = cuts(known).find(([id]) => id === by)?.[1] ?? by;
  const rows = () => navigate({ rows: "1", sort: "", page: "", q: "" }, true);
  return html`
    <section id="answer" tabindex="-1" aria-label="Items">
      <div class="answer">
        <div class=${`total ${reasons.length ? "doubt" : ""}`}>
          <h2>Items there, ${isUpToNow(state.to, known) ? `${state.from} to now` : state.from === state.to ? state.from : `${state.from} to ${state.to}`}</h2>
          <p class="figure" data-total=${sum.items}>${reasons.length ? html`<span class="mark" aria-hidden="true">⚠</span> ` : nothing}${
            isUnknown && !sum.items ? "unknown" : isUnknown ? `at least ${count(sum.items)}` : count(sum.items)}</p>
          <p class="aside">as of the published run${state.rows ? nothing : html`, <button type="button" class="link" @click=${rows}>show the rows</button>`}</p>
        </div>
        ${trust.box(reasons, `All ${plural(judged.reduce((all, one) => all + one.cells, 0), "cell")} that this rests on are trusted.`)}
      </div>
      ${state.rows ? html`
        <p><button type="button" class="link" @click=${() => navigate({ rows: "", sort: "", page: "", q: "" }, true)}>← back to what it consists of</button></p>
        ${table.view(model.table, {
          navigate,
          what: "item",
          caption: "Items: each leads to the request that last showed it.",
          doubt: (row) => (row.is_stale === "true" ? "stale" : ""),
          untrusted: (row) => row.is_stale === "true",
          action: { button: "Who said so?", of: (row) => row.resource_id ?? row.arn, run: showCell },
        })}`
      : html`
        <div class="bar-of-table">
          <p class="found" role="status">By ${byName.toLowerCase()}: ${plural(groups.length, "group")}</p>
          <button type="button" class="save" ?disabled=${!groups.length} @click=${() => save(`items-by-${by.replace(/\W/g, "-")}.csv`, [
            "value,items,stale,unknown_cells,doubt\r\n",
            ...groups.map((group) => `${[
              csvCell(labelled(group.label, by, known)), group.items, group.stale, group.unknown, csvCell(doubtOf(group)),
            ].join(",")}\r\n`)])}>Download CSV</button>
        </div>
        <div class="scroll" tabindex="0" role="region" aria-label="What the number consists of">
          <table data-name="groups">
            <caption class="aside">Choose one to go on from there.</caption>
            <thead><tr><th scope="col">${byName}</th><th scope="col" class="number">Items</th><th scope="col">As it stands</th></tr></thead>
            <tbody>${groups.map((group) => {
              const why = doubtOf(group);
              return html`<tr class=${why ? "doubt untrusted" : ""}>
                <th scope="row"><button type="button" class="link" @click=${() => navigate(narrowed(group.label, by), true)}><bdi>${short(labelled(group.label, by, known))}</bdi></button></th>
                <td class="number">${figureOf(group)}</td>
                <td>${why ? html`<span class="why">⚠ ${why}</span>` : html`<span class="fine">✓</span>`}</td>
              </tr>`;
            })}</tbody>
          </table>
        </div>`}
    </section>`;
};
