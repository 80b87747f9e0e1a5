// What speaks against taking a figure as it stands. A figure is plain only where nothing does.
import { html } from "lit-html";
import { count, plain, plural } from "./words.js";

/** A box with every reason, or one sentence where there is none. */
export const box = (reasons, clear) => (reasons.length
  ? html`
    <div class="trust doubtful" role="note">
      <h3>⚠ Not the whole, or not final</h3>
      <ul>${reasons.map((reason) => html`<li>${plain(reason)}</li>`)}</ul>
    </div>`
  : html`<div class="trust clear" role="note"><p>✓ ${clear}</p></div>`);

/** What is unknown of the cells that a figure rests on. Where it rests on none, nobody was asked: that is no zero either. */
export const unknownCells = (cells) => {
  const all = cells.reduce((sum, cell) => sum + Number(cell.cells), 0);
  if (!all) {
    return ["No cell shows what there is of it: that is unknown, not nothing."];
  }
  const unknown = cells.filter((cell) => !cell.is_judged);
  if (!unknown.length) {
    return [];
  }
  const missing = unknown.reduce((sum, cell) => sum + Number(cell.cells), 0);
  const why = unknown.map((cell) => `${cell.unknown_reason} ${count(cell.cells)}`).join(", ");
  return [
    `${count(missing)} of ${plural(all, "cell")} that this rests on are unknown (${why}). `
    + "What they hold is missing here; it is not zero.",
  ];
};

const isInUse = (key) => !key || key.verdict === "used";

/** Whether no row is an answer: every cell is known, none of them has such a row, and the bill has the key, if any. */
export const isNone = (sum, cells, key) => (
  !sum && cells.length > 0 && cells.every((cell) => cell.is_judged) && isInUse(key));

/** Of a sum of the bill: what its rows say of themselves, and the months that it is over. */
export const ofBill = (sum, months, cells, measure, key) => {
  const reasons = cells.length ? unknownCells(cells) : ["No cell shows that the bill of these months was requested in this cut."];
  const names = (chosen) => chosen.map((one) => one.month.slice(0, 7)).join(", ");
  if (Number(sum?.stale_rows)) {
    reasons.push(
      `${count(sum.stale_rows)} of ${plural(sum.row_count, "row")} are stale: the newest response about them is not `
      + `trusted, so they are as they were at ${sum.oldest.slice(0, 16)} UTC or later.`);
  }
  if (measure.isReporting && Number(sum?.unconverted_rows)) {
    reasons.push(`${plural(sum.unconverted_rows, "row")} have no exchange rate and are missing in this sum.`);
  }
  if (measure.isNet && Number(sum?.rows_without_net)) {
    reasons.push(`Of ${plural(sum.rows_without_net, "row")} AWS gives no net amount: they are missing in this sum.`);
  }
  if (measure.isReporting && Number(sum?.example_rate_rows)) {
    reasons.push(`${plural(sum.example_rate_rows, "row")} are converted by an example rate that nobody published.`);
  }
  const missing = months.filter((one) => Number(one.days_missing) > 0);
  if (missing.length) {
    reasons.push(`Days are missing in ${names(missing)}: the sum may be too small.`);
  }
  const running = months.filter((one) => one.is_final !== "true");
  if (running.length) {
    const through = running.map((one) => one.through_date).filter(Boolean).sort().at(-1);
    reasons.push(
      `AWS may still change ${names(running)}${through ? `; the bill is complete through ${through} (UTC)` : ""}.`);
  }
  const foreign = months.filter((one) => one.bill_domain !== "own");
  if (foreign.length) {
    reasons.push(`${names(foreign)} is not read from the organisation's own bill (${foreign[0].bill_domain}).`);
  }
  if (!isInUse(key)) {
    reasons.push(`The tag ${key.tag_key} is ${key.verdict ?? "not known to the bill"}: what carries it is unknown, not nothing.`);
  }
  return reasons;
};

/** Whether rows of a group are not what AWS says now, or missing in it; what AWS may still change is so as it stands. */
export const isUntrusted = (group, measure) => Boolean(
  Number(group.stale_rows) || (measure.isReporting && Number(group.unconverted_rows))
  || (measure.isNet && Number(group.rows_without_net)));

/** The same of one group of the sum, in a few words. */
export const ofGroup = (group, measure) => {
  const words = [];
  if (Number(group.stale_rows)) {
    words.push("stale");
  }
  if (measure.isReporting && Number(group.unconverted_rows)) {
    words.push("without a rate in part");
  }
  if (measure.isNet && Number(group.rows_without_net)) {
    words.push("net unknown in part");
  }
  if (measure.isReporting && Number(group.example_rate_rows)) {
    words.push("example rate");
  }
  if (Number(group.estimated_rows)) {
    words.push("may change");
  }
  return words.join(", ");
};
