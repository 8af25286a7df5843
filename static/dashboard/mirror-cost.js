// What the mirror has cost, as a table: a row a number, a column a span of time. What the server
// does not tell has no row.

import { el } from "/static/shared/dom.js";

const ROWS = [
  ["requests", "Requests", (n) => n.toLocaleString()],
  ["paths", "Values", (n) => n.toLocaleString()],
  ["bytes_up", "Sent", bytesText],
  ["bytes_down", "Received", bytesText],
  ["usd", "Bill for what was received", usdText],
];

/** @returns {HTMLElement[]} nothing where nothing is known */
export function costParts(cost) {
  if (!cost || typeof cost !== "object") return [];
  const columns = [["Today", { ...cost.today, usd: cost.usd?.downloaded_today }],
    ["This month", { ...monthOf(cost.days ?? []), usd: cost.usd?.downloaded_this_month }]];
  const rows = ROWS.filter(([name]) => columns.some(([, it]) => Number.isFinite(it[name])));
  const told = [
    cost.stored_bytes > 0 ? `Stored there: about ${bytesText(cost.stored_bytes)}, ${usdText(cost.usd?.stored_a_month ?? 0)} a month.` : null,
    cost.per_call?.bytes_up > 0 ? `A call: about ${Math.round(cost.per_call.paths)} values, ${bytesText(cost.per_call.bytes_up)}.` : null,
  ].filter(Boolean).join(" ");
  if (rows.length === 0) return [];
  const table = el("table", { class: "cost" },
    el("caption", {}, "Traffic with Firebase"),
    el("thead", {}, el("tr", {}, el("td"), ...columns.map(([title]) => el("th", { scope: "col" }, title)))),
    el("tbody", {}, ...rows.map(([name, title, text]) => el("tr", {},
      el("th", { scope: "row" }, title),
      ...columns.map(([, it]) => el("td", {}, Number.isFinite(it[name]) ? text(it[name]) : "–"))))));
  return told ? [table, el("p", { class: "small muted" }, told)] : [table];
}

/** The sum of the days of the month of the latest; days are counted by UTC. */
function monthOf(days) {
  const month = new Date().toISOString().slice(0, "2026-11".length);
  const sum = {};
  for (const day of days.filter((it) => String(it.date).startsWith(month))) {
    for (const [name] of ROWS) if (Number.isFinite(day[name])) sum[name] = (sum[name] ?? 0) + day[name];
  }
  return sum;
}

/** `950 B`, `1.2 kB`, `3.4 MB`. */
export function bytesText(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let size = n;
  for (; size >= 1000 && at < units.length - 1; at++) size /= 1000;
  return `${at === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
}

function usdText(n) {
  return n > 0 && n < 0.01 ? "under $0.01" : `$${n.toFixed(2)}`;
}
