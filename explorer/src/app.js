// The page: filters, four views, and the dialog of a cell. What is shown stands in the address, so it can be kept.
import { html, nothing, render } from "lit-html";
import * as cells from "./cells.js";
import * as cost from "./cost.js";
import { open } from "./engine.js";
import * as items from "./items.js";
import * as tables from "./tables.js";
import { plain, short } from "./words.js";

const VIEWS = { cost: ["Cost", cost], items: ["Items", items], cells: ["Cells", cells], tables: ["Tables", tables] };

const page = document.getElementById("page");
const dialog = document.getElementById("cell");
const answer = () => document.getElementById("answer");
const SEPARATOR = " · ";
const LATEST = 6;

let engine;
let known;
let drawing = 0;
let isGoingOn = false;

const initial = () => ({ view: "cost", from: known.months[Math.max(0, known.months.length - LATEST)], to: known.months.at(-1) });

const stateOf = () => {
  const state = { ...initial(), ...Object.fromEntries(new URLSearchParams(location.hash.slice(1))) };
  if (!VIEWS[state.view]) {
    state.view = "cost";
  }
  for (const end of ["from", "to"]) {
    if (!known.months.includes(state[end])) {
      state[end] = initial()[end];
    }
  }
  if (state.from > state.to) {
    [state.from, state.to] = [state.to, state.from];
  }
  if (state.account && !known.accounts.has(state.account)) {
    delete state.account;
  }
  if (state.key && !known.keys.some((key) => key.tag_key === state.key)) {
    delete state.key;
    delete state.team;
  }
  return state;
};

/** Show something else; `goesOn` where what was chosen is gone from the page then, and the answer is to be read next. */
const navigate = (changes, goesOn = false) => {
  isGoingOn = goesOn;
  const state = { ...stateOf(), ...changes };
  // Other filters show other rows.
  if (!("page" in changes) && !("sort" in changes)) {
    delete state.page;
  }
  const kept = Object.entries(state).filter(([name, value]) => value && initial()[name] !== value);
  location.hash = new URLSearchParams(kept).toString();
};

const showCell = async (row, columns, hasCell) => {
  render(html`<p class="waiting" role="status">Looking…</p>`, dialog);
  dialog.showModal();
  try {
    const found = hasCell ? await cells.find(engine, row) : null;
    render(cells.dialog(found, row, columns), dialog);
  } catch (error) {
    render(failed(error), dialog);
  }
  dialog.querySelector("button")?.focus();
};

const chooseAccount = (event) => {
  const text = event.target.value.trim();
  const id = text.split(SEPARATOR)[0];
  const isKnown = text === "" || known.accounts.has(id);
  event.target.setCustomValidity(isKnown ? "" : "No account of the dataset. Choose one of the list.");
  event.target.reportValidity();
  if (isKnown) {
    navigate({ account: text === "" ? "" : id });
  }
};

const chooseListed = (name, all) => (event) => {
  const text = event.target.value;
  const isKnown = text === "" || all.includes(text);
  event.target.setCustomValidity(isKnown ? "" : "Not in the dataset. Choose one of the list.");
  event.target.reportValidity();
  if (isKnown) {
    navigate({ [name]: text });
  }
};

const options = (list, chosen) => list.map(([value, label]) => html`<option .value=${value} ?selected=${value === chosen}>${label}</option>`);

const filters = (state) => {
  const [, module] = VIEWS[state.view];
  const months = known.months.map((month) => [month, month]);
  const last = known.months.map((month) => [month, module.isUpToNow?.(month, known) ? "now" : month]);
  const teams = known.teams.get(state.key) ?? [];
  const by = state.by || (state.view === "items" ? "type" : "account");
  return html`
    <form class="filters" aria-label="Filters" @submit=${(event) => event.preventDefault()}>
      <div><label for="from">From</label><select id="from" @change=${(event) => navigate({ from: event.target.value })}>${options(months, state.from)}</select></div>
      <div><label for="to">To</label><select id="to" @change=${(event) => navigate({ to: event.target.value })}>${options(last, state.to)}</select></div>
      <div class="long"><label for="account">Account</label>
        <input id="account" list="accounts" autocomplete="off" spellcheck="false" placeholder="every account"
          .value=${state.account ? known.accounts.get(state.account) : ""} @change=${chooseAccount}>
        <datalist id="accounts">${[...known.accounts.values()].map((name) => html`<option .value=${name}></option>`)}</datalist></div>
      <div class="long"><label for="service">Service</label>
        <input id="service" list="services" autocomplete="off" spellcheck="false" placeholder="every service"
          .value=${state.service ?? ""} @change=${chooseListed("service", known.services)}>
        <datalist id="services">${known.services.map((name) => html`<option .value=${name}></option>`)}</datalist></div>
      <div><label for="key">Team by</label><select id="key" @change=${(event) => navigate({ key: event.target.value, team: "" })}>
        ${options([["", "no tag"], ...known.keys.map((key) => [key.tag_key, key.tag_key])], state.key ?? "")}</select></div>
      <div class="long"><label for="team">Team</label>
        <input id="team" list="teams" autocomplete="off" spellcheck="false" ?disabled=${!state.key}
          placeholder=${state.key ? "every value" : "choose a tag first"} .value=${state.team ?? ""} @change=${chooseListed("team", teams)}>
        <datalist id="teams">${teams.map((name) => html`<option .value=${name}></option>`)}</datalist></div>
      ${module.cuts && !state.rows ? html`<div><label for="by">Divide by</label><select id="by" @change=${(event) => navigate({ by: event.target.value })}>${
        options(module.cuts(known), by)}</select></div>` : nothing}
      ${module.measures ? html`<div><label for="measure">Amount</label><select id="measure" @change=${(event) => navigate({ measure: event.target.value })}>${
        options(module.measures(known), state.measure || (known.reporting ? "reporting-unblended" : "unblended"))}</select></div>` : nothing}
      <div class="reset"><button type="button" @click=${() => navigate({
        account: "", service: "", key: "", team: "", type: "", region: "", status: "", by: "", rows: "", q: "", sort: "", measure: "",
        ...initial(), view: state.view,
      })}>Reset</button></div>
    </form>
    ${narrower(state)}`;
};

// What was chosen in a table and is in no field above.
const narrower = (state) => {
  const chosen = ["type", "region", "status"].filter((name) => state[name] && state.view === "items");
  return chosen.length ? html`<p class="chosen">Only ${chosen.map((name) => html`
    <button type="button" class="chip" @click=${() => navigate({ [name]: "" })} aria-label=${`No longer only ${state[name]}`}>${
      name} <bdi>${plain(state[name])}</bdi> <span aria-hidden="true">✕</span></button>`)}</p>` : nothing;
};

const tabs = (state) => html`
  <nav class="views" aria-label="Views"><ul>
    ${Object.entries(VIEWS).map(([id, [label]]) => html`<li><a href=${`#${new URLSearchParams({
      ...Object.fromEntries(["from", "to", "account", "service", "key", "team"].filter((name) => state[name] && initial()[name] !== state[name]).map((name) => [name, state[name]])),
      ...(id === "cost" ? {} : { view: id }),
    })}`} aria-current=${id === state.view ? "page" : nothing}>${label}</a></li>`)}
  </ul></nav>`;

const frame = (state, content) => html`
  <header>
    <h1>What the organisation holds and costs</h1>
    <p class="aside">Published run of ${plain(known.about.as_of)} · file ${plain(known.about.published)} · version ${plain(known.about.version)} ·
      <a href="report.html">the report of this run</a> · <a href="licenses.txt">licences</a></p>
  </header>
  ${tabs(state)}
  <main>
    ${filters(state)}
    ${content}
  </main>`;

const failed = (error) => html`<section id="answer" tabindex="-1" aria-label="Failure"><div class="trust doubtful" role="alert"><h3>⚠ No answer</h3><p>${plain(error.message ?? error)}</p></div></section>`;

const draw = async () => {
  drawing += 1;
  const mine = drawing;
  const state = stateOf();
  const [label, module] = VIEWS[state.view];
  document.title = `${label} — aws-org-cmdb`;
  page.setAttribute("aria-busy", "true");
  let content;
  try {
    const model = await module.load(engine, state, known);
    content = module.view(model, { state, known, navigate, showCell });
  } catch (error) {
    content = failed(error);
  }
  // A later choice has overtaken this one.
  if (mine === drawing) {
    render(frame(state, content), page);
    page.setAttribute("aria-busy", "false");
    if (isGoingOn) {
      isGoingOn = false;
      answer()?.focus();
    }
    performance.mark("answered");
  }
};

const learn = async () => {
  const about = Object.fromEntries((await engine.rows("select name, value from explorer.about")).map((row) => [row.name, row.value]));
  const choices = await engine.rows("select kind, value, label, parent from explorer.choice order by kind, parent, label, value");
  const offered = (kind) => choices.filter((row) => row.kind === kind);
  const keys = await engine.rows(
    `select key.tag_key, key.resource_column, key.is_cut_by_service as by_service, status.verdict
     from ref.tag_key as key left join cost.tag_key_status as status using (tag_key) order by 1`);
  const [first] = await engine.rows("select min(started_at)::date::varchar as day from audit.run where outcome = 'published'");
  const here = new Date().toISOString().slice(0, 7);
  return {
    about,
    since: first.day,
    months: offered("month").length ? offered("month").map((row) => row.value) : [here],
    accounts: new Map(offered("account").map((row) => [row.value, row.label ? `${row.value}${SEPARATOR}${short(row.label)}` : row.value])),
    services: offered("service").map((row) => row.value),
    keys,
    teams: new Map(keys.map(({ tag_key: key }) => [
      key, offered("team").filter((row) => row.parent === key).map((row) => row.value || cost.UNTAGGED)])),
    reporting: offered("currency")[0]?.value ?? null,
  };
};

// The address holds what is shown, so the way to the figures is no address.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  answer()?.focus();
});

try {
  page.replaceChildren();
  render(html`<main><p class="waiting" role="status">Opening the dataset…</p></main>`, page);
  engine = await open();
  performance.mark("opened");
  known = await learn();
  performance.mark("learned");
  addEventListener("hashchange", draw);
  await draw();
} catch (error) {
  render(html`<main>${failed(error)}</main>`, page);
}
