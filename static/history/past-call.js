// <past-call>: one call as it was. Everything said, and between it who did what; and what may be
// done with it.

import { get } from "/static/shared/api.js";
import { bubble } from "/static/shared/bubble.js";
import { el, setText } from "/static/shared/dom.js";
import { clockText, dateAndTime, parseTime } from "/static/shared/time.js";
import { parseUrgency, setUrgency, urgencyBadge } from "/static/shared/urgency.js";
import "/static/history/keep-call.js";
import "/static/shared/call-notes.js";

/** What the actions of a call are called; `value` is the new value. */
const DEEDS = {
  takeover: () => "took the call over",
  handback: () => "handed the call back to Aurora",
  urgency: (value) => `set the urgency to ${value}`,
  end: (value) => `ended the call (${String(value ?? "").replaceAll("_", " ")})`,
  legal_hold: (value) => (value === "on" ? "put a legal hold on the call" : "lifted the legal hold"),
  deleted: () => "deleted the call",
  restored: () => "had the call back",
  admin_notes: (value) => (value ? `wrote the notes: “${value}”` : "took the notes away"),
  final_action: (value) => (value ? `wrote what was done: “${value}”` : "took away what was done"),
  conflict: (value) => `changed what was changed elsewhere, too: ${String(value ?? "").replaceAll("_", " ")}`,
  conflict_restored: () => "put back what had not been kept",
  conflict_settled: () => "left what had been kept",
};

export class PastCall extends HTMLElement {
  callId = null;

  connectedCallback() {
    this.box = this.querySelector(".call");
    this.heading = this.querySelector("h2");
    this.facts = this.querySelector(".facts");
    this.keep = this.querySelector("keep-call");
    this.notes = this.querySelector("call-notes");
    this.problem = this.querySelector(":scope > .call > .problem");
    this.list = this.querySelector(".messages");
    this.badge = urgencyBadge("NORMAL");
    this.told = el("span");
    this.facts.append(this.badge, this.told);
    this.querySelector(".back").addEventListener("click", () => {
      this.dispatchEvent(new CustomEvent("close-side", { bubbles: true }));
    });
    // What was done stands between the words.
    this.addEventListener("call-kept", () => this.#read());
    this.addEventListener("call-written", () => this.#read());
  }

  /** Opens a call at one of its messages, or closes it with `null`. */
  async show(callId, messageId = null) {
    const isOther = callId !== this.callId;
    this.callId = callId;
    this.box.hidden = callId === null;
    this.querySelector(".choose").hidden = callId !== null;
    if (callId === null) return;
    if (isOther) {
      this.list.replaceChildren();
      setText(this.heading, "Reading…");
      this.facts.hidden = true;
      this.keep.hidden = this.notes.hidden = true;
      await this.#read();
    }
    if (this.callId === callId) this.#mark(messageId);
  }

  async #read() {
    const { callId } = this;
    try {
      const call = await get(`/api/calls/${encodeURIComponent(callId)}/conversation`);
      if (this.callId !== callId) return;
      setText(this.problem, "");
      this.#draw(call);
    } catch (err) {
      if (this.callId !== callId) return;
      this.list.replaceChildren();
      this.facts.hidden = true;
      this.keep.hidden = this.notes.hidden = true;
      setText(this.heading, "This call cannot be shown");
      setText(this.problem, err.message);
    }
  }

  #draw(call) {
    setText(this.heading, call.mobile_no || "Number withheld");
    setUrgency(this.badge, parseUrgency(call.urgency));
    setText(this.told, [
      call.status, call.medium, dateAndTime(call.timestamp),
      call.ended_at ? `ended ${dateAndTime(call.ended_at)}` : null,
      call.legal_hold ? "legal hold" : null,
    ].filter(Boolean).join(" · "));
    this.facts.hidden = false;
    this.keep.show(call);
    this.notes.hidden = false;
    this.notes.show(call);
    this.list.replaceChildren(...inOrder(call));
  }

  #mark(messageId) {
    for (const it of this.list.querySelectorAll("[data-found]")) it.removeAttribute("data-found");
    const found = messageId && this.list.querySelector(`[data-message="${CSS.escape(messageId)}"]`);
    if (!found) return;
    found.setAttribute("data-found", "");
    found.scrollIntoView({ block: "center" });
  }
}

/** Words and deeds by their times. */
function inOrder({ messages, actions }) {
  const all = [
    ...(actions ?? []).map((it) => ({ at: parseTime(it.timestamp) ?? 0, deed: it })),
    ...(messages ?? []).map((it) => ({ at: parseTime(it.timestamp) ?? 0, message: it })),
  ].sort((a, b) => a.at - b.at);
  let holder = null;
  return all.map(({ deed, message }) => {
    if (deed) {
      if (deed.action === "takeover") holder = deed.value ?? deed.by;
      return deedNode(deed);
    }
    // Words of before they bore a name. Who spoke in Firebase need not be who held the call here.
    const isHolders = message.role === "admin" && !message.admin_id && message.source !== "firebase";
    const node = bubble(isHolders ? { ...message, admin_id: holder } : message);
    node.setAttribute("data-message", message.message_id);
    return node;
  });
}

function deedNode({ timestamp, action, value, by, source }) {
  const at = parseTime(timestamp);
  const isElsewhere = source === "firebase";
  return el("li", { class: "deed", "data-source": source },
    el("b", {}, by ?? (isElsewhere ? "Somebody" : "Aurora")), ` ${DEEDS[action]?.(value) ?? action} `,
    isElsewhere ? el("span", { class: "place" }, "in Firebase") : null, isElsewhere ? " " : null,
    at === null ? null : el("time", { datetime: timestamp }, clockText(at)));
}

customElements.define("past-call", PastCall);
