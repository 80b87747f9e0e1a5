// How values are shown. Whoever may tag a resource writes names: lit-html escapes them, and `plain` makes visible what
// hides or reverses text, as pipelines/plain_text.py does.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]/gu;
const JOINER = "\u200d";

export const plain = (text) => String(text).replace(HIDDEN, (sign) => (
  sign === JOINER ? "" : `⟨U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`));

/** A name as it is shown where many stand; the whole is in the download. */
export const short = (text, longest = 90) => {
  const whole = plain(text);
  return whole.length > longest ? `${whole.slice(0, longest)}…` : whole;
};

export const count = (number) => Number(number).toLocaleString("en");

const MONEY = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** An amount that DuckDB gave as text, and whose digits are rounded as text; a number tells its sign and smallness alone. */
export const money = (text, currency = "") => {
  if (text === null || text === undefined) {
    return "unknown";
  }
  const isTiny = Number(text) !== 0 && Math.abs(Number(text)) < 0.005;
  return `${currency} ${isTiny ? `${Number(text) < 0 ? "> −" : "< "}0.01` : MONEY.format(text)}`.trim();
};

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${Number(number) === 1 ? one : many}`;

// As in plain_text.as_csv_cell: no text becomes a formula; a number is none.
export const csvCell = (text, isNumber) => {
  if (text === null || text === undefined) {
    return "";
  }
  const harmless = !isNumber && /^[\t\r\n]|^[\s\p{C}]*[=+\-@＝＋－＠﹢﹣﹦﹫]/u.test(text) ? `'${text}` : String(text);
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
};

export const save = (name, parts) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", ...parts], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
};

export const identifier = (name) => `"${name.replaceAll('"', '""')}"`;
