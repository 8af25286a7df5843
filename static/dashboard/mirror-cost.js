// What the mirror has cost, as a table: a row a number, a column a span of time. What the server
// does not tell has no row.

import { el } from "/static/shared/dom.js";

const SPANS = [["today", "Today"], ["month", "This month"]];
const ROWS = [
  ["requests", "Requests", (n) => n.toLocaleString()],
  ["paths", "Values", (n) => n.toLocaleString()],
  ["bytes_up", "Sent", bytesText],
  ["bytes_down", "Received", bytesText],
  ["bill_usd", "Bill, about", (n) => `$${n.toFixed(n < 1 ? 4 : 2)}`],
];

/** @returns {HTMLElement|null} nothing where nothing is known */
export function costTable(cost) {
  if (!cost || typeof cost !== "object") return null;
  const spans = SPANS.filter(([name]) => cost[name] && typeof cost[name] === "object");
  const columns = spans.length > 0 ? spans.map(([name, title]) => [title, cost[name]]) : [["So far", cost]];
  const rows = ROWS.filter(([name]) => columns.some(([, it]) => Number.isFinite(it[name])));
  if (rows.length === 0) return null;
  return el("table", { class: "cost" },
    el("caption", {}, "Traffic with Firebase"),
    el("thead", {}, el("tr", {}, el("td"), ...columns.map(([title]) => el("th", { scope: "col" }, title)))),
    el("tbody", {}, ...rows.map(([name, title, text]) => el("tr", {},
      el("th", { scope: "row" }, title),
      ...columns.map(([, it]) => el("td", {}, Number.isFinite(it[name]) ? text(it[name]) : "–"))))));
}

/** `950 B`, `1.2 kB`, `3.4 MB`. */
export function bytesText(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let size = n;
  for (; size >= 1000 && at < units.length - 1; at++) size /= 1000;
  return `${at === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
}
