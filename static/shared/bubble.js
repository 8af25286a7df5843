// One message of a conversation, on the board and on the browser phone. Text only, whatever it holds.

import { el } from "/static/shared/dom.js";
import { clockText, parseTime } from "/static/shared/time.js";

const ROLES = { user: "Caller", assistant: "Aurora", admin: "Supervisor", system: "Note" };

/** Builds a list item from a message as the API sends it. */
export function bubble({ role, content, timestamp, sources, source, admin_id: adminId }) {
  const at = parseTime(timestamp);
  const named = role === "admin" && adminId ? `${ROLES.admin} ${adminId}` : ROLES[role] ?? role;
  const from = Array.isArray(sources) ? sources.join(", ") : sources;
  return el("li", { class: "message", "data-role": role },
    el("p", { class: "from" },
      el("b", {}, named), " ",
      at === null ? null : el("time", { datetime: timestamp }, clockText(at)),
      source === "firebase" ? el("span", { class: "place" }, "in Firebase") : null),
    el("p", { class: "text" }, String(content ?? "")),
    from ? el("p", { class: "sources" }, `Source: ${from}`) : null);
}
