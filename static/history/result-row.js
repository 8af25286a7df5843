// A call of the history, or a message or a note that a search found, as one row.

import { el } from "/static/shared/dom.js";
import { dateAndTime, durationWords } from "/static/shared/time.js";
import { parseUrgency, urgencyBadge } from "/static/shared/urgency.js";

export const WHO = { user: "Caller", assistant: "Aurora", admin: "Supervisor", system: "Note" };

/** What supervisors write about a call. */
const NOTE = { admin_notes: "Notes", final_action: "Done in the end" };

/** A call as `/api/calls/history` lists it. */
export function callRow(call) {
  const seconds = call.duration_seconds;
  const length = seconds === null || seconds === undefined ? "goes on" : durationWords(seconds * 1000);
  return row(call, call.timestamp,
    el("span", { class: "total" }, length),
    el("span", { class: "last-words" }, [
      `${call.total_messages} ${call.total_messages === 1 ? "message" : "messages"}`,
      call.status === "ENDED" ? null : call.status.toLowerCase(),
      call.admin_id ? `with ${call.admin_id}` : null,
      call.end_reason ? `ended: ${call.end_reason.replaceAll("_", " ")}` : null,
      ...keptMarks(call),
    ].filter(Boolean).join(" · ")));
}

/** A message or a note as `/api/search` finds it. */
export function findRow(find) {
  return row(find, find.timestamp,
    el("span", { class: "total" }, find.status === "ENDED" ? "" : "goes on"),
    el("span", { class: "last-words" },
      keptMarks(find).map((it) => `${it} · `).join(""),
      el("b", {}, `${NOTE[find.found_in] ?? WHO[find.role] ?? find.role}: `), ...snippet(find.snippet)));
}

/** What is special about keeping this call. */
function keptMarks(item) {
  return [
    item.legal_hold ? "legal hold" : null,
    item.deleted_at ? `deleted ${dateAndTime(item.deleted_at)}` : null,
  ].filter(Boolean);
}

/** The words found stand between U+0001 and U+0002; everything else is text. */
export function snippet(text) {
  return String(text ?? "").split("\u0001").flatMap((part, at) => {
    if (at === 0) return [part];
    const [found, ...rest] = part.split("\u0002");
    return [el("mark", {}, found), rest.join("")];
  });
}

function row(item, timestamp, total, words) {
  const urgency = parseUrgency(item.urgency);
  return el("li", {
    class: "row-item", "data-call": item.call_id, "data-message": item.message_id ?? null,
    "data-urgency": urgency, "data-status": item.status,
  },
  urgencyBadge(urgency),
  el("button", { type: "button", class: "open", tabindex: "-1" },
    item.mobile_no || "Number withheld",
    el("span", { class: "visually-hidden" }, `, ${urgency.toLowerCase()}, ${dateAndTime(timestamp)}`)),
  el("span", { class: "times" },
    total, el("time", { datetime: timestamp, "aria-hidden": "true" }, dateAndTime(timestamp))),
  words);
}
