// Numbers and names as people read them, and elements as they are made.

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export const LETTERS = ["a", "c", "r", "g", "q"];
export const LETTER_NAMES = {
  a: "accepted", c: "clipped and counted", r: "rejected", g: "refused at the gate", q: "kept out by trust", ".": "no update",
};

export const count = (value) => (Number.isFinite(value) ? whole.format(value) : "–");
export const percent = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "–");

export function small(value) {
  if (!Number.isFinite(value)) return "–";
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1).replace("e-", " × 10⁻").replace(/⁻(\d+)$/, (_, n) => "⁻" + [...n].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join(""));
  return short.format(value);
}

export function duration(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s` : `${(ms / 60000).toFixed(1)} min`;
}

export function ago(seconds, now = Date.now() / 1000) {
  const past = Math.max(now - seconds, 0);
  if (past < 60) return "just now";
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 86400) return `${Math.floor(past / 3600)} h ago`;
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
export const spaced = (name) => name.replaceAll("_", " ");
export const shortName = (name) => name.replace(/^swarmlore-/, "");
export const accuracyOf = (record) => record.evaluation?.accuracy ?? null;
export const byId = (id) => document.getElementById(id);

/** An element: `make("p", { class: "note" }, "text", child)`. Text stays text: nothing from the swarm becomes markup. */
export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Sets text only where it changed, so that a screen reader and a selection are left alone. */
export function say(id, text) {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
}

/** A table with a caption, from rows of text. The first cell of each row is its heading. */
export function table(caption, columns, rows) {
  const head = make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, name)));
  const body = rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((cell) => make("td", {}, cell))));
  return make("table", {}, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...body));
}
